"""Laws of patients with the anatomies of people."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from label_maps import VOXEL_MM as LABEL_MM
from label_maps import head_labels

from gliomorph.models.synthesis.engine import Example
from gliomorph.models.synthesis.population import engine
from gliomorph.models.synthesis.population.anatomy import Person, person_of
from gliomorph.models.synthesis.population.engine import PopulationEngine
from gliomorph.models.synthesis.population.shapes import shape_of

VOXEL_MM = 8.0


@cache
def people() -> list[Person]:
    """Two people, one of them turned; read only."""
    labels = head_labels()
    return [
        person_of(each, LABEL_MM, VOXEL_MM) for each in (labels, np.ascontiguousarray(labels.swapaxes(1, 2)))
    ]


@cache
def patients() -> list[Example]:
    """Some patients; read only."""
    source = PopulationEngine(people(), ("T1ce", "FLAIR"))
    return [source.draw(seed) for seed in range(8)]


def test_the_same_number_is_the_same_patient_whatever_was_drawn_before() -> None:
    again = PopulationEngine(people(), ("T1ce", "FLAIR"))
    for seed in (5, 1):
        example = again.draw(seed)
        assert torch.equal(example.images, patients()[seed].images)
        assert torch.equal(example.labels, patients()[seed].labels)
    assert len({float(patient.images.sum()) for patient in patients()}) == len(patients())


def test_images_share_the_mask_and_labels_lie_in_it() -> None:
    for patient in patients():
        first, second = patient.images
        assert torch.equal(first > 0, second > 0)
        assert patient.images.min() == 0
        assert patient.images.max() <= 1
        assert patient.labels.dtype == torch.int64
        assert not patient.labels[first == 0].any()
    assert set(torch.stack([patient.labels for patient in patients()]).unique().tolist()) == {0, 1, 2, 3}


def test_there_are_patients_without_a_tumor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WITHOUT_TUMOR", 1.0)
    assert not PopulationEngine(people()).draw(0).labels.any()


def test_tumors_may_have_given_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SHAPED", 1.0)
    monkeypatch.setattr(engine, "WITHOUT_TUMOR", 0.0)
    block = shape_of(np.full((6, 6, 6), 3), (VOXEL_MM,) * 3, VOXEL_MM)
    labels = PopulationEngine(people(), tumors=[block]).draw(1).labels
    assert set(labels.unique().tolist()) == {0, 3}


def test_the_engine_knows_its_grid() -> None:
    source = PopulationEngine(people(), ("T1w",), (24, 24, 24))
    assert source.draw(2).images.shape == (1, 24, 24, 24)
    assert source.voxel_mm == VOXEL_MM
    assert source.brain_ml == pytest.approx(np.mean([person.brain_ml for person in people()]))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="modalities among T1w, T1ce, T2w, FLAIR are required, got PD"):
        PopulationEngine(people(), ("PD",))
    with pytest.raises(ValueError, match="people of one voxel size are required"):
        PopulationEngine([])
