"""The graph of one scan: from its native image to files at their final names."""

from __future__ import annotations

from typing import Any

from pydra.compose import workflow

from ...interfaces.derivatives.publish import Publish
from ...interfaces.reports.scan.stage import ScanPage
from ...interfaces.scan.align import Align
from ...interfaces.scan.brain import Brain
from ...interfaces.scan.match import Match
from ...interfaces.scan.measure import Measure
from ...interfaces.scan.n4 import N4
from ...interfaces.scan.register import Register
from ...interfaces.scan.resample import Resample, ResampleMask
from ...interfaces.scan.segment import Segment
from ...interfaces.scan.tumor import Tumor
from ...interfaces.scan.warp import Warp
from ...interfaces.task import File, by_reference

STAGES = (
    "brain",
    "n4",
    "tumor",
    "align",
    "match",
    "resample",
    "segment",
    "mask",
    "register",
    "warp",
    "measure",
    "preproc",
    "preproc mask",
    "report",
    "publish",
)
"""Every stage, in the order in which a reader meets them; a node is named ``stage@scan``."""


@workflow.define(outputs={"published": int})
def ScanGraph(
    scan: str,
    image: File,
    brain_mask: File | None,
    tumor_file: File | None,
    tumor_kind: str,
    tumor_table: File | None,
    weights: File | None,
    modality: str,
    template: File,
    template_brain: File,
    fixed: File,
    fixed_brain: File,
    methods: list[str],
    registration_weights: list[File | None],
    refinements: list[int],
    seed: int,
    gpus: dict[str, str],
    plan: dict[str, Any],
    run: str,
) -> int:
    """One scan: N4, alignment, matching, segmentation, every registration method, outputs.

    Parameters
    ----------
    scan : str
        Label, for the nodes' names.
    image, brain_mask, tumor_file : File
        Inputs; the tumour is segmented by ``weights`` where none is given.
    tumor_kind : str
        ``mask`` or ``dseg``.
    tumor_table : File
        What a ``dseg``'s labels are, where a table says so.
    weights : File
        safetensors of the student.
    modality : str
        T1w, T1ce, T2w or FLAIR.
    template, template_brain, fixed, fixed_brain : File
        Template on its full grid and on the working grid.
    methods : list of str
        Registration methods, the first feeds the atlas.
    registration_weights : list of File
        safetensors of their networks, none for methods that are not learned: changing one leaves the others' results.
    refinements : list of int
        Iterations of optimisation after each method's answer.
    seed : int
        Of random sampling.
    gpus : dict of str to str
        ``auto``, ``all`` or ``none`` for each stage that can use a GPU.
    plan : dict
        Names and metadata of what is published.
    run : str
        Id of the run.
    """

    def add(task: Any, stage: str) -> Any:
        return workflow.add(task, name=f"{stage}@{scan}")

    brain = add(Brain(image=image, brain_mask=brain_mask), "brain")
    n4 = add(N4(image=image, brain_mask=brain.mask), "n4")
    given = None
    if tumor_file is not None:
        given = add(
            Tumor(
                image=n4.image,
                brain_mask=brain.mask,
                segmentation=tumor_file,
                kind=tumor_kind,
                template=template,
                table=tumor_table,
            ),
            "tumor",
        )
    known = given.labels if given else None
    align = add(
        Align(
            image=n4.image,
            brain_mask=brain.mask,
            tumor=known,
            template=template,
            fixed=fixed,
            fixed_brain=fixed_brain,
            seed=seed,
        ),
        "align",
    )
    match = add(
        Match(image=n4.image, brain_mask=brain.mask, tumor=known, fixed=fixed, fixed_brain=fixed_brain),
        "match",
    )
    moving = add(Resample(image=match.image, affine=align.affine, grid=fixed), "resample")
    tumor = given or add(
        Segment(
            image=moving.image,
            native=n4.image,
            brain_mask=brain.mask,
            affine=align.affine,
            weights=weights,
            modality=modality,
            gpu=gpus["segment"],
        ),
        "segment",
    )
    probabilities = [] if given else tumor.probabilities
    mask = add(ResampleMask(labels=tumor.labels, affine=align.affine, grid=fixed), "mask")
    register = add(
        Register(
            moving=moving.image,
            fixed=fixed,
            tumor=mask.image,
            fixed_brain=fixed_brain,
            rigid=align.rigid,
            affine=align.affine,
            seed=seed,
            gpu=gpus["register"],
        ).split(
            ("method", "weights", "refine"),
            method=methods,
            weights=registration_weights,
            refine=refinements,
        ),
        "register",
    )
    warp = add(
        Warp(
            image=n4.image,
            matched=match.image,
            labels=tumor.labels,
            probabilities=probabilities,
            affine=align.affine,
            forward=register.forward,
            inverse=register.inverse,
            appearance=register.appearance,
            used=register.used,
            template=template,
        ),
        "warp",
    )
    results = add(
        Measure(
            files=warp.files,
            matched=match.image,
            labels=tumor.labels,
            brain_mask=brain.mask,
            affine=align.affine,
            template=template,
            template_brain=template_brain,
        ).combine(f"register@{scan}.method"),
        "measure",
    )
    preproc = add(Resample(image=match.image, affine=align.affine, grid=template), "preproc")
    preproc_mask = add(ResampleMask(labels=tumor.labels, affine=align.affine, grid=template), "preproc mask")
    page = add(
        ScanPage(
            scan=scan,
            raw=image,
            n4=n4.image,
            labels=tumor.labels,
            template=template,
            aligned=preproc.image,
            aligned_mask=preproc_mask.image,
            results=results.files,
            brain_info=brain.info,
            n4_info=n4.info,
            tumor_info=tumor.info,
            align_info=align.info,
            plan=plan,
        ),
        "report",
    )
    publish = add(
        Publish(
            plan=plan,
            n4=n4.image,
            preproc=preproc.image,
            labels=tumor.labels,
            probabilities=probabilities,
            tumor=tumor.info,
            results=results.files,
            page=page.page,
            figures=page.figures,
            run=run,
        ),
        "publish",
    )
    return publish.published


by_reference(ScanGraph, __name__)
