"""Images that are no pair are refused by name."""

import numpy as np
import pytest
from ellipsoids import SPACING

from gliomorph.models.registration.pair import pair_of


def test_wrong_input_is_refused_by_name(pair):
    moving, fixed, mask = pair
    with pytest.raises(ValueError, match=r"moving has shape \(32, 36, 28\), fixed \(31, 36, 28\)"):
        pair_of(moving, fixed[1:], mask, SPACING)
    with pytest.raises(ValueError, match="moving has to be finite: 1 of"):
        spoiled = moving.copy()
        spoiled[0, 0, 0] = np.nan
        pair_of(spoiled, fixed, mask, SPACING)
    with pytest.raises(ValueError, match=r"tumor_mask has to hold 0 and 1 only, found \[0, 2\]"):
        pair_of(moving, fixed, 2 * mask, SPACING)
    with pytest.raises(ValueError, match=r"positive sizes in mm, got \(1.0, 0.0, 1.0\)"):
        pair_of(moving, fixed, mask, (1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="got 2 sizes and 4 axes"):
        pair_of(moving[None], fixed[None], mask, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"moving has shape \(1, 32, 36, 28\), fixed \(2, 32, 36, 28\)"):
        pair_of(moving[None], np.stack([fixed, fixed]), mask, SPACING)
    with pytest.raises(ValueError, match=r"moving has \(32, 36, 28\), tumor_mask \(32, 36\)"):
        pair_of(moving, fixed, mask[..., 0], SPACING)


def test_a_pair_keeps_what_it_is_on_other_grids(pair):
    moving, fixed, mask = pair
    for images in ((moving, fixed), (moving[None], fixed[None])):
        half = pair_of(*images, mask, SPACING).at((16, 18, 14))
        assert half.moving.shape == half.mask.shape == (1, 1, 16, 18, 14)
        assert half.spacing_mm == tuple(2 * mm for mm in SPACING)
        assert half.has_channels == (images[0].ndim == 4)
