"""The picture of the README is drawn from the files that a demo leaves."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.overview import METHOD, PATIENTS, SPACE, draw


def test_picture_is_drawn_from_a_demo_s_derivatives(tmp_path: Path) -> None:
    ball = ((np.indices((8, 8, 8)) - 4) ** 2).sum(0) < 9
    names = [
        f"{patient}/anat/{patient}_{tail}"
        for patient in PATIENTS
        for tail in (
            "desc-n4_T1w",
            "label-tumor_desc-truth_mask",
            f"{SPACE}_label-tumor_desc-{METHOD}_mask",
            f"{SPACE}_desc-{METHOD}_T1w",
            f"{SPACE}_desc-{METHOD}healthy_T1w",
        )
    ]
    names += [
        f"tpl-MNI152/anat/tpl-MNI152_{tail}"
        for tail in ("atlas-gliomorph_res-2_label-WT_desc-frequency_probseg", "res-2_desc-meanhealthy_T1w")
    ]
    for name in names:
        path = tmp_path / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(ball.astype(np.float32), np.diag([-2, 2, 2, 1])), path)
    draw(tmp_path, tmp_path / "overview.png")
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")
