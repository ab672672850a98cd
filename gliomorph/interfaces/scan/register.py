"""Every registration method behind one contract: files of the working grid in, ITK transforms out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.images import from_array, read_image, require_same_grid, write_image, write_text
from ..files.transforms import read_transform, write_transform
from ..methods import NEEDED, REGISTRY, SPEEDS
from ..records import Ports
from ..registration.problem import Further, Problem
from ..registration.solve import solve
from ..task import task
from .records import Channel


@attrs.frozen(kw_only=True)
class AlignedPair(Ports):
    """A patient and the template on the working grid, as in a :class:`.Problem`."""

    moving: Path
    fixed: Path
    tumor: Path
    fixed_brain: Path
    """``moving``, ``fixed``, ``tumor``, ``fixed_brain``: Images and masks on one grid."""
    rigid: Path
    affine: Path
    """``rigid``, ``affine``: ITK transforms, template points to native points."""


def register(
    pair: AlignedPair,
    weights: Path | None,
    method: str,
    seed: int,
    gpu: str,
    refine: int = 0,
    speed: str = "default",
    channels: list[Channel] | None = None,
) -> tuple[Path, Path, Path | None, Path]:
    """Register a patient to the template by one method.

    Parameters
    ----------
    pair : AlignedPair
        The images, and how they were aligned.
    weights : Path or None
        safetensors of the network, learned methods only; None: the one that comes with gliomorph.
    method : str
        A key of :data:`~gliomorph.interfaces.methods.REGISTRY`.
    seed : int
        Of random sampling.
    gpu : str
        ``auto``, ``all`` or ``none``.
    refine : int
        Iterations of the flow at the images' voxels after a network's answer, learned methods only; 0: its answer.
    speed : str
        A key of :data:`~gliomorph.interfaces.methods.SPEEDS`: iterations of the flow, methods that it refines only.
    channels : list of Channel, optional
        Further modalities, for methods of several; those that are left out have no part.

    Returns
    -------
    forward, inverse : Path
        ITK transforms (``.h5``) within the working frame; ``forward`` maps template points.
    appearance : Path or None
        Residual on the working grid, metamorphic methods only.
    used : Path
        JSON: method, device, seconds, CPU seconds, peak memory in GB, seed, settings; the weights' name and sha256, the
        iterations and settings of the refinement; the further modalities.

    Raises
    ------
    ImageError
        Images on grids that differ.
    WeightsError
        A learned method whose ``weights`` do not fit, or that has none.
    ValueError
        ``refine`` below 0, or above it for a method that is not learned; an unknown ``speed``; ``channels`` for a
        method of one modality.
    """
    if refine < 0 or (refine and method not in NEEDED):
        raise ValueError(
            f"refine has to be 0 or more, and 0 but for {', '.join(NEEDED)}: got {refine} for {method}"
        )
    if speed not in SPEEDS:
        raise ValueError(f"speed has to be one of {', '.join(SPEEDS)}: got {speed}")
    compared = [each for each in channels or [] if each.moving]
    problem = Problem(
        method=method,
        moving=read_image(pair.moving),
        fixed=read_image(pair.fixed),
        tumor=read_image(pair.tumor, sitk.sitkUInt8),
        brain=read_image(pair.fixed_brain, sitk.sitkUInt8),
        rigid=read_transform(pair.rigid),
        affine=read_transform(pair.affine),
        weights=Path(weights) if weights else None,
        refine=refine,
        speed=speed,
        seed=seed,
        gpu=gpu,
    )
    require_same_grid(
        fixed=problem.fixed, moving=problem.moving, tumor=problem.tumor, fixed_brain=problem.brain
    )
    answer, used = solve(attrs.evolve(problem, further=_further(problem, compared)))
    if compared:
        used["modalities"] = [each.record() for each in compared]
    folder = Path.cwd()
    appearance = None
    if answer.appearance is not None:
        residual = from_array(answer.appearance.astype(np.float32), problem.fixed)
        appearance = write_image(residual, folder / "appearance.nii.gz")
    return (
        write_transform(answer.forward, folder / "forward.h5"),
        write_transform(answer.inverse, folder / "inverse.h5"),
        appearance,
        write_text(json.dumps(used, indent=1), folder / "used.json"),
    )


def _further(problem: Problem, channels: Sequence[Channel]) -> tuple[Further, ...]:
    """Images of further modalities, for a method that compares several."""
    if channels and not REGISTRY[problem.method].several:
        names = ", ".join(channel.name for channel in channels)
        raise ValueError(f"{problem.method} compares one modality, got {names} too")
    found = []
    for channel in channels:
        assert channel.moving is not None
        images = Further(moving=read_image(channel.moving), fixed=read_image(channel.fixed))
        of_template = f"the template's {channel.like}"
        require_same_grid(fixed=problem.fixed, **{channel.name: images.moving, of_template: images.fixed})
        found.append(images)
    return tuple(found)


Register = task(register, "forward", "inverse", "appearance", "used")
