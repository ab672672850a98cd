"""Images that are no pair are refused by name."""

import numpy as np
import pytest
from ellipsoids import SHAPE, SPACING

from gliomorph.models.registration.metamorphosis import register


def test_wrong_input_is_refused_by_name(pair):
    moving, fixed, mask = pair
    with pytest.raises(ValueError, match=r"moving has shape \(32, 36, 28\), fixed \(31, 36, 28\)"):
        register(moving, fixed[1:], mask, SPACING)
    with pytest.raises(ValueError, match="moving has to be finite: 1 of"):
        spoiled = moving.copy()
        spoiled[0, 0, 0] = np.nan
        register(spoiled, fixed, mask, SPACING)
    with pytest.raises(ValueError, match=r"tumor_mask has to hold 0 and 1 only, found \[0, 2\]"):
        register(moving, fixed, 2 * mask, SPACING)
    with pytest.raises(ValueError, match=r"positive sizes in mm, got \(1.0, 0.0, 1.0\)"):
        register(moving, fixed, mask, (1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="got 2 sizes and 4 axes"):
        register(moving[None], fixed[None], mask, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"moving has shape \(1, 32, 36, 28\), fixed \(2, 32, 36, 28\)"):
        register(moving[None], np.stack([fixed, fixed]), mask, SPACING)
    with pytest.raises(ValueError, match=r"moving has \(32, 36, 28\), tumor_mask \(32, 36\)"):
        register(moving, fixed, mask[..., 0], SPACING)
    with pytest.raises(ValueError, match="start has to be a momentum of 1 channels and 3 axes"):
        register(moving, fixed, mask, SPACING, start=np.zeros(SHAPE, np.float32))
