"""Appearance at the images' own resolution, around the tumour alone."""

import attrs
import numpy as np
import torch
from network_pairs import FLAT, SOLID, a_pair, arrays, random_network, settings_of

from gliomorph.models import geometry
from gliomorph.models.kernels import in_voxels
from gliomorph.models.registration.catalogue import predict
from gliomorph.models.registration.pair import pair_of
from gliomorph.models.registration.sharp import swept


def test_sharp_appearance_is_that_of_a_network_at_full_resolution():
    """On the images' own voxels the second pass repeats the first, inside the tumour."""
    pair = a_pair()
    plain = random_network(settings_of("metamorph-r", voxel_mm=1.0))
    sharp = random_network(settings_of("metamorph-r", voxel_mm=1.0, sharp=True))
    with torch.inference_mode():
        expected, obtained = plain(pair), sharp(pair)
    torch.testing.assert_close(obtained.backward, expected.backward)
    scale = (pair.mask * expected.change).abs().max()
    # zero padding at the box's border is seen a few voxels inside it
    assert (pair.mask * (obtained.change - expected.change)).abs().max() < 0.005 * scale


def test_sharp_appearance_has_details_finer_than_the_network():
    pair = a_pair()
    generator = torch.Generator().manual_seed(0)
    pair = attrs.evolve(pair, fixed=pair.fixed * torch.rand(pair.fixed.shape, generator=generator))
    changes = {}
    for sharp in (False, True):
        network = random_network(settings_of("metamorph-r", sharp=sharp))
        with torch.inference_mode():
            changes[sharp] = pair.mask * network(pair).change
    roughness_of = {
        s: float(geometry.gradient(geometry.gradient(c)[:, 0]).abs().mean()) for s, c in changes.items()
    }
    assert roughness_of[True] > 1.2 * roughness_of[False]


def test_box_of_the_sweep_holds_every_moved_mask():
    pair = a_pair(SOLID, batch=2)
    shift = torch.zeros(2, 3, 8, 9, 7)
    shift[:, 1] = 0.8
    box = swept(pair, [torch.zeros_like(shift), shift])
    for states in (torch.zeros_like(shift), shift):
        moved = geometry.warp(pair.mask, in_voxels(states, pair.shape)).amax((0, 1))
        outside = moved.clone()
        outside[box] = 0
        assert not outside.any()
    assert np.prod([part.stop - part.start for part in box]) < 0.8 * np.prod(SOLID)


def test_box_without_tumour_is_small():
    pair = attrs.evolve(a_pair(), mask=torch.zeros(1, 1, *FLAT))
    box = swept(pair, [torch.zeros(1, 2, 11, 9)])
    assert all(part.stop - part.start < 12 for part in box)
    result = predict(random_network(settings_of("metamorph-r", sharp=True)), pair_of(*arrays(pair)))
    assert not result.appearance.any()
