"""A picture of a scan's graph, drawn from the Pydra workflow itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import attrs
import networkx as nx
from pydra.engine.lazy import LazyOutField

from ...interfaces.files.images import replacing
from .graph import ScanGraph


def write_graph(inputs: dict[str, Any], path: Path) -> Path:
    """Draw the graph of one scan as SVG: boxes are stages, those that run once a method are marked.

    Parameters
    ----------
    inputs : dict
        As for :func:`~gliomorph.workflows.scan.graph.ScanGraph`.
    path : Path
        Ends in ``.svg``; written under a temporary name, then renamed.

    Returns
    -------
    path : Path
        As given.
    """
    graph = stage_graph(inputs)
    per_method = {"register", "warp", "measure"}
    labels = {node: f"{node}\n[method]" if node in per_method else node for node in graph}
    for layer, nodes in enumerate(nx.topological_generations(graph)):
        for node in nodes:
            graph.nodes[node]["layer"] = layer
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 6))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    positions = nx.multipartite_layout(graph, subset_key="layer")
    nx.draw_networkx_edges(
        graph, positions, ax=axes, node_size=3500, edge_color="#888888", connectionstyle="arc3,rad=0.12"
    )
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#e8eef7", "edgecolor": "#34558b"}
    nx.draw_networkx_labels(graph, positions, labels, ax=axes, font_size=11, bbox=box)
    axes.set_axis_off()
    axes.margins(0.08)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    with replacing(path) as temporary:
        temporary.write_bytes(drawn.getvalue())
    return path


def stage_graph(inputs: dict[str, Any]) -> nx.DiGraph:
    """Stages and what feeds what."""
    graph = nx.DiGraph()
    for node in ScanGraph(**inputs).construct().nodes:
        graph.add_node(_stage(node.name))
        for port in attrs.fields(type(node._task)):
            value = getattr(node._task, port.name)
            if isinstance(value, LazyOutField):
                graph.add_edge(_stage(value._node.name), _stage(node.name))
    return nx.transitive_reduction(graph)


def _stage(name: str) -> str:
    return name.partition("@")[0]
