"""Laws of the data engine, on a small artificial head: a ball with slit ventricles, the same left and right."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from gliomorph.models import geometry, synthesis
from gliomorph.models.synthesis import artefacts, engine, heads, lesions, signals
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.contrast import CLASSES, MEANS
from gliomorph.models.synthesis.engine import DataEngine

SIDE, VOXEL_MM = 48, 2.0
SEEDS = range(12)


@pytest.fixture(scope="module")
def anatomy() -> synthesis.Anatomy:
    x, y, z = places = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * VOXEL_MM
    radius = np.linalg.norm(places, axis=0)
    brain = radius < 42
    ventricles = ((np.abs(x) - 10) / 4) ** 2 + (y / 20) ** 2 + (z / 14) ** 2 < 1
    parts = [ventricles | (radius >= 39), (radius >= 33) & (radius < 39), (radius < 33) & ~ventricles]
    tissues = np.stack(parts).astype(np.float32) * brain
    t1w = np.tensordot([0.3, 0.7, 1.0], tissues, axes=1) * (1 + 0.05 * np.sin(y / 5))
    return synthesis.prepare_anatomy(t1w, brain, tissues, np.diag([-VOXEL_MM, -VOXEL_MM, VOXEL_MM, 1.0]))


@pytest.fixture(scope="module")
def atlas(anatomy: synthesis.Anatomy) -> heads.Atlas:
    return heads.atlas_of(anatomy)


@pytest.fixture(scope="module")
def patients(anatomy: synthesis.Anatomy) -> list[engine.Example]:
    source = DataEngine(anatomy, ("T1ce", "FLAIR"))
    return [source.draw(seed) for seed in SEEDS]


class Still(Chance):
    """Nothing varies: ranges give 0, or 1 where that is out of range; nothing happens; fields are 0."""

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return 0.0 if low <= 0 <= high else 1.0

    def happens(self, probability: float) -> bool:
        return False

    def normal(self, shape: object) -> Tensor:
        return super().normal(shape) * 0  # type: ignore[arg-type]


def signed_determinant(positions: Tensor) -> Tensor:
    """Of the derivative of a map given by positions; mirrored maps count as their mirror image."""
    found = geometry.determinant(geometry.gradient(positions))
    return found * found.median().sign()


# heads


def test_head_without_variation_is_the_atlas(atlas: heads.Atlas) -> None:
    shape = atlas.maps.shape[2:]
    positions = heads.sample_positions(atlas, shape, Still(0))
    lattice = atlas.step * geometry.identity_grid(positions)
    torch.testing.assert_close(positions, lattice, atol=1e-4, rtol=0)
    maps = heads.sample_head(atlas, positions, shape, Still(0))
    torch.testing.assert_close(maps, atlas.maps[0], atol=1e-3, rtol=0)  # positions are read to 1e-4 voxels


def test_heads_do_not_fold_even_with_wide_ventricles_and_mass_effect(
    atlas: heads.Atlas, anatomy: synthesis.Anatomy
) -> None:
    unit, mirrored = atlas.step * VOXEL_MM, set()
    for seed in range(50):
        chance = Chance(seed)
        positions = heads.sample_positions(atlas, anatomy.shape, chance)
        mirrored.add(bool(geometry.determinant(geometry.gradient(positions)).median() < 0))
        assert signed_determinant(positions).min() > 0
        tumor = lesions.sample_growth([chance.uniform(20, 70) for _ in range(3)], chance)
        push = lesions.mass_effect(tumor, positions.shape[2:], unit, positions.device)
        assert signed_determinant(geometry.warp(positions, push)).min() > 0
    assert mirrored == {False, True}
    lattice = atlas.step * geometry.identity_grid(positions)
    assert signed_determinant(heads._widened(atlas, lattice, 6.0)).min() > 0


def test_widening_makes_ventricles_larger_and_narrowing_smaller(atlas: heads.Atlas) -> None:
    like = torch.zeros(1, 3, *heads.coarse_shape(atlas.maps.shape[2:], atlas.step))
    lattice = atlas.step * geometry.identity_grid(like)
    volumes = [heads.read(atlas, heads._widened(atlas, lattice, mm))[5].sum() for mm in (-1, 0, 2, 6)]
    assert sorted(volumes) == volumes
    assert volumes[-1] > 1.5 * volumes[1]


def test_coarse_lattice_covers_the_grid_and_no_more() -> None:
    for step in (1, 2, 4):
        for size in range(1, 20):
            (nodes,) = heads.coarse_shape((size,), step)
            assert size - 1 <= step * (nodes - 1) < size - 1 + step


def test_tissues_are_shares_and_nothing_lies_beyond_the_atlas(atlas: heads.Atlas) -> None:
    for seed in range(8):
        chance = Chance(seed)
        maps = heads.sample_head(atlas, heads.sample_positions(atlas, (56,) * 3, chance), (56,) * 3, chance)
        assert maps.shape == (6, 56, 56, 56)
        assert maps[:3].min() >= 0
        assert maps[:3].sum(0).max() <= 1 + 1e-5
    far = torch.full((1, 3, 2, 2, 2), -1.0)
    assert not heads.read(atlas, far).any()


def test_sulci_give_tissue_near_the_surface_to_fluid_and_grey_matter(atlas: heads.Atlas) -> None:
    maps, opened = atlas.maps[0].clone(), []
    places = torch.stack(torch.meshgrid(*[torch.arange(side) for side in maps.shape[1:]], indexing="ij"))
    radius_mm = VOXEL_MM * (places - (SIDE - 1) / 2).square().sum(0).sqrt()
    ventricles = maps[0] * (radius_mm < 30)
    maps[0] -= ventricles
    maps[2] += ventricles
    before = maps.clone()
    for seed in range(8):
        folded = heads.with_sulci(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(folded[:3].sum(0), maps[:3].sum(0), atol=1e-5, rtol=0)
        assert folded[:3].min() >= -1e-6
        assert (folded[0] >= maps[0] - 1e-6).all()
        assert (folded[2] <= maps[2] + 1e-6).all()
        assert torch.equal(folded[3:], maps[3:])
        deep = radius_mm < 17
        torch.testing.assert_close(folded[:, deep], maps[:, deep], atol=5e-3, rtol=0)
        opened.append(float((folded[0] - maps[0])[(radius_mm > 30) & (radius_mm < 38)].mean()))
    assert torch.equal(maps, before)
    assert min(opened) > 0.01 and max(opened) < 0.6, opened


def test_cisterns_add_fluid_outside_the_brain_and_change_nothing_in_it(atlas: heads.Atlas) -> None:
    maps = atlas.maps[0].clone()
    maps[:, SIDE // 2 - 1 : SIDE // 2 + 1, :, : SIDE // 3] = 0  # a slit in the base
    brain = maps[:3].sum(0)
    inside, slit = brain > 0.99, torch.zeros(brain.shape, dtype=torch.bool)
    slit[SIDE // 2, SIDE // 2, SIDE // 4] = True
    for seed in range(6):
        filled = heads.with_cisterns(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(filled[:, inside], maps[:, inside], atol=1e-5, rtol=0)
        assert torch.equal(filled[1:5], maps[1:5])
        assert filled[:3].sum(0).max() <= 1 + 1e-5
        assert filled[0, slit] > 0.5
        assert filled[0, 0, 0, 0] < 0.01


def test_thick_cortex_takes_white_matter_beside_grey_and_keeps_the_sum(atlas: heads.Atlas) -> None:
    maps, taken = atlas.maps[0], []
    places = torch.stack(torch.meshgrid(*[torch.arange(side) for side in maps.shape[1:]], indexing="ij"))
    deep = VOXEL_MM * (places - (SIDE - 1) / 2).square().sum(0).sqrt() < 15
    for seed in range(8):
        thick = heads.with_thick_cortex(maps, VOXEL_MM, Chance(seed))
        torch.testing.assert_close(thick[:3].sum(0), maps[:3].sum(0), atol=1e-5, rtol=0)
        assert (thick[2] <= maps[2] + 1e-6).all() and thick[:3].min() >= -1e-6
        assert torch.equal(thick[3:], maps[3:]) and torch.equal(thick[0], maps[0])
        taken.append(float((maps[2] - thick[2]).sum() / maps[2].sum()))
        assert float((maps[2] - thick[2])[deep].max()) < 0.1
    assert 0 < min(taken) < max(taken) < 0.6, taken


# signals


@pytest.mark.parametrize("modality", MEANS)
def test_pure_voxels_have_the_mean_of_their_class(modality: str) -> None:
    shares = torch.eye(6).view(6, 6, 1, 1)
    nothing = torch.zeros(6, 6, 1, 1)
    signal = signals.render(modality, shares, nothing, nothing[:3], VOXEL_MM, Still(0))
    torch.testing.assert_close(signal.flatten(), signals.sample_means(modality, Still(0)))


def test_t1_weighted_edema_is_dark_and_rims_enhance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "RANDOM_CONTRAST", 0.0)
    white, edema, rim = (CLASSES.index(name) for name in ("WM", "ED", "ET"))
    for modality in ("T1w", "T1ce"):
        means = torch.stack([signals.sample_means(modality, Chance(seed)) for seed in range(300)])
        assert (means[:, edema] < means[:, white]).all()
        assert means.min() >= 0.05
    assert means[:, rim].mean() > 1.3 * means[:, white].mean()
    assert ((means[:, rim] > means[:, white]).float().mean()) > 0.9


@pytest.mark.parametrize("modality", MEANS)
def test_typical_contrasts_are_near_those_of_the_modality(modality: str) -> None:
    means = torch.stack([signals.sample_means(modality, Chance(seed), typical=True) for seed in range(50)])
    ratio = means / torch.tensor(MEANS[modality])
    assert 0.9 <= ratio.min() < 0.92
    assert 1.08 < ratio.max() <= 1.1001


def test_random_contrasts_have_nothing_to_do_with_the_modality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "RANDOM_CONTRAST", 1.0)
    means = [signals.sample_means(modality, Chance(7)).tolist() for modality in MEANS]
    assert means == [means[0]] * 4


def test_signal_is_never_negative_and_zero_where_nothing_is(atlas: heads.Atlas) -> None:
    maps = atlas.maps[0]
    shares = torch.cat([maps[:3], torch.zeros_like(maps[:3])])
    for seed in range(6):
        chance = Chance(seed)
        structure = 3 * chance.field(maps.shape[1:], 3.0, 3)
        signal = signals.render("T2w", shares, maps, structure, VOXEL_MM, chance)
        assert signal.min() >= 0
        assert not signal[maps[:3].sum(0) == 0].any()


def test_vessels_are_bright_and_thin_and_in_fluid_only(atlas: heads.Atlas) -> None:
    csf, fluid = atlas.maps[0, 0], atlas.maps[0, 5]
    for seed in range(6):
        bright = signals.vessels(csf, fluid, VOXEL_MM, Chance(seed))
        assert bright.min() >= 0
        assert not bright[(csf == 0) & (fluid < 1e-3)].gt(2e-3).any()
        assert 0.05 < bright.max() < 2.1
        assert (bright > 0.1)[csf > 0.5].float().mean() < 0.25


def test_gadolinium_shows_vessels_and_nothing_else_does(
    atlas: heads.Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = atlas.maps[0]
    shares = torch.cat([maps[:3], torch.zeros_like(maps[:3])])
    for modality, changes in (("T1w", False), ("T1ce", True)):
        found = []
        for share in (0.0, 1.0):
            monkeypatch.setattr(signals, "WITH_VESSELS", share)
            found.append(signals.render(modality, shares, maps, maps[:3], VOXEL_MM, Chance(2)))
        assert torch.equal(*found) is not changes


# artefacts


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices_blur_one_axis_and_keep_the_mean(axis: int) -> None:
    image = Chance(0).normal((12, 12, 12))
    thick = artefacts.thick_slices(image, axis, 3.0)
    torch.testing.assert_close(thick.mean(axis), image.mean(axis))
    assert thick.var(axis).mean() < 0.5 * image.var(axis).mean()
    along_another = image.mean(axis, keepdim=True).expand(12, 12, 12)
    torch.testing.assert_close(artefacts.thick_slices(along_another, axis, 4.2), along_another)
    torch.testing.assert_close(artefacts.thick_slices(image, axis, 0.5), image)


def test_images_are_finite_positive_in_the_mask_and_zero_outside() -> None:
    mask = torch.zeros(16, 16, 16, dtype=torch.bool)
    mask[3:12, 2:14, 4:13] = True
    for seed in SEEDS:
        for level in (0.0, 1.0):
            image = artefacts.corrupt(torch.full(mask.shape, level), mask, VOXEL_MM, Chance(seed))
            assert image[mask].min() > 0
            assert image.max() <= 1
            assert not image[~mask].any()
    nowhere = artefacts.corrupt(torch.ones(mask.shape), mask & ~mask, VOXEL_MM, Chance(0))
    assert not nowhere.any()


def test_a_good_scan_has_bias_and_a_little_noise_alone(atlas: heads.Atlas) -> None:
    signal = atlas.maps[0, 1] + 2 * atlas.maps[0, 2]
    mask = atlas.maps[0, :3].sum(0) > 0.5

    def kept(good: bool, seed: int) -> float:
        image = artefacts.corrupt(signal, mask, VOXEL_MM, Chance(seed), good)
        return float(torch.corrcoef(torch.stack([image[mask], signal[mask]]))[0, 1])

    good, others = ([kept(kind, seed) for seed in range(20)] for kind in (True, False))
    assert min(others) < 0.95 < min(good)


def test_masks_are_near_the_brain_and_vary(atlas: heads.Atlas) -> None:
    brain = atlas.maps[0, :3].sum(0)
    inside = brain > 0.5
    masks = [artefacts.sample_mask(brain, VOXEL_MM, Chance(seed)) for seed in range(60)]
    overlaps = [float(2 * (mask & inside).sum() / (mask.sum() + inside.sum())) for mask in masks]
    assert min(overlaps) > 0.8
    assert not any((mask & (brain == 0)).any() for mask in masks)
    assert len({int(mask.sum()) for mask in masks}) > 30
    heights = {int(mask.any(0).any(0).sum()) for mask in masks}
    assert max(heights) - min(heights) >= 4.0 / VOXEL_MM  # now and then a slab is missing


def test_bright_rim_is_on_the_edge_only() -> None:
    mask = torch.zeros(12, 12, 12, dtype=torch.bool)
    mask[2:10, 2:10, 2:10] = True
    rim = artefacts.bright_rim(mask, Chance(0), VOXEL_MM)
    edge = mask.clone()
    edge[3:9, 3:9, 3:9] = False
    assert not rim[~edge].any()
    assert 0 < rim[edge].min() < rim.max() <= 1


# engine


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


def test_the_engine_knows_the_volume_of_its_brains(anatomy: synthesis.Anatomy) -> None:
    ball_ml = 4 / 3 * np.pi * 42**3 / 1000
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
