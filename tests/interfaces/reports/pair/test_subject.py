"""The page of a patient's sessions."""

from __future__ import annotations

from pathlib import Path

import pytest
import visits

from gliomorph.interfaces.pairs.follow import COLUMNS, follow
from gliomorph.interfaces.reports.pair.subject import CHANGE, subject_page


def test_every_column_of_the_table_has_a_name() -> None:
    assert tuple(CHANGE) == COLUMNS


def test_every_later_session_has_its_pictures_and_the_table_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = visits.write_sessions(tmp_path)
    later = [sessions.later]
    followed, change = follow(sessions.reference, later, [sessions.pair], sessions.template)
    page, figures = subject_page("sub-1", sessions.reference, later, followed, change, ["⚠ ses-pre: <odd>"])
    text = page.read_text()
    assert text.count("<img") == len(figures) == 7
    assert "sub-1, 2 sessions" in text
    assert "⚠ ses-pre: &lt;odd&gt;" in text
    assert 'id="ses-post"' in text
    assert "voxels of 2 mm" in text
    assert text.count("<td>ses-") == 10
