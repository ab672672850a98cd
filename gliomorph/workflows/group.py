"""The group level: the atlas of every scan that has valid outputs on disk, and its page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pandas as pd
from pydra.compose import workflow
from rich.console import Console

import gliomorph

from ..interfaces.atlas import Atlas, read_record
from ..interfaces.cohort_page import CohortPage
from ..interfaces.images import write_text
from ..interfaces.prepare_template import TemplateFiles
from ..interfaces.publish_group import PublishGroup
from ..interfaces.task import File
from ..interfaces.tumor import REGIONS
from ..settings import Settings, method_label
from .names import ATLAS, ScanNames, group_names
from .participants import cache_folder
from .plan import SPATIAL_REFERENCES, PlannedScan
from .progress import Board
from .state import all_outputs_exist, code_hash, key_of
from .sweep import swept
from .worker import PoolWorker, submitting

CITATIONS = (
    "Maillard M. Towards the generation of glioblastoma atlases with deep learning methods: tumor segmentation and "
    "metamorphic image registration. PhD thesis, IP Paris, 2023.",
    "Tustison NJ et al. N4ITK: improved N3 bias correction. IEEE Trans Med Imaging 29:1310-1320, 2010.",
    "Avants BB et al. Symmetric diffeomorphic image registration with cross-correlation. Med Image Anal "
    "12:26-41, 2008.",
    "Rohlfing T et al. The SRI24 multichannel atlas of normal adult human brain structure. Hum Brain Mapp "
    "31:798-819, 2010.",
)


@attrs.frozen(kw_only=True)
class Member:
    """A scan with outputs on disk.

    Attributes
    ----------
    scan : str
    folder, stem : str
        Where its outputs lie and what their names begin with.
    records : mapping of str to dict
        ``_registration.json`` by method.
    """

    scan: str
    folder: Path
    stem: str
    records: Mapping[str, dict[str, Any]]


@workflow.define(outputs={"published": int})
def GroupGraph(
    scans: list[str],
    images: list[File],
    tumors: list[File],
    kinds: list[str],
    coverages: list[File],
    quality: File,
    template: File,
    template_brain: File,
    excluded: list[dict[str, str]],
    pages: dict[str, str],
    title: str,
    used: dict[str, Any],
    plan: dict[str, Any],
    run: str,
) -> int:
    """Atlas, page, files at their final names.

    Parameters
    ----------
    scans, images, tumors, kinds, coverages : list
        As for :func:`~gliomorph.interfaces.atlas.atlas`.
    quality : File
        JSON or table.
    template, template_brain : File
        On the template's full grid.
    excluded : list of dict
        ``scan``, ``stage``, ``cause``.
    pages : dict
        Scan to its page.
    title : str
        Heading.
    used, plan : dict
        Settings; names and metadata.
    run : str
        Id of the run.
    """
    maps = workflow.add(
        Atlas(
            scans=scans,
            images=images,
            tumors=tumors,
            kinds=kinds,
            coverages=coverages,
            template=template,
            template_brain=template_brain,
        ),
        name="atlas@group",
    )
    page = workflow.add(
        CohortPage(
            title=title,
            quality=quality,
            excluded=excluded,
            template=template,
            frequency=maps.frequency,
            coverage=maps.coverage,
            mean=maps.mean,
            pages=pages,
            used=used,
        ),
        name="report@group",
    )
    publish = workflow.add(
        PublishGroup(
            plan=plan,
            frequency=maps.frequency,
            coverage=maps.coverage,
            mean=maps.mean,
            regions=maps.regions,
            quality=quality,
            page=page.page,
            counts=maps.counts,
            run=run,
        ),
        name="publish@group",
    )
    return publish.published


def find_members(out_dir: Path, template: str, resolution: int) -> list[Member]:
    """Scans with complete outputs of at least one method, sorted by label."""
    found: dict[tuple[Path, str], dict[str, dict[str, Any]]] = {}
    tail = f"_space-{template}_res-{resolution}_desc-*_registration.json"
    for path in sorted([*out_dir.glob(f"sub-*/anat/*{tail}"), *out_dir.glob(f"sub-*/ses-*/anat/*{tail}")]):
        record = read_record(path)
        stem = path.name.split("_space-")[0]
        method = str(record.get("method", ""))
        if path.name.endswith(f"_desc-{method_label(method)}_registration.json") and all_outputs_exist(
            out_dir, record
        ):
            found.setdefault((path.parent, stem), {})[method] = record
    members = [
        Member(scan=_label(folder.relative_to(out_dir)), folder=folder, stem=stem, records=records)
        for (folder, stem), records in found.items()
    ]
    return sorted(members, key=lambda member: member.scan)


def run_group(
    settings: Settings,
    template: TemplateFiles,
    planned: Sequence[PlannedScan],
    causes: Mapping[str, tuple[str, str]],
    run: str,
    console: Console,
    verbose: int = 0,
) -> str:
    """Build the atlas from what is valid on disk; nothing is computed where it is there already.

    Parameters
    ----------
    settings : Settings
        Options of the run.
    template : TemplateFiles
        Prepared files.
    planned : sequence of PlannedScan
        Scans of the input folder: those without outputs are listed.
    causes : mapping of str to (str, str)
        Scan to stage and cause, where a failure is known.
    run : str
        Id of the run.
    console : Console
        Where messages go.
    verbose : int
        1 prints tracebacks.

    Returns
    -------
    problem : str
        Why there is no atlas; empty if there is one.
    """
    method = settings.registration[0]
    members = find_members(settings.output_dir, settings.template, settings.resolution)
    inputs, excluded = _select(members, planned, causes, method, settings)
    if not inputs:
        return f"no scan has valid outputs of {method} in {settings.output_dir}: there is nothing to make an atlas of"
    table = _quality_table(members)
    key = key_of(
        scans={m.scan: m.records[method]["key"] for m in inputs},
        table=hashlib.sha256(table.encode()).hexdigest(),
        excluded=excluded,
        code=code_hash(),
    )
    names = group_names(settings.template, settings.resolution, list(REGIONS))
    if _is_done(settings.output_dir, names, key):
        console.print(f"atlas: nothing to do, {names['report']} is up to date")
        return ""
    quality = write_text(table, settings.work_dir / "group_quality.tsv")
    graph = GroupGraph(
        **_files(inputs, method, settings),
        quality=File(quality),
        template=File(template.image),
        template_brain=File(template.brain),
        excluded=excluded,
        pages={m.scan: f"{m.scan}.html" for m in members},
        title=f"Tumour atlas of {len(inputs)} scan{'s' * (len(inputs) != 1)} in {settings.template}",
        used=_used(settings, inputs),
        plan=_group_plan(settings, names, key, inputs),
        run=run,
    )
    return _submit(graph, settings, console, verbose)


def _submit(graph: Any, settings: Settings, console: Console, verbose: int) -> str:
    board = Board(console, "group", 1, 3, verbose)
    worker = PoolWorker(n_procs=1, watch=board.watch)
    cache = cache_folder(settings.work_dir)
    with swept(cache), board, submitting(cache, worker) as submit:
        result = submit(graph, raise_errors=False)
    if result.errored or result.outputs is None:
        stage, error = (
            board.failures[0][1:] if board.failures else ("group", RuntimeError("the graph failed"))
        )
        return f"{stage}: {error}"
    return ""


def _select(
    members: Sequence[Member],
    planned: Sequence[PlannedScan],
    causes: Mapping[str, tuple[str, str]],
    method: str,
    settings: Settings,
) -> tuple[list[Member], list[dict[str, str]]]:
    """Who is in the atlas, and who is not and why."""
    current = {p.scan.label: p for p in planned}
    inputs, excluded = [], []
    for member in members:
        record = member.records.get(method)
        plan = current.get(member.scan)
        if record is None or (plan and _is_outdated(record, plan, method, settings)):
            continue
        if record["quality"]["status"] != "ok":
            excluded.append({"scan": member.scan, "stage": "measure", "cause": record["quality"]["reason"]})
        elif plan is None or plan.status != "impossible" or _masks_not_named(plan, settings):
            inputs.append(member)
    named = {m.scan for m in inputs} | {row["scan"] for row in excluded}
    for label, plan in current.items():
        if label not in named:
            stage, cause = causes.get(label, ("participant", plan.reason or f"no outputs of {method} yet"))
            excluded.append({"scan": label, "stage": stage, "cause": cause})
    return inputs, sorted(excluded, key=lambda row: row["scan"])


def _is_outdated(record: Mapping[str, Any], plan: PlannedScan, method: str, settings: Settings) -> bool:
    """Whether a run would make the outputs anew: from other inputs or by other options."""
    if record["tumor"]["sources"] and _masks_not_named(plan, settings):
        return False
    return plan.input_keys.get(method) not in (None, record.get("inputs_key"))


def _masks_not_named(plan: PlannedScan, settings: Settings) -> bool:
    """``gliomorph BIDS OUT group`` without -d or --weights: the masks of the earlier run are not in question."""
    return not (plan.scan.problem or settings.derivatives or settings.weights)


def _files(inputs: Sequence[Member], method: str, settings: Settings) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {"scans": [], "images": [], "tumors": [], "kinds": [], "coverages": []}
    for member in inputs:
        names = ScanNames(
            label=member.scan,
            folder=PurePosixPath(member.folder.relative_to(settings.output_dir)),
            stem=member.stem,
            template=settings.template,
            resolution=settings.resolution,
            source="",
            suffix=_suffix(member, method, settings),
        ).registered(method)
        kind = "dseg" if member.records[method]["tumor"]["kind"] == "dseg" else "mask"
        lists["scans"].append(member.scan)
        lists["images"].append(File(settings.output_dir / names["warped"]))
        lists["tumors"].append(File(settings.output_dir / names[kind]))
        lists["kinds"].append(kind)
        lists["coverages"].append(File(settings.output_dir / names["coverage"]))
    return lists


def _suffix(member: Member, method: str, settings: Settings) -> str:
    """The primary image's suffix, from the warped image that lies beside the record."""
    space = f"{member.stem}_space-{settings.template}_res-{settings.resolution}_desc-{method_label(method)}"
    found = sorted(member.folder.glob(f"{space}_*.nii.gz"))
    return found[0].name.split(".")[0].rsplit("_", 1)[-1] if found else "T1w"


def _quality_table(members: Sequence[Member]) -> str:
    """``group_quality.tsv``: a row a scan and method."""
    rows = []
    for member in members:
        subject, _, session = member.scan.partition("_")
        for method, record in sorted(member.records.items()):
            tumor = record["tumor"]
            first = {"participant_id": subject, "session_id": session or "n/a", "method": method}
            mask = {
                "mask_source": ", ".join(tumor["sources"]) or "student network",
                "mask_frame": tumor["frame"],
                "tumor_share_of_brain": tumor.get("share_of_brain"),
            }
            measures = {k: v for k, v in record["quality"].items() if k != "method"}
            rows.append(first | {k: measures.pop(k) for k in ("status", "reason", "flag")} | measures | mask)
    text: str = pd.DataFrame(rows).replace("", "n/a").to_csv(sep="\t", index=False, na_rep="n/a")
    return text


def _is_done(out_dir: Path, names: Mapping[str, str], key: str) -> bool:
    if read_record(out_dir / names["description"]).get("InputsKey") != key:
        return False
    wanted = [names[n] for n in ("coverage", "mean", "quality", "regions", "report", "frequency_WT")]
    return all((out_dir / name).is_file() for name in wanted)


def _registration(method: str, inputs: Sequence[Member]) -> str:
    """The method, and how far its answers were refined by the scans' records."""
    found = sorted({int(member.records[method].get("refine", 0)) for member in inputs})
    if found == [0]:
        return method
    return f"{method}, refined by {' or '.join(map(str, found))} iterations of optimisation"


def _used(settings: Settings, inputs: Sequence[Member]) -> dict[str, Any]:
    return {
        "version": gliomorph.__version__,
        "template": f"{settings.template} at {settings.resolution} mm",
        "registration": _registration(settings.registration[0], inputs),
        "scans": len(inputs),
        "citations": list(CITATIONS),
    }


def _group_plan(
    settings: Settings, names: dict[str, str], key: str, inputs: Sequence[Member]
) -> dict[str, Any]:
    reference = SPATIAL_REFERENCES.get(settings.template, f"tpl-{settings.template}")
    return {
        "out_dir": str(settings.output_dir),
        "names": names,
        "all_regions": list(REGIONS),
        "key": key,
        "metadata": {
            "SpatialReference": reference,
            "Resolution": f"{settings.resolution} mm isotropic, the template's grid",
            "Registration": _registration(settings.registration[0], inputs),
            "GeneratedBy": f"gliomorph {gliomorph.__version__}",
            "Participants": [member.scan for member in inputs],
        },
        "atlas": {
            "Name": f"gliomorph tumour atlas in {settings.template}",
            "AtlasName": ATLAS,
            "License": "see the source dataset",
            "LevelType": "group",
            "DerivedFrom": settings.bids_dir.as_uri(),
            "SpatialReference": reference,
        },
    }


def _label(folder: Path) -> str:
    return "_".join(part for part in folder.parts if part.startswith(("sub-", "ses-")))
