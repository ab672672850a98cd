"""The roughness that VoxelMorph is trained with."""

import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.registration.voxelmorph import roughness


def test_roughness_is_the_published_loss_times_the_voxels():
    velocity = torch.rand(1, 3, 8, 9, 7)
    squares = [geometry.gradient(velocity)[:, :, axis].square().mean() for axis in range(3)]
    assert float(roughness(velocity)) == pytest.approx(float(sum(squares) / 3) * 8 * 9 * 7 / 2, rel=1e-5)
