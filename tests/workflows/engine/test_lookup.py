"""What is missing in a cache is found, and nothing is computed for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trivial

from gliomorph.workflows.engine.lookup import missing_stages
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.engine.submission import Graph, run_side_by_side, submitting

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # event loops that pydra leaves open


def graphs(how: str) -> list[tuple[str, Graph]]:
    return [
        (scan, partial(trivial.Chain, number=number, scan=scan, bad=how, marker=""))
        for scan, number in (("a", 1), ("b", 10))
    ]


def results(cache: Path) -> set[str]:
    return {path.parent.name for path in cache.glob("*/_result.pklz")}


def test_first_stages_without_results_are_missing_and_stay_so(tmp_path: Path) -> None:
    assert missing_stages(tmp_path, graphs("no")) == {"a": {"double"}, "b": {"double"}}
    assert results(tmp_path) == set()
    with submitting(tmp_path, PoolWorker(n_procs=1)) as submit:
        run_side_by_side(submit, graphs("no")[:1], 1)
    before = results(tmp_path)
    assert missing_stages(tmp_path, graphs("no")) == {"b": {"double"}}
    assert missing_stages(tmp_path, graphs("fails")) == {"a": {"fail"}, "b": {"double"}}
    assert results(tmp_path) == before


def test_what_was_looked_up_can_be_computed_after(tmp_path: Path) -> None:
    missing_stages(tmp_path, graphs("no"))
    with submitting(tmp_path, PoolWorker(n_procs=1)) as submit:
        assert run_side_by_side(submit, graphs("no"), 1) == {}
    assert missing_stages(tmp_path, graphs("no")) == {}
