"""The command line of gliomorph-evaluate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import evaluations
import pytest

from gliomorph import cli_evaluate
from gliomorph.interfaces.evaluation import EvaluationError


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    out = tmp_path / "derivatives"
    for scan in ("sub-01", "sub-02"):
        for method in ("affine", "syn-cfm"):
            evaluations.write_registration(out, scan, method)
    return out


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from gliomorph import cli_evaluate\n"
        "try: cli_evaluate.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'SimpleITK', 'matplotlib', 'pandas', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Evaluate the registrations" in done.stdout


def test_compare_writes_and_says_what(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluations.write_record(derivatives, "sub-03", "affine")
    out = tmp_path / "out"
    assert cli_evaluate.main(["compare", str(derivatives), str(out)]) == 0
    left_out, summary, written = capsys.readouterr().out.splitlines()
    assert left_out == "sub-03: left out, lacks syn-cfm"
    assert summary == "affine, syn-cfm on 2 scans, syn-cfm is the baseline"
    assert written == f"written: {out}/comparison.tsv, {out}/comparison_scans.tsv, {out}/comparison.html"
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.html",
        "comparison.tsv",
        "comparison_scans.tsv",
    ]


def test_what_cannot_be_done_is_one_line(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["compare", str(derivatives), str(tmp_path / "out"), "--baseline", "nobody"]
    assert cli_evaluate.main(arguments) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("gliomorph-evaluate: --baseline nobody: no such method here")
    assert not (tmp_path / "out").exists()
    with pytest.raises(EvaluationError, match="no such method"):
        cli_evaluate.main([*arguments, "-v"])


@pytest.mark.parametrize(
    "arguments", [[], ["compare"], ["compare", "a", "b", "--resolution", "0"], ["other"]]
)
def test_wrong_arguments_exit_with_two(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        cli_evaluate.main(arguments)
    assert ended.value.code == 2
    assert "usage: gliomorph-evaluate" in capsys.readouterr().err
