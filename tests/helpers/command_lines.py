"""What ``gliomorph-train`` prints: its one line of error, its help."""

from __future__ import annotations

import subprocess
import sys

import pytest


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line of standard error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("gliomorph-train: ")
    return lines[0]


def help_of(*words: str) -> str:
    """What the command prints; torch is not loaded for it."""
    script = """
import sys
from gliomorph.cli.train import main
try:
    main([*sys.argv[1:], "--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *text, loaded = done.stdout.splitlines()
    assert loaded == "False"
    assert max(map(len, text)) <= 120
    return " ".join(text).replace("- ", "-")
