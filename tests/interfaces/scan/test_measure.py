"""Measures of a registration: what the identity gives, what a known change gives, what is flagged."""

import json

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.records import as_dict
from gliomorph.interfaces.scan import measure as module
from gliomorph.interfaces.scan.measure import inverse_consistency, measure
from gliomorph.interfaces.scan.records import Registered
from gliomorph.interfaces.scan.warp import warp

SCALE = 0.8
USED = {"method": "syn", "seconds": 1.5, "peak_memory_gb": 0.5, "device": "cpu"}


def scaling(factor, path):
    """Template points away from the centre by ``factor``."""
    transform = sitk.AffineTransform(3)
    transform.SetCenter(phantoms.CENTRE.tolist())
    transform.Scale(factor)
    return write_transform(transform, path)


@pytest.fixture
def row(heads, tmp_path, here, identity_xfm):
    """Runs warp and measure on the head of a frame; gives the table's row."""

    def run(
        frame="LPS", affine=identity_xfm, forward=identity_xfm, inverse=identity_xfm, labels=None, **replaced
    ):
        (tmp_path / "used.json").write_text(json.dumps(USED))
        head, template = heads[frame] | ({"labels": labels} if labels else {}), heads["LPS"]
        files = warp(
            image=head["image"],
            matched=head["image"],
            labels=head["labels"],
            probabilities=[],
            affine=affine,
            registered=Registered(
                forward=forward, inverse=inverse, appearance=None, used=tmp_path / "used.json"
            ),
            template=template["image"],
        )
        files = attrs.evolve(files, **replaced)
        done = measure(
            files, head["image"], head["labels"], head["brain"], affine, template["image"], template["brain"]
        )
        assert as_dict(done) == as_dict(files) | {"quality": done.quality}
        return done.row()

    return run


@pytest.mark.parametrize("frame", ["LPS", "LAS", "RAS"])
def test_identity_is_perfect(row, heads, frame):
    found = row(frame)
    volume = (to_array(read_image(heads["LPS"]["labels"])) > 0).sum() * 0.064
    expected = {
        "tumor_volume_ratio": 1,
        "tumor_volume_native_ml": volume,
        "tumor_volume_affine_ml": volume,
        "tumor_volume_template_ml": volume,
        "ncc_outside_before": 1,
        "ncc_outside": 1,
        "l2_outside": 0,
        "l2_inside": 0,
        "jacobian_min": 1,
        "jacobian_max": 1,
        "jacobian_tumor_mean": 1,
        "folds": 0,
        "brain_dice": 1,
        "inverse_consistency_mm": 0,
    }
    assert {key: found[key] for key in expected} == pytest.approx(
        expected, abs=1e-5
    )  # rounded to five digits
    assert {key: found[key] for key in USED} == USED
    assert (found["status"], found["reason"], found["flag"]) == ("ok", "", "")


def test_affine_scaling_is_no_change_of_the_tumor(row, tmp_path):
    """The native head is larger than the template; the deformable part does nothing."""
    found = row(affine=scaling(1 / SCALE, tmp_path / "affine.h5"))
    assert found["tumor_volume_affine_ml"] == pytest.approx(
        found["tumor_volume_native_ml"] * SCALE**3, rel=1e-4
    )
    # a sphere of 19 mm drawn with voxels of 4 mm
    assert found["tumor_volume_ratio"] == pytest.approx(1, abs=0.06)
    assert found["jacobian_min"] == found["jacobian_max"] == 1


def test_deformation_that_shrinks_the_tumor_is_flagged(row, tmp_path):
    forward = scaling(1 / SCALE, tmp_path / "forward.h5")
    found = row(forward=forward, inverse=scaling(SCALE, tmp_path / "inverse.h5"))
    assert found["tumor_volume_ratio"] == pytest.approx(SCALE**3, rel=0.08)  # as above
    assert found["jacobian_tumor_mean"] == pytest.approx(SCALE**-3, rel=1e-4)  # single precision
    assert found["inverse_consistency_mm"] == pytest.approx(0, abs=1e-5)
    assert found["flag"].startswith("tumour shrank to ")
    assert found["brain_dice"] == pytest.approx(2 * SCALE**3 / (1 + SCALE**3), abs=0.02)
    assert found["status"] == "excluded"
    assert "warped brain overlaps the template's by 0.6" in found["reason"]


def test_folds_are_counted_in_the_brain_and_exclude(row, heads, tmp_path):
    like = phantoms.frame("LPS")
    voxels = np.ones(like.GetSize(), np.float32)
    voxels[0, 0, :10] = -1  # outside the brain: not counted
    few, many = voxels.copy(), voxels.copy()
    few[20, 24, 20:22] = [0, -0.5]
    many[20, 20:30, 15:20] = -0.5
    found = row(jacobian=write_image(from_array(few, like), tmp_path / "few.nii.gz"))
    assert (found["folds"], found["status"], found["flag"]) == (2, "ok", "2 folded voxels")
    found = row(jacobian=write_image(from_array(many, like), tmp_path / "many.nii.gz"))
    assert (found["folds"], found["status"]) == (50, "excluded")
    assert found["reason"] == "50 folded voxels, more than 0.1% of the brain"


def test_vanished_tumor_excludes(row, tmp_path):
    empty = write_image(
        from_array(np.zeros((40, 48, 40), np.uint8), phantoms.frame("LPS")), tmp_path / "e.nii.gz"
    )
    found = row(mask=empty)
    assert (found["status"], found["reason"]) == ("excluded", "the tumour vanished in template space")
    assert found["jacobian_tumor_mean"] is None  # JSON knows no NaN


def test_a_scan_in_which_no_tumor_was_found_is_excluded_with_that_reason(row, heads, tmp_path):
    found = row(labels=write_image(read_image(heads["LPS"]["labels"]) * 0, tmp_path / "none.nii.gz"))
    assert (found["status"], found["reason"], found["flag"]) == ("excluded", "no tumour was found", "")
    assert (found["tumor_volume_native_ml"], found["tumor_volume_ratio"]) == (0, None)


def test_similarities_are_the_formulas(row, heads, tmp_path):
    forward = write_transform(sitk.TranslationTransform(3, (4.0, 0.0, 0.0)), tmp_path / "shift.h5")
    inverse = write_transform(sitk.TranslationTransform(3, (-4.0, 0.0, 0.0)), tmp_path / "back.h5")
    found = row(forward=forward, inverse=inverse)
    fixed = to_array(read_image(heads["LPS"]["image"])).astype(float)
    labels = to_array(read_image(heads["LPS"]["labels"])) > 0
    moved, tumor = np.zeros_like(fixed), np.zeros_like(labels)
    moved[:-1], tumor[:-1] = fixed[1:], labels[1:]
    outside = (to_array(read_image(heads["LPS"]["brain"])) > 0) & ~tumor
    expected = {
        "ncc_outside": np.corrcoef(moved[outside], fixed[outside])[0, 1],
        "l2_outside": ((moved - fixed)[outside] ** 2).sum() * 0.064,
        "l2_inside": ((moved - fixed)[tumor] ** 2).sum() * 0.064,
    }
    # single precision, five digits
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-3)
    assert found["ncc_outside_before"] == pytest.approx(1, abs=1e-5)


def test_inverse_consistency_is_the_distance_back(heads, identity_xfm, tmp_path):
    there = write_transform(sitk.TranslationTransform(3, (3.0, 0.0, 4.0)), tmp_path / "there.h5")
    assert inverse_consistency(there, identity_xfm, heads["LAS"]["brain"]) == pytest.approx(5)
    assert inverse_consistency(there, there, heads["LAS"]["brain"]) == pytest.approx(10)


def test_thresholds_are_limits():
    row = {"tumor_volume_ratio": module.SHRINKAGE, "folds": 1, "brain_dice": module.MIN_BRAIN_DICE}
    row["tumor_volume_template_ml"] = 1.0
    assert module._verdict(row, 1000) == {"status": "ok", "reason": "", "flag": "1 folded voxels"}
    assert module._verdict(row | {"folds": 2}, 1000)["status"] == "excluded"
    assert module._verdict(row | {"brain_dice": 0.7999}, 1000)["status"] == "excluded"
