"""Tumours by region: who belongs where, what is kept, and what the tables and the page tell of few."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import parcels
import phantoms
import pytest

from gliomorph.interfaces.files.images import from_array, to_array, write_image
from gliomorph.interfaces.group.records import GroupScan
from gliomorph.interfaces.group.regions import places as module
from gliomorph.interfaces.group.regions.places import tumor_places
from gliomorph.models.atlas import Place

LIKE = phantoms.grid((20, 24, 20), (8.0, 8.0, 8.0))
PLACES = [(-30, -30, 0), (-30, 35, 0), (30, -30, 0), (0, -30, 0), (35, 30, 5)]
"""From the brain's centre, LPS: right front, right back, left front, the middle, left back."""


class Tumours:
    """Five tumours, a parcellation of four quarters, and how the stage is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = parcels.write_tumors(folder / "in", LIKE, [np.array(place) for place in PLACES])
        self.parcellation = self.write(parcels.quarters(LIKE), "quarters.nii.gz")
        self.kept = folder / "work" / "places.json"

    def write(self, values: np.ndarray, name: str) -> Path:
        numbered = np.select([values == index for index in parcels.INDICES], [1, 2, 3, 4], 0)
        return write_image(from_array(numbered.astype(np.uint16), LIKE), self.folder / name)

    def scan(self, number: int, key: str = "") -> GroupScan:
        files = {"tumor": self.paths[number]}
        return GroupScan(label=f"sub-{number}", kind="dseg", key=key or f"key {number}", files=files)

    def run(self, order: tuple[int, ...] = (0, 1, 2, 3, 4), **changes: Any) -> dict[str, Place]:
        arguments: dict[str, Any] = {
            "scans": tuple(self.scan(number) for number in order),
            "parcellation": self.parcellation,
            "count": 4,
            "code": "code",
            "kept": str(self.kept),
        }
        return tumor_places(**{**arguments, **changes})


@pytest.fixture
def tumours(tmp_path: Path) -> Tumours:
    return Tumours(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tumours that are read."""
    found: list[str] = []
    whole = module.place_of
    monkeypatch.setattr(module, "place_of", lambda *given: found.append("read") or whole(*given))
    return found


def test_tumours_are_where_they_were_drawn(tumours: Tumours) -> None:
    found = tumours.run()
    assert [place.region for place in found.values()][:3] == [1, 2, 3]
    assert found["sub-4"].region == 4
    assert found["sub-0"].voxels[0] == found["sub-0"].size > 0
    middle = found["sub-3"]
    assert middle.voxels[0] > 0 and middle.voxels[2] > 0
    assert sum(middle.voxels) == middle.size


def test_the_order_changes_no_byte_and_added_tumours_alone_are_read(
    tumours: Tumours, reads: list[str]
) -> None:
    whole = tumours.run()
    stored = tumours.kept.read_bytes()
    tumours.kept.unlink()
    reads.clear()
    assert tumours.run((3, 0)) == {scan: whole[scan] for scan in ("sub-0", "sub-3")}
    assert len(reads) == 2
    assert tumours.run((4, 3, 2, 1, 0)) == whole and list(tumours.run((1, 0))) == ["sub-0", "sub-1"]
    assert len(reads) == 5
    tumours.run((2, 4, 0, 1, 3))
    assert tumours.kept.read_bytes() == stored


@pytest.mark.parametrize("change", ["key", "code", "parcellation", "damaged"])
def test_kept_places_that_do_not_fit_are_made_anew(tumours: Tumours, reads: list[str], change: str) -> None:
    tumours.run()
    reads.clear()
    changes: dict[str, Any] = {}
    if change == "key":
        changes["scans"] = (tumours.scan(0, "another"), *map(tumours.scan, range(1, 5)))
    elif change == "code":
        changes["code"] = "other"
    elif change == "parcellation":
        # the same labels in other places
        changes["parcellation"] = tumours.write(parcels.quarters(LIKE)[::-1], "mirrored.nii.gz")
    else:
        tumours.kept.write_text(tumours.kept.read_text()[:-40])
    again = tumours.run(**changes)
    assert len(reads) == (1 if change == "key" else 5)
    assert again == tumours.run(**{**changes, "kept": ""})
    if change == "parcellation":
        assert again["sub-0"].region == 3


def test_nothing_is_kept_where_nothing_may_be(tumours: Tumours) -> None:
    tumours.run(kept="")
    assert not tumours.kept.exists()


def test_what_is_kept_is_not_what_a_reader_needs(tumours: Tumours) -> None:
    """Keys stay in the file; no path is in it."""
    found = tumours.run()
    assert all(isinstance(place, Place) for place in found.values())
    assert str(tumours.folder) not in tumours.kept.read_text()
    assert json.loads(tumours.kept.read_text())["places"]["sub-0"]["key"] == "key 0"


def test_a_tumour_of_another_grid_is_refused(tumours: Tumours) -> None:
    small = phantoms.grid((4, 4, 4), (8.0, 8.0, 8.0))
    path = write_image(from_array(np.ones((4, 4, 4), np.uint8), small), tumours.folder / "small.nii.gz")
    tumours.paths[0] = path
    with pytest.raises(ValueError, match="must have the parcellation's shape"):
        tumours.run((0,))
    assert to_array(small).shape == (4, 4, 4)
