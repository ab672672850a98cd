"""Pairs with one template: on the pipeline's grid, with the template's intensities."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import registration_trainings
import SimpleITK as sitk
import torch

from gliomorph.interfaces.datasets.template_files import prepare_template
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.models.histograms import landmarks
from gliomorph.models.registration.pair import Pair
from gliomorph.training.registration.data import (
    Orientation,
    SimulatedPairs,
    Target,
    engine_on,
    held_out,
    target_of,
    together,
)


@pytest.fixture(scope="module")
def target(template_home: Path) -> Target:
    return registration_trainings.target_from(template_home)


@pytest.fixture(scope="module")
def patients(target: Target) -> SimulatedPairs:
    return simulated(target)


def simulated(target: Target, part: int = 0, seed: int = 3) -> SimulatedPairs:
    return SimulatedPairs(engine=engine_on(target, "cpu"), target=target, count=3, seed=seed, part=part)


def same(one: Pair, other: Pair) -> bool:
    return torch.equal(one.moving, other.moving) and torch.equal(one.mask, other.mask)


def test_the_fixed_image_is_that_of_the_pipeline(target: Target, template_home: Path, tmp_path: Path) -> None:
    files = prepare_template("Tiny", registration_trainings.VOXEL_MM, [template_home], tmp_path)
    for tensor, path in ((target.fixed, files.fixed), (target.inside, files.fixed_brain)):
        image = read_image(path)
        assert np.array_equal(tensor[0, 0].numpy(), to_array(image))
        assert phantoms.same_grid(target.image, image)


def test_templates_are_told_apart_by_their_content(target: Target, template_home: Path) -> None:
    assert registration_trainings.target_from(template_home).sha256 == target.sha256
    changed = attrs.evolve(target.template, image=target.template.image * 0.5)
    assert target_of(changed).sha256 != target.sha256


def test_a_turned_image_is_turned_back(frame: str) -> None:
    image = phantoms.brain_image(phantoms.frame(frame))
    turned = torch.from_numpy(to_array(sitk.DICOMOrient(image, "RAS")).copy())
    back = Orientation.of(image).from_ras(turned).numpy()
    assert np.array_equal(back, to_array(image))


def test_patients_are_made_on_the_working_grid(target: Target) -> None:
    """Where the engine's anatomy has tissue the template has its brain, and both grids have one middle."""
    engine = engine_on(target, "cpu")
    tissue = engine.atlas.maps[0, :3].sum(0)
    assert tuple(tissue.shape) == engine.shape
    inside = Orientation.of(target.image).from_ras(tissue) > 0.5
    assert torch.equal(inside, target.inside[0, 0] > 0)
    assert engine.atlas.centre == tuple((side - 1) / 2 for side in engine.shape)


def test_moving_has_the_templates_quantiles_outside_the_tumour(
    patients: SimulatedPairs, target: Target
) -> None:
    pair = patients.read(0, 0)
    brain, tumor = pair.moving > 0, pair.mask > 0
    assert int(tumor.sum()) > 0
    found = landmarks(pair.moving[brain & ~tumor].numpy())
    # between its 65 quantiles a map is linear: most of them are met to rounding, ties at the ends are not
    np.testing.assert_allclose(found[2:-2], target.landmarks[2:-2], atol=5e-3)
    assert 0 <= float(pair.moving.min()) <= float(pair.moving.max()) <= 1


def test_a_pair_is_whole(patients: SimulatedPairs, target: Target) -> None:
    pair = patients.read(1, 0)
    assert pair.moving.shape == pair.mask.shape == target.fixed.shape
    assert torch.equal(pair.fixed, target.fixed)
    assert torch.equal(pair.brain, target.inside)
    assert pair.spacing_mm == (8.0, 8.0, 8.0)
    assert set(pair.mask.unique().tolist()) == {0.0, 1.0}


def test_patients_are_new_in_every_epoch_only_where_they_train(
    patients: SimulatedPairs, target: Target
) -> None:
    assert same(patients.read(0, 1), patients.read(0, 1))
    assert not same(patients.read(0, 0), patients.read(0, 1))
    assert not same(patients.read(0, 0), patients.read(1, 0))
    validation = simulated(target, part=1)
    assert same(validation.read(0, 0), validation.read(0, 5))
    assert not same(validation.read(0, 0), patients.read(0, 0))
    assert not same(simulated(target, seed=4).read(0, 0), patients.read(0, 0))


def test_what_is_held_out_is_all_of_it_and_a_batch_is_its_pairs(patients: SimulatedPairs) -> None:
    pairs = list(held_out(patients))
    assert len(pairs) == 3
    batch = together(pairs)
    assert batch.moving.shape[0] == 3
    for name in ("moving", "fixed", "mask", "brain"):
        for index, pair in enumerate(pairs):
            assert torch.equal(getattr(batch, name)[index], getattr(pair, name)[0])


def test_a_template_without_tissues_is_refused(template_home: Path) -> None:
    bare = attrs.evolve(load_template("Tiny", 4, [template_home]), tissues={})
    with pytest.raises(ValueError, match="tissue maps of CSF, GM, WM are required"):
        engine_on(target_of(bare), "cpu")
