"""Methods are compared over the scans that have all, with the paired tests, in a table and on a page."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import evaluations
import numpy as np
import pytest
from scipy.stats import ttest_rel, wilcoxon

from gliomorph.evaluation import page
from gliomorph.evaluation.compare import evaluate_compare
from gliomorph.interfaces.derivatives.registrations import EvaluationError, find_registrations

EVIL = '<script>alert("x")</script>$\\frac$'
NCC = {
    "affine": [0.70, 0.71, 0.69, 0.73, 0.72],
    "syn-cfm": [0.80, 0.82, 0.79, 0.85, 0.83],
    "lddmm": [0.86, 0.87, 0.88, 0.89, 0.88],
}
LABELS = (
    "participant_id\tsession_id\tscan\tmethod\ttemplate\tresolution\tlabel\t"
    "dice\tsurface_mean_mm\tsurface_p95_mm\n"
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Box plots are left empty where a test looks at tables and words: drawing takes most of the time."""
    monkeypatch.setattr(page, "box_plot", lambda *_: b"")


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    out = tmp_path / "derivatives"
    for method, values in NCC.items():
        for number, value in enumerate(values):
            evaluations.write_record(out, f"sub-0{number}", method, ncc_outside=value, folds=10 * number)
    return out


@pytest.mark.usefixtures("undrawn")
def test_means_and_paired_tests_are_those_of_scipy(derivatives: Path, tmp_path: Path) -> None:
    study, written = evaluate_compare(find_registrations(derivatives, order=tuple(NCC)), tmp_path / "out")
    assert study.baseline == "syn-cfm" and len(study.scans) == 5 and not study.missing
    assert [path.name for path in written] == ["comparison.tsv", "comparison_scans.tsv", "comparison.html"]
    rows = {(row["measure"], row["method"]): row for row in read(written[0])}
    row = rows["ncc_outside", "lddmm"]
    assert float(row["mean"]) == pytest.approx(np.mean(NCC["lddmm"]), rel=1e-5)
    assert float(row["sd"]) == pytest.approx(np.std(NCC["lddmm"], ddof=1), rel=1e-5)
    assert float(row["t_p"]) == pytest.approx(ttest_rel(NCC["lddmm"], NCC["syn-cfm"]).pvalue, rel=1e-4)
    assert float(row["wilcoxon_p"]) == pytest.approx(wilcoxon(NCC["lddmm"], NCC["syn-cfm"]).pvalue, rel=1e-4)
    assert (row["verdict"], rows["ncc_outside", "affine"]["verdict"]) == ("better", "worse")
    assert rows["ncc_outside", "syn-cfm"]["t_p"] == "n/a"  # not tested against itself
    assert rows["folds", "lddmm"]["t_p"] == "1"  # no difference at all
    assert rows["l2_outside", "lddmm"]["verdict"] == "n/a"


@pytest.mark.usefixtures("undrawn")
def test_scans_that_lack_a_method_are_named_and_left_out(derivatives: Path, tmp_path: Path) -> None:
    evaluations.write_record(derivatives, "sub-09", "affine", ncc_outside=-1.0)
    study, written = evaluate_compare(find_registrations(derivatives, order=tuple(NCC)), tmp_path / "out")
    assert study.missing == {"sub-09": ("syn-cfm", "lddmm")}
    assert {row["scan"] for row in read(written[1])} == {f"sub-0{i}" for i in range(5)}
    assert "sub-09" in written[2].read_text() and "syn-cfm, lddmm" in written[2].read_text()


@pytest.mark.usefixtures("undrawn")
def test_scans_without_a_value_are_left_out_of_that_measure_for_all(
    derivatives: Path, tmp_path: Path
) -> None:
    evaluations.write_record(derivatives, "sub-00", "lddmm", ncc_outside=None)
    for number in range(5):
        evaluations.write_record(derivatives, f"sub-0{number}", "affine", peak_memory_gb=None)
    _, written = evaluate_compare(find_registrations(derivatives), tmp_path / "out")
    rows = {(row["measure"], row["method"]): row for row in read(written[0])}
    assert [rows["ncc_outside", method]["scans"] for method in NCC] == ["4", "4", "4"]
    assert rows["folds", "lddmm"]["scans"] == "5"
    assert ("peak_memory_gb", "affine") not in rows and rows["peak_memory_gb", "lddmm"]["scans"] == "5"


@pytest.mark.usefixtures("undrawn")
def test_baseline_is_a_method_that_is_there(derivatives: Path, tmp_path: Path) -> None:
    study, _ = evaluate_compare(find_registrations(derivatives), tmp_path / "out", baseline="affine")
    assert study.baseline == "affine"
    with pytest.raises(
        EvaluationError, match=r"--baseline syn: no such method here; choose from affine, lddmm"
    ):
        evaluate_compare(find_registrations(derivatives), tmp_path / "out", baseline="syn")


def test_one_method_or_no_common_scan_is_an_error(tmp_path: Path) -> None:
    evaluations.write_record(tmp_path / "d", "sub-01", "syn")
    with pytest.raises(
        EvaluationError, match="at least two methods are required to compare, there is syn only"
    ):
        evaluate_compare(find_registrations(tmp_path / "d"), tmp_path / "out")
    evaluations.write_record(tmp_path / "d", "sub-02", "affine")
    with pytest.raises(
        EvaluationError, match="no scan has all of affine, syn; the first, sub-01, lacks affine"
    ):
        evaluate_compare(find_registrations(tmp_path / "d"), tmp_path / "out")


@pytest.mark.usefixtures("undrawn")
def test_labels_of_this_template_join_the_comparison(derivatives: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    lines = [
        f"sub-0{i}\tn/a\tsub-0{i}\t{method}\tTiny\t4\t{EVIL}\t0.{number}\t1\tn/a\n"
        for number, method in enumerate(NCC, 5)
        for i in range(3)
    ]
    lines.append("sub-00\tn/a\tsub-00\tlddmm\tOther\t4\televen\t0.1\t1\t1\n")
    (out / "labels.tsv").write_text(LABELS + "".join(lines))
    study, written = evaluate_compare(find_registrations(derivatives), out)
    dice = next(column for column in study.columns if column.name == f"dice:{EVIL}")
    assert dice.scans == ("sub-00", "sub-01", "sub-02")
    assert dice.values["lddmm"].tolist() == [0.7] * 3
    assert not any("eleven" in column.name for column in study.columns)
    assert EVIL not in written[2].read_text() and "&lt;script&gt;" in written[2].read_text()


def test_a_table_of_something_else_is_an_error(derivatives: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "landmarks.tsv").write_text("x\ty\n1\t2\n")
    with pytest.raises(EvaluationError, match=r"landmarks\.tsv, line 1: column scan, method.* is required"):
        evaluate_compare(find_registrations(derivatives), tmp_path / "out")


def test_page_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    evaluations.write_record(tmp_path / "d", "sub-01", "affine")
    # only a method on which the file's name and its content agree is read
    record = evaluations.write_record(tmp_path / "d", "sub-01", "syn")
    bad = record.with_name(record.name.replace("syn", "other"))
    bad.write_text(record.read_text().replace('"syn"', '"<b>"'))
    _, written = evaluate_compare(find_registrations(tmp_path / "d"), tmp_path / "out")
    text = written[2].read_text()
    assert "<b>" not in text and "<script>alert" not in text
    assert text.count("<img") == text.count('src="data:image/png;base64,') == 9
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", text))


def test_the_same_input_gives_the_same_bytes(derivatives: Path, tmp_path: Path) -> None:
    first = [p.read_bytes() for p in evaluate_compare(find_registrations(derivatives), tmp_path / "one")[1]]
    assert first == [
        p.read_bytes() for p in evaluate_compare(find_registrations(derivatives), tmp_path / "two")[1]
    ]
