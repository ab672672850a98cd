"""Nipype interfaces: the stages' own results, alone, as nodes, and in other processes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from nipype.interfaces.base import isdefined
from nipype.pipeline import Node, Workflow
from pydra.utils import get_fields
from traits.api import TraitError

from gliomorph.interfaces import nipype as ours
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.methods import METHODS
from gliomorph.interfaces.pairs.records import PairFiles
from gliomorph.interfaces.records import Record, as_dict
from gliomorph.interfaces.scan.match import match
from gliomorph.interfaces.scan.records import WarpedFiles
from gliomorph.interfaces.scan.register import Register as RegisterTask

INTERFACES = {
    name: value
    for name, value in vars(ours).items()
    if isinstance(value, type) and issubclass(value, ours.StageInterface) and value is not ours.StageInterface
}


def graph_of(name: str, folder: Path) -> Workflow:
    """Empty; a crash leaves its file in ``folder``, not where the tests are run."""
    graph = Workflow(name, base_dir=str(folder))
    graph.config = {"execution": {"remove_unnecessary_outputs": "false", "crashdump_dir": str(folder)}}
    return graph


def chain(head: dict[str, Path], template: dict[str, Path], affine: Path, folder: Path) -> Workflow:
    """From a native image to measures of its place in the template, with tumour and alignment given."""
    nodes = {
        "brain": ours.Brain(image=head["image"], brain_mask=head["brain"]),
        "match": ours.Match(
            image=head["image"], tumor=head["labels"], fixed=template["image"], fixed_brain=template["brain"]
        ),
        "moving": ours.Crop(grid=template["image"], affine=affine),
        "mask": ours.CropMask(labels=head["labels"], grid=template["image"], affine=affine),
        "register": ours.Affine(
            fixed=template["image"], fixed_brain=template["brain"], rigid=affine, affine=affine
        ),
        "warp": ours.Warp(
            image=head["image"], labels=head["labels"], template=template["image"], affine=affine
        ),
        "measure": ours.Measure(
            labels=head["labels"],
            template=template["image"],
            template_brain=template["brain"],
            affine=affine,
        ),
    }
    node = {name: Node(interface, name=name) for name, interface in nodes.items()}
    graph = graph_of("scan", folder)
    graph.connect(
        [
            (node["brain"], node["match"], [("mask", "brain_mask")]),
            (node["brain"], node["measure"], [("mask", "brain_mask")]),
            (node["match"], node["moving"], [("image", "image")]),
            (node["match"], node["warp"], [("image", "matched")]),
            (node["match"], node["measure"], [("image", "matched")]),
            (node["moving"], node["register"], [("image", "moving")]),
            (node["mask"], node["register"], [("image", "tumor")]),
            (
                node["register"],
                node["warp"],
                [("forward", "forward"), ("inverse", "inverse"), ("used", "used")],
            ),
            (node["warp"], node["measure"], [("files", "files")]),
        ]
    )
    return graph


@pytest.fixture(scope="module")
def results(heads: dict[str, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Outputs of the chain's nodes, run by Nipype's linear plugin."""
    folder = tmp_path_factory.mktemp("nipype")
    identity = write_transform(sitk.AffineTransform(3), folder / "identity.h5")
    graph = chain(heads["LAS"], heads["LPS"], identity, folder)
    return {node.name: node.result.outputs for node in graph.run().nodes()}


@pytest.mark.parametrize("name", INTERFACES)
def test_ports_are_those_of_the_pydra_task(name: str) -> None:
    interface = INTERFACES[name]()
    task = getattr(ours, f"{name}Task", RegisterTask)
    wanted = {field.name for field in get_fields(task)} - {"function", *interface.preset}
    assert set(interface.inputs.copyable_trait_names()) == wanted
    outputs = {field.name for field in get_fields(task.Outputs)}
    parts = {"Warp": WarpedFiles, "RegisterPair": PairFiles}.get(name, Record)
    assert set(interface.output_spec().copyable_trait_names()) == outputs | set(attrs.fields_dict(parts))
    assert interface.help(returnhelp=True).startswith(interface.function.__doc__.splitlines()[0])


def test_every_method_has_an_interface_of_its_own() -> None:
    assert {kind.preset["method"] for kind in INTERFACES.values() if kind.preset} == set(METHODS)


@pytest.mark.parametrize("name", INTERFACES)
def test_interfaces_travel_to_other_processes(name: str, heads: dict[str, dict[str, Path]]) -> None:
    interface = INTERFACES[name]()
    if "template" in interface.inputs.copyable_trait_names():
        interface.inputs.template = heads["LPS"]["image"]
    again = pickle.loads(pickle.dumps(interface))
    assert type(again) is type(interface)
    assert again.inputs.get() == interface.inputs.get()


def test_a_scan_goes_through_the_stages(results: dict[str, Any], heads: dict[str, dict[str, Path]]) -> None:
    found = json.loads(Path(results["measure"].files["quality"]).read_text())
    assert (found["method"], found["status"], found["folds"]) == ("affine", "ok", 0)
    warped, template = (
        to_array(read_image(path)) for path in (results["warp"].warped, heads["LPS"]["image"])
    )
    assert np.corrcoef(warped.ravel(), template.ravel())[0, 1] > 0.95
    assert not isdefined(results["warp"].healthy), "an affine map has no appearance"
    assert Path(results["warp"].warped).parent.name == "warp", "in the node's folder"


def test_the_result_is_the_functions(
    results: dict[str, Any], heads: dict[str, dict[str, Path]], here: Path
) -> None:
    head = heads["LAS"]
    template = heads["LPS"]
    image, info = match(head["image"], head["brain"], head["labels"], template["image"], template["brain"])
    found = results["match"]
    np.testing.assert_array_equal(to_array(read_image(found.image)), to_array(read_image(image)))
    assert found.info == as_dict(info)


def test_nodes_run_in_other_processes(heads: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    graph = graph_of("apart", tmp_path)
    graph.add_nodes([Node(ours.Brain(image=heads["RAS"]["image"]), name="brain")])
    done = graph.run(plugin="MultiProc", plugin_args={"n_procs": 1})
    mask = to_array(read_image(next(iter(done.nodes())).result.outputs.mask))
    assert phantoms.dice(mask > 0, to_array(read_image(heads["RAS"]["brain"])) > 0) > 0.99


def test_what_does_not_fit_is_refused_at_once(heads: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    with pytest.raises(TraitError, match="method"):
        ours.Register(method="demons")
    with pytest.raises(TraitError, match="image"):
        ours.N4(image=tmp_path / "nowhere.nii.gz")
    with pytest.raises(ValueError, match="requires a value for input 'brain_mask'"):
        ours.N4(image=heads["LPS"]["image"]).run(cwd=str(tmp_path))
