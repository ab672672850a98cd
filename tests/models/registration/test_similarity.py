"""Laws of the dissimilarities, and each against a slow version of its definition."""

import numpy as np
import pytest
import torch

from gliomorph.models.kernels import Kernel
from gliomorph.models.registration.similarity import (
    correlation,
    intensity_ratio,
    local_correlation,
    mutual_information,
    squared_difference,
)

SHAPE = (24, 20)


def textured(seed=0, channels=1):
    """Smooth random image in [0.1, 0.9], float64."""
    noise = torch.rand(1, channels, *SHAPE, generator=torch.Generator().manual_seed(seed)).double()
    smooth = Kernel(SHAPE, (1.0, 1.0), (2.0,), like=noise)(noise)
    low, high = smooth.amin((2, 3), keepdim=True), smooth.amax((2, 3), keepdim=True)
    return 0.1 + 0.8 * (smooth - low) / (high - low)


def left_half():
    weight = torch.zeros(1, 1, *SHAPE, dtype=torch.float64)
    weight[..., :12, :] = 1
    return weight


EVERYWHERE = torch.ones(1, 1, *SHAPE, dtype=torch.float64)
MEASURES = {
    "ssd": squared_difference(),
    "cc": correlation,
    "vir": intensity_ratio,
    "mi": mutual_information(),
    "lncc": local_correlation(3.0, (1.0, 1.0)),
}
each = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@each
def test_equal_images_are_least(measure):
    image, other = textured(), textured(1)
    same, different = measure(image, image, EVERYWHERE), measure(other, image, EVERYWHERE)
    # mutual information spreads a value over two levels, which leaves something unexplained
    assert abs(same) < (0.35 * different if measure is MEASURES["mi"] else 1e-9)
    for shift in (1, 3):
        assert same < measure(image.roll(shift, -1), image, EVERYWHERE)


@each
def test_what_has_no_weight_does_not_count(measure):
    image, other, weight = textured(), textured(1), left_half()
    spoiled = torch.where(weight > 0, other, torch.rand_like(other))
    if measure is MEASURES["lncc"]:
        # its window is band-limited: weights are exact, their smoothing reaches across
        assert torch.isclose(measure(spoiled, image, weight), measure(other, image, weight), rtol=1e-6)
    else:
        torch.testing.assert_close(measure(spoiled, image, weight), measure(other, image, weight))
    assert measure(other, image, weight) < measure(other, image, EVERYWHERE)


@each
def test_nothing_to_compare_is_zero_and_finite(measure):
    image = textured()
    assert measure(textured(1), image, torch.zeros_like(EVERYWHERE)).item() == pytest.approx(0, abs=1e-6)
    flat = torch.zeros_like(image)
    assert torch.isfinite(measure(flat, flat, EVERYWHERE))


@each
def test_batch_and_channels_add_up(measure):
    images, others = textured(0, 2), textured(3, 2)
    both = measure(others, images, EVERYWHERE)
    single = sum(measure(others[:, c : c + 1], images[:, c : c + 1], EVERYWHERE) for c in (0, 1))
    torch.testing.assert_close(both, single)
    batch = measure(
        others.mT.reshape(2, 1, *SHAPE), images.mT.reshape(2, 1, *SHAPE), EVERYWHERE.expand(2, -1, -1, -1)
    )
    assert torch.isfinite(batch)
    stacked = measure(
        torch.cat([others[:, :1], others[:, 1:]]),
        torch.cat([images[:, :1], images[:, 1:]]),
        EVERYWHERE.expand(2, -1, -1, -1),
    )
    torch.testing.assert_close(stacked, single)


@each
def test_gradient_agrees_with_finite_differences(measure):
    image, other = textured(), textured(1).requires_grad_(True)
    direction = torch.rand(other.shape, generator=torch.Generator().manual_seed(5)).double() - 0.5
    measure(other, image, left_half()).backward()
    step = 1e-7
    with torch.no_grad():
        ahead, behind = (measure(other + s * direction, image, left_half()) for s in (step, -step))
    torch.testing.assert_close(
        (other.grad * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("name", ["cc", "mi", "lncc"])
def test_contrast_does_not_matter(name):
    image, other = textured(), textured(1)
    plain, changed = (MEASURES[name](x, image, EVERYWHERE) for x in (other, 0.2 + 0.6 * other))
    # the floor of the local variances and the levels of the histogram see contrast a little
    assert abs(changed - plain) < {"cc": 1e-9, "mi": 0.1, "lncc": 0.1}[name] * plain


def test_common_factor_does_not_matter_to_the_intensity_ratio():
    image, other = textured(), textured(1)
    plain, scaled = (intensity_ratio(x, image, EVERYWHERE) for x in (other, 0.5 * other))
    torch.testing.assert_close(plain, scaled)


def test_correlation_is_that_of_numpy():
    image, other, weight = textured(), textured(1), left_half()
    inside = weight.numpy() > 0
    rho = np.corrcoef(image.numpy()[inside], other.numpy()[inside])[0, 1]
    assert correlation(other, image, weight).item() == pytest.approx(inside.sum() * (1 - rho**2))


def test_intensity_ratio_is_its_definition():
    image, other, weight = textured(), textured(1), left_half()
    inside = weight.numpy() > 0
    ratio = other.numpy()[inside] / image.numpy()[inside]
    vir = np.sqrt(np.mean((ratio - ratio.mean()) ** 2)) / ratio.mean()
    assert intensity_ratio(other, image, weight).item() == pytest.approx(inside.sum() * vir**2)


def test_mutual_information_is_that_of_the_histogram():
    """Values on the levels themselves: the joint histogram is the plain one."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 8, (1, 1, *SHAPE), generator=generator)
    other = (image + torch.randint(0, 3, image.shape, generator=generator)) % 8
    joint = np.histogram2d(other.numpy().ravel(), image.numpy().ravel(), bins=8)[0] / image.numel()
    marginal, given = joint.sum(0), joint.sum(1)
    information = np.nansum(
        np.where(joint > 0, joint * np.log(joint / np.outer(given, marginal) + 1e-300), 0)
    )
    expected = image.numel() * (1 + information / np.sum(marginal * np.log(marginal)))
    obtained = mutual_information(8)(other / 7.0, image / 7.0, torch.ones_like(image).double())
    assert obtained.item() == pytest.approx(expected, rel=1e-5)


def test_bins_are_checked():
    with pytest.raises(ValueError, match="bins has to be at least 2, got 1"):
        mutual_information(1)
