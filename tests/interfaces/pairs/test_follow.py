"""Change between sessions: volumes, what grew, what shrank, and the way to the template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import pytest
import visits

from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.files.transforms import read_transform
from gliomorph.interfaces.pairs.follow import COLUMNS, follow


def rows_of(sessions: visits.Sessions) -> list[dict[str, Any]]:
    _, change = follow(sessions.reference, [sessions.later], [sessions.pair], sessions.template)
    rows: list[dict[str, Any]] = json.loads(change.read_text())
    assert all(tuple(row) == COLUMNS for row in rows)
    return rows


def by_region(rows: list[dict[str, Any]], session: str) -> dict[str, dict[str, Any]]:
    return {row["region"]: row for row in rows if row["session_id"] == session}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tumour_that_grows_around_its_centre_does_not_shrink(folder: Path) -> None:
    sessions = visits.write_sessions(folder)
    rows = rows_of(sessions)
    before, after = by_region(rows, "ses-pre"), by_region(rows, "ses-post")
    for region in ("WT", "TC", "ET"):
        assert before[region]["change_ml"] is None
        row = after[region]
        assert row["overlap_ml"] == before[region]["volume_ml"]
        assert row["shrinkage_ml"] == 0
        assert row["growth_ml"] == pytest.approx(row["change_ml"], abs=1e-3)
        assert row["change_percent"] == pytest.approx(100 * ((20 / 16) ** 3 - 1), rel=0.1)
    assert after["ED"]["volume_ml"] == 0
    assert after["ED"]["change_percent"] is None
    assert "RC" not in after


def test_overlap_growth_and_shrinkage_are_parts_of_both_volumes(folder: Path) -> None:
    sessions = visits.write_sessions(folder)
    swapped = attrs.evolve(sessions.later, labels=sessions.reference.labels)
    rows = rows_of(attrs.evolve(sessions, later=swapped))
    row, first = by_region(rows, "ses-post")["WT"], by_region(rows, "ses-pre")["WT"]
    assert row["overlap_ml"] + row["growth_ml"] == pytest.approx(row["reference_space_ml"], abs=2e-3)
    assert row["overlap_ml"] + row["shrinkage_ml"] == pytest.approx(first["volume_ml"], abs=2e-3)
    assert row["shrinkage_ml"] > 0


def test_a_cavity_is_a_region_of_its_own_and_no_tumour(folder: Path) -> None:
    after = by_region(rows_of(visits.write_sessions(folder, label=5)), "ses-post")
    assert after["RC"]["volume_ml"] > 0 == after["WT"]["volume_ml"]


def test_masks_know_the_whole_tumour_alone(folder: Path) -> None:
    rows = rows_of(visits.write_sessions(folder, label=1, sub_regions=False))
    assert [row["region"] for row in rows] == ["WT", "WT"]


def test_the_way_to_the_template_goes_through_the_reference(folder: Path) -> None:
    sessions = visits.write_sessions(folder)
    (found,), _ = follow(sessions.reference, [sessions.later], [sessions.pair], sessions.template)
    there, back = read_transform(found.to_template), read_transform(found.from_template)
    assert there.TransformPoint((0.0, 0.0, 0.0)) == (4.0, 10.0, 0.0)
    np.testing.assert_allclose(back.TransformPoint((4.0, 10.0, 0.0)), 0, atol=1e-6)
    own = phantoms.ball(phantoms.grid(), phantoms.TUMOR_AT, visits.RADII_MM["post"])
    assert phantoms.dice(to_array(read_image(found.labels)) > 0, own) > 0.95
