"""``gliomorph-register``: help, and what cannot be done as asked."""

from __future__ import annotations

import os
from pathlib import Path

import phantoms
import pytest

from gliomorph.cli.register import main
from gliomorph.interfaces.files.images import write_image


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["a.nii", "b.nii"], "required: -o/--output"),
        (
            ["a.nii", "b.nii", "-o", "x", "--transform", "rigid", "--method", "greedy"],
            "--transform deformable alone",
        ),
        (["a.nii", "b.nii", "-o", "x", "--method", "metamorph-r"], "invalid choice: 'metamorph-r'"),
        (["a.nii", "b.nii", "-o", "x", "--threshold", "0"], "a number above 0 is required, got '0'"),
        (["a.nii", "b.nii", "-o", "x", "--orientation", "RRR"], "three directions such as RAS or LPI"),
    ],
)
def test_options_that_cannot_be_are_refused(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert error in capsys.readouterr().err


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets for itself is not left behind."""
    monkeypatch.setattr("gliomorph.cli.register.prepare_environment", lambda *_: None)


@pytest.mark.usefixtures("environment")
def test_a_head_with_its_skull_goes_to_the_tool_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    head = str(write_image(phantoms.with_skull(phantoms.grid()), tmp_path / "head_T1w.nii.gz"))
    assert main([head, head, "-o", str(tmp_path / "out"), "--brain-extraction", "synthstrip"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("gliomorph-register: head_T1w.nii.gz: --brain-extraction synthstrip: ")
    assert "not installed" in err
    assert not (tmp_path / "out").exists()
