"""The population atlas: frequencies, coverage and mean image, streamed one scan at a time.

Sums run over the scans in the order given; callers sort by label, so that the same scans give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from fileformats.generic import File

from .images import from_array, read_image, to_array, voxel_volume_ml, write_image
from .task import task
from .tumor import LABELS, REGIONS


def atlas(
    scans: list[str],
    images: list[Path],
    tumors: list[Path],
    kinds: list[str],
    coverages: list[Path],
    template: Path,
    template_brain: Path,
) -> tuple[dict[str, File], File, File, File, dict[str, int]]:
    """Maps over all scans on the template's grid.

    Parameters
    ----------
    scans : list of str
        Labels, in the order of the other lists.
    images, tumors, coverages : list of Path
        Template space: warped image, tumour (``dseg`` or ``mask``), field of view.
    kinds : list of str
        ``dseg`` scans count for every region, ``mask`` scans for WT only.
    template, template_brain : Path
        The template's full grid.

    Returns
    -------
    frequency : dict of str to File
        By region: scans with tumour in the voxel divided by scans whose field of view covers it, [0, 1].
    coverage : File
        Share of the scans whose field of view covers the voxel, [0, 1].
    mean : File
        Mean of the warped images, each divided by its median in the brain.
    regions : File
        Table: region, number of scans, with how many tumours, volumes in ml, peak frequency and its position.
    counts : dict of str to int
        Scans by region.

    Raises
    ------
    ValueError
        Without any scan.
    """
    if not scans:
        raise ValueError("no scan has valid outputs: there is nothing to make an atlas of")
    grid = read_image(template)
    brain = to_array(read_image(template_brain)) > 0
    counts, covered, numbers = _accumulate(tumors, kinds, coverages, grid.GetSize())
    mean = _mean_image(images, brain)
    folder = Path.cwd()
    frequency, rows = {}, []
    for region, count in counts.items():
        share = np.divide(count, covered[region], out=np.zeros_like(count), where=covered[region] > 0)
        path = write_image(from_array(share, grid), folder / f"frequency_{region}.nii.gz")
        frequency[region] = File(path)
        rows.append(_row(region, numbers[region], share, grid))
    coverage = from_array(covered["WT"] / len(scans), grid)
    table = folder / "regions.tsv"
    pd.DataFrame(rows).to_csv(table, sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    return (
        frequency,
        File(write_image(coverage, folder / "coverage.nii.gz")),
        File(write_image(from_array(mean, grid), folder / "mean.nii.gz")),
        File(table),
        {region: len(volumes) for region, volumes in numbers.items()},
    )


def region_mask(labels: np.ndarray, region: str, kind: str) -> np.ndarray:
    """Voxels of a region in BraTS labels (1 NCR, 2 ED, 4 ET); a plain mask is WT as a whole."""
    if kind == "mask":
        return labels > 0
    return np.isin(labels, [LABELS[part] for part in REGIONS[region]])


def _accumulate(
    tumors: list[Path], kinds: list[str], coverages: list[Path], size: tuple[int, ...]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, list[float]]]:
    """Counts and coverage by region, and every scan's volume in ml."""
    counts = {region: np.zeros(size, np.float32) for region in REGIONS}
    covered = {region: np.zeros(size, np.float32) for region in REGIONS}
    volumes: dict[str, list[float]] = {region: [] for region in REGIONS}
    for tumor, kind, coverage in zip(tumors, kinds, coverages, strict=True):
        image = read_image(tumor, sitk.sitkUInt8)
        labels, seen = to_array(image), to_array(read_image(coverage, sitk.sitkUInt8)) > 0
        for region in REGIONS if kind == "dseg" else ("WT",):
            inside = region_mask(labels, region, kind)
            counts[region] += inside & seen
            covered[region] += seen
            volumes[region].append(float(inside.sum()) * voxel_volume_ml(image))
    known = [region for region in REGIONS if volumes[region]]
    return {r: counts[r] for r in known}, covered, {r: volumes[r] for r in known}


def _mean_image(images: list[Path], brain: np.ndarray) -> np.ndarray:
    total = np.zeros(brain.shape, np.float64)
    for path in images:
        voxels = to_array(read_image(path))
        inside = voxels[brain & (voxels > 0)]
        if inside.size:
            total += voxels / np.median(inside)
    return (total / len(images)).astype(np.float32)


def _row(region: str, volumes: list[float], share: np.ndarray, grid: sitk.Image) -> dict[str, Any]:
    peak = np.unravel_index(int(np.argmax(share)), share.shape)
    x, y, z = grid.TransformIndexToPhysicalPoint([int(i) for i in peak])
    found = [volume for volume in volumes if volume > 0]
    return {
        "region": region,
        "scans": len(volumes),
        "scans_with_region": len(found),
        "volume_ml_mean": float(np.mean(found)) if found else float("nan"),
        "volume_ml_sd": float(np.std(found, ddof=1)) if len(found) > 1 else float("nan"),
        "volume_ml_median": float(np.median(found)) if found else float("nan"),
        "peak_frequency": float(share.max()),
        "peak_x_mm": -x,
        "peak_y_mm": -y,
        "peak_z_mm": z,
    }


def read_record(path: Path) -> dict[str, Any]:
    """A scan's ``_registration.json``; empty where it is not one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


Atlas = task(atlas, frequency=dict[str, File], coverage=File, mean=File, regions=File, counts=dict[str, int])
