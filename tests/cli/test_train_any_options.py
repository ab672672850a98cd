"""The command line of a training for any subset of the sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gliomorph.cli.train import main
from gliomorph.training.any_sequence import train as training
from gliomorph.training.any_sequence.options import SubsetOptions


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SubsetOptions]:
    """What the command would train; nothing is computed."""
    calls: list[SubsetOptions] = []

    def record(options: SubsetOptions, folder: Any, *_: Any, **__: Any) -> Path:
        calls.append(options)
        return Path(folder.path) / "any.safetensors"

    monkeypatch.setattr(training, "train_any", record)
    return calls


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / name for name in ("one", "two", "masks", "well")}
    for path in paths.values():
        path.mkdir()
    return paths


def test_several_datasets_and_a_fold(asked: list[SubsetOptions], folders: dict[str, Path]) -> None:
    sources = ["--bids", str(folders["one"]), str(folders["two"]), "-d", f"m={folders['masks']}"]
    assert (
        main(["any", "OUT", *sources, "--healthy", str(folders["well"]), "--folds", "3", "--fold", "2"]) == 0
    )
    (options,) = asked
    assert options.bids_dirs == (folders["one"], folders["two"])
    assert options.healthy_dirs == (folders["well"],)
    assert (options.folds, options.fold) == (3, 2)
    assert options.network.voxel_mm == 2
    assert options.box == (72, 96, 72)


def test_all_persons_are_trained_on_if_no_fold_is_named(
    asked: list[SubsetOptions], folders: dict[str, Path]
) -> None:
    assert main(["any", "OUT", "--bids", str(folders["one"]), "-d", f"m={folders['masks']}"]) == 0
    assert asked[0].fold is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bids", "{one}/none", "-d", "m={masks}"], "none: not a folder"),
        (["--bids", "{one}", "-d", "m={masks}", "--persons", "none.tsv"], "--persons none.tsv: no such file"),
        (
            ["--bids", "{one}", "-d", "m={masks}", "--folds", "3", "--fold", "3"],
            "--fold: one of 0 to 2 is required",
        ),
    ],
)
def test_what_leads_nowhere_is_refused(
    words: list[str],
    message: str,
    asked: list[SubsetOptions],
    folders: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["any", "OUT", *(word.format(**folders) for word in words)]) == 1
    assert message in capsys.readouterr().err
    assert not asked
