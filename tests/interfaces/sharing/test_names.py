"""New names, and the table that leads back."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest

from gliomorph.interfaces.sharing.names import (
    ExportError,
    Names,
    draw_names,
    read_mapping,
    write_mapping,
)

NAMES = Names({"Meier": "001", "01": "002"}, {"Meier": {"pre": "1", "20190304": "2"}})


def folders(out: Path, *subjects: str) -> Path:
    for subject in subjects:
        (out / f"sub-{subject}").mkdir(parents=True)
    return out


def test_names_are_numbers_in_an_order_that_chance_draws(tmp_path: Path) -> None:
    out = folders(tmp_path, *(f"P{number:02d}" for number in range(20)))
    one, other = (draw_names(out, Names({}, {}), random.Random(seed)) for seed in (1, 2))
    assert sorted(one.subjects.values()) == [f"{number:03d}" for number in range(1, 21)]
    assert one.subjects != other.subjects
    assert draw_names(out, Names({}, {}), random.Random(1)) == one


def test_new_names_are_nobody_s_old_ones(tmp_path: Path) -> None:
    names = draw_names(folders(tmp_path, "001", "002"), Names({}, {}), random.Random(0))
    assert sorted(names.subjects.values()) == ["0001", "0002"]


def test_known_names_stay_and_others_follow(tmp_path: Path) -> None:
    names = draw_names(folders(tmp_path, "A", "B"), Names({"B": "001", "gone": "007"}, {}), random.Random(0))
    assert names.subjects == {"B": "001", "gone": "007", "A": "002"}


def test_sessions_keep_the_order_of_the_table_and_else_of_their_labels(tmp_path: Path) -> None:
    for subject, session in (("A", "pre"), ("A", "post"), ("B", "10"), ("B", "9")):
        (tmp_path / f"sub-{subject}" / f"ses-{session}").mkdir(parents=True)
    (tmp_path / "sub-A/sub-A_longitudinal.tsv").write_text(
        "participant_id\tsession_id\nsub-A\tses-pre\nsub-A\tses-post\n"
    )
    sessions = draw_names(tmp_path, Names({}, {}), random.Random(0)).sessions
    assert sessions["A"] == {"pre": "1", "post": "2"}
    assert sessions["B"] == {"9": "1", "10": "2"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sub-Meier/ses-pre/anat/sub-Meier_ses-pre_T1w.json", "sub-001/ses-1/anat/sub-001_ses-1_T1w.json"),
        ("sub-Meier_ses-20190304_from-20190304_to-pre_xfm.h5", "sub-001_ses-2_from-2_to-1_xfm.h5"),
        ("sub-Meier_space-pre_T1w", "sub-001_space-1_T1w"),
        ("sub-01_space-pre_res-01", "sub-002_space-pre_res-01"),
        ("Scan of MEIER, Meiers, Anna.Meier", "Scan of 001, Meiers, Anna.001"),
        ("sub-other", "sub-other"),
    ],
)
def test_old_names_become_new_ones_wherever_they_stand(old: str, new: str) -> None:
    assert NAMES.renamed(old) == new


def test_sessions_without_a_subject_are_those_of_the_file_s() -> None:
    assert NAMES.renamed("ses-pre", "Meier") == "ses-1"
    assert NAMES.renamed("ses-pre") == "ses-pre"


def test_mapping_leads_back_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "home" / "mapping.tsv"
    write_mapping(NAMES, file)
    assert read_mapping(file) == Names(NAMES.subjects, {**NAMES.sessions, "01": {}})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["mapping.tsv"]


def test_other_tables_are_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "other.tsv").write_text("participant_id\tage\n")
    with pytest.raises(
        ExportError, match=r"--mapping .*other\.tsv: a table of an earlier export is required"
    ):
        read_mapping(tmp_path / "other.tsv")
