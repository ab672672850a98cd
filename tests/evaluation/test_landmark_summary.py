"""Means over pairs: the rows of the thesis' Table 5.4."""

from __future__ import annotations

import csv
import math

from gliomorph.evaluation.landmark_summary import write_summary


def row(scan: str, method: str, way: str, median: float, before: str = "native") -> dict[str, object]:
    return {
        "scan": scan,
        "method": method,
        "way": way,
        "before": before,
        "median_mm": median,
        "mean_mm": median + 1,
        "robustness": 0.5,
        "median_before_mm": 8.0 if before == "native" else math.nan,
        "mean_before_mm": 9.0 if before == "native" else math.nan,
    }


ROWS = [row("a", "syn", "template", 2.0), row("b", "syn", "template", 4.0), row("a", "syn", "direct", 1.0)]


def test_what_was_before_comes_first_and_ways_stay_apart(tmp_path):
    table, text, picture = write_summary([*ROWS, row("b", "syn", "direct", 2.0)], tmp_path)
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert [
        (one["method"], one["way"], one["scans"], one["median_mm"], one["robustness"]) for one in rows
    ] == [
        ("before (native)", "n/a", "2", "8", "0"),
        ("syn", "template", "2", "3", "0.5"),
        ("syn", "direct", "2", "1.5", "0.5"),
    ]
    assert float(rows[1]["median_mm_sd"]) == 1.41421
    assert text.read_text().splitlines()[-1] == "| syn | directly | 2 | 1.5 (0.71) | 2.5 (0.71) | 0.5 (0) |"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_boxes_compare_the_same_scans(tmp_path):
    """Only scan a has all: it alone is drawn; where none has, nothing is."""
    *_, picture = write_summary(ROWS, tmp_path)
    assert picture.is_file()
    files = write_summary([row("a", "syn", "template", 2.0), row("b", "syn", "direct", 1.0)], tmp_path)
    assert [path.suffix for path in files] == [".tsv", ".md"]
    assert not picture.exists()
