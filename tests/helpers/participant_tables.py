"""Tables of participants with one column, and their strata."""

from __future__ import annotations

from gliomorph.interfaces.group.strata.groups import Stratification, parse_strata, stratify
from gliomorph.models.small_cells import small_cells


def rows_of(column: str, values: list[str]) -> list[dict[str, str]]:
    return [{"participant_id": f"sub-{i:03}", column: value} for i, value in enumerate(values)]


def grouped(word: str, values: list[str], min_cell: int = 1) -> Stratification:
    column = word.split(":")[0]
    names = [f"{i:03}" for i in range(len(values))]
    return stratify(parse_strata([word]), rows_of(column, values), names, small_cells(min_cell))


def kinds(findings: tuple) -> list[str]:
    return [finding.kind for finding in findings]
