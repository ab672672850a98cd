"""Files of images without text, and without faces."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from shared_derivatives import SECRET, VOXEL_MM, ball, brain, write_nifti

from gliomorph.interfaces.files.images import ImageError
from gliomorph.interfaces.sharing.images import (
    read_voxels,
    shows_more_than_brain,
    write_defaced,
    write_voxels,
)


def test_voxels_and_frame_stay_and_text_goes(tmp_path: Path) -> None:
    source, target = write_nifti(brain(), tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz"
    write_voxels(*read_voxels(source), target)
    old, new = nib.load(source), nib.load(target)
    assert np.array_equal(old.get_fdata(), new.get_fdata())
    assert np.array_equal(old.affine, new.affine)
    content = gzip.decompress(target.read_bytes())
    assert SECRET[:8].encode() in gzip.decompress(source.read_bytes())
    assert SECRET[:8].encode() not in content
    assert not new.header.extensions
    assert len(content) == 352 + new.get_fdata().size * 4


def test_compressed_file_has_neither_name_nor_time(tmp_path: Path) -> None:
    source = write_nifti(brain(), tmp_path / "a.nii.gz")
    write_voxels(*read_voxels(source), tmp_path / "b.nii.gz")
    assert (tmp_path / "b.nii.gz").read_bytes()[3:8] == bytes(5)


def test_nifti_2_and_scaled_integers_stay_what_they_are(tmp_path: Path) -> None:
    image = nib.Nifti2Image(np.arange(27, dtype=np.int16).reshape(3, 3, 3), np.eye(4))
    image.header.set_slope_inter(0.5, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    write_voxels(*read_voxels(tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz")
    assert np.array_equal(
        nib.load(tmp_path / "a.nii.gz").get_fdata(), nib.load(tmp_path / "b.nii.gz").get_fdata()
    )


def test_brain_alone_is_told_from_a_head_by_its_mask(tmp_path: Path) -> None:
    mask = write_nifti(ball(4).astype(np.uint8), tmp_path / "mask.nii.gz")
    alone, head = brain(), brain()
    head[0, 0, 0] = 1
    assert not shows_more_than_brain(write_nifti(alone, tmp_path / "a.nii.gz"), mask)
    assert shows_more_than_brain(write_nifti(head, tmp_path / "b.nii.gz"), mask)


def test_without_a_mask_it_is_told_by_its_volume(tmp_path: Path) -> None:
    image = write_nifti(brain(), tmp_path / "a.nii.gz")
    assert not shows_more_than_brain(image, None)
    big = nib.Nifti1Image(brain(), np.diag([25.0, 25.0, 25.0, 1.0]))
    nib.save(big, tmp_path / "b.nii.gz")
    assert shows_more_than_brain(tmp_path / "b.nii.gz", None)
    assert shows_more_than_brain(write_nifti(brain() + 1, tmp_path / "c.nii.gz"), None), "no background"


@pytest.mark.parametrize("voxel_mm", [VOXEL_MM, 2.0])
def test_defaced_images_are_equal_in_the_brain_and_0_away_from_it(voxel_mm: float, tmp_path: Path) -> None:
    affine = np.diag([voxel_mm] * 3 + [1.0])
    nib.save(nib.Nifti1Image(ball(3).astype(np.uint8), affine), tmp_path / "mask.nii.gz")
    head = brain() + 1
    nib.save(nib.Nifti1Image(head, affine), tmp_path / "head.nii.gz")
    write_defaced(tmp_path / "head.nii.gz", tmp_path / "mask.nii.gz", tmp_path / "out.nii.gz")
    found = nib.load(tmp_path / "out.nii.gz").get_fdata()
    assert np.array_equal(found[ball(3)], head[ball(3)])
    assert not found[~ball(3 + 5 / voxel_mm + 1)].any()
    assert (found[~ball(3)] > 0).any() == (voxel_mm <= 5)


def test_masks_on_another_grid_are_refused(tmp_path: Path) -> None:
    image = write_nifti(brain(), tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(ball(4).astype(np.uint8), np.eye(4)), tmp_path / "mask.nii.gz")
    with pytest.raises(ImageError, match="on the grid of its image is required"):
        shows_more_than_brain(image, tmp_path / "mask.nii.gz")


def test_damaged_images_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(write_nifti(brain(), tmp_path / "b.nii.gz").read_bytes()[:400])
    with pytest.raises(ImageError, match=r"a\.nii\.gz: cannot be read"):
        read_voxels(tmp_path / "a.nii.gz")
