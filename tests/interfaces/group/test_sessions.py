"""One scan of each participant: the session that was asked for, the earliest, or the first by its label."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from gliomorph.interfaces.group.sessions import BY_LABEL, BY_TIME, acquisition_times, one_scan_each

SCANS = ["sub-b_ses-2", "sub-a", "sub-b_ses-1", "sub-b_ses-3"]


def test_first_by_its_label_counts_in_any_order() -> None:
    choice = one_scan_each(SCANS)
    assert choice == one_scan_each(SCANS[::-1])
    assert choice.chosen == {"a": "sub-a", "b": "sub-b_ses-1"}
    assert list(choice.left_out) == ["sub-b_ses-2", "sub-b_ses-3"]
    assert choice.unasked == {"sub-b_ses-1": BY_LABEL}


def test_earliest_counts_where_all_times_are_known() -> None:
    times = {f"sub-b_ses-{n}": datetime(2020, 1, 9 - n) for n in (1, 2, 3)}
    choice = one_scan_each(SCANS, times=times)
    assert choice.chosen["b"] == "sub-b_ses-3"
    assert choice.unasked == {"sub-b_ses-3": BY_TIME}
    equal = dict.fromkeys(times, datetime(1925, 1, 1))  # as where dates were taken away
    assert one_scan_each(SCANS, times=equal).unasked == {"sub-b_ses-1": BY_LABEL}
    assert (
        one_scan_each(SCANS, times=equal | {"sub-b_ses-2": datetime(1924, 1, 1)}).chosen["b"] == "sub-b_ses-2"
    )
    del times["sub-b_ses-2"]
    assert one_scan_each(SCANS, times=times).unasked == {"sub-b_ses-1": BY_LABEL}


def test_sessions_that_are_asked_for_count_by_preference() -> None:
    choice = one_scan_each(SCANS, ["4", "3", "1"])
    assert choice.chosen == {"a": "sub-a", "b": "sub-b_ses-3"}
    assert choice.unasked == {}
    assert one_scan_each([*SCANS, "sub-b"], ["3"]).chosen["b"] == "sub-b_ses-3"
    assert one_scan_each([*SCANS, "sub-b"], ["4"]).chosen["b"] == "sub-b"
    choice = one_scan_each(SCANS, ["4", "5"])
    assert choice.chosen == {"a": "sub-a"}
    assert set(choice.left_out.values()) == {"no scan of ses-4 or ses-5 (--atlas-session)"}


@pytest.mark.parametrize(
    ("content", "known"),
    [
        ("session_id\tacq_time\nses-1\t2009-06-15T13:45:30\nses-2\t2009-06-14T23:00:00Z\n", ["1", "2"]),
        ("acq_time\tsession_id\n 2009-06-15 \tses-1 \n2009-06-14 12:30\t2\n", ["1", "2"]),
        ("session_id\tacq_time\n1\t1925-01-01\nses-2\tn/a\nses-9\t2009-01-01\n", ["1"]),
        ("session_id\tacq_time\nses-1\n", []),
        ("session_id\nses-1\n", []),
        ("", []),
    ],
)
def test_times_are_those_of_sessions_tsv_that_can_be_read(
    tmp_path: Path, content: str, known: list[str]
) -> None:
    assert acquisition_times(tmp_path, SCANS) == {}
    (tmp_path / "sub-b").mkdir()
    (tmp_path / "sub-b" / "sub-b_sessions.tsv").write_text(content)
    found = acquisition_times(tmp_path, SCANS)
    assert list(found) == [f"sub-b_ses-{label}" for label in known]
    assert one_scan_each(["sub-b_ses-1", "sub-b_ses-2"], times=found).chosen["b"] == (
        "sub-b_ses-2" if len(known) == 2 else "sub-b_ses-1"
    )
