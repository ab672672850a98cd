"""Further files of the moving side: labels stay labels, images are interpolated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import to_array, write_image
from gliomorph.interfaces.pairs.carry import carried

SHIFT = sitk.TranslationTransform(3, (2.0, 0.0, 0.0))


@pytest.mark.parametrize("drawn", [phantoms.labels_image, phantoms.brain_mask])
def test_labels_stay_labels(drawn: object, tmp_path: Path) -> None:
    labels = drawn(phantoms.grid())  # type: ignore[operator]
    moved = carried(write_image(labels, tmp_path / "labels.nii.gz"), labels, SHIFT)
    assert moved.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(to_array(moved))) == set(np.unique(to_array(labels)))


def test_images_are_interpolated(tmp_path: Path) -> None:
    image = phantoms.brain_image(phantoms.grid())
    moved = carried(write_image(image, tmp_path / "image.nii.gz"), image, SHIFT)
    # half a voxel: the mean of two neighbours
    expected = (to_array(image)[:-1] + to_array(image)[1:]) / 2
    np.testing.assert_allclose(to_array(moved)[:-1], expected, atol=1e-6)
