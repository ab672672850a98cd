"""Grids on which images meet keep the physical frame; the template's own are tested with the templates."""

from __future__ import annotations

import numpy as np
import phantoms
import pytest

from gliomorph.interfaces.files.grids import isotropic, mask_onto, onto
from gliomorph.interfaces.files.images import to_array


@pytest.mark.parametrize("voxel_mm", [3.0, 4.5, 8.0])
def test_an_isotropic_grid_has_the_same_field_of_view(voxel_mm: float) -> None:
    thick = phantoms.brain_mask(phantoms.frame("anisotropic"))
    grid = isotropic(thick, voxel_mm)
    assert grid.GetSpacing() == (voxel_mm,) * 3
    middles = [
        np.array(each.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in each.GetSize()]))
        for each in (thick, grid)
    ]
    # sides are whole numbers of voxels
    assert np.abs(middles[0] - middles[1]).max() <= voxel_mm / 2
    volumes = [to_array(mask).sum() * np.prod(mask.GetSpacing()) for mask in (thick, mask_onto(thick, grid))]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.02)


def test_an_image_that_is_isotropic_already_is_its_own_grid() -> None:
    image = phantoms.brain_image(phantoms.grid())
    assert isotropic(image, 4.0) is image
    np.testing.assert_allclose(to_array(onto(image, image)), to_array(image), atol=1e-6)
