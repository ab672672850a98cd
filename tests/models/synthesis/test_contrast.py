"""Simulated images look as those of patients do."""

from __future__ import annotations

import numpy as np

from gliomorph.models import synthesis


def test_images_are_zero_exactly_outside_the_brain(patient: synthesis.Patient) -> None:
    for image in patient.images.values():
        assert image.dtype == np.int16
        np.testing.assert_array_equal(image > 0, patient.brain > 0)
        assert image.min() == 0
    for side in (0, -1):
        assert not any(np.take(patient.brain, side, axis=axis).any() for axis in range(3))


def test_tumor_regions_look_as_they_do_in_patients(patient: synthesis.Patient) -> None:
    def mean(contrast: str, where: np.ndarray) -> float:
        return float(patient.images[contrast][where].mean())

    necrosis, edema, enhancing = (patient.regions == label for label in (1, 2, 4))
    white = (patient.tissues == 3) & (patient.regions == 0)
    assert mean("T1ce", enhancing) > mean("T1ce", white) > mean("T1ce", necrosis)
    assert mean("FLAIR", edema) > mean("FLAIR", white)
    assert mean("T2w", edema) > mean("T2w", white)
    assert mean("T1w", necrosis) < mean("T1w", white)
