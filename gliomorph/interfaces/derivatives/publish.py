"""From the work directory to BIDS derivatives: copied under temporary names, renamed, the record last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from fileformats.generic import File

from ..files.checksums import sha256_of
from ..files.images import from_array, read_image, to_array, write_image, write_text
from ..files.labels import PROBABILITY_REGIONS, by_region
from ..files.sidecars import beside, copy, write_sidecar
from ..files.tables import label_table
from ..task import task


class ChangedInputError(RuntimeError):
    """An input file that changed after the run was planned."""


DSEG_TABLE = label_table()
"""Beside every published label map."""


def publish(
    plan: dict[str, Any],
    n4: Path,
    preproc: Path,
    labels: Path,
    probabilities: list[Path],
    tumor: dict[str, Any],
    results: list[dict[str, File]],
    page: Path,
    figures: list[Path],
    run: str,
) -> int:
    """Put one scan's results at their final names.

    Parameters
    ----------
    plan : dict
        ``out_dir``, ``native`` and ``registered`` (names by key, relative to ``out_dir``), ``report``,
        ``figures``, ``keys`` and ``input_keys`` (by method), ``page_code`` (hash of the page's code), ``contents``
        (sha256 of the inputs by path), ``metadata``: what every sidecar and record says.
    n4, preproc, labels, page, figures : Path
        Results that belong to the scan.
    probabilities : list of Path
        Of :data:`~gliomorph.interfaces.files.labels.PROBABILITY_REGIONS`, where a network segmented the tumour;
        else none.
    tumor : dict
        What is known of the tumour's segmentation; its ``kind`` decides whether labels are published.
    results : list of dict
        By method, files as :func:`~gliomorph.interfaces.scan.measure.measure` bundles them.
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
    _require_unchanged(plan["contents"])
    out = Path(plan["out_dir"])
    sub_regions = tumor["kind"] == "dseg"
    written = [
        *_publish_native(out, plan, n4, preproc, labels, sub_regions),
        *_publish_probabilities(out, plan, probabilities),
    ]
    for figure in figures:
        written.append(copy(figure, out / plan["figures"] / Path(figure).name))
    written.append(copy(page, out / plan["report"]))
    shared = list(written)
    for files in results:
        used = json.loads(Path(files["used"]).read_text())
        record = used | {
            "version": plan["metadata"]["generated_by"],
            "key": plan["keys"][used["method"]],
            "inputs_key": plan["input_keys"][used["method"]],
            "page_code": plan["page_code"],
            "scan": plan["label"],
            "template": plan["metadata"]["template"],
            "tumor": tumor | {"sources": plan["metadata"]["tumor_sources"]},
            "quality": json.loads(Path(files["quality"]).read_text()),
        }
        images = {key: Path(files[key]) for key in PUBLISHED if key in files}
        if not sub_regions:
            del images["dseg"]
        written += _publish_method(out, plan, used["method"], images, record, shared)
    return len(written)


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
    *(f"probability_{region}" for region in PROBABILITY_REGIONS),
)


def sidecar(plan: dict[str, Any], key: str, method: str = "") -> dict[str, Any]:
    """What the JSON beside an image says (BIDS derivatives)."""
    known = plan["metadata"]
    native, raw = plan["native"], known["raw"]
    content: dict[str, Any] = {"GeneratedBy": known["generated_by"]}
    if key != "n4" and not key.startswith("native_"):
        content |= {
            "SpatialReference": known["spatial_reference"],
            "Resolution": f"{known['resolution']} mm isotropic, the template's grid",
        }
    if "probability_" in key:
        content |= {"Manual": False, "Sources": [f"bids::{native['n4']}"]}
    elif key.endswith("mask") or key in REGION_LABELS:
        content |= {"Type": "Lesion", "Sources": known["tumor_sources"]}
    elif key == "coverage":
        content |= {"Type": "Brain", "Description": "Voxels that lie in the scan's field of view"}
    elif key.endswith("dseg"):
        content |= {"Manual": False, "Sources": known["tumor_sources"]}
    else:
        content |= {"SkullStripped": True, "Sources": [raw] if key == "n4" else [f"bids::{native['n4']}"]}
    if method:
        names = plan["registered"][method]
        content["Sources"] = [*content.get("Sources", []), f"bids::{names['forward_xfm']}"]
        content["Registration"] = method
    if key in DESCRIPTIONS:
        content["Description"] = DESCRIPTIONS[key]
    return content


DESCRIPTIONS = {
    "n4": "Bias field removed (N4), brain only",
    "preproc": "Bias field removed, affinely aligned, intensities matched to the template",
    "warped": "The n4 image, resampled once (linear) by the from-native transform: shape only",
    "healthy": "Shape and appearance: the tumour's signal replaced, intensities of the template (0 to 1)",
    "residual": "What the metamorphosis adds to the intensities, in those of the template; 0 outside the tumour",
}


def _publish_native(
    out: Path, plan: dict[str, Any], n4: Path, preproc: Path, labels: Path, sub_regions: bool
) -> list[Path]:
    names = plan["native"]
    label_map = read_image(labels, sitk.sitkUInt8)
    write_image(sitk.Cast(label_map > 0, sitk.sitkUInt8), out / names["native_mask"])
    written = [copy(n4, out / names["n4"]), copy(preproc, out / names["preproc"]), out / names["native_mask"]]
    if sub_regions:
        written.append(write_image(label_map, out / names["native_dseg"]))
        written.append(write_text(DSEG_TABLE, beside(out / names["native_dseg"], ".tsv")))
        written += [
            write_image(_among(label_map, values), out / names[key]) for key, values in REGION_LABELS.items()
        ]
    keys = ["n4", "preproc", "native_mask", *(["native_dseg", *REGION_LABELS] if sub_regions else [])]
    return written + [write_sidecar(out / names[key], sidecar(plan, key)) for key in keys]


def _publish_probabilities(out: Path, plan: dict[str, Any], probabilities: list[Path]) -> list[Path]:
    written = []
    for region, source in by_region(probabilities).items():
        key = f"native_probability_{region}"
        written.append(copy(source, out / plan["native"][key]))
        written.append(write_sidecar(out / plan["native"][key], sidecar(plan, key)))
    return written


def _among(labels: sitk.Image, values: tuple[int, ...]) -> sitk.Image:
    """Where a label map has one of these values, uint8."""
    return from_array(np.isin(to_array(labels), values).astype(np.uint8), labels)


def _publish_method(
    out: Path,
    plan: dict[str, Any],
    method: str,
    files: dict[str, Path],
    record: dict[str, Any],
    shared: list[Path],
) -> list[Path]:
    names = plan["registered"][method]
    written = []
    for key, source in files.items():
        written.append(copy(source, out / names[key]))
        if not key.endswith("xfm"):
            written.append(write_sidecar(out / names[key], sidecar(plan, key, method)))
        if key == "dseg":
            written.append(write_text(DSEG_TABLE, beside(out / names[key], ".tsv")))
    outputs = sorted({path.relative_to(out).as_posix() for path in [*shared, *written]})
    text = json.dumps(record | {"outputs": outputs}, indent=1)
    return [*written, write_text(text + "\n", out / names["registration"])]


Publish = task(publish, "published")
