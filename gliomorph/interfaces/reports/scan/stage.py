"""The scan's page as a stage: gathers what the nodes know and draws it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from fileformats.generic import File

from ...files.images import read_image, write_image
from ...task import task
from .report import MethodResult, scan_report


def scan_page(
    scan: str,
    raw: Path,
    n4: Path,
    labels: Path,
    template: Path,
    aligned: Path,
    aligned_mask: Path,
    results: list[dict[str, File]],
    brain_info: dict[str, Any],
    n4_info: dict[str, Any],
    tumor_info: dict[str, Any],
    align_info: dict[str, Any],
    plan: dict[str, Any],
) -> tuple[Path, list[File]]:
    """One HTML page, and its pictures as PNG.

    Parameters
    ----------
    scan : str
        Label, ``sub-X[_ses-Y]``.
    raw, n4, labels : Path
        Native.
    template, aligned, aligned_mask : Path
        On the template's full grid.
    results : list of dict
        By method, as :func:`~gliomorph.interfaces.scan.measure.measure` bundles them.
    brain_info, n4_info, tumor_info, align_info : dict
        What the stages say of themselves.
    plan : dict
        ``metadata`` and ``notices`` of the scan.

    Returns
    -------
    page : Path
        HTML.
    figures : list of File
        PNG.
    """
    folder = Path.cwd()
    label_map = read_image(labels, sitk.sitkUInt8)
    mask = write_image(sitk.Cast(label_map > 0, sitk.sitkUInt8), folder / "mask.nii.gz")
    known = plan["metadata"]
    methods = [_method(files) for files in results]
    told = [f"{m.method}: {text}" for m in methods for text in m.used.get("notices", [])]
    flags = [f"{m.method}: {m.quality['flag']}" for m in methods if m.quality.get("flag")]
    page = scan_report(
        scan=scan,
        raw=Path(raw),
        n4=Path(n4),
        native_mask=mask,
        segmentation=Path(labels) if tumor_info["kind"] == "dseg" else None,
        template=Path(template),
        aligned=Path(aligned),
        aligned_mask=Path(aligned_mask),
        methods=methods,
        used={
            "image": known["raw"],
            "mask_source": ", ".join(known["tumor_sources"]) or "student network",
            "template": f"{known['template']} at {known['resolution']} mm",
            "version": known["generated_by"],
            "brain": brain_info,
            "N4": n4_info,
            "tumour": tumor_info,
            "alignment": align_info,
        },
        notices=[*plan["notices"], *brain_info["notices"], *tumor_info["notices"], *told, *flags],
        out_file=folder / "page.html",
        figures_dir=folder / "figures",
    )
    return page, [File(path) for path in sorted((folder / "figures").glob("*.png"))]


def _method(files: dict[str, File]) -> MethodResult:
    used = json.loads(Path(files["used"]).read_text())
    return MethodResult(
        method=used["method"],
        image=Path(files["warped"]),
        mask=Path(files["mask"]),
        jacobian=Path(files["jacobian"]),
        displacement=Path(files["displacement"]),
        healthy=Path(files["healthy"]) if "healthy" in files else None,
        quality=json.loads(Path(files["quality"]).read_text()),
        used=used,
    )


ScanPage = task(scan_page, "page", "figures")
