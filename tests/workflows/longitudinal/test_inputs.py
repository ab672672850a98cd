"""What a patient's sessions give to their graph: files as they were published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gliomorph.config.settings import Settings
from gliomorph.workflows.longitudinal.inputs import stages_of, subject_plan, visit_of
from gliomorph.workflows.longitudinal.plan import PlannedSubject, plan_subjects
from gliomorph.workflows.scan.plan import PlannedScan


@pytest.fixture
def subject(settings: Settings, planned: list[PlannedScan]) -> PlannedSubject:
    """That with three sessions."""
    return plan_subjects(settings.processing, settings.bids_dir, planned)[0][-1]


@pytest.mark.parametrize("sub_regions", [True, False])
def test_a_session_has_its_labels_or_its_mask(
    subject: PlannedSubject, sub_regions: bool, tmp_path: Path
) -> None:
    stem = tmp_path / "sub-3" / "ses-a" / "anat" / "sub-3_ses-a"
    stem.parent.mkdir(parents=True)
    if sub_regions:
        Path(f"{stem}_seg-brats_desc-masks_dseg.nii.gz").touch()
    visit = visit_of(subject.reference, tmp_path)
    tail = "seg-brats_desc-masks_dseg" if sub_regions else "label-tumor_desc-masks_mask"
    assert (visit.session, visit.labels, visit.sub_regions) == (
        "a",
        Path(f"{stem}_{tail}.nii.gz"),
        sub_regions,
    )


def test_the_plan_names_every_later_session_and_says_what_was_flagged(
    subject: PlannedSubject, tmp_path: Path
) -> None:
    record = (
        tmp_path / "sub-3" / "ses-b" / "anat" / "sub-3_ses-b_space-MNI152_res-1_desc-affine_registration.json"
    )
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"method": "affine", "quality": {"flag": "3 folded voxels"}}))
    plan = subject_plan(subject, tmp_path, "affine", "syn-cfm")
    assert set(plan.sessions) == {"b", "pre"}
    assert set(plan.sources) == {"a", "b", "pre"}
    assert plan.sessions["pre"]["to_template"].endswith(
        "sub-3_ses-pre_from-pre_to-MNI152_mode-image_desc-affine_xfm.h5"
    )
    assert plan.sessions["pre"]["forward_xfm"].endswith("from-pre_to-a_mode-image_desc-syncfm_xfm.h5")
    assert plan.notices[0].startswith("⚠ syn-cfm is symmetric")
    assert plan.notices[1:] == ["⚠ ses-b: 3 folded voxels"]


def test_each_later_session_is_registered_by_itself(subject: PlannedSubject) -> None:
    assert stages_of(subject) == 5
