"""Tests on the cohort's page: who was in them, a picture, the clusters; whatever words and values say is text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lesion_tables import LesionTable, made_test, write_lesion_table

from gliomorph.interfaces.files.images import read_image
from gliomorph.interfaces.group.associations.options import TestOptions
from gliomorph.interfaces.group.associations.stage import associate
from gliomorph.interfaces.group.associations.words import parse_associations
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.group.associations import sections_of_tests
from gliomorph.interfaces.reports.group.story import Test as Shown
from gliomorph.interfaces.reports.pages import render

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def cohort(tmp_path: Path) -> LesionTable:
    return write_lesion_table(tmp_path)


def sections(cohort: LesionTable, words: list[str], **options: Any) -> list[dict[str, Any]]:
    files, facts, _ = associate(
        parse_associations(words),
        cohort.table,
        cohort.group_scans(),
        cohort.template,
        TestOptions(**{"permutations": 39} | options),
    )
    tests = [
        Shown(
            label=label,
            facts=known,
            names={"clusters": f"a b/{label}.tsv", "logp": "javascript:alert(1)"},
        )
        for label, known in facts.items()
    ]
    return sections_of_tests(read_image(cohort.template), tests, files)


def page(folder: Path, tests: list[dict[str, Any]], problem: str = "") -> str:
    path = render("cohort_tests.html.j2", folder / "tests.html", tests=tests, tests_problem=problem)
    return path.read_text(encoding="utf-8")


def test_a_section_says_what_was_asked_and_found(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    (section,) = sections(cohort, ["adiffi:group=mutant"])
    rows = dict(section["rows"])
    assert rows["Participants"].startswith("40 (group = 'mutant': ")
    assert (rows["Left out"], rows["Clusters"]) == ("nobody", "1")
    assert rows["Significant"] == "corrected p ≤ 0.05"
    assert len(section["clusters"]) == 1 and len(section["clusters"][0]) == len(section["columns"])
    assert section["links"] == [
        ("clusters", "a%20b/adiffigroupmutant.tsv"),
        ("corrected p", "javascript%3Aalert%281%29"),
    ]
    assert "yellow: significant" in section["picture"].caption
    assert "39 permutations, p ≤ 0.05." in section["methods"]
    text = page(tmp_path, [section])
    assert 'id="test-adiffigroupmutant"' in text and "<td" in text
    assert "<li>Ellingson BM" in text


def test_without_a_cluster_it_says_so(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    (section,) = sections(cohort, ["glm:number"])
    assert "nothing is significant" in section["picture"].caption
    assert "<p>No significant cluster.</p>" in page(tmp_path, [section])
    assert section["methods"].startswith("Linear model, t of the lesion, two-sided, of number at every voxel")
    assert "lesion volume as a covariate" in section["methods"]


def test_who_is_left_out_is_counted_and_everything_is_escaped(
    cohort: LesionTable, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_draw", lambda *_: b"")
    text = cohort.table.read_text().replace("mutant", EVIL).replace("sub-39", "sub-nobody")
    cohort.table.write_text(text.replace("\tgroup\t", f"\t{EVIL}\t"))
    (section,) = sections(cohort, [f"adiffi:{EVIL}"], correction="fdr")
    assert dict(section["rows"])["Left out"] == "1 participant: not in the table"
    assert "few" in section["warning"]
    written = page(tmp_path, [section], EVIL)
    assert "<script" not in written and "&lt;script" in written
    assert 'href="javascript:' not in written


def test_hazard_ratios_covariates_and_other_regions_are_shown(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    (section,) = sections(cohort, ["cox:days,dead"], covariates=["number"])
    assert dict(section["rows"])["Covariates"] == "lesion volume in template space (ml); number"
    assert dict(section["rows"])["Lesion"] == "whole tumour (WT)"
    assert section["columns"][-3:] == ["Hazard ratio", "lower", "upper limit"]
    assert len(section["clusters"][0]) == len(section["columns"]) and "–" not in section["clusters"][0]
    assert "; lesion volume and number as covariates; family-wise" in section["methods"]
    (section,) = sections(cohort, ["cox:days,dead"], permutations=19, min_cell=20)
    assert "Hazard ratio" not in section["columns"]


def test_without_tests_there_is_no_section(tmp_path: Path) -> None:
    assert "<section" not in page(tmp_path, [])
    assert "No tests: too few" in page(tmp_path, [], "too few")


def test_a_sentence_names_both_columns_of_survival() -> None:
    facts = made_test("logrank", "days", "dead", participants=9, min_lesions=3, correction="fdr")
    assert facts.sentence() == (
        "Log-rank test, two-sided, of days and dead at every voxel with at least 3 lesioned and as many spared of 9 "
        "participants; false discovery rate, Benjamini and Hochberg, p ≤ 0.05."
    )


def test_a_sentence_names_a_sub_region_and_all_covariates() -> None:
    options = {"min_lesions": 3, "region": "ET", "tfce": True, "permutations": 99}
    covariates = ("ET volume in template space (ml)", "age", "sex (1: 'M', 0: 'F')")
    facts = made_test("glm", "score", participants=9, covariates=covariates, **options)
    assert facts.sentence() == (
        "Linear model, t of the lesion, two-sided, of score and ET at every voxel with at least 3 lesioned and as many "
        "spared of 9 participants; ET volume, age and sex as covariates; family-wise error, by the largest absolute "
        "statistic of each permutation after threshold-free cluster enhancement, 99 permutations, p ≤ 0.05."
    )
