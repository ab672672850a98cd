"""Sessions of several sequences, as they are found: in other frames, of half the brain, damaged, without a T1w."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cohorts
import numpy as np
import pytest
import SimpleITK as sitk
from cohorts import Answer, Place

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import apply_to_points, read_transform
from gliomorph.workflows.checks.validation import validator_issues

APART = (20.0, -15.0, 17.0)
"""Between the frames of 01's T1w and FLAIR (LPS, mm): 30 mm."""


def flair_of(subject: str) -> sitk.Image:
    """Another contrast of the head, bright where the T1w is dark."""
    image, _ = cohorts.head(subject)
    voxels = to_array(image)
    return from_array(np.where(voxels > 0, 1200 - voxels, 0).astype(np.float32), image)


def write(place: Place, subject: str, name: str, image: sitk.Image) -> Path:
    return write_image(image, place.bids / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """01: two T1w, a FLAIR in another frame, a damaged T2w; 02: a T1ce and no T1w, a FLAIR of half of the brain."""
    place = Place(tmp_path_factory.mktemp("sequences")).prepare(["01", "02"])
    first = cohorts.image_path(place.bids, "01")
    for run in ("run-1", "run-2"):
        write(place, "01", f"{run}_T1w", read_image(first))
    first.unlink()
    flair = flair_of("01")
    flair.SetOrigin((np.array(flair.GetOrigin()) + APART).tolist())
    write(place, "01", "FLAIR", flair)
    write(place, "01", "T2w", flair).write_bytes(b"no image")
    t1w = cohorts.image_path(place.bids, "02")
    t1w.rename(t1w.with_name("sub-02_ce-gadolinium_T1w.nii.gz"))
    half = flair_of("02")
    upper = cohorts.SIZE[2] // 2
    write(place, "02", "FLAIR", half[:, :, upper:])
    return place


@pytest.fixture(scope="module")
def answer(place: Place) -> Answer:
    return place.run_here(
        "--modality", "auto", "--registration", "affine", "--skip-bids-validation", levels=["participant"]
    )


def record(place: Place, subject: str, stem: str) -> dict[str, Any]:
    path = place.out / f"sub-{subject}/anat/{stem}_space-Tiny_res-4_desc-affine_registration.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_nothing_of_that_ends_a_run_and_all_of_it_is_said(place: Place, answer: Answer) -> None:
    assert answer.code == 0, answer.text
    for said in (
        "several T1w images: sub-01_run-1_T1w.nii.gz is used, not sub-01_run-2_T1w.nii.gz",
        "T2w is left out: sub-01_T2w.nii.gz: cannot be read",
        "sub-02_FLAIR.nii.gz shows ",
    ):
        assert said in answer.text
    page = (place.out / "sub-02.html").read_text()
    assert "--modality auto: T1ce is the primary image, for no T1w is there" in page
    assert "Further modalities" in page
    assert [issue for issue in validator_issues(place.out) if issue["severity"] == "error"] == []


def test_frames_30_mm_apart_are_laid_on_each_other(place: Place, answer: Answer) -> None:
    flair, t2w = sorted(
        record(place, "01", "sub-01_run-1")["further"]["images"], key=lambda row: row["modality"]
    )
    assert (flair["used"], t2w["used"]) == (True, False)
    assert flair["moved_mm"] == pytest.approx(np.linalg.norm(APART), abs=2)
    anat = place.out / "sub-01" / "anat"
    found = read_transform(anat / "sub-01_from-FLAIR_to-T1w_mode-image_desc-rigid_xfm.h5")
    back = read_transform(anat / "sub-01_from-T1w_to-FLAIR_mode-image_desc-rigid_xfm.h5")
    points = 30 * np.array([[0.0, 0, 0], *np.eye(3), *-np.eye(3)])
    there = apply_to_points(found, points)
    # the head has voxels of 4 mm
    assert np.linalg.norm(there - points - APART, axis=1).max() < 1.5
    assert np.abs(apply_to_points(back, there) - points).max() < 1e-3


def test_image_in_template_space_is_the_published_one_by_the_published_transform(
    place: Place, answer: Answer
) -> None:
    anat = place.out / "sub-01" / "anat"
    native = read_image(anat / "sub-01_space-T1w_desc-n4_FLAIR.nii.gz")
    primary = read_image(anat / "sub-01_run-1_desc-n4_T1w.nii.gz")
    assert (to_array(native)[to_array(primary) == 0] == 0).all()
    inside = to_array(primary) > 0
    assert np.corrcoef(to_array(native)[inside], to_array(primary)[inside])[0, 1] < -0.8
    carried = read_image(anat / "sub-01_space-Tiny_res-4_desc-affinebyT1w_FLAIR.nii.gz")
    transform = read_transform(anat / "sub-01_run-1_from-native_to-Tiny_mode-image_desc-affine_xfm.h5")
    expected = sitk.Resample(native, carried, transform, sitk.sitkLinear)
    assert np.array_equal(to_array(carried), to_array(expected))


def test_half_of_a_brain_is_shown_and_the_rest_is_0(place: Place, answer: Answer) -> None:
    (flair,) = record(place, "02", "sub-02_ce-gadolinium")["further"]["images"]
    assert flair["used"] and flair["share_of_brain"] == pytest.approx(0.5, abs=0.1)
    image = read_image(place.out / "sub-02/anat/sub-02_space-T1ce_desc-n4_FLAIR.nii.gz")
    voxels = to_array(image)
    upper = cohorts.SIZE[2] // 2
    assert not voxels[..., : upper - 1].any()
    head, _ = cohorts.head("02")
    brain = (to_array(head) > 0)[..., upper:]
    truth = to_array(flair_of("02"))[..., upper:]
    assert np.corrcoef(voxels[..., upper:][brain], truth[brain])[0, 1] > 0.9


@pytest.mark.slow
def test_further_image_that_comes_later_leaves_the_primary_ones_results(place: Place, answer: Answer) -> None:
    """The last of these tests, for it changes the dataset."""
    before = cohorts.outputs(place.out)
    write(place, "02", "T2w", flair_of("02"))
    started = place.executed()
    again = place.run_here(
        "--modality", "auto", "--registration", "affine", "--skip-bids-validation", levels=["participant"]
    )
    assert again.code == 0, again.text
    assert "2 scans: 1 to run, 1 done" in again.text
    # T2w itself, all in template space, page and publishing, and the two graphs' own nodes
    assert place.executed() - started <= 6
    after = cohorts.outputs(place.out)
    images = [name for name in before if name.endswith((".nii.gz", ".h5"))]
    assert all(before[name][0] == after[name][0] for name in images)
    assert "sub-02/anat/sub-02_space-T1ce_desc-n4_T2w.nii.gz" in after
