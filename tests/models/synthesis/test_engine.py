"""Laws of the data engine: patients repeat themselves, and images and labels belong together."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from ball_head import RADIUS_MM, Still, ball_anatomy
from torch import Tensor

from gliomorph.models import synthesis
from gliomorph.models.synthesis import engine, heads, lesions, signals
from gliomorph.models.synthesis.engine import DataEngine


@pytest.fixture(scope="module")
def anatomy() -> synthesis.Anatomy:
    return ball_anatomy()


@pytest.fixture(scope="module")
def patients(anatomy: synthesis.Anatomy) -> list[engine.Example]:
    source = DataEngine(anatomy, ("T1ce", "FLAIR"))
    return [source.draw(seed) for seed in range(12)]


def test_the_same_number_is_the_same_patient_whatever_was_drawn_before(
    anatomy: synthesis.Anatomy, patients: list[engine.Example]
) -> None:
    again = DataEngine(anatomy, ("T1ce", "FLAIR"))
    for seed in (5, 1):
        example = again.draw(seed)
        assert torch.equal(example.images, patients[seed].images)
        assert torch.equal(example.labels, patients[seed].labels)
    assert len({float(patient.images.sum()) for patient in patients}) == len(patients)


def test_the_patient_does_not_depend_on_the_modalities(
    anatomy: synthesis.Anatomy, patients: list[engine.Example]
) -> None:
    alone = DataEngine(anatomy, ("T1ce",)).draw(3)
    assert torch.equal(alone.images[0], patients[3].images[0])
    assert torch.equal(alone.labels, patients[3].labels)


def test_images_share_the_mask_and_labels_lie_in_it(patients: list[engine.Example]) -> None:
    for patient in patients:
        first, second = patient.images
        mask = first > 0
        assert torch.equal(mask, second > 0)
        assert patient.images.min() == 0
        assert patient.images.max() <= 1
        assert patient.labels.dtype == torch.int64
        assert not patient.labels[~mask].any()
    assert set(torch.stack([patient.labels for patient in patients]).unique().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("shares", "label"), [((0.5, 0.2, 0.1), 1), ((0.1, 0.5, 0.2), 2), ((0.2, 0.1, 0.5), 3), ((0.1,) * 3, 0)]
)
def test_labels_are_the_largest_share(
    anatomy: synthesis.Anatomy, monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...], label: int
) -> None:
    def everywhere(growth: object, maps: Tensor, *_: object) -> Tensor:
        return torch.tensor(shares).view(3, 1, 1, 1).expand(3, *maps.shape[1:])

    monkeypatch.setattr(lesions, "sample_regions", everywhere)
    monkeypatch.setattr(engine, "WITHOUT_TUMOR", 0.0)
    monkeypatch.setattr(engine, "TWO_FOCI", 0.0)
    patient = DataEngine(anatomy).draw(0)
    assert set(patient.labels[patient.images[0] > 0].tolist()) == {label}


def test_spots_are_no_tumor(anatomy: synthesis.Anatomy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WITHOUT_TUMOR", 1.0)
    monkeypatch.setattr(engine, "WITH_SPOTS", 1.0)
    source = DataEngine(anatomy)
    assert not any(source.draw(seed).labels.any() for seed in range(6))


def test_spots_change_images_but_not_labels(
    anatomy: synthesis.Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, found = DataEngine(anatomy), []
    for share in (0.0, 1.0):
        monkeypatch.setattr(engine, "WITH_SPOTS", share)
        found.append(source.draw(0))
    both = (found[0].images[0] > 0) & (found[1].images[0] > 0)  # what is drawn later differs: the mask
    assert both.float().mean() > 0.2
    assert torch.equal(found[0].labels * both, found[1].labels * both)
    assert not torch.equal(found[0].images * both, found[1].images * both)


def test_two_foci_never_fill_a_voxel_twice(
    anatomy: synthesis.Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noted(modality: str, shares: Tensor, *rest: object) -> Tensor:
        seen.append(shares)
        return original(modality, shares, *rest)  # type: ignore[arg-type]

    original = signals.render
    monkeypatch.setattr(signals, "render", noted)
    monkeypatch.setattr(engine, "TWO_FOCI", 1.0)
    source = DataEngine(anatomy)
    for seed in range(6):
        source.draw(seed)
    assert min(float(shares.min()) for shares in seen) >= -1e-6
    assert max(float(shares.sum(0).max()) for shares in seen) <= 1 + 1e-5


def test_the_box_holds_the_brain_and_eight_millimetres(anatomy: synthesis.Anatomy) -> None:
    source = DataEngine(anatomy)
    assert source.shape == (56, 56, 56)  # 42 voxels of brain, 8 of margin, to the next multiple of 8
    example = DataEngine(anatomy, ("T1w", "T2w"), (40, 48, 32)).draw(0)
    assert example.images.shape == (2, 40, 48, 32)
    assert example.labels.shape == (40, 48, 32)


def test_the_grid_lies_where_it_is_told(anatomy: synthesis.Anatomy) -> None:
    """Heads that nothing moves are the anatomy, three voxels further."""
    told = [(side - 1) / 2 + shift for side, shift in zip(anatomy.shape, (3, 0, -2), strict=True)]
    sources = [
        DataEngine(anatomy, shape=anatomy.shape),
        DataEngine(anatomy, shape=anatomy.shape, centre=told),
    ]
    first, second = (heads.sample_positions(source.atlas, source.shape, Still(0)) for source in sources)
    shift = (second - first).mean(dim=(0, 2, 3, 4))
    assert shift.tolist() == pytest.approx([3, 0, -2], abs=1e-4)


def test_the_engine_knows_the_volume_of_its_brains(anatomy: synthesis.Anatomy) -> None:
    ball_ml = 4 / 3 * np.pi * RADIUS_MM**3 / 1000
    assert DataEngine(anatomy).brain_ml == pytest.approx(ball_ml, rel=0.02)


def test_a_grid_without_tissue_has_no_tumor(anatomy: synthesis.Anatomy) -> None:
    fluid = attrs.evolve(anatomy, fluid=anatomy.fluid.copy())
    fluid.fluid[8:-8, 8:-8, 8:-8] = 1  # the middle is one ventricle
    assert not DataEngine(fluid, shape=(8, 8, 8)).draw(0).labels.any()


def test_wrong_settings_are_refused(anatomy: synthesis.Anatomy) -> None:
    with pytest.raises(ValueError, match="modalities among T1w, T1ce, T2w, FLAIR are required, got T1w, PD"):
        DataEngine(anatomy, ("T1w", "PD"))
    with pytest.raises(ValueError, match="modalities among T1w, T1ce, T2w, FLAIR are required"):
        DataEngine(anatomy, ())
    with pytest.raises(ValueError, match=r"three sides of at least 8 voxels are required, got \(32, 32\)"):
        DataEngine(anatomy, shape=(32, 32))
    water = attrs.evolve(anatomy, tissues=anatomy.tissues[[1, 0, 0]] * [[[[1]]], [[[0]]], [[[0]]]])
    with pytest.raises(ValueError, match="an anatomy with grey and white matter is required"):
        DataEngine(water)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: patients are made on the CPU only")
def test_patients_are_made_on_the_device_asked_for(anatomy: synthesis.Anatomy) -> None:
    first, second = (DataEngine(anatomy, device="cuda").draw(0) for _ in range(2))
    assert first.images.is_cuda
    assert first.labels.is_cuda
    assert torch.equal(first.labels, second.labels)
