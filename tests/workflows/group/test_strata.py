"""Strata of a run: refused at the start where they cannot be made, with nothing dropped in silence."""

from __future__ import annotations

from pathlib import Path

from changed_settings import changed
from group_settings import settings

from gliomorph.config.settings import Settings
from gliomorph.interfaces.group.strata.groups import Stratification
from gliomorph.workflows.checks.atlas import atlas_notices
from gliomorph.workflows.group.strata import find_samples, find_strata


def strata_of(asked: Settings, participants: list[str]) -> Stratification:
    return find_strata(asked.atlas, asked.bids_dir / "participants.tsv", participants)


def test_without_a_word_there_are_no_strata_and_no_table_is_needed(tmp_path: Path) -> None:
    assert strata_of(settings(tmp_path, None), ["1"]).strata == ()


def test_one_participant_is_no_stratum_unless_it_is_asked_for(tmp_path: Path) -> None:
    found = strata_of(settings(tmp_path, strata=("sex",), min_cell=None), ["1", "2", "3"])
    assert found.published == ()
    assert [notice.text for notice in found.notices] == [
        "no maps of sex = 'F': 2 participants, fewer than 5",
        "no maps of sex = 'M': 1 participant, fewer than 5",
    ]
    found = strata_of(settings(tmp_path, strata=("sex",)), ["1", "2", "3"])
    assert [stratum.participants for stratum in found.published] == [("1", "3"), ("2",)]


def test_who_is_left_out_of_a_test_is_told_before_the_run(tmp_path: Path) -> None:
    asked = settings(tmp_path, tests=("glm:age",))
    assert atlas_notices(asked) == []
    told = atlas_notices(changed(asked, dry_run=True))
    assert "glm:age: 1 participant left out, 'age' is missing: '2'" in told
    assert find_samples((), asked.test_options(), tmp_path / "no table", ["1"]) == []
