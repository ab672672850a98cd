"""Laws of random numbers and smooth random fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gliomorph.models.synthesis.chance import Chance


def test_numbers_repeat_themselves_whatever_tensors_are_drawn_between() -> None:
    first, second = Chance(3), Chance(3)
    field = first.field((6, 5, 4), 2.0)
    numbers = [first.uniform(), first.log_uniform(1, 9), first.integer(100)]
    assert numbers == [second.uniform(), second.log_uniform(1, 9), second.integer(100)]
    assert torch.equal(second.field((6, 5, 4), 2.0), field)
    assert Chance(4).uniform() != numbers[0]


def test_numbers_stay_in_their_ranges() -> None:
    chance = Chance(0)
    assert all(-2 <= chance.uniform(-2, 3) < 3 for _ in range(100))
    logarithms = np.log10([chance.log_uniform(0.01, 100) for _ in range(2000)])
    assert np.abs(logarithms).max() <= 2
    assert np.histogram(logarithms, 4, (-2, 2))[0] == pytest.approx([500] * 4, abs=100)  # 5 deviations
    assert {chance.integer(3) for _ in range(50)} == {0, 1, 2}
    assert not chance.happens(0.0)
    assert chance.happens(1.0)


def test_numbers_and_tensors_have_nothing_to_do_with_each_other() -> None:
    chances = [Chance(seed) for seed in range(1000)]
    numbers = torch.tensor([chance.uniform() for chance in chances])
    values = torch.cat([chance.normal((1,)) for chance in chances])
    for other in (values, values.abs()):
        assert abs(torch.corrcoef(torch.stack([numbers, other]))[0, 1]) < 0.15  # 5 deviations


@pytest.mark.parametrize("sigma", [1.0, 2.5, 40.0])
def test_fields_have_mean_zero_variance_one_and_the_smoothness_asked_for(sigma: float) -> None:
    # white noise through a Gaussian of width σ: covariance ∫ g(x − t) g(y − t) dt ∝ exp(−|x − y|² / 4σ²)
    shape, count = (6, 5, 4), 4000
    fields = Chance(1).field(shape, sigma, count).flatten(1)
    places = torch.tensor(np.indices(shape).reshape(3, -1).T.copy(), dtype=torch.float32)
    expected = torch.exp(-(torch.cdist(places, places) ** 2) / (4 * sigma**2))
    tolerance = 5 / count**0.5  # five deviations of a correlation; of a variance 3.5
    torch.testing.assert_close(fields.mean(0), torch.zeros(120), atol=tolerance, rtol=0)
    torch.testing.assert_close(fields.T @ fields / count, expected, atol=1.5 * tolerance, rtol=0)
