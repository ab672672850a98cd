"""Scans of a finished run as pairs: what is read of them, and all that cannot be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import phantoms
import pytest
import registration_trainings as runs
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.training.registration.aligned_scans import _find_aligned, prepare_pairs
from gliomorph.training.registration.data import PreparedPairs, Target
from gliomorph.training.scans import TrainingDataError


@pytest.fixture(scope="module")
def target(template_home: Path) -> Target:
    return runs.target_from(template_home)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, read only."""
    return runs.write_derivatives(tmp_path_factory.mktemp("run") / "deriv", ["01", "02"])


@pytest.fixture
def deriv(written: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return Path(shutil.copytree(written, tmp_path / "deriv"))


def on_working_grid(target: Target, image: sitk.Image) -> np.ndarray:
    return to_array(sitk.Resample(image, target.image, sitk.Transform(), sitk.sitkNearestNeighbor))


def test_a_scan_is_the_published_one_on_the_working_grid(
    written: Path, target: Target, tmp_path: Path
) -> None:
    lines: list[str] = []
    files = prepare_pairs(written, target, tmp_path, lines.append)
    assert {subject: len(paths) for subject, paths in files.items()} == {"01": 1, "02": 1}
    assert lines == ["sub-01 (1 of 2) is ready", "sub-02 (2 of 2) is ready"]
    pair = PreparedPairs(files=(files["01"][0],), target=target).read(0, 0)
    published = on_working_grid(target, read_image(runs.preproc_of(written, "01")))
    np.testing.assert_allclose(pair.moving[0, 0].numpy(), published, atol=3e-4)  # half precision
    assert pair.fixed is target.fixed


def test_the_native_tumour_comes_through_the_affine_part_of_the_transform(
    written: Path, target: Target, tmp_path: Path
) -> None:
    """The transform holds a deformation of 9 mm, too: with it the tumours would overlap by less."""
    files = prepare_pairs(written, target, tmp_path)
    mask = PreparedPairs(files=tuple(files["02"]), target=target).read(0, 0).mask[0, 0].numpy() > 0
    like = runs.template_grid()
    drawn = from_array(runs.tumor_on(like).astype(np.uint8), like)
    expected = on_working_grid(target, drawn) > 0
    assert phantoms.dice(mask, expected) > 0.95


def test_what_was_prepared_is_not_made_again_unless_a_file_changes(
    deriv: Path, target: Target, tmp_path: Path
) -> None:
    folder = tmp_path / "prepared"
    first = prepare_pairs(deriv, target, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare_pairs(deriv, target, folder) == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    runs.change_image(runs.preproc_of(deriv, "01"), lambda voxels: 0.5 * voxels)
    second = prepare_pairs(deriv, target, folder)
    assert second["02"] == first["02"]
    assert second["01"] != first["01"]


def test_sessions_belong_to_their_subject(deriv: Path, target: Target, tmp_path: Path) -> None:
    for path in sorted((deriv / "sub-02" / "anat").iterdir()):
        session = deriv / "sub-01" / "ses-2" / "anat" / path.name.replace("sub-02", "sub-01_ses-2")
        session.parent.mkdir(parents=True, exist_ok=True)
        session.write_bytes(path.read_bytes())
    record = next((deriv / "sub-01" / "ses-2" / "anat").glob("*.json"))
    mask = "sub-01/ses-2/anat/sub-01_ses-2_label-tumor_desc-masks_mask.nii.gz"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"outputs": [mask]}))
    files = prepare_pairs(deriv, target, tmp_path / "prepared")
    assert {subject: len(paths) for subject, paths in files.items()} == {"01": 2, "02": 1}


def test_the_newest_registration_tells_the_alignment_and_the_mask(
    deriv: Path, target: Target, tmp_path: Path
) -> None:
    """An older run had another mask and no transform any more."""
    old = runs.record_of(deriv, "01", "lddmm")
    other = runs.mask_of(deriv, "01", "student")
    shutil.copy(runs.mask_of(deriv, "01"), other)
    old.write_text(
        json.dumps({"method": "lddmm", "quality": {}, "outputs": [other.relative_to(deriv).as_posix()]})
    )
    os.utime(old, (1, 1))
    assert set(prepare_pairs(deriv, target, tmp_path / "prepared")) == {"01", "02"}


def test_a_newer_rigid_registration_that_leaves_the_tumour_out_does_not_tell_the_alignment(
    deriv: Path, target: Target, tmp_path: Path
) -> None:
    """It has a transform, and were it taken, the mask that it names would be read."""
    other = runs.mask_of(deriv, "01", "student")
    shutil.copy(runs.mask_of(deriv, "01"), other)
    newer = runs.record_of(deriv, "01", "rigidcfm")
    newer.write_text(
        json.dumps({"method": "rigid-cfm", "quality": {}, "outputs": [other.relative_to(deriv).as_posix()]})
    )
    os.utime(runs.record_of(deriv, "01"), (1, 1))
    (scan, _) = _find_aligned(deriv, target.template)
    assert scan.sources() == (runs.mask_of(deriv, "01"), runs.transform_of(deriv, "01"))


def remove(path: Callable[[Path, str], Path]) -> Callable[[Path], None]:
    return lambda deriv: path(deriv, "01").unlink()


def spoil(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda deriv: runs.change_image(runs.preproc_of(deriv, "01"), change)


def with_nan(voxels: np.ndarray) -> np.ndarray:
    return np.where(np.indices(voxels.shape)[0] == 10, np.nan, voxels)


def other_grid(deriv: Path) -> None:
    image = read_image(runs.preproc_of(deriv, "01"))
    write_image(image[2:, :, :], runs.preproc_of(deriv, "01"))


def damaged(deriv: Path) -> None:
    path = runs.preproc_of(deriv, "01")
    path.write_bytes(path.read_bytes()[:2000])


def elsewhere(deriv: Path) -> None:
    runs.change_image(runs.mask_of(deriv, "01"), lambda voxels: np.roll(voxels, 30, axis=1))


def empty(deriv: Path) -> None:
    runs.change_image(runs.mask_of(deriv, "01"), np.zeros_like)


def rigid_only(deriv: Path) -> None:
    runs.record_of(deriv, "01").unlink()
    runs.write_record(deriv, "01", "rigid")


def both_rigid(deriv: Path) -> None:
    """Neither map has an affine part."""
    rigid_only(deriv)
    runs.write_record(deriv, "01", "rigid-cfm")


def two_masks(deriv: Path) -> None:
    second = runs.mask_of(deriv, "01", "student")
    shutil.copy(runs.mask_of(deriv, "01"), second)
    record = json.loads(runs.record_of(deriv, "01").read_text())
    record["outputs"].append(second.relative_to(deriv).as_posix())
    runs.record_of(deriv, "01").write_text(json.dumps(record))


def no_transform(deriv: Path) -> None:
    runs.transform_of(deriv, "01").write_text("nothing")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (spoil(with_nan), r"preproc_T1w\.nii\.gz: finite values are required, \d+ voxels are NaN"),
        (spoil(np.zeros_like), "the image is constant in the brain"),
        (spoil(lambda voxels: 0.5 * (voxels > 0)), r"the image is constant in the brain \(0\.5\)"),
        (spoil(lambda voxels: 300 * voxels), r"matched to the template, in \[0, 1\], are required, got 0 to"),
        (spoil(lambda voxels: np.roll(voxels, 12, axis=1)), "% of the brain lies within the template's"),
        (other_grid, "template and sub-01.* have to lie on one grid: size"),
        (damaged, "cannot be read, damaged or no NIfTI"),
        (elsewhere, "of the tumour lies within the brain"),
        (empty, "no voxel of the tumour is left"),
        (remove(runs.mask_of), "one sub-01_label-tumor_desc-.* is required beside it, found none"),
        (two_masks, "found sub-01_label-tumor_desc-masks_mask.nii.gz, sub-01_label-tumor_desc-student"),
        (remove(runs.transform_of), "from-native_to-Tiny_mode-image_desc-syn_xfm.h5: required and missing"),
        (no_transform, "not an ITK transform file, or damaged"),
        (rigid_only, "by another method than rigid and rigid-cfm is required beside it"),
        (both_rigid, "by another method than rigid and rigid-cfm is required beside it"),
        (remove(runs.record_of), "by another method than rigid and rigid-cfm is required beside it"),
    ],
)  # fmt: skip
def test_a_scan_that_cannot_be_used_is_named(
    harm: Callable[[Path], None], problem: str, deriv: Path, target: Target, tmp_path: Path
) -> None:
    harm(deriv)
    with pytest.raises(
        TrainingDataError, match=r"1 of 2 scans cannot be trained on; .*\n  sub-01: "
    ) as error:
        prepare_pairs(deriv, target, tmp_path / "prepared")
    assert error.match(problem)


def test_all_scans_that_cannot_be_used_are_listed(deriv: Path, target: Target, tmp_path: Path) -> None:
    runs.mask_of(deriv, "01").unlink()
    runs.change_image(runs.preproc_of(deriv, "02"), np.zeros_like)
    with pytest.raises(TrainingDataError, match=r"2 of 2 scans .*\n  sub-01: .*\n  sub-02: "):
        prepare_pairs(deriv, target, tmp_path / "prepared")


def test_a_folder_of_another_template_or_of_none_is_refused(target: Target, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingDataError,
        match=r"_space-Tiny_res-8_desc-preproc_T1w\.nii\.gz, and holds none; check --template",
    ):
        prepare_pairs(tmp_path, target, tmp_path / "prepared")
