"""``python -m benchmarks.colin27 CH2BET TEMPLATES``: the template Colin27, one of those the students learn from.

One brain, scanned 27 times (Holmes et al. 1998): its cortex is sharp, that of an average template is not. CH2BET is
the brain-extracted image of MRIcron, ``ch2bet.nii.gz`` (Debian: the package mricron-data, below
``/usr/share/mricron/templates``). The tissues are found by ANTs' Atropos: three classes by k-means, ordered by their
brightness.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.datasets.templates import TISSUES
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.registration.ants import to_ants

SMOOTHING = "[0.1,1x1x1]"
"""Settings of Atropos' Markov random field: weight and reach in voxels."""
ITERATIONS = "[5,0]"


def make(stripped: Path, templates: Path) -> Path:
    """``tpl-Colin27`` in a folder of templates, from the brain-extracted image; its path."""
    import ants

    image = read_image(stripped)
    mask = sitk.BinaryFillhole(image > 0)
    picture = ants.n4_bias_field_correction(to_ants(image), mask=to_ants(mask), shrink_factor=4)
    found = ants.atropos(a=picture, x=to_ants(mask), i="kmeans[3]", m=SMOOTHING, c=ITERATIONS)
    voxels = picture.numpy()
    shares = sorted(
        (share.numpy() for share in found["probabilityimages"]),
        key=lambda share: float((voxels * share).sum() / share.sum()),
    )
    home = templates / "tpl-Colin27"
    home.mkdir(parents=True, exist_ok=True)
    stem = home / "tpl-Colin27_res-01"
    inside = to_array(mask) > 0
    write_image(from_array((voxels * inside).astype(np.float32), image), f"{stem}_desc-brain_T1w.nii.gz")
    write_image(mask, f"{stem}_desc-brain_mask.nii.gz")
    for tissue, share in zip(TISSUES, shares, strict=True):
        write_image(from_array(share.astype(np.float32), image), f"{stem}_label-{tissue}_probseg.nii.gz")
    return home


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.colin27", description=__doc__)
    parser.add_argument("stripped", metavar="CH2BET", type=Path)
    parser.add_argument(
        "templates", metavar="TEMPLATES", type=Path, help="folder that is to hold tpl-Colin27"
    )
    args = parser.parse_args(argv)
    print(make(args.stripped, args.templates))


if __name__ == "__main__":
    main()
