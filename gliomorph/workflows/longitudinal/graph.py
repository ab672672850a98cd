"""The graph of a patient's sessions: each later one registered to the reference, and what they give together."""

from __future__ import annotations

from typing import Any

from pydra.compose import workflow

from ...interfaces.derivatives.publish_subject import PublishSubject, SubjectPlan
from ...interfaces.pairs.follow import Follow, TemplateMaps, Visit
from ...interfaces.pairs.stage import THRESHOLD_MM, RegisterPair
from ...interfaces.reports.pair.subject import SubjectPage
from ...interfaces.task import by_reference

STAGES = ("register", "follow", "report", "publish")
"""The first runs once for each later session."""


@workflow.define(outputs={"published": int})
def SubjectGraph(
    reference: Visit,
    later: list[Visit],
    template: TemplateMaps,
    method: str,
    voxel_mm: float,
    seed: int,
    plan: SubjectPlan,
    run: str,
) -> int:
    """Later sessions onto the reference session.

    Parameters
    ----------
    reference : Visit
        The session that stays as it is.
    later : list of Visit
        At least one.
    template : TemplateMaps
        Of the reference.
    method : str
        By which sessions are registered to it, after a rigid map.
    voxel_mm : float
        On which sessions are compared.
    seed : int
        Of random sampling.
    plan : SubjectPlan
        Names and metadata of what is published.
    run : str
        Id of the run.
    """

    def add(task: Any, stage: str) -> Any:
        return workflow.add(task, name=f"{stage}@{plan.subject}")

    register = RegisterPair(
        fixed=reference.image,
        moving_brain=None,
        fixed_brain=None,
        fixed_lesion=reference.labels,
        linear="rigid",
        deformable=method,
        voxel_mm=voxel_mm,
        threshold_mm=THRESHOLD_MM,
        seed=seed,
        gpu="none",
    ).split(
        ("moving", "moving_lesion"),
        moving=[visit.image for visit in later],
        moving_lesion=[visit.labels for visit in later],
    )
    pairs = add(register.combine(("moving", "moving_lesion")), "register").files
    visits = {"reference": reference, "later": later}
    found = add(Follow(pairs=pairs, forward=template.forward, inverse=template.inverse, **visits), "follow")
    results = {"followed": found.followed, "change": found.change}
    page = add(SubjectPage(subject=plan.subject, notices=plan.notices, **visits, **results), "report")
    publish = add(
        PublishSubject(plan=plan, page=page.page, figures=page.figures, run=run, **visits, **results),
        "publish",
    )
    published: int = publish.published
    return published


by_reference(SubjectGraph, __name__)
