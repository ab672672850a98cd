"""The graph of a scan has every stage, and every result takes its way to the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pytest
from pydra.engine.lazy import LazyOutField

from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.derivatives.names import ScanNames
from gliomorph.interfaces.derivatives.publish import Publication
from gliomorph.interfaces.scan.records import Modality
from gliomorph.workflows.scan.graph import STAGES, MethodInputs, ScanGraph, ScanInputs
from gliomorph.workflows.scan.participants import PER_METHOD, PER_SCAN


def feeders(inputs: dict[str, Any]) -> dict[str, set[str]]:
    """The stages of a graph, and for each the stages whose results it takes."""
    graph: dict[str, set[str]] = {}
    for node in ScanGraph(**inputs).construct().nodes:
        values = (getattr(node._task, port.name) for port in attrs.fields(type(node._task)))
        graph[stage_of(node)] = {stage_of(v._node) for v in values if isinstance(v, LazyOutField)}
    return graph


def stage_of(node: Any) -> str:
    return str(node.name).partition("@")[0]


def ancestors(graph: Mapping[str, set[str]], stage: str) -> set[str]:
    return graph[stage].union(*(ancestors(graph, each) for each in graph[stage]))


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """Inputs of one scan with a given mask; empty files, nothing is run."""
    file = tmp_path / "x.nii.gz"
    file.touch()
    names = ScanNames(
        label="sub-01",
        folder=PurePosixPath("sub-01/anat"),
        stem="sub-01",
        template="MNI152",
        resolution=1,
        source="masks",
    )
    return {
        "inputs": ScanInputs(
            image=file,
            brain_mask=None,
            tumor=file,
            tumor_kind="dseg",
            tumor_table=None,
            tumor_in_template=False,
            weights=None,
            modality="T1w",
        ),
        "template": TemplateFiles(image=file, brain=file, fixed=file, fixed_brain=file),
        "methods": [
            MethodInputs(name=name, weights=None, refine=0, speed="default") for name in ("affine", "syn-cfm")
        ],
        "seed": 0,
        "gpus": {"segment": "none", "register": "none"},
        "plan": Publication(
            names=names,
            out_dir=str(tmp_path / "out"),
            keys={},
            input_keys={},
            page_key="",
            contents={},
            spatial_reference="",
            raw="",
            tumor_sources=[],
            generated_by="",
        ),
        "run": "run",
    }


def without_mask(inputs: dict[str, Any]) -> dict[str, Any]:
    scan = inputs["inputs"]
    return inputs | {"inputs": attrs.evolve(scan, tumor=None, weights=scan.image)}


def with_modalities(inputs: dict[str, Any]) -> dict[str, Any]:
    scan = inputs["inputs"]
    further = [
        Modality(name=name, image=scan.image, like="T1w", fixed=scan.image) for name in ("T2w", "FLAIR")
    ]
    files = {name: scan.image for name in ("T1ce", "T2w", "FLAIR")}
    return inputs | {"inputs": attrs.evolve(scan, modalities=further, further=files)}


def test_every_stage_is_in_the_graph(inputs: dict[str, Any]) -> None:
    given, segmented = feeders(inputs), feeders(without_mask(inputs))
    further = {"further", "channels", "carry"}
    assert set(given) == set(STAGES) - {"segment"} - further
    assert set(segmented) == set(STAGES) - {"tumor"} - further
    assert set(feeders(with_modalities(inputs))) == set(STAGES) - {"segment"}


def test_further_modalities_are_registered_shown_and_their_remarks_published(inputs: dict[str, Any]) -> None:
    graph = feeders(with_modalities(inputs))
    assert all("channels" in graph[stage] for stage in ("register", "report", "publish"))
    assert graph["channels"] == {"further", "brain", "tumor", "align"}


def test_further_images_are_carried_along_and_nothing_of_the_primary_one_waits_for_them(
    inputs: dict[str, Any],
) -> None:
    scan = attrs.evolve(inputs["inputs"], further={"FLAIR": inputs["inputs"].image})
    graph, alone = feeders(inputs | {"inputs": scan}), feeders(inputs)
    assert graph["further"] == {"brain"}
    assert graph["carry"] == {"further", "measure"}
    assert {stage for stage in alone if graph[stage] != alone[stage]} == {"report", "publish"}
    assert all({"further", "carry"} <= graph[stage] for stage in ("report", "publish"))


def test_progress_counts_the_stages_of_the_graph(inputs: dict[str, Any]) -> None:
    for each in (inputs, without_mask(inputs)):
        stages = set(feeders(each))
        per_method = {"register", "warp", "measure"}
        assert (len(stages - per_method), len(per_method & stages)) == (PER_SCAN, PER_METHOD)


def test_everything_leads_to_publishing(inputs: dict[str, Any]) -> None:
    graph = feeders(inputs)
    assert ancestors(graph, "publish") == set(graph) - {"publish"}


def test_given_mask_is_left_out_of_the_alignment_and_a_segmented_one_is_not_known_yet(
    inputs: dict[str, Any],
) -> None:
    assert "tumor" in ancestors(feeders(inputs), "align")
    assert "segment" not in ancestors(feeders(without_mask(inputs)), "align")
