"""The transforms of a simulated patient beside the true ones: the truth itself has no error, a shift has its length."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import evaluations
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.evaluation.truth import POINTS, evaluate_truth, region_points
from gliomorph.interfaces.datasets import simulate
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.derivatives.registrations import EvaluationError, find_registrations
from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import compose, read_transform

REGIONS = ("outside", "near", "inside")
XFM = "sub-01_from-native_to-Tiny_mode-image_desc-truth_xfm.h5"


@pytest.fixture(scope="module")
def cohort(template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated patients on the tiny template; read only."""
    folder = tmp_path_factory.mktemp("simulated") / "bids"
    template = load_template("Tiny", 4, [template_home])
    simulate.simulate_cohort(folder, 2, simulate.Cohort(seed=5, template=template, grid="isotropic"))
    return folder


@pytest.fixture
def truth_dir(cohort: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(cohort / "derivatives" / "truth", tmp_path / "truth"))


@pytest.fixture
def true(truth_dir: Path) -> sitk.Transform:
    """Template points to native points of the first patient."""
    return read_transform(truth_dir / "sub-01" / "anat" / XFM)


@pytest.fixture
def evaluate(tmp_path: Path, truth_dir: Path) -> Callable[..., dict[str, dict[str, str]]]:
    """Run the evaluation; its rows by method. What was reported is in ``evaluate.said``."""
    said: list[str] = []

    def run(order: Sequence[str] = ()) -> dict[str, dict[str, str]]:
        said.clear()
        known = find_registrations(tmp_path / "derivatives", order=order)
        table = evaluate_truth(known, tmp_path / "out", truth_dir, report=said.append)
        with table.open(newline="") as lines:
            return {row["method"]: row for row in csv.DictReader(lines, delimiter="\t")}

    run.said = said  # type: ignore[attr-defined]
    return run


def register(tmp_path: Path, method: str, transform: sitk.Transform, scan: str = "sub-01") -> None:
    # the inverse is not read
    evaluations.write_registration(tmp_path / "derivatives", scan, method, transform, sitk.AffineTransform(3))


def test_truth_given_as_the_answer_has_no_error(tmp_path, evaluate, true):
    register(tmp_path, "syn", true)
    row = evaluate()["syn"]
    for region in REGIONS:
        for figure in ("mean", "median", "p95"):
            # both files round displacements to 0.0005 mm
            assert float(row[f"{region}_{figure}_mm"]) < 1e-3
    assert (row["tumor_change_error"], row["tumor_dice"], row["folds"]) == ("0", "1", "0")
    assert row["tumor_change"] == row["tumor_change_true"]
    assert float(row["tumor_change_true"]) != pytest.approx(1, abs=0.01), "the tumour has a mass effect"
    assert evaluate.said == ["sub-01: syn"]


def test_a_shift_is_an_error_of_its_length_everywhere(tmp_path, evaluate, true):
    register(tmp_path, "affine", compose(evaluations.shift(3, -4, 0), true))
    row = evaluate()["affine"]
    for region in REGIONS:
        for figure in ("mean", "median", "p95"):
            assert float(row[f"{region}_{figure}_mm"]) == pytest.approx(5, abs=1e-3)
    assert float(row["tumor_dice"]) < 0.95


def test_a_tumour_that_the_map_makes_larger_has_that_change(tmp_path, evaluate, true):
    """Twice as near to its centre in the patient: eight times the volume in the template."""
    labels = read_image(
        tmp_path / "truth" / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz", sitk.sitkUInt8
    )
    inside = np.argwhere(to_array(labels) > 0)
    zoom = sitk.AffineTransform(3)
    zoom.SetCenter(labels.TransformContinuousIndexToPhysicalPoint(inside.mean(axis=0).tolist()))
    zoom.Scale(0.8)
    register(tmp_path, "affine", compose(zoom, true))
    row = evaluate()["affine"]
    change = float(row["tumor_change"]) / float(row["tumor_change_true"])
    assert change == pytest.approx(0.8**-3, rel=0.15)  # of voxels of 4 mm
    assert float(row["tumor_change_error"]) == pytest.approx(change - 1, abs=1e-4)


def test_methods_come_in_order_and_scans_without_truth_are_named(tmp_path, evaluate, true, truth_dir):
    for method in ("syn", "affine"):
        register(tmp_path, method, true)
    for scan in ("sub-02_ses-a", "sub-07"):
        register(tmp_path, "syn", true, scan)
    assert list(evaluate(order=("affine", "syn"))) == ["affine", "syn"]
    assert evaluate.said == [
        "sub-01: affine, syn",
        f"sub-02_ses-a: no truth in {truth_dir}",
        f"sub-07: no truth in {truth_dir}",
    ]


def test_truth_of_another_template_is_refused_with_the_remedy(tmp_path, evaluate, true, truth_dir):
    register(tmp_path, "syn", true)
    path = truth_dir / "sub-01" / "anat" / XFM
    path.rename(path.with_name(XFM.replace("Tiny", "Other")))
    said = "truth of sub-01 is of the template Other, its registrations go to Tiny: run gliomorph with --template Other"
    with pytest.raises(EvaluationError, match=said):
        evaluate()


@pytest.mark.parametrize(
    "name",
    ["seg-brats_dseg.nii.gz", "desc-brain_mask.nii.gz", "space-Tiny_seg-brats_res-4_dseg.nii.gz"],
)
def test_missing_file_is_named(tmp_path, evaluate, true, truth_dir, name):
    register(tmp_path, "syn", true)
    (truth_dir / "sub-01" / "anat" / f"sub-01_{name}").unlink()
    missing = name.replace("res-4", r"res-\*")
    with pytest.raises(
        EvaluationError, match=rf"sub-01_{missing}: required and not there; the same gliomorph-sim"
    ):
        evaluate()


def test_missing_transform_of_a_registration_is_named(tmp_path, evaluate):
    evaluations.write_record(tmp_path / "derivatives", "sub-01", "syn")
    with pytest.raises(EvaluationError, match=r"to-Tiny_mode-image_desc-syn_xfm\.h5: required and not there"):
        evaluate()


def test_patient_of_another_cohort_is_refused(tmp_path, evaluate, true, cohort):
    register(tmp_path, "syn", true)
    n4 = evaluations.anat(tmp_path / "derivatives", "sub-01") / "sub-01_desc-n4_T1w.nii.gz"
    shutil.copy(cohort / "sub-01" / "anat" / "sub-01_T1w.nii.gz", n4)
    assert evaluate()["syn"]["tumor_dice"] == "1"
    shutil.copy(cohort / "sub-02" / "anat" / "sub-02_T1w.nii.gz", n4)
    with pytest.raises(ImageError, match=r"desc-n4_T1w.nii.gz and .*dseg.nii.gz have to lie on one grid"):
        evaluate()


def test_folder_without_any_truth_is_refused(tmp_path, evaluate, true, truth_dir, cohort):
    register(tmp_path, "syn", true)
    known = find_registrations(tmp_path / "derivatives")
    with pytest.raises(EvaluationError, match=r"of any of the 1 scans in .*: give derivatives/truth"):
        evaluate_truth(known, tmp_path / "out", cohort, report=print)
    with pytest.raises(EvaluationError, match=r"TRUTH_DIR .*nowhere: not a folder"):
        evaluate_truth(known, tmp_path / "out", tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_regions_are_told_apart_by_the_distance_to_the_tumour():
    like = phantoms.frame("oblique")
    brain = to_array(phantoms.brain_mask(like)) > 0
    points = region_points(brain, phantoms.ball(like, phantoms.TUMOR_AT, 14), like)
    away = {name: np.linalg.norm(found - phantoms.TUMOR_AT, axis=1) for name, found in points.items()}
    assert away["inside"].max() < 14 <= min(away["near"].min(), away["outside"].min())
    assert 20 < away["near"].max() <= 24 + 3.6  # ten millimetres from the last voxel inside
    assert away["outside"].max() > 80
    assert len(points["outside"]) == min(POINTS, int(brain.sum()) - len(points["inside"]))


def test_without_a_tumour_there_is_nothing_near_and_inside():
    like = phantoms.frame("LPS")
    brain = to_array(phantoms.brain_mask(like)) > 0
    points = region_points(brain, np.zeros_like(brain), like)
    assert [len(points[region]) for region in ("near", "inside")] == [0, 0]
    assert points["inside"].shape == (0, 3)


def test_errors_of_an_empty_tumour_are_no_numbers(tmp_path, evaluate, true, truth_dir):
    register(tmp_path, "syn", true)
    for name in ("seg-brats_dseg", "space-Tiny_seg-brats_res-4_dseg"):
        path = truth_dir / "sub-01" / "anat" / f"sub-01_{name}.nii.gz"
        labels = read_image(path, sitk.sitkUInt8)
        write_image(from_array(0 * to_array(labels), labels), path)
    row = evaluate()["syn"]
    assert float(row["outside_mean_mm"]) < 1e-3
    columns = ("near_mean_mm", "inside_p95_mm", "tumor_change", "tumor_change_error", "tumor_dice")
    assert {row[column] for column in columns} == {"n/a"}
