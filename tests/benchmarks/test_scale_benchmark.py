"""The benchmark of the engine: the stages without work have the ports of the real ones, and runs are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydra.utils.general import get_fields

from benchmarks.scale.__main__ import HEAD, NODES, measure
from benchmarks.scale.stages import WITHOUT_WORK
from gliomorph.workflows.scan import graph as scan_graph


def test_stages_have_the_ports_of_the_real_ones() -> None:
    for name, stage in WITHOUT_WORK.items():
        real = getattr(scan_graph, name)
        for one, other in ((stage, real), (stage.Outputs, real.Outputs)):
            ports = {field.name: field.type for field in get_fields(one) if field.name != "function"}
            assert ports == {
                field.name: field.type for field in get_fields(other) if field.name != "function"
            }


@pytest.mark.slow
def test_a_cohort_runs_once_and_a_lost_scan_again(tmp_path: Path) -> None:
    measured = measure(tmp_path, 3, 100, 2, False)
    assert len(measured.row()) == len(HEAD)
    results = list((tmp_path / "work").glob("cache-*/python-*/_result.pklz"))
    assert len(results) == 3 * NODES + 1  # a new run publishes anew
    assert measured.first.wall["scans"] > measured.done.wall["scans"] == 0
    assert measured.one_lost.wall["sweep"] > 0
