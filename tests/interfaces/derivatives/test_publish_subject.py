"""A patient's sessions at their final names: everything listed, what is of an earlier reference removed."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import visits

from gliomorph.interfaces.derivatives.follow_up_names import follow_up_names, subject_names
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder
from gliomorph.interfaces.derivatives.publish_subject import (
    DESCRIPTIONS,
    SubjectPlan,
    SubjectResults,
    publish_subject,
)
from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.files.tables import read_tsv
from gliomorph.interfaces.pairs.follow import follow


@pytest.fixture
def plan(tmp_path: Path) -> SubjectPlan:
    scan = ScanNames(
        label="sub-1_ses-post",
        folder=anat_folder("1", "post"),
        stem="sub-1_ses-post",
        template="Tiny",
        resolution=4,
        source="masks",
    )
    return SubjectPlan(
        subject="sub-1",
        out_dir=str(tmp_path / "out"),
        key="k",
        names=subject_names("1"),
        sessions={"post": follow_up_names(scan, "post", "pre", "affine", "greedy-cfm")},
        sources={
            name: f"sub-1/ses-{name}/anat/sub-1_ses-{name}_desc-n4_T1w.nii.gz" for name in ("pre", "post")
        },
        notices=[],
        generated_by="tests",
    )


@pytest.fixture
def out(plan: SubjectPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Published where an earlier run has left its record and a file."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out"
    write_text(json.dumps({"outputs": ["sub-1/old.h5"]}), folder / plan.names["record"])
    write_text("of another reference", folder / "sub-1" / "old.h5")
    sessions = visits.write_sessions(tmp_path)
    later = [sessions.later]
    followed, change = follow(sessions.reference, later, [sessions.pair], sessions.template)
    page, picture = write_text("page", tmp_path / "page.html"), write_text("picture", tmp_path / "x.png")
    results = SubjectResults(followed=followed, change=change, page=page, figures=[picture])
    publish_subject(plan, sessions.reference, later, results, "run")
    return folder


def test_the_record_lists_what_is_there(out: Path, plan: SubjectPlan) -> None:
    record = json.loads((out / plan.names["record"]).read_text())
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {*record["outputs"], plan.names["record"]}
    assert {*plan.sessions["post"].values(), plan.names["page"], plan.names["table"]} <= found
    assert (record["key"], record["reference"]) == ("k", "ses-pre")
    assert record["registrations"]["ses-post"]["deformable"] == "greedy-cfm"


def test_images_say_in_which_space_they_lie_and_what_they_are(out: Path, plan: SubjectPlan) -> None:
    for key, text in DESCRIPTIONS.items():
        sidecar = json.loads((out / plan.sessions["post"][key].replace(".nii.gz", ".json")).read_text())
        assert sidecar["SpatialReference"] == f"bids::{plan.sources['pre']}"
        assert sidecar["Description"] == text


def test_the_table_has_a_row_for_each_session_and_region(out: Path, plan: SubjectPlan) -> None:
    columns, rows = read_tsv(out / plan.names["table"])
    assert columns[0] == "participant_id"
    assert {(row.cells["session_id"], row.cells["region"]) for row in rows} >= {
        ("ses-pre", "WT"),
        ("ses-post", "ET"),
    }
    assert len({len(row.cells) for row in rows}) == 1


def test_a_plan_is_known_by_its_values(plan: SubjectPlan) -> None:
    assert attrs.evolve(plan) == plan
