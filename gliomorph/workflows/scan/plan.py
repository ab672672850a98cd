"""What a run will do with each scan: run it, leave it as it is, or say why it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from ...config.settings import Settings
from ...interfaces.datasets.query import Scan, find_scans, require_use
from ...interfaces.datasets.template_files import TemplateFiles
from ...interfaces.derivatives.names import ScanNames, anat_folder
from ...interfaces.derivatives.scan_record import is_complete, read_scan_record
from ...interfaces.files.folders import missing_content
from ...interfaces.files.text import printable
from ...interfaces.networks.segmentation import read_modalities, reads_alone, reads_subsets, shipped_student
from ...interfaces.records import as_dict
from ...interfaces.scan.extraction import method_of, program_of
from ...interfaces.scan.records import Extraction, Modality
from ..contents import Contents
from ..keys import code_key, key_of, page_code
from .further import FurtherFiles, further_files

STUDENT = "student"


@attrs.frozen(kw_only=True)
class PlannedScan:
    """One scan of a run."""

    scan: Scan
    names: ScanNames | None = None
    """None where the scan has no image."""
    input_keys: Mapping[str, str] = attrs.field(factory=dict)
    """By method, the hash of all files and options that its results depend on."""
    contents: Mapping[str, str] = attrs.field(factory=dict)
    """sha256 of every file that is read, by its path."""
    further: FurtherFiles = attrs.field(factory=FurtherFiles)
    """The session's further images, which are carried along."""
    modalities: Sequence[Modality] = ()
    """Those of them that are registered with the primary image."""
    status: str = "run"
    """``run``, ``page`` (its results are done, its page is of other code or remarks and is made anew), ``done`` or
    ``impossible``."""
    reason: str = ""
    """Why it is not run, or why its old page stays."""

    @property
    def keys(self) -> dict[str, str]:
        """By method, the hash of inputs and code: outputs that carry it need not be made again."""
        return {method: code_key(key) for method, key in self.input_keys.items()}

    @property
    def page_key(self) -> str:
        """The key of the page: its code and what is known of the scan's files, of which results do not depend."""
        scan = self.scan
        return key_of(code=page_code(), remarks=[scan.notices, scan.flags, scan.doubts])

    def has_current_page(self, out_dir: Path) -> bool:
        """Whether the published page is of this code and says what is known now, by the scan's records."""
        if self.names is None:
            return False
        records = [read_scan_record(out_dir / self.names.registration(method)) for method in self.input_keys]
        return all(record is not None and record.page_key == self.page_key for record in records)

    def is_published(self, out_dir: Path) -> bool:
        """Whether every output is on disk, made from these inputs by this code of the stages."""
        names = self.names
        return (
            names is not None
            and (out_dir / names.report).exists()
            and all(
                is_complete(out_dir, out_dir / names.registration(method), key, self.further.key)
                for method, key in self.keys.items()
            )
        )


def plan_scans(
    settings: Settings, template: TemplateFiles, notices: list[str] | None = None
) -> list[PlannedScan]:
    """Every scan that was asked for, sorted by label; ``notices`` gets what is to be said of the dataset.

    Raises
    ------
    QueryError
        No subject, an unknown label, or a folder of masks in which none is recognised.
    """
    inputs = settings.inputs
    find = partial(
        find_scans,
        settings.bids_dir,
        derivatives=inputs.derivatives,
        modality=inputs.modality,
        filters=inputs.bids_filters,
        template=settings.processing.template,
    )
    scans = find(participants=inputs.participants, sessions=inputs.sessions, notices=notices)
    require_use(inputs.derivatives, scans, find)
    contents = Contents(settings.resources.work_dir / "contents.json")
    shared = {
        "template": contents.hash_of(template.image) + contents.hash_of(template.brain),
        "resolution": settings.processing.resolution,
        "seed": settings.processing.random_seed,
        "reading": as_dict(settings.inputs.reading),
    }
    options = {
        method: {**shared, "method": method, "speed": settings.processing.speed_of(method)}
        for method in settings.processing.registration
    }
    for method, path in settings.processing.networks.items():
        options[method]["registration_weights"] = contents.hash_of(path)
        if iterations := settings.processing.refinement(method):
            options[method]["refine"] = iterations
    asked = settings.further_modalities
    planned = []
    for scan in scans:
        further = further_files(scan, settings.processing, contents)
        modalities = _modalities(further, asked, template)
        planned.append(
            _plan(_with_missing(scan, asked, further), settings, options, contents, further, modalities)
        )
    contents.save()
    return planned


def _modalities(further: FurtherFiles, asked: Sequence[str], template: TemplateFiles) -> list[Modality]:
    """Images of a scan that are registered with the primary one, each with the template's that is most like it."""
    found = []
    for name in asked:
        if name in further.paths:
            like, fixed = template.nearest(name)
            found.append(Modality(name=name, image=further.paths[name], like=like, fixed=fixed))
    return found


def _with_missing(scan: Scan, asked: Sequence[str], further: FurtherFiles) -> Scan:
    """The scan with remarks on images that cannot be read, and on modalities of the registration that it lacks."""
    scan = attrs.evolve(scan, flags=(*scan.flags, *further.flags))
    missing = [name for name in asked if name not in (scan.modality, *scan.others)]
    if not scan.image or not missing:
        return scan
    text = f"no {', '.join(missing)} image: it is registered without (--registration-modalities)"
    return attrs.evolve(scan, notices=(*scan.notices, text))


def _plan(
    scan: Scan,
    settings: Settings,
    options: Mapping[str, Mapping[str, Any]],
    contents: Contents,
    further: FurtherFiles,
    modalities: Sequence[Modality],
) -> PlannedScan:
    """What to do with a scan, its keys made of its files and of the methods' ``options``."""
    if scan.problem or scan.image is None:
        return PlannedScan(scan=scan, status="impossible", reason=scan.problem)
    weights = segmentation_weights(scan, settings.processing.weights)
    if scan.tumor is None and (reason := _cannot_segment(scan, settings, weights)):
        return PlannedScan(scan=scan, status="impossible", reason=reason)
    names = ScanNames(
        label=scan.label,
        folder=anat_folder(scan.subject, scan.session),
        stem=scan.stem,
        template=settings.processing.template,
        resolution=settings.processing.resolution,
        source=scan.tumor.source if scan.tumor else STUDENT,
        suffix=scan.image.name.split(".")[0].rsplit("_", 1)[-1],
    )
    tumor, extraction = scan.tumor, extraction_of(scan, settings.processing.brain_extraction)
    made = scan.brain_mask is None or extraction.tool != "auto"  # should it be a head
    files = {
        "image": scan.image,
        "tumor": tumor.path if tumor else None,
        "table": tumor.table if tumor else None,
        "brain": scan.brain_mask,
        "weights": weights,
        **({"extraction weights": extraction.weights} if made else {}),
        **(further.paths if segmented_together(weights) else {}),
        **{each.name: each.image for each in modalities},
        **{f"{each.name} fixed": each.fixed for each in modalities if each.like != "T1w"},
    }
    try:
        hashes = {what: contents.hash_of(path) for what, path in files.items()}
    except OSError as error:
        path = Path(str(error.filename))
        reason = printable(f"{path.name}: {missing_content(path) or f'cannot be read ({error.strerror})'}")
        return PlannedScan(scan=scan, names=names, status="impossible", reason=reason)
    kind = {
        "modality": scan.modality,
        "kind": tumor.kind if tumor else "",
        "space": tumor.space if tumor else "",
        **({"extraction": [method_of(extraction), extraction.program]} if made else {}),
    }
    keys = {method: key_of(**own, **hashes, **kind) for method, own in options.items()}
    read = {str(path): hashes[what] for what, path in files.items() if path}
    read |= {str(path): further.hashes[name] for name, path in further.paths.items()}
    planned = PlannedScan(
        scan=scan, names=names, input_keys=keys, contents=read, further=further, modalities=modalities
    )
    if not planned.is_published(settings.output_dir):
        return planned
    return attrs.evolve(planned, status="done" if planned.has_current_page(settings.output_dir) else "page")


def segmentation_weights(scan: Scan, given: Path | None) -> Path | None:
    """The network that segments a scan without a given mask: ``--weights``, else the one that comes with us."""
    if scan.tumor is not None:
        return None
    return given or shipped_student(scan.modality)


def segmented_together(weights: Path | None) -> bool:
    """Whether the network that segments a scan reads the session's further images too."""
    return weights is not None and reads_subsets(weights)


def extraction_of(scan: Scan, tool: str) -> Extraction:
    """What makes the scan's brain mask, should it be a head: ``--brain-extraction``, with all that it depends on."""
    extraction = Extraction(tool=tool, program=program_of(tool))
    needed = method_of(extraction) == "shipped" and (scan.brain_mask is None or tool != "auto")
    return extraction if needed else attrs.evolve(extraction, weights=None)


def _cannot_segment(scan: Scan, settings: Settings, weights: Path | None) -> str:
    """Why a scan without a mask cannot be segmented; empty if it can."""
    folders = ", ".join(str(path) for path in settings.inputs.derivatives.values()) or "no folder given"
    found = f"no tumour mask: none in -d ({folders})"
    way_out = "give -d NAME=PATH with a seg-brats_dseg, label-tumor_mask or label-lesion_roi of this session"
    if weights is None:
        return f"{found} and no segmentation network for {scan.modality} comes with gliomorph; {way_out}, or --weights"
    if not reads_alone(weights, scan.modality):
        read = ", ".join(read_modalities(weights))
        return f"{found}, and {weights.name} reads {read}, not {scan.modality}; {way_out}"
    return ""
