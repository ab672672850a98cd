"""Slices lie where the lesion is, and say which way they are seen."""

import numpy as np
from ball_pictures import head

from gliomorph.interfaces.files.images import from_array, to_array
from gliomorph.interfaces.reports.cuts import brightness, choose_cuts, foreground, spread_cuts


def test_letters_and_position_are_those_of_the_planes(grid):
    cuts = choose_cuts(head(grid)[0], [head(grid)[1]])
    assert [cut.plane.letters for cut in cuts] == ["RLAP", "RLSI", "APSI"]
    assert [cut.label for cut in cuts] == ["axial z = 13 mm", "coronal y = -9 mm", "sagittal x = -7 mm"]


def test_spread_slices_lie_inside_what_they_are_spread_over(grid):
    image, lesion = head(grid)
    cuts = spread_cuts(image, lesion, 4)
    assert len(cuts) == 12
    assert all(cut.sample(lesion).max() > 0 for cut in cuts)


def test_ripples_that_an_interpolation_left_around_a_head_are_background(grid):
    image, _ = head(grid)
    voxels = to_array(image)
    rippled = np.where(voxels > 0, voxels, 0.001 * brightness(image) * (-1.0) ** np.indices(voxels.shape)[0])
    found = to_array(foreground(from_array(rippled.astype(np.float32), image)))
    np.testing.assert_array_equal(found, to_array(foreground(image)))
    assert 0 < found.mean() < 1
