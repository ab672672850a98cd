"""The picture is drawn from the workflow itself: every stage, every way a result takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from gliomorph.interfaces.task import File
from gliomorph.workflows.scan.graph import STAGES
from gliomorph.workflows.scan.participants import PER_METHOD, PER_SCAN
from gliomorph.workflows.scan.picture import stage_graph, write_graph


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """Of one scan with a given mask; empty files, nothing is run."""
    file = tmp_path / "x.nii.gz"
    file.touch()
    files = ("image", "tumor_file", "template", "template_brain", "fixed", "fixed_brain")
    return {
        **{name: File(file) for name in files},
        "scan": "sub-01",
        "brain_mask": None,
        "tumor_kind": "dseg",
        "tumor_table": None,
        "weights": None,
        "modality": "T1w",
        "methods": ["affine", "syn-cfm"],
        "registration_weights": [None, None],
        "refinements": [0, 0],
        "seed": 0,
        "gpus": {"segment": "none", "register": "none"},
        "plan": {},
        "run": "run",
    }


def without_mask(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs | {"tumor_file": None, "weights": inputs["image"]}


def test_every_stage_is_in_the_graph(inputs: dict[str, Any]) -> None:
    given, segmented = stage_graph(inputs), stage_graph(without_mask(inputs))
    assert set(given) == set(STAGES) - {"segment"}
    assert set(segmented) == set(STAGES) - {"tumor"}


def test_progress_counts_the_stages_of_the_graph(inputs: dict[str, Any]) -> None:
    for each in (inputs, without_mask(inputs)):
        stages = set(stage_graph(each))
        per_method = {"register", "warp", "measure"}
        assert (len(stages - per_method), len(per_method & stages)) == (PER_SCAN, PER_METHOD)


def test_everything_leads_to_publishing(inputs: dict[str, Any]) -> None:
    graph = stage_graph(inputs)
    assert nx.is_directed_acyclic_graph(graph)
    assert nx.ancestors(graph, "publish") == set(graph) - {"publish"}


def test_given_mask_is_left_out_of_the_alignment_and_a_segmented_one_is_not_known_yet(
    inputs: dict[str, Any],
) -> None:
    assert nx.has_path(stage_graph(inputs), "tumor", "align")
    assert not nx.has_path(stage_graph(without_mask(inputs)), "segment", "align")


def test_picture_holds_every_stage(inputs: dict[str, Any], tmp_path: Path) -> None:
    path = write_graph(inputs, tmp_path / "logs" / "graph.svg")
    text = path.read_text()
    assert text.startswith("<?xml")
    # matplotlib draws letters as paths, and writes what they say into a comment
    for stage in set(STAGES) - {"segment"}:
        assert re.search(rf"<!-- {stage}( -->|\n)", text), stage
    assert text.count("[method]") == 3
    assert list(path.parent.iterdir()) == [path]
