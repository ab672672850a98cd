"""Who is in the atlas: scans with valid outputs on disk, those that are left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import attrs
import pandas as pd

from ...config.processing import Processing
from ...config.settings import Settings
from ...interfaces.derivatives.names import ScanNames, method_label
from ...interfaces.derivatives.scan_record import ScanRecord, all_outputs_exist, read_scan_record
from ...interfaces.files.folders import files_in
from ...interfaces.files.text import people, some
from ...interfaces.group.records import GroupScan
from ...interfaces.group.sessions import Choice, acquisition_times, one_scan_each
from ...interfaces.reports.group.story import Excluded
from ...interfaces.scan.records import out_of_atlas
from ..scan.plan import PlannedScan


@attrs.frozen(kw_only=True)
class Member:
    """A scan with outputs on disk."""

    scan: str
    folder: Path
    stem: str
    """``folder``, ``stem``: Where its outputs lie and what their names begin with."""
    records: Mapping[str, ScanRecord]
    """``_registration.json`` by method."""


def find_members(out_dir: Path, template: str, resolution: int) -> list[Member]:
    """Scans with complete outputs of at least one method, sorted by label."""
    found: dict[tuple[Path, str], dict[str, ScanRecord]] = {}
    times: dict[tuple[Path, str], int] = {}
    tail = f"_space-{template}_res-{resolution}_desc-*_registration.json"
    for path in files_in(out_dir, f"sub-*/anat/*{tail}", f"sub-*/ses-*/anat/*{tail}"):
        record = read_scan_record(path)
        if record is None or not record.fits_the_atlas:
            continue
        stem = path.name.split("_space-")[0]
        named = path.name.endswith(f"_desc-{method_label(record.method)}_registration.json")
        if named and all_outputs_exist(out_dir, record.outputs):
            found.setdefault((path.parent, stem), {})[record.method] = record
            times[path.parent, stem] = max(times.get((path.parent, stem), 0), path.stat().st_mtime_ns)
    members: dict[str, Member] = {}
    # of two images of one session, those whose results are newer
    for (folder, stem), records in sorted(found.items(), key=lambda item: times[item[0]]):
        label = _label(folder.relative_to(out_dir))
        members[label] = Member(scan=label, folder=folder, stem=stem, records=records)
    return sorted(members.values(), key=lambda member: member.scan)


@attrs.frozen(kw_only=True)
class Selection:
    """Scans of the atlas."""

    inputs: list[Member]
    """One scan of each participant."""
    excluded: list[Excluded]
    """The others."""
    flow: list[tuple[str, int]]
    """How many scans are left after each step, from the dataset to the atlas."""
    doubtful: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    """``doubtful``, ``confirmed``: Scans with doubts that are left out, and that a user has let in."""
    unasked: Mapping[str, str] = attrs.field(factory=dict)
    """As :attr:`~gliomorph.interfaces.group.sessions.Choice.unasked`."""

    @property
    def notices(self) -> list[str]:
        """What a user must know of who was chosen and who was left out."""
        texts = _of_several(self.unasked)
        if self.doubtful:
            count = f"{len(self.doubtful)} doubtful scan{'s are' if len(self.doubtful) > 1 else ' is'}"
            texts.append(f"{count} {out_of_atlas(some(self.doubtful, ' '))}")
        return texts


def select(
    members: Sequence[Member],
    planned: Sequence[PlannedScan],
    causes: Mapping[str, tuple[str, str]],
    method: str,
    settings: Settings,
) -> Selection:
    """Who is in the atlas, and who is not and why."""
    current = {p.scan.label: p for p in planned}
    passed: list[Member] = []
    excluded: list[Excluded] = []
    for member in members:
        record = member.records.get(method)
        plan = current.get(member.scan)
        if record is None or (plan and _is_outdated(record, plan, method, settings)):
            continue
        if record.quality["status"] not in ("ok", "doubtful"):
            cause = record.quality["reason"]
            excluded.append(Excluded(scan=member.scan, stage="measure", cause=cause))
        elif plan is None or plan.status != "impossible" or _masks_not_named(plan, settings):
            passed.append(member)
    valid, good = len(passed) + len(excluded), len(passed)
    quality = {member.scan: member.records[method].quality for member in passed}
    doubts = {scan: row["reason"] for scan, row in quality.items() if row["status"] == "doubtful"}
    confirmed = tuple(scan for scan in doubts if settings.atlas.confirms(scan))
    doubtful = {scan: reason for scan, reason in doubts.items() if scan not in confirmed}
    for scan, reason in doubtful.items():
        excluded.append(Excluded(scan=scan, stage="doubtful", cause=f"{reason}: {out_of_atlas(scan)}"))
    passed = [member for member in passed if member.scan not in doubtful]
    choice = _one_scan_each([member.scan for member in passed], settings)
    excluded += [Excluded(scan=scan, stage="atlas", cause=cause) for scan, cause in choice.left_out.items()]
    inputs = [member for member in passed if member.scan not in choice.left_out]
    named = {m.scan for m in inputs} | {row.scan for row in excluded}
    for label, plan in current.items():
        if label not in named:
            stage, cause = causes.get(label, ("participant", plan.reason or f"no outputs of {method} yet"))
            excluded.append(Excluded(scan=label, stage=stage, cause=cause))
    flow = [
        ("in the dataset or of earlier runs", len(inputs) + len(excluded)),
        (f"with a valid registration by {method}", valid),
        ("passed the quality gate", good),
    ]
    if doubts:
        told = f", or confirmed ({some(confirmed)})" if confirmed else ""
        flow.append((f"without doubts about the mask{told}", len(passed)))
    how = "".join(f" ({text})" for text in _of_several(choice.unasked))
    flow.append((f"in the atlas, one of each participant{how}", len(inputs)))
    return Selection(
        inputs=inputs,
        excluded=sorted(excluded, key=lambda row: row.scan),
        flow=flow,
        doubtful=tuple(doubtful),
        confirmed=confirmed,
        unasked=choice.unasked,
    )


def _one_scan_each(scans: Sequence[str], settings: Settings) -> Choice:
    """By ``--atlas-session``; of what is not asked for, by when the sessions took place."""
    wanted = settings.atlas.atlas_session
    return one_scan_each(scans, wanted, {} if wanted else acquisition_times(settings.bids_dir, scans))


def _of_several(unasked: Mapping[str, str]) -> list[str]:
    """Notices of participants whose scan was chosen of several: a sentence for each way, and how to choose another."""
    ways: dict[str, list[str]] = {}
    for scan, how in unasked.items():
        ways.setdefault(how, []).append(scan)
    return [
        f"{people(len(scans))} with several scans: {some(scans)} count{'s' * (len(scans) == 1)}, {how}; "
        "choose with --atlas-session"
        for how, scans in sorted(ways.items())
    ]


def _is_outdated(record: ScanRecord, plan: PlannedScan, method: str, settings: Settings) -> bool:
    """Whether a run would make the outputs anew: from other inputs or by other options."""
    if record.tumor.sources and _masks_not_named(plan, settings):
        return False
    return plan.input_keys.get(method) not in (None, record.inputs_key)


def _masks_not_named(plan: PlannedScan, settings: Settings) -> bool:
    """``gliomorph BIDS OUT group`` without -d or --weights: the masks of the earlier run are not in question."""
    return not (plan.scan.problem or settings.inputs.derivatives or settings.processing.weights)


def registration_of(method: str, inputs: Sequence[Member]) -> str:
    """The method, and how far its answers were refined by the scans' records."""
    iterations = sorted({int(member.records[method].registration.get("refine", 0)) for member in inputs})
    if not any(iterations):
        return method
    return f"{method}, refined by {' or '.join(map(str, iterations))} iterations of optimisation"


def kept_path(processing: Processing, work_dir: Path, name: str) -> str:
    """Where something is kept for the next time: by template, resolution and method, for scans of each are others."""
    method = method_label(processing.registration[0])
    place = f"{processing.template}_res-{processing.resolution}_{method}"
    return str(work_dir / "atlas" / f"{place}_{name}")


def scan_files(
    inputs: Sequence[Member], method: str, processing: Processing, out_dir: Path
) -> tuple[GroupScan, ...]:
    """The atlas' scans with their published files.

    Where some primary images are T1-weighted, those of other sequences have no part in the mean image.
    """
    scans = []
    suffixes = {member.scan: _suffix(member, method, processing) for member in inputs}
    for member in inputs:
        names = ScanNames(
            label=member.scan,
            folder=PurePosixPath(member.folder.relative_to(out_dir)),
            stem=member.stem,
            template=processing.template,
            resolution=processing.resolution,
            source="",
            suffix=suffixes[member.scan],
        ).registered(method)
        record = member.records[method]
        kind = "dseg" if record.tumor.kind == "dseg" else "mask"
        wanted = {key: names[key] for key in ("warped", "coverage", "forward_xfm", "healthy", "residual")}
        bundle = {"tumor": names[kind]} | wanted
        published = set(record.outputs)
        files = {key: out_dir / name for key, name in bundle.items() if name in published}
        key = record.key
        if "T1w" in suffixes.values() and suffixes[member.scan] != "T1w":
            files.pop("warped", None)
            key = f"{key} without its image"
        scans.append(GroupScan(label=member.scan, kind=kind, key=key, files=files))
    return tuple(scans)


def sources_of(scans: Sequence[GroupScan], out_dir: Path) -> tuple[dict[str, str], ...]:
    """For each scan its kind and the BIDS URIs of its files."""
    return tuple(
        {"kind": scan.kind}
        | {name: f"bids::{scan.files[name].relative_to(out_dir).as_posix()}" for name in scan.files}
        for scan in scans
    )


def _suffix(member: Member, method: str, processing: Processing) -> str:
    """The primary image's suffix, from the warped image that lies beside the record."""
    space = f"_space-{processing.template}_res-{processing.resolution}_desc-{method_label(method)}"
    found = sorted(member.folder.glob(f"{member.stem}{space}_*.nii.gz"))
    return found[0].name.split(".")[0].rsplit("_", 1)[-1] if found else "T1w"


def quality_table(members: Sequence[Member], selection: Selection) -> str:
    """``group_quality.tsv``: a row a scan and method, with what the selection has made of the scan."""
    rows = []
    for member in members:
        subject, _, session = member.scan.partition("_")
        for method, record in sorted(member.records.items()):
            first = {"participant_id": subject, "session_id": session or "n/a", "method": method}
            mask = {
                "mask_source": ", ".join(record.tumor.sources) or "student network",
                "mask_frame": record.tumor.frame,
                "tumor_share_of_brain": record.tumor.share_of_brain,
            }
            measures = {k: v for k, v in record.quality.items() if k != "method"}
            if member.scan in selection.confirmed and measures["status"] == "doubtful":
                measures["status"] = "confirmed"
            if how := selection.unasked.get(member.scan):
                told = f"of the participant's scans {how}: choose with --atlas-session"
                measures["flag"] = "; ".join(filter(None, [measures["flag"], told]))
            rows.append(first | {k: measures.pop(k) for k in ("status", "reason", "flag")} | measures | mask)
    text: str = pd.DataFrame(rows).replace("", "n/a").to_csv(sep="\t", index=False, na_rep="n/a")
    return text


def _label(folder: Path) -> str:
    return "_".join(part for part in folder.parts if part.startswith(("sub-", "ses-")))
