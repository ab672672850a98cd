"""What the likeness of simulated and real patients is measured by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.likeness import measures, report

SIDE = 24


def patient(contrast: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise of standard deviation 1 in a block, with a cube of oedema that is brighter by ``contrast``."""
    labels = np.zeros((SIDE,) * 3, int)
    labels[8:16, 8:16, 8:16] = 2
    image = np.random.default_rng(seed).normal(size=labels.shape) + contrast * (labels > 0)
    image[:2] = 0
    return image[None], labels


@pytest.mark.parametrize("contrast", [-2.0, 3.0])
def test_contrast_is_in_standard_deviations_of_the_surroundings(contrast: float) -> None:
    found = measures.measure(*patient(contrast), ("T1w",), 3.0)
    # the surroundings between two percentiles spread a little less than all
    assert found["T1w oedema to surroundings, sd"] == pytest.approx(contrast / 0.82, rel=0.15)
    assert found["whole tumour, ml"] == pytest.approx(8**3 * 0.027)
    assert found["foci"] == 1
    assert np.isnan(found["T1w enhancing to surroundings, sd"])


def test_profiles_step_at_the_border() -> None:
    images, labels = patient(4.0)
    found = measures.profile(images[0], measures.signed_distance(labels > 0, 3.0))
    inside = measures.EDGES_MM[:-1] < 0
    assert np.nanmin(found[inside]) > 3
    assert np.nanmax(found[~inside]) < 1


def test_the_table_says_how_far_medians_are_apart(tmp_path: Path) -> None:
    real, simulated = ([{"T1w roughness": value + shift} for value in range(5)] for shift in (0.0, 4.0))
    text = report.write(real, simulated, tmp_path / "likeness.md")
    assert "| T1w roughness | 2.00 (1.00 – 3.00) | 6.00 (5.00 – 7.00) | +2.0 |" in text
    assert (tmp_path / "likeness.md").read_text() == text + "\n"
