"""The two sides of a pair: intensities, what is compared, grids."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pairs
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, to_array, write_image
from gliomorph.interfaces.pairs.sides import matched, read_side


def test_matched_intensities_are_those_of_the_fixed_image_whatever_the_scanner_s_unit() -> None:
    second, first = pairs.sessions()
    scaled = attrs.evolve(second, image=second.image * 40 + 7)
    (one, other), (again, _) = matched(second, first), matched(scaled, first)
    np.testing.assert_allclose(to_array(again.image), to_array(one.image), atol=1e-3)
    for side in (one, other):
        inside = to_array(side.image)[side.compared]
        assert 0 < inside.min() < 0.8 < inside.max() == 1
        assert not to_array(side.image)[to_array(side.brain) == 0].any()


def test_lesions_have_no_part_in_the_intensities() -> None:
    second, first = pairs.sessions()
    voxels = np.where(to_array(first.lesion) > 0, 9.0, to_array(first.image)).astype(np.float32)
    bright = attrs.evolve(first, image=from_array(voxels, first.image))
    np.testing.assert_array_equal(
        to_array(matched(second, first)[0].image), to_array(matched(second, bright)[0].image)
    )


def test_a_side_keeps_its_place_on_another_grid() -> None:
    _, first = pairs.sessions()
    finer = sitk.Image([88, 92, 80], sitk.sitkUInt8)
    finer.CopyInformation(sitk.Expand(first.brain, [2, 2, 2]))
    moved = first.on(finer, sitk.Transform())
    assert (to_array(moved.brain).sum() / to_array(first.brain).sum()) == pytest.approx(8, rel=0.02)


def test_a_brain_that_is_all_lesion_cannot_be_compared(tmp_path: Path) -> None:
    _, first = pairs.sessions()
    image, brain = (
        write_image(first.image, tmp_path / "x.nii.gz"),
        write_image(first.brain, tmp_path / "b.nii.gz"),
    )
    with pytest.raises(
        ImageError, match=r"x\.nii\.gz: at least 1000 brain voxels outside the lesion.*found 0"
    ):
        read_side(image, brain, brain)
