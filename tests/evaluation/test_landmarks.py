"""Landmarks are taken by the published transforms; errors and robustness are BraTS-Reg's."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import evaluations
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.evaluation.landmarks import entities_of, evaluate_landmarks, summarise
from gliomorph.interfaces.derivatives.direct import find_direct
from gliomorph.interfaces.derivatives.registrations import EvaluationError, find_registrations
from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.landmarks import LandmarkError
from gliomorph.interfaces.files.transforms import compose, linear_part, write_transform

POINTS = phantoms.CENTRE + np.array([[0, 0, 0], [20, 5, -8], [-15, 22, 10], [5, -30, 12]])
"""LPS, mm."""


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., dict[tuple[str, str], dict[str, str]]]:
    """Run the evaluation; rows by scan and method. What was reported is in ``evaluate.said``."""
    said: list[str] = []

    def run(*files: Path, **options: str) -> dict[tuple[str, str], dict[str, str]]:
        said.clear()
        known = find_registrations(tmp_path / "derivatives")
        tables = evaluate_landmarks(known, tmp_path / "out", files, report=said.append, **options)
        with tables[0].open(newline="") as lines:
            return {(row["scan"], row["method"]): row for row in csv.DictReader(lines, delimiter="\t")}

    run.said = said  # type: ignore[attr-defined]
    return run


def register(tmp_path: Path, scan: str, method: str, *transforms: sitk.Transform) -> None:
    evaluations.write_registration(tmp_path / "derivatives", scan, method, *transforms)


def write(tmp_path: Path, name: str, points: np.ndarray = POINTS, lps: bool = False) -> Path:
    path = tmp_path / f"{name}_landmarks.csv"
    rows = points if lps else points * [-1, -1, 1]
    lines = [f"{number},{x},{y},{z}" for number, (x, y, z) in enumerate(rows.tolist(), 1)]
    path.write_text("\n".join(["Landmark,X,Y,Z", *lines]) + "\n")
    return path


def figures(row: dict[str, str]) -> list[float]:
    keys = ("median_mm", "mean_mm", "median_before_mm", "mean_before_mm", "robustness")
    return [float(row[key]) for key in keys]


def warp(x: float, y: float, z: float) -> sitk.DisplacementFieldTransform:
    """A constant displacement (LPS, mm), as a field."""
    like = phantoms.grid((60, 60, 60))
    field = np.zeros((3, 60, 60, 60)) + np.array([x, y, z])[:, None, None, None]
    return sitk.DisplacementFieldTransform(from_array(field, like))


def test_identity_has_no_error_and_moves_none_closer(tmp_path, evaluate):
    register(tmp_path, "sub-01", "affine")
    rows = evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"))
    assert figures(rows["sub-01", "affine"]) == [0, 0, 0, 0, 0]
    assert rows["sub-01", "affine"]["reference"] == "Tiny"
    assert rows["sub-01", "affine"]["landmarks"] == "4"


def test_a_known_shift_gives_its_length(tmp_path, evaluate):
    register(tmp_path, "sub-01", "affine", evaluations.shift(3, 0, -4))
    rows = evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"))
    assert figures(rows["sub-01", "affine"])[:2] == pytest.approx([5, 5])


def test_the_native_to_template_transform_takes_native_landmarks(tmp_path, evaluate):
    """Template points to native points is an affine: its inverse brings the landmarks back exactly."""
    affine = phantoms.some_affine()
    register(tmp_path, "sub-01", "affine", affine)
    native = phantoms.mapped(affine, POINTS.T).T
    rows = evaluate(write(tmp_path, "sub-01", native), write(tmp_path, "tpl-Tiny"))
    assert figures(rows["sub-01", "affine"])[:2] == pytest.approx([0, 0], abs=1e-6)


def test_robustness_is_one_for_a_perfect_warp_and_zero_for_a_wrong_one(tmp_path, evaluate):
    """Truth: 6 mm along x beyond the affine. Before: the affine alone, which the warped methods hold, too."""
    affine = evaluations.shift(0, 10, 0)
    native = POINTS + np.array([6, 10, 0])
    for method, x in (("syn", 6.0), ("lddmm", -2.0)):
        there, back = compose(affine, warp(x, 0, 0)), compose(warp(-x, 0, 0), affine.GetInverse())
        register(tmp_path, "sub-01", method, there, back)
    rows = evaluate(write(tmp_path, "sub-01", native), write(tmp_path, "tpl-Tiny"))
    assert figures(rows["sub-01", "syn"]) == pytest.approx([0, 0, 6, 6, 1], abs=1e-3)
    assert figures(rows["sub-01", "lddmm"]) == pytest.approx([8, 8, 6, 6, 0], abs=1e-3)


@pytest.mark.parametrize("method", ["rigid", "rigid-cfm"])
def test_rigid_methods_alone_have_no_affine_to_be_compared_with(tmp_path, evaluate, method):
    for each in ("rigid", "rigid-cfm"):
        register(tmp_path, "sub-01", each, evaluations.shift(2, 0, 0))
    row = evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"))["sub-01", method]
    assert (row["mean_mm"], row["mean_before_mm"], row["robustness"], row["before"]) == (
        "2",
        "n/a",
        "n/a",
        "n/a",
    )


def test_pairs_go_through_the_template_into_the_baseline(tmp_path, evaluate):
    """Baseline and follow-up lie 30 mm and -20 mm off the template; the follow-up's tissue moved by 7 mm more."""
    register(tmp_path, "sub-01_ses-00", "affine", evaluations.shift(30, 0, 0))
    register(tmp_path, "sub-01_ses-01", "affine", evaluations.shift(-20, 0, 0))
    register(tmp_path, "sub-01_ses-00", "syn", evaluations.shift(30, 0, 0))
    register(tmp_path, "sub-01_ses-01", "syn", evaluations.shift(-20, 7, 0))
    baseline = write(tmp_path, "sub-01_ses-00", POINTS + np.array([30, 0, 0]))
    followup = write(tmp_path, "sub-01_ses-01", POINTS + np.array([-20, 7, 0]))
    rows = evaluate(baseline, followup)
    assert list(rows) == [("sub-01_ses-01", "affine"), ("sub-01_ses-01", "syn")]
    assert rows["sub-01_ses-01", "syn"]["reference"] == "sub-01_ses-00"
    assert figures(rows["sub-01_ses-01", "affine"]) == pytest.approx([7, 7, 7, 7, 0])
    assert figures(rows["sub-01_ses-01", "syn"]) == pytest.approx([0, 0, 7, 7, 1], abs=1e-6)
    native = evaluate(baseline, followup, before="native")["sub-01_ses-01", "affine"]
    assert figures(native) == pytest.approx([7, 7, np.hypot(50, 7), np.hypot(50, 7), 1])
    assert evaluate.said == ["sub-01_ses-01: 4 landmarks onto sub-01_ses-00"]


def test_onto_names_the_session_that_the_others_are_taken_to(tmp_path, evaluate):
    for scan in ("sub-01_ses-post", "sub-01_ses-pre", "sub-02_ses-a", "sub-02_ses-b"):
        register(tmp_path, scan, "affine")
    files = [write(tmp_path, f"sub-{name}") for name in ("01_ses-post", "01_ses-pre", "02_ses-a", "02_ses-b")]
    rows = evaluate(*files, onto="pre")
    assert {scan: row["reference"] for (scan, _), row in rows.items()} == {
        "sub-01_ses-post": "sub-01_ses-pre"
    }
    assert evaluate.said[0] == "sub-02_ses-a: no landmarks of ses-pre to take its own to, passed over"
    assert ("sub-01_ses-pre", "affine") in evaluate(*files)


def test_direct_transforms_are_measured_beside_the_way_through_the_template(tmp_path, evaluate):
    """The follow-up's tissue moved by 7 mm: the template's way knows nothing of it, the direct one all but 1 mm."""
    for scan in ("sub-01_ses-00", "sub-01_ses-01", "sub-02_ses-00", "sub-02_ses-01"):
        register(tmp_path, scan, "affine")
    files = [write(tmp_path, "sub-01_ses-00"), write(tmp_path, "sub-01_ses-01", POINTS + np.array([7, 0, 0]))]
    folder = tmp_path / "direct"
    for subject in ("01", "02"):
        name = f"sub-{subject}_from-00_to-01_mode-image_desc-mine_xfm.h5"
        write_transform(evaluations.shift(-6, 0, 0), folder / name)
    write_transform(
        evaluations.shift(9, 0, 0), folder / "sub-01_ses-01_from-native_to-Tiny_mode-image_desc-x_xfm.h5"
    )
    rows = evaluate(*files, before="native", direct=find_direct(folder))
    assert not any("Tiny" in line for line in evaluate.said)
    assert [(method, row["way"]) for (_, method), row in rows.items()] == [
        ("affine", "template"),
        ("mine", "direct"),
    ]
    assert figures(rows["sub-01_ses-01", "affine"]) == pytest.approx([7, 7, 7, 7, 0])
    assert figures(rows["sub-01_ses-01", "mine"]) == pytest.approx([1, 1, 7, 7, 1])
    assert (
        "sub-02_ses-00 and sub-02_ses-01: joined directly, but no pair with landmarks, passed over"
        in evaluate.said
    )
    write_transform(evaluations.shift(-6, 0, 0), folder / "again" / name.replace("02", "01"))
    with pytest.raises(EvaluationError, match=r"both take sub-01_ses-01 to sub-01_ses-00 by mine"):
        evaluate(*files, direct=find_direct(folder))


def test_lps_files_give_the_same_as_ras_files(tmp_path, evaluate):
    register(tmp_path, "sub-01", "affine", phantoms.some_affine())
    ras = evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"))
    lps = evaluate(
        write(tmp_path, "sub-01", lps=True), write(tmp_path, "tpl-Tiny", lps=True), coordinates="LPS"
    )
    assert ras == lps


def test_summary_is_the_median_the_mean_and_the_share_that_moved_closer():
    found = summarise(np.array([1.0, 2.0, 9.0, 4.0]), np.array([2.0, 2.0, 3.0, 5.0]))
    assert found == {
        "median_mm": 3.0,
        "mean_mm": 4.0,
        "median_before_mm": 2.5,
        "mean_before_mm": 3.0,
        "robustness": 0.5,  # as far as before is not closer
    }


def test_linear_part_leaves_the_affine_of_a_warp():
    affine = phantoms.some_affine()
    left = linear_part(compose(affine, warp(5, 0, 0)))
    assert phantoms.mapped(left, POINTS.T) == pytest.approx(phantoms.mapped(affine, POINTS.T))
    assert left.IsLinear()


def test_missing_scans_files_and_partners_are_named(tmp_path, evaluate):
    for scan in ("sub-01_ses-00", "sub-01_ses-01", "sub-02_ses-00", "sub-03_ses-00"):
        register(tmp_path, scan, "affine")
    evaluate(*(write(tmp_path, f"sub-0{i}_ses-0{k}") for i, k in ((1, 0), (1, 1), (2, 0), (9, 0))))
    assert evaluate.said == [
        "sub-09_ses-00_landmarks.csv: no registration of sub-09_ses-00, passed over",
        "sub-03_ses-00: no landmarks",
        "sub-02_ses-00: the only one of its subject with landmarks, a pair is required, passed over",
        "sub-01_ses-01: 4 landmarks onto sub-01_ses-00",
    ]


def test_a_file_that_fits_two_scans_or_a_scan_of_two_files_is_refused(tmp_path, evaluate):
    for scan in ("sub-01_ses-00", "sub-01_ses-01"):
        register(tmp_path, scan, "affine")
    with pytest.raises(
        EvaluationError, match="fits sub-01_ses-00 and sub-01_ses-01, name it after one of them"
    ):
        evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"))
    first = write(tmp_path, "sub-01_ses-00")
    (tmp_path / "other").mkdir()
    with pytest.raises(EvaluationError, match="are both of sub-01_ses-00"):
        evaluate(first, write(tmp_path / "other", "sub-01_ses-00"))


def test_nothing_to_compare_is_an_error_and_leaves_no_table(tmp_path, evaluate):
    register(tmp_path, "sub-01", "affine")
    with pytest.raises(EvaluationError, match="nothing to compare"):
        evaluate(write(tmp_path, "sub-01"))
    with pytest.raises(
        EvaluationError, match=r"tpl-Tiny_landmarks.csv, is required, got tpl-Other_landmarks.csv"
    ):
        evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Other"))
    with pytest.raises(EvaluationError, match="--before native compares positions of two scans"):
        evaluate(write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny"), before="native")
    assert not (tmp_path / "out").exists()


def test_a_file_is_named_after_those_whose_landmarks_it_holds():
    assert entities_of(Path("a", "sub-01_ses-00_landmarks.csv")) == ("sub-01", "ses-00")
    assert entities_of(Path("tpl-SRI24_landmarks.csv")) == ("tpl-SRI24",)


@pytest.mark.parametrize("name", ["BraTSReg_001_00_0000_landmarks.csv", "sub-01.csv", "sub-01_landmarks.tsv"])
def test_names_have_to_say_whose_landmarks_they_are(tmp_path, evaluate, name):
    register(tmp_path, "sub-01", "affine")
    path = write(tmp_path, "sub-01").rename(tmp_path / name)
    with pytest.raises(EvaluationError, match="a name such as sub-X"):
        evaluate(path)


def test_landmarks_outside_the_scan_are_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01", "affine")
    folder = evaluations.anat(tmp_path / "derivatives", "sub-01")
    write_image(phantoms.brain_image(phantoms.frame("RAS")), folder / "sub-01_desc-n4_T1w.nii.gz")
    files = write(tmp_path, "sub-01"), write(tmp_path, "tpl-Tiny")
    evaluate(*files)
    with pytest.raises(
        LandmarkError,
        match=r"sub-01_landmarks.csv, line 3: landmark '2' lies 1\d\d mm outside.*--coordinates LPS",
    ):
        evaluate(
            write(tmp_path, "sub-01", POINTS + np.array([[0, 0, 0], [200, 0, 0], [0, 0, 0], [0, 0, 0]])),
            files[1],
        )
