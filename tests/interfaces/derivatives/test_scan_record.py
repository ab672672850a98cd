"""A scan's published record: what is written is read, and files of others are told apart."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from gliomorph.interfaces.derivatives.scan_record import (
    PublishedTumor,
    ScanRecord,
    all_outputs_exist,
    is_complete,
    read_scan_record,
)

TUMOR = PublishedTumor(
    kind="dseg",
    frame="world",
    volume_ml=12.5,
    share_of_brain=0.01,
    labels=[0, 1],
    weights="student.safetensors",
    doubts=["outside the brain"],
    sources=["bids:masks:x"],
)
RECORD = ScanRecord(
    registration={"method": "syn-cfm", "seconds": 1.5, "settings": {"step": None}},
    version="gliomorph 0",
    key="k",
    inputs_key="i",
    page_key="c",
    scan="sub-01",
    template="SRI24",
    tumor=TUMOR,
    doubts=["outside the brain"],
    quality={"method": "syn-cfm", "ncc": None, "status": "ok", "reason": "", "flag": ""},
    outputs=["a.nii.gz", "b.json"],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record whose outputs lie beside it."""
    for name in RECORD.outputs:
        (tmp_path / name).write_text("x")
    path = tmp_path / "x_registration.json"
    path.write_text(RECORD.text())
    return path


def read(path: Path, **changes: Any) -> ScanRecord:
    """The record of a file in which some values are others; those that are None are missing."""
    content = {k: v for k, v in (json.loads(RECORD.text()) | changes).items() if v is not None}
    path.write_text(json.dumps(content))
    record = read_scan_record(path)
    assert record is not None
    return record


def test_record_that_is_read_is_the_one_that_was_written(path: Path) -> None:
    assert read_scan_record(path) == RECORD
    assert RECORD.method == "syn-cfm" and RECORD.fits_the_atlas


def test_file_begins_with_the_registration_and_ends_with_the_outputs() -> None:
    content = json.loads(RECORD.text())
    assert list(content) == [
        "method",
        "seconds",
        "settings",
        *(field.name for field in attrs.fields(ScanRecord)[1:] if field.name != "further"),
    ]
    assert content["settings"] == {"step": None} and content["quality"]["ncc"] is None
    assert content["tumor"]["weights"] == "student.safetensors" and "device" not in content["tumor"]


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"method": "syn"}', '{"quality": {}}', '{"method": 1, "quality": {}}']
)
def test_file_without_method_or_quality_is_no_record(path: Path, content: str) -> None:
    path.write_text(content)
    assert read_scan_record(path) is None


def test_what_a_file_of_an_earlier_version_lacks_is_empty(path: Path) -> None:
    record = read(path, version=None, tumor={"kind": "mask", "frame": "world", "sources": []})
    assert record.version == ""
    assert record.tumor.doubts == record.tumor.flags == record.tumor.labels == []
    assert math.isnan(record.tumor.share_of_brain)
    assert record.fits_the_atlas


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 5},
        {"tumor": None},
        {"tumor": {"kind": "mask", "frame": "world"}},
        {"tumor": {"kind": 1, "frame": "world", "sources": []}},
        {"quality": {"status": "ok"}},
    ],
)
def test_record_that_lacks_what_the_atlas_asks_is_a_record_all_the_same(
    path: Path, changes: dict[str, Any]
) -> None:
    record = read(path, **changes)
    assert not record.fits_the_atlas
    assert record.method == "syn-cfm" and record.outputs == RECORD.outputs


def test_complete_with_all_files_and_the_key(path: Path) -> None:
    assert is_complete(path.parent, path, "k")
    assert not is_complete(path.parent, path, "other")


def test_complete_with_the_further_images_that_were_there(path: Path) -> None:
    assert not is_complete(path.parent, path, "k", "flair")
    further = {"key": "flair", "images": []}
    path.write_text(attrs.evolve(RECORD, further=further).text())
    assert is_complete(path.parent, path, "k", "flair")
    assert not is_complete(path.parent, path, "k")


@pytest.mark.parametrize("damage", ["missing", "empty", "no record", "half a record", "a list"])
def test_incomplete_after_any_damage(path: Path, damage: str) -> None:
    if damage == "missing":
        (path.parent / "b.json").unlink()
    elif damage == "empty":
        (path.parent / "a.nii.gz").write_text("")
    elif damage == "no record":
        path.unlink()
    else:
        path.write_text(path.read_text()[:20] if damage == "half a record" else "[1]")
    assert not is_complete(path.parent, path, "k")


@pytest.mark.parametrize("outputs", [None, [], "a.nii.gz"])
def test_record_without_a_list_of_outputs_is_no_proof(path: Path, outputs: Any) -> None:
    record = read(path, outputs=outputs)
    assert not all_outputs_exist(path.parent, record.outputs)
    assert not is_complete(path.parent, path, "k")
