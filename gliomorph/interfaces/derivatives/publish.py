"""From the work directory to BIDS derivatives: copied under temporary names, renamed, the record last."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ...models.regions import CAVITY, NESTED
from ..files.checksums import sha256_of
from ..files.folders import files_in
from ..files.images import from_array, read_image, to_array, write_image, write_text
from ..files.labels import by_region, tumor_only
from ..files.sidecars import beside, copy, write_sidecar
from ..files.tables import BRATS_ROWS, CAVITY_ROW, label_table
from ..records import Ports, as_dict
from ..scan.records import BrainInfo, CarriedImage, Channel, FurtherImage, MethodFiles, Remarks, TumorInfo
from ..task import task
from .names import ScanNames
from .publish_further import FurtherPlan, publish_carried, publish_further
from .scan_record import PublishedTumor, ScanRecord, read_scan_record


class ChangedInputError(RuntimeError):
    """An input file that changed after the run was planned."""


@attrs.frozen(kw_only=True)
class Publication(Remarks):
    """Where a scan's outputs go, and what is known of them before they are made."""

    names: ScanNames
    """Their names."""
    out_dir: str
    """The output folder."""
    keys: dict[str, str]
    input_keys: dict[str, str]
    """``keys``, ``input_keys``: By method, the hash of inputs and code, and of inputs alone."""
    page_key: str
    """Hash of the page's code and of the remarks that it shows."""
    contents: dict[str, str]
    """sha256 of every input by its path."""
    spatial_reference: str
    """The template's, for sidecars."""
    raw: str
    """BIDS URI of the image."""
    tumor_sources: list[str]
    """BIDS URI of the tumour's segmentation; empty where a network segments it."""
    generated_by: str
    """This package and its version."""
    further: FurtherPlan = attrs.field(factory=FurtherPlan)
    """The session's further images."""


@attrs.frozen(kw_only=True)
class ScanImages(Ports):
    """What is published of a scan whatever the method."""

    n4: Path
    labels: Path
    """``n4``, ``labels``: Native: image without its bias field, tumour labels."""
    probabilities: list[Path]
    """Native, of :data:`~gliomorph.models.regions.NESTED`; none where the tumour was given."""
    preproc: Path
    """The aligned and matched image on the template's full grid."""
    channels: list[Channel]
    """Further modalities of the registration, whose remarks are published."""
    further: list[FurtherImage]
    carried: list[CarriedImage]
    """``further``, ``carried``: The session's further images on the primary's grid, and in template space by every
    method."""


def publish(
    plan: Publication,
    images: ScanImages,
    brain: BrainInfo,
    tumor: TumorInfo,
    results: list[MethodFiles],
    page: Path,
    figures: list[Path],
    run: str,
) -> int:
    """Put one scan's results at their final names.

    Parameters
    ----------
    plan : Publication
    images : ScanImages
    brain : BrainInfo
    tumor : TumorInfo
        Its ``kind`` decides whether labels are published.
    results : list of MethodFiles
        One a method.
    page, figures : Path
        HTML and PNG.
    run : str
        The run's id: makes this node run anew whenever the graph does.

    Returns
    -------
    published : int
        Number of files.

    Raises
    ------
    ChangedInputError
        An input is not what it was when the run was planned: results would not belong to their keys.
    """
    _require_unchanged(plan.contents)
    out = Path(plan.out_dir)
    former = _listed(out, plan.names, plan.names.stem)
    written = [
        *_publish_native(out, plan, images, brain, tumor.kind == "dseg"),
        *_publish_probabilities(out, plan, images.probabilities),
        *publish_further(out, plan.further, images.further, plan.generated_by),
    ]
    for figure in figures:
        written.append(copy(figure, out / plan.names.figures / figure.name))
    written.append(copy(page, out / plan.names.report))
    shared, remarks = list(written), Remarks.of(plan, brain, tumor, *images.further, *images.channels)
    for files in results:
        used = files.registration()
        method = used["method"]
        record = ScanRecord(
            registration=used,
            version=plan.generated_by,
            key=plan.keys[method],
            inputs_key=plan.input_keys[method],
            page_key=plan.page_key,
            scan=plan.names.label,
            template=plan.names.template,
            tumor=PublishedTumor(**as_dict(tumor), sources=plan.tumor_sources),
            flags=remarks.flags,
            doubts=remarks.doubts,
            quality=_quality(files.row(), remarks),
            further=plan.further.record(images.further),
        )
        known = as_dict(files)
        wanted = [key for key in PUBLISHED if key in known and (key != "dseg" or tumor.kind == "dseg")]
        carried = publish_carried(out, plan.further, images.carried, method, in_template(plan))
        written += carried
        written += _publish_method(
            out, plan, {key: known[key] for key in wanted}, record, [*shared, *carried]
        )
    for name in former - _listed(out, plan.names, "*"):
        (out / name).unlink(missing_ok=True)
    return len(written)


def _listed(out: Path, names: ScanNames, stem: str) -> set[str]:
    """Files in a scan's folder that records of images list whose names begin so: what is in none any more is of another
    mask, or of a further image that is gone."""
    found: set[PurePosixPath] = set()
    for path in files_in(out / names.folder, f"{stem}_space-*_registration.json"):
        record = read_scan_record(path)
        found |= {PurePosixPath(name) for name in record.outputs} if record else set()
    return {str(path) for path in found if path.parent == names.folder}


def _quality(row: dict[str, Any], remarks: Remarks) -> dict[str, Any]:
    """A method's row of ``group_quality.tsv`` with what is known of the scan whatever the method."""
    flag = "; ".join(filter(None, [*remarks.doubts, *remarks.flags, row["flag"]]))
    if remarks.doubts and row["status"] == "ok":
        row |= {"status": "doubtful", "reason": "; ".join(remarks.doubts)}
    return row | {"flag": flag}


def _require_unchanged(contents: dict[str, str]) -> None:
    for path, expected in contents.items():
        if sha256_of(Path(path)) != expected:
            raise ChangedInputError(f"{Path(path).name}: changed while the run went on; start it again")


REGION_LABELS = {"native_TC": (1, 4), "native_ET": (4,)}
"""Labels of the masks that are published beside the whole tumour's."""

PUBLISHED = (
    "warped",
    "mask",
    "coverage",
    "dseg",
    "healthy",
    "residual",
    "forward_xfm",
    "inverse_xfm",
    *(f"probability_{region}" for region in NESTED),
)


def sidecar(plan: Publication, key: str, method: str = "") -> dict[str, Any]:
    """What the JSON beside an image says (BIDS derivatives)."""
    content: dict[str, Any] = {"GeneratedBy": plan.generated_by}
    native = f"bids::{plan.names.native()['n4']}"
    if key != "n4" and not key.startswith("native_"):
        content = in_template(plan)
    if "probability_" in key:
        content |= {"Manual": False, "Sources": [native]}
    elif key.endswith("mask") or key in REGION_LABELS:
        content |= {"Type": "Lesion", "Sources": plan.tumor_sources}
    elif key == "coverage":
        content |= {"Type": "Brain", "Description": "Voxels that lie in the scan's field of view"}
    elif key.endswith("dseg"):
        content |= {"Manual": False, "Sources": plan.tumor_sources}
    else:
        content |= {"SkullStripped": True, "Sources": [plan.raw if key == "n4" else native]}
    if method:
        transform = plan.names.registered(method)["forward_xfm"]
        content["Sources"] = [*content.get("Sources", []), f"bids::{transform}"]
        content["Registration"] = method
    if key in DESCRIPTIONS:
        content["Description"] = DESCRIPTIONS[key]
    return content


def in_template(plan: Publication) -> dict[str, Any]:
    """What the sidecars of all images in the template's space say."""
    return {
        "GeneratedBy": plan.generated_by,
        "SpatialReference": plan.spatial_reference,
        "Resolution": f"{plan.names.resolution} mm isotropic, the template's grid",
    }


DESCRIPTIONS = {
    "n4": "Bias field removed (N4), brain only",
    "preproc": "Bias field removed, affinely aligned, intensities matched to the template",
    "warped": "The n4 image, resampled once (linear) by the from-native transform: shape only",
    "healthy": "Shape and appearance: the tumour's signal replaced, intensities of the template (0 to 1)",
    "residual": "What the metamorphosis adds to the intensities, in those of the template; 0 outside the tumour",
}


def _publish_native(
    out: Path, plan: Publication, images: ScanImages, brain: BrainInfo, sub_regions: bool
) -> list[Path]:
    names = plan.names.native()
    label_map = read_image(images.labels, sitk.sitkUInt8)
    whole = tumor_only(to_array(label_map)) > 0
    write_image(from_array(whole.astype(np.uint8), label_map), out / names["native_mask"])
    written = [copy(images.n4, out / names["n4"]), copy(images.preproc, out / names["preproc"])]
    written.append(out / names["native_mask"])
    if sub_regions:
        written.append(write_image(label_map, out / names["native_dseg"]))
        written.append(_write_table(out / names["native_dseg"]))
        written += [
            write_image(_among(label_map, values), out / names[key]) for key, values in REGION_LABELS.items()
        ]
    keys = ["n4", "preproc", "native_mask", *(["native_dseg", *REGION_LABELS] if sub_regions else [])]
    extraction = {"n4": brain.sidecar()}
    return written + [
        write_sidecar(out / names[key], sidecar(plan, key) | extraction.get(key, {})) for key in keys
    ]


def _publish_probabilities(out: Path, plan: Publication, probabilities: list[Path]) -> list[Path]:
    names, written = plan.names.native(), []
    for region, source in by_region(probabilities).items():
        key = f"native_probability_{region}"
        written.append(copy(source, out / names[key]))
        written.append(write_sidecar(out / names[key], sidecar(plan, key)))
    return written


def _write_table(dseg: Path) -> Path:
    """The table beside a label map, with a row of the resection cavity where it has one."""
    has_cavity = (to_array(read_image(dseg, sitk.sitkUInt8)) == CAVITY).any()
    rows = (*BRATS_ROWS, CAVITY_ROW) if has_cavity else BRATS_ROWS
    return write_text(label_table(rows), beside(dseg, ".tsv"))


def _among(labels: sitk.Image, values: tuple[int, ...]) -> sitk.Image:
    """Where a label map has one of these values, uint8."""
    return from_array(np.isin(to_array(labels), values).astype(np.uint8), labels)


def _publish_method(
    out: Path, plan: Publication, files: dict[str, Path], record: ScanRecord, shared: list[Path]
) -> list[Path]:
    method = record.method
    names = plan.names.registered(method)
    written = []
    for key, source in files.items():
        written.append(copy(source, out / names[key]))
        if not key.endswith("xfm"):
            written.append(write_sidecar(out / names[key], sidecar(plan, key, method)))
        if key == "dseg":
            written.append(_write_table(out / names[key]))
    outputs = sorted({path.relative_to(out).as_posix() for path in [*shared, *written]})
    text = attrs.evolve(record, outputs=outputs).text()
    return [*written, write_text(text, out / names["registration"])]


Publish = task(publish, "published")
