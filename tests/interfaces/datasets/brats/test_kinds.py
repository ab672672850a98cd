"""A dataset says of itself what it was made of."""

from __future__ import annotations

import json
from pathlib import Path

from gliomorph.interfaces.datasets.brats.kinds import BRATS, BRATS_REG, write_descriptions


def test_images_and_what_belongs_to_them_are_described(tmp_path: Path) -> None:
    write_descriptions(tmp_path, BRATS_REG)
    names = [
        json.loads((folder / "dataset_description.json").read_text())["Name"]
        for folder in (tmp_path, tmp_path / "derivatives" / "landmarks")
    ]
    assert names == ["BraTS-Reg images", "BraTS-Reg landmarks"]
    assert (tmp_path / "derivatives" / "landmarks" / ".bidsignore").read_text() == "*_landmarks.*\n"


def test_what_a_dataset_says_already_stays(tmp_path: Path) -> None:
    write_descriptions(tmp_path, BRATS)
    (tmp_path / "README").write_text("mine\n")
    write_descriptions(tmp_path, BRATS_REG)
    assert (tmp_path / "README").read_text() == "mine\n"
    assert not (tmp_path / "derivatives" / "brats" / ".bidsignore").exists()
    assert {path.name for path in (tmp_path / "derivatives").iterdir()} == {"brats", "landmarks"}
