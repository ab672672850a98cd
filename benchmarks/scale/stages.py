"""The stages of a scan without their work: the ports of the real ones, and small files in place of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydra.compose import python
from pydra.utils.general import get_fields

from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.records import as_dict
from gliomorph.interfaces.scan.records import (
    AlignInfo,
    BiasInfo,
    BrainInfo,
    MatchInfo,
    MethodFiles,
    TumorInfo,
    WarpedFiles,
)
from gliomorph.interfaces.task import by_reference
from gliomorph.workflows.scan import graph as scan_graph


def brain(**given: Any) -> tuple[Path, BrainInfo, Path]:
    """A mask, and the image."""
    info = BrainInfo(method="given", volume_ml=0.0)
    return _written("mask", given["image"]), info, _written("image", given["image"])


def n4(**given: Any) -> tuple[Path, BiasInfo]:
    """An image."""
    return _written("n4", given["image"]), BiasInfo(bias_min=1.0, bias_max=1.0)


def tumor(**given: Any) -> tuple[Path, TumorInfo]:
    """Labels."""
    info = TumorInfo(kind="dseg", frame="world", volume_ml=0.0, share_of_brain=0.0, labels=[], notices=[])
    return _written("labels", given["image"]), info


def align(**given: Any) -> tuple[Path, Path, AlignInfo]:
    """Both transforms."""
    info = AlignInfo(in_template_frame=False, brain_dice_before=1.0, brain_dice=1.0, scale=1.0)
    return _written("rigid", given["image"]), _written("affine", given["image"]), info


def match(**given: Any) -> tuple[Path, MatchInfo]:
    """An image."""
    return _written("matched", given["image"]), MatchInfo(source=[], target=[])


def crop(**given: Any) -> Path:
    """An image."""
    return _written("cropped", given["image"])


def crop_mask(**given: Any) -> Path:
    """Labels."""
    return _written("mask", given["labels"])


def register(**given: Any) -> tuple[Path, Path, None, Path]:
    """Both transforms, and the record that names the method."""
    used = write_text(json.dumps({"method": given["method"]}), Path.cwd() / "used.json")
    return _written("forward", given["moving"]), _written("inverse", given["moving"]), None, used


def warp(**given: Any) -> WarpedFiles:
    """One file under all names, and the record of the registration."""
    names = ("warped", "mask", "dseg", "coverage", "forward_xfm", "inverse_xfm", "displacement", "jacobian")
    files = dict.fromkeys(names, _written("warped", given["image"]))
    return WarpedFiles(**files, used=Path(given["used"]))


def measure(**given: Any) -> MethodFiles:
    """The files and their quality."""
    files = given["files"]
    return MethodFiles(**as_dict(files), quality=_written("quality", files.warped))


def scan_page(**given: Any) -> tuple[Path, list[Path]]:
    """A page and a picture."""
    return _written("page", given["raw"]), [_written("picture", given["raw"])]


def publish(**given: Any) -> int:
    """As many files, at the same names, as those of a scan with labels; the records last."""
    plan = given["plan"]
    out = Path(plan.out_dir)
    natives = [name for key, name in plan.names.native().items() if "probability" not in key]
    shared = [plan.names.report, *_with_sidecars(natives)]
    written = [write_text("nothing", out / name) for name in shared]
    for files in given["results"]:
        method = files.registration()["method"]
        names = plan.names.registered(method)
        own = [names[key] for key in ("warped", "mask", "coverage", "dseg", "forward_xfm", "inverse_xfm")]
        written += [write_text("nothing", out / name) for name in _with_sidecars(own)]
        record = {
            "method": method,
            "key": plan.keys[method],
            "page_key": plan.page_key,
            "outputs": sorted([*shared, *_with_sidecars(own)]),
        }
        written.append(write_text(json.dumps(record, indent=1), out / names["registration"]))
    return len(written)


def _with_sidecars(names: list[str]) -> list[str]:
    return [*names, *(name.replace(".nii.gz", ".json") for name in names if name.endswith(".nii.gz"))]


def _written(name: str, source: Any) -> Path:
    """A file that differs from scan to scan: equal stages would be one to Pydra, and run once."""
    path = Path.cwd() / name
    path.write_bytes(name.encode() + b" " + Path(source).read_bytes()[:64])
    return path


def _with_ports_of(real: Any, function: Any) -> Any:
    """The task of a function above, with the inputs and outputs of a real one."""
    inputs = {
        field.name: python.arg(type=field.type) for field in get_fields(real) if field.name != "function"
    }
    outputs = {field.name: python.out(type=field.type) for field in get_fields(real.Outputs)}
    made = python.define(function, inputs=inputs, outputs=outputs, name=real.__name__)
    return by_reference(made, __name__)


Brain = _with_ports_of(scan_graph.Brain, brain)
N4 = _with_ports_of(scan_graph.N4, n4)
Tumor = _with_ports_of(scan_graph.Tumor, tumor)
Align = _with_ports_of(scan_graph.Align, align)
Match = _with_ports_of(scan_graph.Match, match)
Crop = _with_ports_of(scan_graph.Crop, crop)
CropMask = _with_ports_of(scan_graph.CropMask, crop_mask)
Register = _with_ports_of(scan_graph.Register, register)
Warp = _with_ports_of(scan_graph.Warp, warp)
Measure = _with_ports_of(scan_graph.Measure, measure)
ScanPage = _with_ports_of(scan_graph.ScanPage, scan_page)
Publish = _with_ports_of(scan_graph.Publish, publish)
WITHOUT_WORK = {
    task.__name__: task
    for task in (
        Brain,
        N4,
        Tumor,
        Align,
        Match,
        Crop,
        CropMask,
        Register,
        Warp,
        Measure,
        ScanPage,
        Publish,
    )
}
"""What takes the real tasks' places in :mod:`gliomorph.workflows.scan.graph`, by their names there."""
