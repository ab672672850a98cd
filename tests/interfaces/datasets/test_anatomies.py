"""Folders of heads and of tumours' shapes, read for the data engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from label_maps import VOXEL_MM, head_labels, write_labels

from gliomorph.interfaces.datasets.anatomies import people_engine, read_person
from gliomorph.interfaces.files.images import ImageError


def test_an_engine_is_made_of_two_folders(tmp_path: Path) -> None:
    write_labels(head_labels(), tmp_path / "heads" / "one_dseg.nii.gz")
    tumor = np.zeros((12, 12, 12))
    tumor[2:10, 2:10, 2:10] = 4
    write_labels(tumor, tmp_path / "tumours" / "sub-1" / "seg.nii.gz")
    engine = people_engine(tmp_path / "heads", tmp_path / "tumours", 2 * VOXEL_MM, ("T1w",))
    assert len(engine.people) == len(engine.tumors) == 1
    assert engine.tumors[0][2].any()
    assert engine.draw(0).images.shape[0] == 1


def test_heads_are_the_same_however_their_axes_run(tmp_path: Path) -> None:
    first, second = (
        read_person(write_labels(head_labels(), tmp_path / f"{axes}.nii.gz", axes=axes), VOXEL_MM)
        for axes in ("RAS", "PIL")
    )
    assert torch.equal(first.shares, second.shares)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"--anatomies .*none: not a folder"):
        people_engine(tmp_path / "none", None, 4.0, ("T1w",))
    with pytest.raises(ImageError, match=r"label maps \(\.nii, \.nii\.gz\) are required in it, found none"):
        people_engine(tmp_path, None, 4.0, ("T1w",))
    thick = write_labels(head_labels(), tmp_path / "thick.nii.gz", (4.0, 4.0, 5.0))
    with pytest.raises(ImageError, match=r"thick\.nii\.gz: isotropic voxels are required"):
        read_person(thick, 4.0)
    empty = write_labels(np.zeros((8, 8, 8)), tmp_path / "empty.nii.gz")
    with pytest.raises(ImageError, match=r"empty\.nii\.gz: a label map with cerebral white matter"):
        read_person(empty, 4.0)
