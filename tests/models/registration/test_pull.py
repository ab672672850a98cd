"""The pull of two images on each other, beside the step of a flow and what it brings about."""

import attrs
import torch
from network_pairs import SOLID, a_pair

from gliomorph.models import geometry
from gliomorph.models.registration.flow import Comparison, FlowSettings, smoothed
from gliomorph.models.registration.pull import WINDOW, Pull

WIDTH = 2.0


def textured(seed: int = 0):
    """A pair of discs with texture, so that every window has something to compare; its tumour stays."""
    pair = a_pair(SOLID)
    noise = smoothed(torch.rand(1, 1, *SOLID, generator=torch.Generator().manual_seed(seed)), 1.5)
    texture = (noise - noise.min()) / (noise.max() - noise.min())
    there = texture.roll(1, 2)
    return attrs.evolve(pair, moving=(0.2 + 0.6 * there) * (1 - pair.mask), fixed=0.2 + 0.6 * texture)


def still(pair):
    return torch.zeros(1, len(pair.shape), *pair.shape)


def step_of(pair, image):
    """K(−z ∇I), in voxels."""
    momentum = Pull(pair, WIDTH)(image, still(pair))
    return smoothed((momentum[:, :, None] * geometry.gradient(image)).sum(1), WIDTH)


def test_it_is_the_step_of_the_flow_but_for_where_the_quotient_is_taken():
    pair = textured()
    step = step_of(pair, pair.moving)
    settings = FlowSettings(step=1.0, kernel=(WIDTH,) * 3, window=(WINDOW,) * 3, margin_mm=2.0, rim_mm=3.0)
    masked = attrs.evolve(pair, mask=geometry.dilate(pair.mask, 2.0, pair.spacing_mm))
    flow_step, _, _ = Comparison(masked, WINDOW).step(still(pair), settings, 0, 0)
    agreement = torch.nn.functional.cosine_similarity(step.flatten(), flow_step.flatten(), dim=0)
    assert agreement > 0.95
    assert 0.7 < step.norm() / flow_step.norm() < 1.4


def test_equal_images_do_not_pull_outside_the_tumour():
    pair = textured()
    same = attrs.evolve(pair, moving=pair.fixed)
    assert step_of(same, same.moving).abs().max() < 1e-3 * step_of(pair, pair.moving).abs().max()


def test_another_contrast_pulls_the_same_way():
    pair = textured()
    inverted = attrs.evolve(pair, moving=(1 - pair.moving) * (1 - pair.mask))
    straight, other = step_of(pair, pair.moving), step_of(inverted, inverted.moving)
    agreement = torch.nn.functional.cosine_similarity(straight.flatten(), other.flatten(), dim=0)
    assert agreement > 0.8


def test_nothing_is_pulled_in_the_tumour_and_its_margin():
    pair = textured()
    momentum = Pull(pair, WIDTH)(pair.moving, still(pair))
    around = geometry.dilate(pair.mask, 2.0, pair.spacing_mm) > 0.5
    assert (momentum[around] == 0).all()
    assert (momentum[~around] != 0).any()
