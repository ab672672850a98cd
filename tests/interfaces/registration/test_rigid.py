"""Rigid maps: with the affine part taken back, with the tumour seen and left out."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import (
    apply_to_points,
    compose,
    matrix_of,
    read_transform,
    write_transform,
)
from gliomorph.interfaces.scan.register import Register

register = Register.stage

POINTS = phantoms.CENTRE + 30 * np.array([[0, 0, 0], [1, 0.5, 0.2], [-0.4, 1, -0.6], [0.1, -1, 0.7]])


@pytest.fixture(scope="module")
def turned_pair(tmp_path_factory):
    """A patient who has but turned and moved, aligned by an affine and a rigid map that are both somewhat off."""
    folder = tmp_path_factory.mktemp("turned")
    like = phantoms.grid((40, 48, 40))
    fixed, brain = phantoms.brain_image(like), phantoms.brain_mask(like)
    true = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.1, -0.15, 0.1, (4.0, -6.0, 5.0))
    rigid = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.06, -0.1, 0.13, (1.0, -4.0, 6.0))
    scale = sitk.AffineTransform(3)
    scale.SetCenter(phantoms.CENTRE.tolist())
    scale.SetMatrix(np.diag([1.06, 0.95, 1.02]).ravel().tolist())
    affine = compose(true, scale)
    native = sitk.Resample(fixed, phantoms.grid((50, 56, 50)), true.GetInverse(), sitk.sitkLinear)
    tumor = phantoms.ball(like, phantoms.TUMOR_AT, 18).astype(np.uint8)
    files = {
        "moving": write_image(sitk.Resample(native, like, affine, sitk.sitkLinear), folder / "moving.nii.gz"),
        "fixed": write_image(fixed, folder / "fixed.nii.gz"),
        "tumor": write_image(from_array(tumor, like), folder / "tumor.nii.gz"),
        "fixed_brain": write_image(brain, folder / "brain.nii.gz"),
        "rigid": write_transform(rigid, folder / "rigid.h5"),
        "affine": write_transform(affine, folder / "affine.h5"),
        "weights": None,
    }
    return files, true


@pytest.mark.parametrize("method", ["rigid", "rigid-cfm"])
def test_rigid_takes_the_affine_part_back_and_finds_the_position(turned_pair, here, method):
    """``affine ∘ forward`` is what the warp stage composes: it has to be a rigid map, and the true one."""
    pair, true = turned_pair
    forward, _, _, _ = register(**pair, method=method, seed=1, gpu="none")
    whole = compose(read_transform(pair["affine"]), read_transform(forward))
    turn = matrix_of(whole)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    found, expected = (apply_to_points(transform, POINTS) for transform in (whole, true))
    started = apply_to_points(read_transform(pair["rigid"]), POINTS)
    # the estimate interpolates a head of 4 mm a second time: a third of a voxel
    assert np.linalg.norm(found - expected, axis=1).max() < 1.4
    assert np.linalg.norm(started - expected, axis=1).max() > 3


def test_rigid_cfm_gives_the_same_map_whatever_is_painted_inside_the_mask(turned_pair, here):
    pair, _ = turned_pair
    moving, tumor = read_image(pair["moving"]), to_array(read_image(pair["tumor"])) > 0
    found: dict[str, list[bytes]] = {"rigid": [], "rigid-cfm": []}
    for level in (0.0, 1.0):
        voxels = np.where(tumor, level, to_array(moving)).astype(np.float32)
        path = write_image(from_array(voxels, moving), here / "ill.nii.gz")
        for method, answers in found.items():
            answers.append(
                register(**pair | {"moving": path}, method=method, seed=1, gpu="none")[0].read_bytes()
            )
    assert found["rigid-cfm"][0] == found["rigid-cfm"][1]
    assert found["rigid"][0] != found["rigid"][1]
