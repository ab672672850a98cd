"""A template that no patient can be made of is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.models import synthesis


def test_template_without_brain_or_with_long_voxels_is_refused() -> None:
    nothing = np.zeros((4, 4, 4))
    with pytest.raises(ValueError, match="brain mask is empty"):
        synthesis.prepare_anatomy(nothing, nothing, np.zeros((3, 4, 4, 4)), np.eye(4))
    with pytest.raises(ValueError, match=r"isotropic template voxels are required, got \[1.0, 1.0, 2.0\]"):
        synthesis.prepare_anatomy(nothing, nothing + 1, np.ones((3, 4, 4, 4)), np.diag([1.0, 1.0, 2.0, 1.0]))
