"""Pairs: a known way is found, both directions undo each other, and what one of both lacks is marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pairs
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, read_image, to_array
from gliomorph.interfaces.files.transforms import apply_to_points, read_transform
from gliomorph.interfaces.pairs.records import PairFiles, PairImages
from gliomorph.interfaces.pairs.sides import Side
from gliomorph.interfaces.pairs.stage import comparison_grid, register_pair

OPTIONS: dict[str, Any] = {
    "linear": "rigid",
    "deformable": "",
    "voxel_mm": 0.0,
    "threshold_mm": 3.0,
    "seed": 0,
    "gpu": "none",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> PairImages:
    return pairs.written(tmp_path_factory.mktemp("images"), *pairs.sessions())


@pytest.fixture(scope="module")
def deformed(images: PairImages, tmp_path_factory: pytest.TempPathFactory) -> PairFiles:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("deformed"))
        return register_pair(images, **OPTIONS | {"deformable": "greedy-cfm"})


def errors_mm(transform: Path, points: np.ndarray, places: np.ndarray) -> np.ndarray:
    ends = apply_to_points(read_transform(transform), points)
    return np.asarray(np.linalg.norm(ends - places, axis=1))


def test_a_turn_and_a_deformation_are_found_together(deformed: PairFiles) -> None:
    points = pairs.inner_points(pairs.sessions()[1])
    truth = pairs.fixed_from_moving()
    found = apply_to_points(read_transform(deformed.forward_xfm), points)
    apart = np.linalg.norm(apply_to_points(truth, found) - points, axis=1)
    nothing = np.linalg.norm(apply_to_points(truth, points) - points, axis=1)
    assert apart.mean() < 0.6 < 4 < nothing.mean()


def test_the_inverse_undoes_the_forward_map(deformed: PairFiles) -> None:
    points = pairs.inner_points(pairs.sessions()[1])
    there = apply_to_points(read_transform(deformed.forward_xfm), points)
    assert errors_mm(deformed.inverse_xfm, there, points).mean() < 0.2


def test_a_cavity_that_one_of_them_has_is_without_counterpart_and_the_rest_has_one(
    deformed: PairFiles,
) -> None:
    like = pairs.grid()
    marked = to_array(read_image(deformed.no_counterpart)) > 0
    inside = to_array(pairs.sessions()[1].brain) > 0
    cavity = phantoms.ball(like, pairs.CAVITY_AT, pairs.RADIUS_MM) & inside
    around = phantoms.ball(like, pairs.CAVITY_AT, 2.5 * pairs.RADIUS_MM)
    assert marked[cavity].mean() > 0.7
    deep = to_array(sitk.BinaryErode(pairs.sessions()[1].brain, [3, 3, 3])) > 0
    assert marked[deep & ~around].mean() < 0.01
    assert not marked[~inside].any()


def test_images_and_masks_are_carried_by_the_forward_map(deformed: PairFiles, images: PairImages) -> None:
    moving, like = read_image(images.moving), read_image(images.fixed)
    again = sitk.Resample(moving, like, read_transform(deformed.forward_xfm), sitk.sitkLinear)
    np.testing.assert_allclose(to_array(again), to_array(read_image(deformed.warped)), atol=1e-3)
    assert deformed.lesion is not None
    own = phantoms.ball(like, pairs.LESION_AT, pairs.RADIUS_MM)
    assert phantoms.dice(to_array(read_image(deformed.lesion)) > 0, own) > 0.8


def test_the_record_says_what_was_done_and_found(deformed: PairFiles) -> None:
    record = deformed.registration()
    assert (record["linear"], record["deformable"], record["voxel_mm"]) == ("rigid", "greedy-cfm", 2.0)
    assert record["forward"]["settings"]["masks"] == ["fixed_mask", "moving_mask"]
    assert record["ncc"] > record["ncc_linear"]
    volume = float((to_array(read_image(deformed.no_counterpart)) > 0).sum()) * pairs.SPACING_MM**3 / 1000
    assert record["no_counterpart_ml"] == pytest.approx(volume, abs=1e-3)


def test_images_that_change_places_give_the_inverse(
    images: PairImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = register_pair(images, **OPTIONS)
    swapped = PairImages(
        **{name.replace(*way): path for way in (("moving", "fixed"), ("fixed", "moving"))
           for name, path in attrs.asdict(images).items() if name.startswith(way[0])}
    )  # fmt: skip
    points = pairs.inner_points(pairs.sessions()[1])
    there = apply_to_points(read_transform(one.forward_xfm), points)
    (tmp_path / "swapped").mkdir()
    monkeypatch.chdir(tmp_path / "swapped")
    other = register_pair(swapped, **OPTIONS)
    # half a voxel: the deformation that is left has no one rigid map
    assert errors_mm(other.forward_xfm, there, points).max() < 1
    assert one.registration()["inconsistency_mm_mean"] < 1


def test_what_the_moving_image_does_not_reach_has_no_counterpart(
    images: PairImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, first = pairs.sessions()
    half = {
        name: getattr(whole, name)[:, :, : pairs.SHAPE[2] // 2 + 2] for name in ("image", "brain", "lesion")
    }
    monkeypatch.chdir(tmp_path)
    files = register_pair(pairs.written(tmp_path, Side(name="half", **half), first), **OPTIONS)
    marked = to_array(read_image(files.no_counterpart)) > 0
    inside = to_array(first.brain) > 0
    assert marked[:, :, -12:][inside[:, :, -12:]].mean() > 0.95
    assert not marked[:, :, :10].any()


def test_methods_that_there_are_not_are_named(images: PairImages) -> None:
    with pytest.raises(ValueError, match=r"one of rigid, affine is required.*got 'rigid' and 'voxelmorph'"):
        register_pair(images, **OPTIONS | {"deformable": "voxelmorph"})


def test_masks_of_another_grid_are_refused(images: PairImages, tmp_path: Path) -> None:
    wide = phantoms.wider(read_image(images.fixed_brain, sitk.sitkUInt8))
    sitk.WriteImage(wide, str(tmp_path / "wide.nii.gz"))
    with pytest.raises(ImageError, match=r"fixed\.nii\.gz and wide\.nii\.gz have to lie on one grid"):
        register_pair(attrs.evolve(images, fixed_brain=tmp_path / "wide.nii.gz"), **OPTIONS)


@pytest.mark.parametrize(("asked", "size"), [(0.0, 2.0), (3.0, 3.0)])
def test_images_are_compared_on_voxels_of_the_fixed_one_unless_asked_otherwise(
    asked: float, size: float
) -> None:
    found = comparison_grid(pairs.sessions()[1], asked)
    assert found.GetSpacing() == (size,) * 3
    assert all(side % 16 == 0 for side in found.GetSize())
