"""The plan says whose sessions are followed, from which one on, and what is done already."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from changed_settings import changed

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.interfaces.methods import PAIR_METHOD
from gliomorph.workflows.longitudinal.plan import PlannedSubject, announced, plan_subjects
from gliomorph.workflows.scan.plan import PlannedScan


def planned_of(settings: Settings, scans: list[PlannedScan]) -> tuple[list[PlannedSubject], list[str]]:
    return plan_subjects(settings.processing, settings.bids_dir, scans)


def ways(subjects: list[PlannedSubject]) -> dict[str, tuple[str, list[str]]]:
    return {s.subject: (s.reference.scan.session, [p.scan.session for p in s.later]) for s in subjects}


def test_sessions_follow_the_first_by_its_label(settings: Settings, planned: list[PlannedScan]) -> None:
    subjects, notices = planned_of(settings, planned)
    assert ways(subjects) == {"2": ("post", ["pre"]), "3": ("a", ["b", "pre"])}
    assert notices == []


def test_sessions_follow_the_earliest_where_their_times_are_known(
    settings: Settings, planned: list[PlannedScan]
) -> None:
    table = settings.bids_dir / "sub-2" / "sub-2_sessions.tsv"
    table.parent.mkdir()
    table.write_text("session_id\tacq_time\nses-post\t2020-05-01T00:00:00\nses-pre\t2020-01-01T00:00:00\n")
    assert ways(planned_of(settings, planned)[0])["2"] == ("pre", ["post"])


def test_sessions_follow_the_one_that_was_asked_for(settings: Settings, planned: list[PlannedScan]) -> None:
    asked = changed(settings, reference_session="ses-b")
    subjects, notices = planned_of(asked, planned)
    assert ways(subjects) == {"3": ("b", ["a", "pre"])}
    assert notices == ["--reference-session b: sub-2 have none, and are not followed"]


def test_scans_that_cannot_be_run_have_no_part(settings: Settings, planned: list[PlannedScan]) -> None:
    without = [attrs.evolve(p, status="impossible") if p.scan.session == "post" else p for p in planned]
    assert set(ways(planned_of(settings, without)[0])) == {"3"}
    assert planned_of(settings, planned[:2])[1] == ["--longitudinal: no subject has several sessions"]


def test_the_key_follows_every_session_and_the_reference(
    settings: Settings, planned: list[PlannedScan]
) -> None:
    def key(of: Settings, scans: list[PlannedScan]) -> str:
        return planned_of(of, scans)[0][-1].key

    first = key(settings, planned)
    assert key(settings, planned) == first
    other = [*planned[:-1], attrs.evolve(planned[-1], input_keys={"affine": "another"})]
    reference = changed(settings, reference_session="b")
    method = changed(settings, longitudinal_method="syn-cfm")
    assert len({first, key(settings, other), key(reference, planned), key(method, planned)}) == 4


def test_what_is_published_is_done(settings: Settings, planned: list[PlannedScan], tmp_path: Path) -> None:
    subjects, _ = planned_of(settings, planned)
    out = settings.output_dir
    assert announced(subjects, out) == [
        "sessions of 2 subjects: 2 to register, 0 done",
        "  sub-2: ses-pre to ses-post",
        "  sub-3: ses-b, ses-pre to ses-a",
    ]
    record = out / subjects[0].names["record"]
    record.parent.mkdir(parents=True)
    (out / "file").write_text("there")
    record.write_text(json.dumps({"key": subjects[0].key, "outputs": ["file"]}))
    assert "1 to register, 1 done" in announced(subjects, out)[0]
    (out / "file").unlink()
    assert not subjects[0].is_published(out)


def test_scans_without_outputs_are_named(settings: Settings, planned: list[PlannedScan]) -> None:
    subjects, _ = planned_of(settings, planned)
    assert subjects[0].without_outputs(settings.output_dir) == ["sub-2_ses-post", "sub-2_ses-pre"]


def test_the_method_between_sessions_is_one_for_any_two_images(settings: Settings) -> None:
    assert changed(settings, longitudinal_method="syn-cfm").processing.methods == ("affine", "syn-cfm")
    assert settings.processing.methods == ("affine", PAIR_METHOD)
    with pytest.raises(ValueError, match="longitudinal_method"):
        changed(settings, longitudinal_method="metamorph-r")
    with pytest.raises(SettingsError, match="--longitudinal-method lddmm: goes with --longitudinal alone"):
        changed(settings, longitudinal=False, longitudinal_method="lddmm")


def test_a_reference_without_sessions_to_follow_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="--reference-session: goes with --longitudinal alone"):
        changed(settings, longitudinal=False, reference_session="pre")
    with pytest.raises(SettingsError, match="--longitudinal: is of the level participant"):
        changed(settings, levels=("group",))
