"""The graph of one scan: from its native image to files at their final names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from pydra.compose import workflow

from ...interfaces.datasets.template_files import TemplateFiles
from ...interfaces.derivatives.publish import Publication, Publish
from ...interfaces.records import Record
from ...interfaces.reports.scan.stage import ScanPage
from ...interfaces.scan.align import Align
from ...interfaces.scan.brain import Brain
from ...interfaces.scan.carry import Carry
from ...interfaces.scan.channels import Channels
from ...interfaces.scan.crop import Crop, CropMask
from ...interfaces.scan.further import Further
from ...interfaces.scan.match import Match
from ...interfaces.scan.measure import Measure
from ...interfaces.scan.n4 import N4
from ...interfaces.scan.records import AS_THEY_STAND, WHERE_NONE_IS_GIVEN, Extraction, Modality, Reading
from ...interfaces.scan.register import Register
from ...interfaces.scan.segment import Segment
from ...interfaces.scan.tumor import Tumor
from ...interfaces.scan.warp import Warp
from ...interfaces.task import by_reference

STAGES = (
    "brain",
    "n4",
    "further",
    "tumor",
    "align",
    "match",
    "crop",
    "segment",
    "channels",
    "crop mask",
    "register",
    "warp",
    "measure",
    "carry",
    "preproc",
    "preproc mask",
    "report",
    "publish",
)
"""Every stage, in the order in which a reader meets them; a node is named ``stage@scan``."""


@attrs.frozen(kw_only=True)
class ScanInputs(Record):
    """What is read of one scan."""

    image: Path
    """The primary image."""
    brain_mask: Path | None
    tumor: Path | None
    """``brain_mask``, ``tumor``: Given masks; the tumour is segmented by ``weights`` where none is given."""
    tumor_kind: str
    """``mask`` or ``dseg``."""
    tumor_table: Path | None
    """What a ``dseg``'s labels are, where a table says so."""
    tumor_in_template: bool
    """Whether the given tumour is in the template's space, by its name."""
    weights: Path | None
    """safetensors of the network that segments."""
    segmented_together: bool = False
    """Whether it reads the further images too."""
    modality: str
    """T1w, T1ce, T2w or FLAIR."""
    further: dict[str, Path] = attrs.field(factory=dict)
    """Further images of the session by modality, which are carried along."""
    modalities: list[Modality] = attrs.field(factory=list)
    """Those of ``further`` that are registered with the primary one."""
    reading: Reading = AS_THEY_STAND
    """What is trusted of the headers."""
    extraction: Extraction = WHERE_NONE_IS_GIVEN
    """What makes the brain mask of a head."""


@attrs.frozen(kw_only=True)
class MethodInputs(Record):
    """One registration method."""

    name: str
    weights: Path | None
    """safetensors of its network, none for methods that are not learned."""
    refine: int
    speed: str
    """``refine``, ``speed``: How a flow refines its answer (:func:`~gliomorph.interfaces.scan.register.register`)."""


@attrs.frozen(kw_only=True)
class _Native:
    """Nodes of the native image, whose outputs all later stages connect to.

    ``tumor`` is ``Tumor`` or ``Segment``; ``moving`` the image in the crop; ``further`` are the session's further
    images, on the primary's grid, without bias and skull; ``channels`` those of them that are registered, in the crop.
    """

    brain: Any
    n4: Any
    align: Any
    match: Any
    moving: Any
    tumor: Any
    probabilities: Any
    further: Any
    channels: Any = attrs.field(factory=list)


@workflow.define(outputs={"published": int})
def ScanGraph(
    inputs: ScanInputs,
    template: TemplateFiles,
    methods: list[MethodInputs],
    seed: int,
    gpus: dict[str, str],
    plan: Publication,
    run: str,
) -> int:
    """One scan: N4, alignment, matching, segmentation, every registration method, outputs.

    Parameters
    ----------
    inputs : ScanInputs
        What is read of the scan.
    template : TemplateFiles
        On its full grid, and cropped.
    methods : list of MethodInputs
        The first feeds the atlas.
    seed : int
        Of random sampling.
    gpus : dict of str to str
        ``auto``, ``all`` or ``none`` for each stage that can use a GPU.
    plan : Publication
        Names and metadata of what is published.
    run : str
        Id of the run.
    """

    scan = plan.names.label

    def add(task: Any, stage: str) -> Any:
        return workflow.add(task, name=f"{stage}@{scan}")

    native = _native(add, inputs, template, seed, gpus["segment"])
    if inputs.modalities:
        native = attrs.evolve(native, channels=_channels(add, native, inputs, template))
    results = _registered(add, native, template, methods, seed, gpus["register"], f"register@{scan}.method")
    published: int = _published(add, native, results, template, plan, run)
    return published


by_reference(ScanGraph, __name__)


def _native(
    add: Callable[[Any, str], Any], inputs: ScanInputs, template: TemplateFiles, seed: int, gpu: str
) -> _Native:
    """From the image to the crop, and the tumour's labels on the native grid."""
    brain = add(
        Brain(
            image=inputs.image,
            brain_mask=inputs.brain_mask,
            reading=inputs.reading,
            extraction=inputs.extraction,
        ),
        "brain",
    )
    n4 = add(N4(image=brain.image, brain_mask=brain.mask), "n4")
    further = _further(add, brain, inputs, seed) if inputs.further else []
    # A given tumour is known before alignment and matching, which leave it out. A network reads the brain in the
    # template's frame, so it waits for both, and they cannot leave out what it will find.
    given = inputs.tumor and add(
        Tumor(
            image=n4.image,
            brain_mask=brain.mask,
            segmentation=inputs.tumor,
            kind=inputs.tumor_kind,
            template=template.image,
            table=inputs.tumor_table,
            reading=inputs.reading,
            in_template=inputs.tumor_in_template,
        ),
        "tumor",
    )
    known = {"image": n4.image, "brain_mask": brain.mask, "tumor": given.labels if given else None}
    fixed = {"fixed": template.fixed, "fixed_brain": template.fixed_brain}
    align = add(Align(template=template.image, seed=seed, **known, **fixed), "align")
    match = add(Match(**known, **fixed), "match")
    moving = add(Crop(image=match.image, affine=align.affine, grid=template.fixed), "crop")
    tumor = given or add(
        Segment(
            image=moving.image,
            native=n4.image,
            brain_mask=brain.mask,
            affine=align.affine,
            weights=inputs.weights,
            modality=inputs.modality,
            gpu=gpu,
            further=further if inputs.segmented_together else [],
        ),
        "segment",
    )
    return _Native(
        brain=brain,
        n4=n4,
        align=align,
        match=match,
        moving=moving,
        tumor=tumor,
        probabilities=[] if given else tumor.probabilities,
        further=further,
    )


def _further(add: Callable[[Any, str], Any], brain: Any, inputs: ScanInputs, seed: int) -> Any:
    """Further images of the session, each by itself, from wherever it lies to the primary's grid and brain."""
    further = Further(primary=brain.image, brain_mask=brain.mask, seed=seed, reading=inputs.reading).split(
        ("name", "image"), name=list(inputs.further), image=list(inputs.further.values())
    )
    return add(further.combine(["name", "image"]), "further").further


def _channels(
    add: Callable[[Any, str], Any], native: _Native, inputs: ScanInputs, template: TemplateFiles
) -> Any:
    """Further modalities in the crop."""
    channels = Channels(
        modalities=inputs.modalities,
        further=native.further,
        brain_mask=native.brain.mask,
        tumor=native.tumor.labels,
        affine=native.align.affine,
        fixed_brain=template.fixed_brain,
    )
    return add(channels, "channels").channels


def _registered(
    add: Callable[[Any, str], Any],
    native: _Native,
    template: TemplateFiles,
    methods: list[MethodInputs],
    seed: int,
    gpu: str,
    split: str,
) -> Any:
    """Every method in the crop, its results in template space: the files of all methods, as a list.

    ``split`` is the name under which Pydra knows the methods: page and records need all of them at once.
    """
    affine, labels = native.align.affine, native.tumor.labels
    mask = add(CropMask(labels=labels, affine=affine, grid=template.fixed), "crop mask")
    register = Register(
        moving=native.moving.image,
        fixed=template.fixed,
        tumor=mask.image,
        fixed_brain=template.fixed_brain,
        rigid=native.align.rigid,
        affine=affine,
        channels=native.channels,
        seed=seed,
        gpu=gpu,
    ).split(
        # Ports of their own: other weights of one method leave the other methods' results.
        ("method", "weights", "refine", "speed"),
        method=[method.name for method in methods],
        weights=[method.weights for method in methods],
        refine=[method.refine for method in methods],
        speed=[method.speed for method in methods],
    )
    found = add(register, "register")
    warp = add(
        Warp(
            image=native.n4.image,
            matched=native.match.image,
            labels=labels,
            probabilities=native.probabilities,
            affine=affine,
            forward=found.forward,
            inverse=found.inverse,
            appearance=found.appearance,
            used=found.used,
            template=template.image,
        ),
        "warp",
    )
    measure = Measure(
        files=warp.files,
        matched=native.match.image,
        labels=labels,
        brain_mask=native.brain.mask,
        affine=affine,
        template=template.image,
        template_brain=template.brain,
    )
    return add(measure.combine(split), "measure").files


def _published(
    add: Callable[[Any, str], Any],
    native: _Native,
    results: Any,
    template: TemplateFiles,
    plan: Publication,
    run: str,
) -> Any:
    """The page, and everything at its final name; the number of files."""
    affine, labels = native.align.affine, native.tumor.labels
    # Once more, from the native voxels and not from the crop: what is published, and what the page shows beside the
    # template, covers the template's whole grid, and an interpolation of the crop would be a second one.
    preproc = add(Crop(image=native.match.image, affine=affine, grid=template.image), "preproc")
    preproc_mask = add(CropMask(labels=labels, affine=affine, grid=template.image), "preproc mask")
    further = {"further": native.further, "carried": []}
    if native.further:
        carry = add(Carry(further=native.further, results=results, template=template.image), "carry")
        further["carried"] = carry.carried
    page = add(
        ScanPage(
            plan=plan,
            raw=native.brain.image,
            n4=native.n4.image,
            labels=labels,
            brain_mask=native.brain.mask,
            template=template.image,
            aligned=preproc.image,
            aligned_mask=preproc_mask.image,
            brain=native.brain.info,
            bias=native.n4.info,
            tumor=native.tumor.info,
            alignment=native.align.info,
            channels=native.channels,
            **further,
            results=results,
        ),
        "report",
    )
    publish = add(
        Publish(
            plan=plan,
            n4=native.n4.image,
            labels=labels,
            probabilities=native.probabilities,
            preproc=preproc.image,
            brain=native.brain.info,
            tumor=native.tumor.info,
            channels=native.channels,
            **further,
            results=results,
            page=page.page,
            figures=page.figures,
            run=run,
        ),
        "publish",
    )
    return publish.published
