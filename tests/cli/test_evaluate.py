"""The command line of gliomorph-evaluate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import evaluations
import numpy as np
import phantoms
import pytest

from gliomorph.cli import evaluate as cli_evaluate
from gliomorph.evaluation import page
from gliomorph.interfaces.derivatives.registrations import EvaluationError
from gliomorph.interfaces.files.images import from_array, write_image


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Box plots are left empty where a test looks at tables and words: drawing takes most of the time."""
    monkeypatch.setattr(page, "box_plot", lambda *_: b"")


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    out = tmp_path / "derivatives"
    for scan in ("sub-01", "sub-02"):
        for method in ("affine", "syn-cfm"):
            evaluations.write_registration(out, scan, method)
    return out


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from gliomorph.cli import evaluate as cli_evaluate\n"
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


@pytest.mark.usefixtures("undrawn")
def test_labels_are_measured_and_join_the_comparison(
    derivatives: Path, tmp_path: Path, template_home: Path, capsys: pytest.CaptureFixture
) -> None:
    like = phantoms.frame("RAS")
    nucleus = phantoms.ball(like, phantoms.at(20, 10, -8), 12).astype(np.uint8)
    folder = evaluations.anat(tmp_path / "labels", "sub-02")
    write_image(from_array(nucleus, like), folder / "sub-02_label-nucleus_mask.nii.gz")
    out = tmp_path / "out"
    arguments = ["labels", str(derivatives), str(out), "-d", str(tmp_path / "labels")]
    assert cli_evaluate.main([*arguments, "--template-dir", str(template_home), "--label", "nucleus"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"sub-01: no nucleus in {tmp_path / 'labels'}",
        "sub-02: nucleus by affine, syn-cfm",
        f"written: {out}/labels.tsv",
        f"next: gliomorph-evaluate compare {derivatives} {out}",
    ]
    assert cli_evaluate.main(["compare", str(derivatives), str(out)]) == 0
    assert "\ndice:nucleus\tsyn-cfm\t1\t1\t" in (out / "comparison.tsv").read_text()


@pytest.mark.usefixtures("undrawn")
def test_landmarks_are_measured_and_join_the_comparison(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "sub-01_landmarks.csv").write_text("Landmark,X,Y,Z\n1,10,20,33\n")
    (tmp_path / "tpl-Tiny_landmarks.csv").write_text("Landmark,X,Y,Z\n1,10,20,30\n")
    out = tmp_path / "out"
    files = [str(path) for path in sorted(tmp_path.glob("*.csv"))]
    assert cli_evaluate.main(["landmarks", str(derivatives), str(out), *files]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sub-02: no landmarks",
        "sub-01: 1 landmark onto Tiny",
        f"written: {out}/landmarks.tsv, {out}/landmarks_points.tsv, {out}/landmarks_summary.tsv, "
        f"{out}/landmarks_summary.md, {out}/landmarks_summary.png",
        f"next: gliomorph-evaluate compare {derivatives} {out}",
    ]
    assert cli_evaluate.main(["compare", str(derivatives), str(out)]) == 0
    assert "\nlandmarks:median_mm\tsyn-cfm\t1\t3\t" in (out / "comparison.tsv").read_text()


@pytest.mark.usefixtures("undrawn")
def test_errors_against_the_truth_join_the_comparison(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluations.write_registration(derivatives, "sub-02", "affine", evaluations.shift(0, 0, 7))
    evaluations.write_truth(tmp_path / "truth", "sub-02")
    out = tmp_path / "out"
    assert cli_evaluate.main(["truth", str(derivatives), str(out), str(tmp_path / "truth")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"sub-01: no truth in {tmp_path / 'truth'}",
        "sub-02: affine, syn-cfm",
        f"written: {out}/truth.tsv",
        f"next: gliomorph-evaluate compare {derivatives} {out}",
    ]
    assert cli_evaluate.main(["compare", str(derivatives), str(out)]) == 0
    compared = (out / "comparison.tsv").read_text()
    assert "\ntruth:near_p95_mm\taffine\t1\t7\t" in compared
    assert "\ntruth:outside_mean_mm\tsyn-cfm\t1\t0\t" in compared
    assert "\ntruth:tumor_change_true\tsyn-cfm\t1\t1\t" in compared
    assert "truth:folds" not in compared, "compared by the records already"
    assert "True error near the tumour, 95 %" in (out / "comparison.html").read_text()


def test_truth_that_is_not_there_is_one_line(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "truth").mkdir()
    for folder, problem in (("truth", "of any of the 2 scans in"), ("elsewhere", "not a folder")):
        arguments = ["truth", str(derivatives), str(tmp_path / "out"), str(tmp_path / folder)]
        assert cli_evaluate.main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("gliomorph-evaluate: ") and error.count("\n") == 1 and problem in error


def test_landmarks_that_cannot_be_read_are_one_line(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "sub-01_landmarks.csv"
    path.write_text("Landmark,X,Y,Z\n1,10,20,far\n")
    for file, problem in (
        (path, "line 2: a number (mm) as Z is required"),
        (tmp_path / "sub-02_x.csv", "No such"),
    ):
        assert cli_evaluate.main(["landmarks", str(derivatives), str(tmp_path / "out"), str(file)]) == 1
        (error,) = capsys.readouterr().err.splitlines()
        assert error.startswith("gliomorph-evaluate: ") and str(file) in error and problem in error


def test_template_that_is_not_there_is_one_line(
    derivatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert cli_evaluate.main(["labels", str(derivatives), str(tmp_path / "out"), "-d", str(tmp_path)]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("gliomorph-evaluate: template 'Tiny': no folder tpl-Tiny found")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["compare"],
        ["labels", "a", "b"],
        ["landmarks", "a", "b"],
        ["truth", "a", "b"],
        ["compare", "a", "b", "--resolution", "0"],
        ["other"],
    ],
)
def test_wrong_arguments_exit_with_two(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        cli_evaluate.main(arguments)
    assert ended.value.code == 2
    assert "usage: gliomorph-evaluate" in capsys.readouterr().err
