"""The grid of pictures."""

import pytest
import SimpleITK as sitk


@pytest.fixture
def grid() -> sitk.Image:
    return sitk.Image([24, 28, 20], sitk.sitkUInt8)
