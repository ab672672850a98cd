"""The picture of the README: ``python -m benchmarks.overview DERIVATIVES FILE``, from what ``make demo`` has left.

Three patients as they were scanned, in template space, and with the appearance of the tumour taken away; and the map of
the whole tumours' frequency.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gliomorph.interfaces.reports.figures import HEAT, LESION

PATIENTS = ("sub-01", "sub-02", "sub-03")
SPACE, METHOD = "space-MNI152_res-2", "metamorphr"
TITLES = ("as scanned", "in template space", "as if healthy")
INK = "#1d2733"


def draw(derivatives: Path, out_file: Path) -> None:
    """Draw the picture of a demo's derivatives."""
    figure = Figure(figsize=(9.0, 4.9), facecolor="white")
    grid = figure.add_gridspec(3, 6, width_ratios=(1, 1, 1, 0.4, 2.6, 0.1), hspace=0.04, wspace=0.04)
    for row, patient in enumerate(PATIENTS):
        for column, (image, mask) in enumerate(_columns(derivatives / patient / "anat", patient)):
            axes = figure.add_subplot(grid[row, column])
            _brain(axes, image, mask, _middle(mask))
            if row == 0:
                axes.set_title(TITLES[column], fontsize=9, color=INK)
    anat, stem = derivatives / "tpl-MNI152" / "anat", "tpl-MNI152"
    frequency = _read(anat / f"{stem}_atlas-gliomorph_res-2_label-WT_desc-frequency_probseg.nii.gz")
    at = _middle(frequency)
    axes = figure.add_subplot(grid[:, 4])
    _brain(axes, _read(anat / f"{stem}_res-2_desc-meanhealthy_T1w.nii.gz"), None, at)
    shown = _slice(frequency, at)
    drawn = axes.imshow(np.ma.masked_less_equal(shown, 0), cmap=HEAT, vmin=0, origin="lower", aspect="equal")
    axes.set_title("tumour frequency, six simulated patients", fontsize=9, color=INK)
    figure.colorbar(drawn, cax=figure.add_subplot(grid[1, 5]), format=lambda x, _: f"{100 * x:.0f} %")
    figure.add_subplot(grid[1, 3], frame_on=False, xticks=(), yticks=()).text(
        0.5, 0.5, "→", fontsize=20, color=INK, ha="center", va="center"
    )
    figure.savefig(out_file, dpi=130, bbox_inches="tight", metadata={"Software": None})


def _columns(anat: Path, patient: str) -> list[tuple[tuple[np.ndarray, float], tuple[np.ndarray, float]]]:
    native = _read(anat / f"{patient}_label-tumor_desc-truth_mask.nii.gz")
    warped = _read(anat / f"{patient}_{SPACE}_label-tumor_desc-{METHOD}_mask.nii.gz")
    return [
        (_read(anat / f"{patient}_desc-n4_T1w.nii.gz"), native),
        (_read(anat / f"{patient}_{SPACE}_desc-{METHOD}_T1w.nii.gz"), warped),
        (_read(anat / f"{patient}_{SPACE}_desc-{METHOD}healthy_T1w.nii.gz"), warped),
    ]


def _read(path: Path) -> tuple[np.ndarray, float]:
    """Voxels with axes to the right, anterior and superior, and how much taller than wide they are in axial slices."""
    image = nib.as_closest_canonical(nib.load(path))
    width, height, _ = image.header.get_zooms()
    return np.asarray(image.dataobj, np.float32), height / width


def _middle(mask: tuple[np.ndarray, float]) -> int:
    """The axial slice that most of a mask is in."""
    return int(mask[0].sum((0, 1)).argmax())


def _slice(image: tuple[np.ndarray, float], at: int) -> np.ndarray:
    return image[0][::-1, :, at].T  # radiological: the patient's right is left


def _brain(
    axes: Axes, image: tuple[np.ndarray, float], mask: tuple[np.ndarray, float] | None, at: int
) -> None:
    voxels = _slice(image, at)
    white = float(np.quantile(image[0][image[0] > 0], 0.998))
    axes.imshow(voxels, cmap="gray", vmin=0, vmax=white, origin="lower", aspect=image[1])
    if mask is not None:
        axes.contour(_slice(mask, at), [0.5], colors=LESION, linewidths=0.8)
    axes.set_axis_off()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overview", description=__doc__)
    parser.add_argument("derivatives", type=Path, metavar="DERIVATIVES", help="demo/derivatives of make demo")
    parser.add_argument("file", type=Path, metavar="FILE", help="PNG to write")
    options = parser.parse_args(argv)
    draw(options.derivatives, options.file)


if __name__ == "__main__":
    main()
