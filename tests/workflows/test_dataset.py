"""Dataset-level files: the same from every run, untouched where nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gliomorph
from gliomorph.config.settings import Settings
from gliomorph.workflows.dataset import IGNORED, write_dataset


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("my data", "masks"):
        (tmp_path / name).mkdir()
    return Settings.of(
        bids_dir=tmp_path / "my data",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        derivatives={"masks": tmp_path / "masks"},
        registration=("affine",),
    )


def write(settings: Settings) -> None:
    write_dataset(settings.bids_dir, settings.inputs.derivatives, settings.output_dir)


def container(settings: Settings) -> object:
    """As the description names it."""
    write(settings)
    content = json.loads((settings.output_dir / "dataset_description.json").read_text())
    return content["GeneratedBy"][0]["Container"]


def test_description_names_source_links_and_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GLIOMORPH_CONTAINER", "GLIOMORPH_CONTAINER_TYPE"):
        monkeypatch.delenv(name, raising=False)
    write(settings)
    content = json.loads((settings.output_dir / "dataset_description.json").read_text())
    assert content["DatasetType"] == "derivative"
    (generated,) = content["GeneratedBy"]
    assert (generated["Name"], generated["Version"]) == ("gliomorph", gliomorph.__version__)
    assert "Container" not in generated
    raw = settings.bids_dir.as_uri()
    assert "%20" in raw
    assert content["DatasetLinks"] == {"raw": raw, "masks": settings.inputs.derivatives["masks"].as_uri()}
    assert content["SourceDatasets"] == [{"URL": raw}]


def test_container_is_named_where_it_is_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIOMORPH_CONTAINER_TYPE", raising=False)
    monkeypatch.setenv("GLIOMORPH_CONTAINER", "gliomorph:0.1.0")
    assert container(settings) == {"Tag": "gliomorph:0.1.0"}
    monkeypatch.setenv("GLIOMORPH_CONTAINER_TYPE", "docker")
    assert container(settings) == {"Type": "docker", "Tag": "gliomorph:0.1.0"}


def test_second_time_nothing_is_written(settings: Settings) -> None:
    write(settings)
    before = {path: path.stat().st_mtime_ns for path in settings.output_dir.iterdir()}
    assert len(before) == 3
    write(settings)
    assert {path: path.stat().st_mtime_ns for path in settings.output_dir.iterdir()} == before


def test_outdated_file_is_replaced(settings: Settings) -> None:
    write(settings)
    (settings.output_dir / ".bidsignore").write_text("old\n")
    write(settings)
    assert (settings.output_dir / ".bidsignore").read_text().splitlines() == list(IGNORED)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"{"])
def test_damaged_file_is_replaced(settings: Settings, content: bytes) -> None:
    write(settings)
    path = settings.output_dir / "dataset_description.json"
    good = path.read_bytes()
    path.write_bytes(content)
    write(settings)
    assert path.read_bytes() == good
