"""The pair that tests of the optimisation look at."""

import numpy as np
import pytest
from ellipsoids import ellipsoid


@pytest.fixture(scope="module")
def pair():
    """(moving, fixed, mask): a brain and a ventricle, shifted and swollen; a dark tumour in moving."""
    fixed = ellipsoid((16, 18, 14), (11, 13, 10)) * (0.8 - 0.6 * ellipsoid((16, 17, 14), (4, 5, 3)))
    ventricle = ellipsoid((17.5, 18, 14), (5, 5, 3.5))
    moving = ellipsoid((16.5, 18.5, 14), (11.5, 12, 10)) * (0.8 - 0.6 * ventricle)
    mask = (ellipsoid((10.5, 22, 15), (3, 3, 3)) > 0.5).astype(np.uint8)
    return np.where(mask, 0.3, moving).astype(np.float32), fixed, mask
