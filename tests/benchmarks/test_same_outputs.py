"""The comparison of two runs' outputs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.same_outputs import main


def write_outputs(folder: Path, *, seconds: float = 1.25) -> Path:
    """Four kinds of files as a run leaves them below ``folder/derivatives``."""
    out = folder / "derivatives"
    (out / "logs" / f"20260101T000000Z-{len(folder.name)}").mkdir(parents=True)
    (out / "a.nii.gz").write_bytes(gzip.compress(b"voxels", mtime=int(seconds)))
    with h5py.File(out / "a_xfm.h5", "w") as file:
        file["parameters"] = np.arange(3.0)
    record = {"seconds": seconds, "folds": 0, "Sources": [str(out / "a.nii.gz")]}
    (out / "a_registration.json").write_text(json.dumps(record))
    (out / "a.tsv").write_text(f"seconds\tdice\n{seconds}\t0.9\n")
    (out / "a.html").write_text(f"<td>{seconds}</td><td>0.9</td>")
    return out


def test_time_and_place_are_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = write_outputs(tmp_path / "before"), write_outputs(tmp_path / "after", seconds=7.5)
    assert main([str(before), str(after)]) == 0
    assert capsys.readouterr().out == "5 files before, 5 after, 0 differences\n"


def change_transform(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["parameters"][1] = 1.5


CHANGES: dict[str, Callable[[Path], object]] = {
    "a.nii.gz": lambda path: path.write_bytes(gzip.compress(b"Voxels")),
    "a_xfm.h5": change_transform,
    "a_registration.json": lambda path: path.write_text(path.read_text().replace('"folds": 0', '"folds": 1')),
    "a.tsv": lambda path: path.write_text(path.read_text().replace("0.9", "0.8")),
    "a.html": lambda path: path.write_text(path.read_text().replace("0.9", "0.8")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_content_is_a_difference(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = write_outputs(tmp_path / "before"), write_outputs(tmp_path / "after")
    CHANGES[name](after / name)
    assert main([str(before), str(after)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"differs: {name}"


def test_missing_file_and_empty_folder_are_differences(tmp_path: Path) -> None:
    before, after = write_outputs(tmp_path / "before"), write_outputs(tmp_path / "after")
    (after / "a.tsv").unlink()
    assert main([str(before), str(after)]) == 1
    assert main([str(tmp_path / "none"), str(tmp_path / "none")]) == 1
