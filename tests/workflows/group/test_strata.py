"""Strata of a run: refused at the start where they cannot be made, with nothing dropped in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from changed_settings import changed

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.interfaces.group.strata.groups import Stratification
from gliomorph.workflows.checks.atlas import atlas_notices
from gliomorph.workflows.group.strata import find_samples, find_strata

TABLE = "participant_id\tsex\tage\tsite\nsub-1\tF\t30\tA\nsub-2\tM\tn/a\tA\nsub-3\tF\t70\tA\n"


def settings(folder: Path, table: str | None = TABLE, **options: Any) -> Settings:
    for name in ("sub-1", "sub-2", "sub-3"):
        (folder / "bids" / name).mkdir(parents=True, exist_ok=True)
    if table is not None:
        (folder / "bids" / "participants.tsv").write_text(table)
    given = {"bids_dir": folder / "bids", "output_dir": folder / "out", "work_dir": folder / "work"}
    return Settings.of(
        **{**given, "levels": ("group",), "registration": ("affine",), "min_cell": 1, **options}
    )


def strata_of(asked: Settings, participants: list[str]) -> Stratification:
    return find_strata(asked.atlas, asked.bids_dir / "participants.tsv", participants)


def test_without_a_word_there_are_no_strata_and_no_table_is_needed(tmp_path: Path) -> None:
    assert strata_of(settings(tmp_path, None), ["1"]).strata == ()


@pytest.mark.parametrize(
    ("table", "word", "said"),
    [
        (None, "sex", "participants.tsv is required, there is no such file"),
        ("id\tsex\n1\tF\n", "sex", "requires a column participant_id"),
        (TABLE, "gender", "no column 'gender'; it has 'age', 'sex', 'site'"),
        (TABLE + "sub-1\tM\t30\tA\n", "sex", "more than one row of '1'"),
        (TABLE, "sex:1,2", "no participant with a scan has a number of 'sex'"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    tmp_path: Path, table: str | None, word: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        atlas_notices(settings(tmp_path, table, strata=(word,)))


def test_who_is_in_no_stratum_and_columns_that_do_not_divide_are_told(tmp_path: Path) -> None:
    told = atlas_notices(settings(tmp_path, strata=("age:50", "site"), dry_run=True))
    assert "1 participant in no bin of 'age': missing" in told
    assert any(text.startswith("'site' does not divide the participants") for text in told)


def test_a_cohort_smaller_than_the_smallest_cell_is_told_before_the_run(tmp_path: Path) -> None:
    (told,) = atlas_notices(settings(tmp_path, min_cell=5))
    assert told.startswith("an atlas of 3 participants would show nothing: --min-cell is 5")
    unasked = settings(tmp_path, min_cell=None)
    assert atlas_notices(unasked) == []
    (told,) = atlas_notices(changed(unasked, dry_run=True))
    assert told == "3 patients: single patients can be read from these maps; do not share them"


def test_one_participant_is_no_stratum_unless_it_is_asked_for(tmp_path: Path) -> None:
    found = strata_of(settings(tmp_path, strata=("sex",), min_cell=None), ["1", "2", "3"])
    assert found.published == ()
    assert [notice.text for notice in found.notices] == [
        "no maps of sex = 'F': 2 participants, fewer than 5",
        "no maps of sex = 'M': 1 participant, fewer than 5",
    ]
    found = strata_of(settings(tmp_path, strata=("sex",)), ["1", "2", "3"])
    assert [stratum.participants for stratum in found.published] == [("1", "3"), ("2",)]


def test_strata_without_the_level_group_are_told(tmp_path: Path) -> None:
    told = atlas_notices(settings(tmp_path, strata=("sex",), levels=("participant",)))
    assert told == ["--strata has no effect without the level group"]


def test_who_is_left_out_of_a_test_is_told_before_the_run(tmp_path: Path) -> None:
    asked = settings(tmp_path, tests=("glm:age",))
    assert atlas_notices(asked) == []
    told = atlas_notices(changed(asked, dry_run=True))
    assert "glm:age: 1 participant left out, 'age' is missing: '2'" in told
    assert find_samples((), asked.test_options, tmp_path / "no table", ["1"]) == []


def test_participants_of_earlier_runs_can_be_in_a_test(tmp_path: Path) -> None:
    rows = "sub-8\tM\t50\tA\nsub-9\tM\t51\tA\n"
    asked = settings(tmp_path, TABLE + rows, tests=("adiffi:sex",), min_cell=2)
    with pytest.raises(SettingsError, match="requires at least 4 participants with a mask"):
        atlas_notices(asked)
    for name in ("sub-8", "sub-9"):
        (tmp_path / "out" / name).mkdir(parents=True)
    assert atlas_notices(asked) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"tests": ("glm:age",), "levels": ("participant",)},
            "--tests has no effect without the level group",
        ),
        ({"tfce": True}, "--tfce has no effect without --tests"),
        ({"test_regions": ("ET",)}, "--test-regions has no effect without --tests"),
        ({"covariates": ("age",)}, "--covariates has no effect without --tests"),
        ({"min_lesions": 7}, "--min-lesions has no effect without --tests"),
        (
            {"tests": ("glm:age",), "correction": "fdr", "permutations": 50},
            "--permutations has no effect with --correction fdr",
        ),
    ],
)
def test_options_without_effect_are_told(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert atlas_notices(settings(tmp_path, **options)) == [said]


def test_tests_that_take_no_covariates_are_named(tmp_path: Path) -> None:
    table = "participant_id\tsex\tage\tarm\n" + "".join(
        f"sub-{i}\t{'FM'[i % 2]}\t{30 + i * i}\t{i // 2}\n" for i in range(1, 4)
    )
    asked = settings(tmp_path, table, tests=("adiffi:sex", "glm:age"), covariates=("arm",))
    assert atlas_notices(asked) == ["--covariates has no effect on adiffi:sex, which takes none"]
    with pytest.raises(SettingsError, match=r"glm:age: participants\.tsv has no column 'drug'"):
        atlas_notices(changed(asked, covariates=("drug",)))
