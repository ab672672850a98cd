"""The benchmark of time and memory, at a size at which its figures mean nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.registration.__main__ import main, parser
from benchmarks.registration.runs import registrations, trainings

SMALL = ("--shape", "24", "24", "16", "--steps", "2", "--repeats", "1", "--threads", "1", "--devices", "cpu")


def test_every_method_is_a_row_and_what_is_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path), *SMALL, "--methods", "metamorphosis", "metamorph-r"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "2 computed, 0 kept, 0 failed" in first.err
    text = (tmp_path / "registration.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "| cpu |" in line
    ]
    assert [row[0] for row in rows] == ["metamorphosis", "MetaMorph-R"]
    assert all(float(figure) > 0 for row in rows for figure in (row[3], *row[4].split(" – "), *row[5:7]))
    assert [row[-1] for row in rows] == ["–", "–"]  # without SyN there is nothing to compare with
    with (tmp_path / "registration.tsv").open(newline="") as lines:
        assert [row["method"] for row in csv.DictReader(lines, delimiter="\t")] == [
            "metamorphosis",
            "metamorph-r",
        ]
    assert main(words) == 0
    second = capsys.readouterr()
    assert "0 computed, 2 kept, 0 failed" in second.err
    assert second.out == first.out


def test_methods_take_turns() -> None:
    planned = registrations(["syn", "lddmm"], ["cpu", "cuda"], (24, 24, 16), 15, threads=1, repeats=2)
    assert [(run.method, run.device, run.repeat) for run in planned] == [
        ("syn", "cpu", 1),
        ("lddmm", "cpu", 1),
        ("lddmm", "cuda", 1),
        ("syn", "cpu", 2),
        ("lddmm", "cpu", 2),
        ("lddmm", "cuda", 2),
    ]
    assert len({run.name for run in planned}) == len(planned)


def test_training_without_checkpoints_is_tried_at_the_two_smallest_shapes() -> None:
    shapes, full = [(96, 96, 72), (64, 64, 48)], (192, 192, 144)
    planned = trainings(["cpu", "cuda"], shapes, full, 15, threads=1, width=32)
    assert [run.shape for run in planned if run.device == "cpu" and run.checkpointed] == [*shapes[::-1], full]
    assert [run.shape for run in planned if not run.checkpointed] == shapes[::-1]
    assert [run.shape for run in planned if run.device == "cuda"] == [full]


def test_a_shape_has_three_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["out", "--training-shapes", "64x64"])
    assert "three sizes" in capsys.readouterr().err
