"""A cohort in which some subjects cannot be done: the others are, and who failed is told with stage and cause."""

from __future__ import annotations

import csv
import json

import cohorts
import pytest
import SimpleITK as sitk
from cohorts import Place
from runs import Run, atlas_map, documented, ran

from gliomorph.workflows.checks.validation import validator_issues


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two good subjects and five that cannot be done, each in its own way."""
    place = Place(tmp_path_factory.mktemp("faulty")).prepare(["01", "02"])
    for subject in ("cut", "nan", "four", "far", "empty"):
        cohorts.write_subject(place.bids, subject, like="03")
    path = cohorts.image_path(place.bids, "cut")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    image, labels = cohorts.head("03")
    path = cohorts.image_path(place.bids, "nan")
    sitk.WriteImage(image * float("nan"), str(path))
    path = cohorts.image_path(place.bids, "four")
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(path))
    far = labels[4:, 4:, 4:]
    far.SetOrigin((900.0, 900.0, 900.0))
    sitk.WriteImage(far, str(cohorts.labels_path(place.bids, "far")))
    sitk.WriteImage(labels * 0, str(cohorts.labels_path(place.bids, "empty")))
    return ran(place, "--registration", "affine", here=True)


CAUSES = {
    "sub-cut": "sub-cut_T1w.nii.gz: cannot be read, damaged or no NIfTI",
    "sub-nan": "sub-nan_T1w.nii.gz: every voxel is NaN or infinite",
    "sub-four": "sub-four_T1w.nii.gz: one 3-D volume is required, this file has shape (32, 38, 28, 2)",
    "sub-far": "sub-far_seg-brats_dseg.nii.gz: the tumour mask and the image do not overlap in world coordinates",
    "sub-empty": "sub-empty_seg-brats_dseg.nii.gz: the tumour mask is empty",
}


def test_good_scans_of_a_faulty_cohort_finish(faulty: Run) -> None:
    assert faulty.answer.code == 1, faulty.answer.text
    for subject in ("01", "02"):
        assert documented(subject, {"affine": "affine"}) <= set(faulty.after)
    assert {name.split("/")[0] for name in faulty.after if name.startswith("sub-") and "/" in name} == {
        "sub-01",
        "sub-02",
    }


@pytest.mark.parametrize("scan", CAUSES)
def test_faulty_scan_is_told_with_stage_and_cause(faulty: Run, scan: str) -> None:
    (table,) = faulty.out.glob("logs/*/summary.tsv")
    with table.open(newline="") as lines:
        rows = {row["scan"]: row for row in csv.DictReader(lines, delimiter="\t")}
    assert rows[scan]["status"] == "failed"
    assert rows[scan]["cause"].startswith(CAUSES[scan])
    assert rows[scan]["stage"] == ("tumor" if scan in ("sub-far", "sub-empty") else "brain")
    assert f"failed {scan} {rows[scan]['stage']}: {CAUSES[scan]}" in faulty.answer.text


def test_atlas_of_a_faulty_cohort_lists_who_is_missing_and_why(faulty: Run) -> None:
    page = (faulty.out / "gliomorph.html").read_text()
    for scan, cause in CAUSES.items():
        assert scan in page
        assert cause in page
    sidecar = json.loads((faulty.out / atlas_map("WT").replace(".nii.gz", ".json")).read_text())
    assert sidecar["Participants"] == ["sub-01", "sub-02"]


def test_faulty_cohort_gives_no_traceback_but_the_command_that_runs_it_again(faulty: Run) -> None:
    assert "Traceback" not in faulty.answer.text
    assert "5 of 7 scans failed" in faulty.answer.text
    assert "--participant-label cut empty far four nan" in faulty.answer.text
    (folder,) = faulty.out.glob("logs/*")
    assert "Traceback" in (folder / "sub-empty_tumor.txt").read_text()


def test_faulty_cohort_leaves_no_half_written_file(faulty: Run) -> None:
    assert list(faulty.place.out.rglob(".tmp-*")) == []
    assert [issue for issue in validator_issues(faulty.out) if issue["severity"] == "error"] == []
