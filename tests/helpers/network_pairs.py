"""Small registration networks with random weights that deform visibly, and pairs for them."""

import attrs
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.kernels import in_voxels
from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.models.registration.pair import Pair

FLAT, SOLID = (44, 36), (24, 28, 20)
each = pytest.mark.parametrize("method", DEFAULTS)


def settings_of(method, dimension=2, **changed):
    small = {"dimension": dimension, "width": 4, "steps": 4, "sigma_mm": 6.0, "voxel_mm": 2.0}
    return attrs.evolve(DEFAULTS[method], **small | changed)


def disc(shape, centre, radius):
    grid = geometry.identity_grid(torch.zeros(1, len(shape), *shape))[0]
    distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)).sqrt()
    return torch.sigmoid(radius - distance)[None, None]


def a_pair(shape=FLAT, batch=1):
    middle = [0.5 * (size - 1) for size in shape]
    shifts = range(batch)
    moving = torch.cat([disc(shape, [m + 1 + s for m in middle], 0.3 * min(shape)) for s in shifts])
    tumor = torch.cat([disc(shape, [m - 3 + s for m in middle], 3.5) > 0.5 for s in shifts]).float()
    fixed = disc(shape, middle, 0.3 * min(shape)).expand_as(moving)
    return Pair(
        moving=moving * (1 - tumor),
        fixed=fixed,
        mask=tumor,
        brain=torch.ones_like(moving),
        spacing_mm=(1.0,) * len(shape),
    )


GAINS = {"voxelmorph": 200.0, "metamorph-g": 100.0, "metamorph-r": 1000.0}


def random_network(settings, seed=0):
    """Last layers begin at nearly 0, where every law holds by itself: they are enlarged."""
    torch.manual_seed(seed)
    network = build(settings).eval()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if "head.weight" in name or "layers.5" in name:
                tensor.mul_(GAINS[settings.method])
    return network


def displacement_of(path, pair):
    return in_voxels(path.backward, pair.shape)


def arrays(pair):
    """As :func:`pair_of` takes them: moving, fixed, mask, spacing."""
    images = [tensor[0, 0].numpy() for tensor in (pair.moving, pair.fixed, pair.mask)]
    return (*images, pair.spacing_mm)
