"""The graph of a patient's sessions: what each stage waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import visits
from pydra.engine.lazy import LazyOutField

from gliomorph.interfaces.derivatives.follow_up_names import subject_names
from gliomorph.interfaces.derivatives.publish_subject import SubjectPlan
from gliomorph.workflows.longitudinal.graph import STAGES, SubjectGraph


def stage_of(node: Any) -> str:
    return str(node.name).partition("@")[0]


def test_sessions_are_registered_before_they_are_followed_and_published_last(tmp_path: Path) -> None:
    sessions = visits.write_sessions(tmp_path)
    plan = SubjectPlan(
        subject="sub-1",
        out_dir=str(tmp_path),
        key="k",
        names=subject_names("1"),
        sessions={},
        sources={},
        notices=[],
        generated_by="tests",
    )
    graph = SubjectGraph(
        reference=sessions.reference,
        later=[sessions.later],
        template=sessions.template,
        method="syn-cfm",
        voxel_mm=2.0,
        seed=0,
        plan=plan,
        run="r",
    )
    feeders = {}
    for node in graph.construct().nodes:
        assert str(node.name).endswith("@sub-1")
        if stage_of(node) == "register":
            assert node._task.deformable == "syn-cfm"
        values = (getattr(node._task, port.name) for port in attrs.fields(type(node._task)))
        feeders[stage_of(node)] = {stage_of(v._node) for v in values if isinstance(v, LazyOutField)}
    assert feeders == {
        "register": set(),
        "follow": {"register"},
        "report": {"follow"},
        "publish": {"follow", "report"},
    }
    assert tuple(feeders) == STAGES
