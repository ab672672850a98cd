"""Laws of the signals of structures."""

from __future__ import annotations

import pytest

from gliomorph.models.synthesis import palette
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.structures import BY_NUMBER, STRUCTURES


def test_t1w_has_dark_fluid_and_bright_white_matter_with_deep_nuclei_between() -> None:
    for seed in range(40):
        mean = palette.sample_t1w(Chance(seed)).mean
        assert mean[4] == mean[43] == mean[24] < mean[3] == mean[42] < mean[10] < mean[2] == mean[41]
        assert mean[0] == 0 < mean[515] < mean[3]  # bone is dark, but no background


def test_palettes_know_every_structure_and_are_drawn_anew() -> None:
    for sample in (palette.sample_t1w, palette.sample_any):
        first, second = sample(Chance(1)), sample(Chance(2))
        assert set(first.mean) == set(first.sd) == set(BY_NUMBER)
        assert sample(Chance(1)) == first
        assert first != second
        assert len(first.tumor) == 3
        assert min(first.sd.values()) >= 0


def test_any_contrast_has_no_order_but_sides_agree() -> None:
    drawn = [palette.sample_any(Chance(seed)).mean for seed in range(30)]
    assert 5 < sum(mean[4] < mean[2] for mean in drawn) < 25
    assert all(len({mean[number] for number in one.numbers}) == 1 for mean in drawn for one in STRUCTURES)


def test_tables_are_indexed_by_label_and_unknown_labels_are_named() -> None:
    drawn = palette.sample_t1w(Chance(0))
    mean, sd = drawn.tables([0, 2, 17])
    assert mean.shape == sd.shape == (18,)
    assert mean[17].item() == pytest.approx(drawn.mean[17])
    assert sd[2].item() == pytest.approx(drawn.sd[2])
    with pytest.raises(ValueError, match="labels 999 are no structures"):
        drawn.tables([2, 999])
