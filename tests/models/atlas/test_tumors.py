"""The side of a tumour and its pieces."""

import numpy as np
import pytest

from gliomorph.models.atlas import Grid, count_components, laterality_index

GRID = Grid(shape=(10, 8, 6), affine=np.diag([-2.0, 2.0, 2.5, 1.0]))
"""x falls with the index: the first voxels are on the right."""


def test_index_goes_from_left_to_right():
    tumor = np.zeros(GRID.shape, bool)
    assert np.isnan(laterality_index(tumor, GRID, -9.0))
    tumor[0:2] = True
    assert laterality_index(tumor, GRID, -9.0) == 1
    assert laterality_index(tumor[::-1], GRID, -9.0) == -1
    tumor[9] = True
    assert laterality_index(tumor, GRID, -9.0) == pytest.approx(1 / 3)
    # a voxel on the plane is on neither side
    assert laterality_index(tumor, GRID, 0.0) == pytest.approx(-1)


def test_pieces_that_touch_by_a_corner_are_one_and_specks_do_not_count():
    tumor = np.zeros(GRID.shape, np.uint8)
    assert count_components(tumor, GRID, 0.01) == 0
    tumor[0:2, 0:2, 0:2] = 4
    tumor[2, 2, 2] = 2
    tumor[8, 6, 5] = 1
    assert count_components(tumor, GRID, 0.01) == 2
    assert count_components(tumor, GRID, 0.05) == 1
