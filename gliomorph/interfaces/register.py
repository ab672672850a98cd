"""Every registration method behind one contract: files of the working grid in, ITK transforms out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk
from fileformats.generic import File

from .ants_bridge import register_ants
from .device import choose_device
from .images import from_array, read_image, to_array, write_image, write_text
from .memory import peak_gb, reset_peak
from .task import Optional, task
from .transforms import compose, displacement_to_itk, read_transform, write_transform


@attrs.frozen(kw_only=True)
class Problem:
    """What a method is given, on the working grid.

    Attributes
    ----------
    moving, fixed : SimpleITK.Image
        Patient (affinely aligned, matched) and template, in [0, 1].
    tumor : SimpleITK.Image
        uint8 mask in the moving frame.
    brain : SimpleITK.Image
        The template's brain mask.
    rigid, affine : SimpleITK.Transform
        Template points to native points; the moving image was resampled through ``affine``.
    seed : int
    gpu : str
    """

    moving: sitk.Image
    fixed: sitk.Image
    tumor: sitk.Image
    brain: sitk.Image
    rigid: sitk.Transform
    affine: sitk.Transform
    seed: int
    gpu: str


@attrs.frozen(kw_only=True)
class Answer:
    """What a method gives back.

    Attributes
    ----------
    forward : SimpleITK.Transform
        Template points to points of the moving image (both in the working frame).
    inverse : SimpleITK.Transform
        The other way.
    appearance : ndarray or None
        Residual of a metamorphosis on the working grid, in the template's intensities.
    used : dict
        Device, settings, what the method reports of itself.
    """

    forward: sitk.Transform
    inverse: sitk.Transform
    appearance: np.ndarray | None = None
    used: dict[str, Any] = attrs.field(factory=dict)


def register(
    moving: Path,
    fixed: Path,
    tumor: Path,
    fixed_brain: Path,
    rigid: Path,
    affine: Path,
    method: str,
    seed: int,
    gpu: str,
) -> tuple[Path, Path, Path | None, Path]:
    """Register a patient to the template by one method.

    Parameters
    ----------
    moving, fixed, tumor, fixed_brain : Path
        As in :class:`Problem`.
    rigid, affine : Path
        ITK transforms, template points to native points.
    method : str
        A key of :data:`METHODS`.
    seed : int
        Of random sampling.
    gpu : str
        ``auto``, ``all`` or ``none``.

    Returns
    -------
    forward, inverse : Path
        ITK transforms (``.h5``) within the working frame; ``forward`` maps template points.
    appearance : Path or None
        Residual on the working grid, metamorphic methods only.
    used : Path
        JSON: method, device, seconds, peak memory in GB, seed, settings.
    """
    problem = Problem(
        moving=read_image(moving),
        fixed=read_image(fixed),
        tumor=read_image(tumor, sitk.sitkUInt8),
        brain=read_image(fixed_brain, sitk.sitkUInt8),
        rigid=read_transform(rigid),
        affine=read_transform(affine),
        seed=seed,
        gpu=gpu,
    )
    reset_peak()
    start = time.perf_counter()
    answer = METHODS[method](problem)
    used = {
        "method": method,
        "device": "cpu",
        "seconds": round(time.perf_counter() - start, 2),
        "peak_memory_gb": round(peak_gb(), 2),
        "seed": seed,
        **answer.used,
    }
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


def _rigid(problem: Problem) -> Answer:
    forward = compose(problem.affine.GetInverse(), problem.rigid)
    return Answer(forward=forward, inverse=forward.GetInverse())


def _affine(problem: Problem) -> Answer:
    identity = sitk.AffineTransform(3)
    return Answer(forward=identity, inverse=identity)


def _syn(problem: Problem) -> Answer:
    return _run_syn(problem, {})


def _syn_cfm(problem: Problem) -> Answer:
    # ANTs smooths its coarse levels across the mask's border: two voxels more keep the rim out of the cost
    tumor = sitk.BinaryDilate(problem.tumor, [2, 2, 2])
    return _run_syn(problem, {"moving_mask": sitk.Cast(tumor == 0, sitk.sitkUInt8)})


def _run_syn(problem: Problem, masks: dict[str, sitk.Image]) -> Answer:
    """SyN alone: the images are affinely aligned already (ANTs' default metric and iterations)."""
    import ants

    files = register_ants(
        problem.fixed, problem.moving, "SyNOnly", seed=problem.seed, initial_transform="identity", **masks
    )
    return Answer(
        forward=_on_grid(files["fwdtransforms"], problem.fixed),
        inverse=_on_grid(files["invtransforms"], problem.fixed),
        used={"settings": {"type_of_transform": "SyNOnly", "masks": sorted(masks)}, "ants": ants.__version__},
    )


def _on_grid(files: list[str], grid: sitk.Image) -> sitk.Transform:
    """ANTs' list of transforms (the first is applied last) as one displacement field on the working grid."""
    parts = [_read_ants(name) for name in files]
    field = sitk.TransformToDisplacementField(
        compose(*parts),
        sitk.sitkVectorFloat64,
        grid.GetSize(),
        grid.GetOrigin(),
        grid.GetSpacing(),
        grid.GetDirection(),
    )
    return sitk.DisplacementFieldTransform(field)


def _read_ants(name: str) -> sitk.Transform:
    if name.endswith((".nii.gz", ".nii")):
        return sitk.DisplacementFieldTransform(sitk.ReadImage(name, sitk.sitkVectorFloat64))
    return read_transform(name)


def _metamorphosis(problem: Problem) -> Answer:
    from ..models.metamorphosis import MetamorphosisSettings
    from ..models.metamorphosis import register as register_pair

    device = choose_device(problem.gpu)
    settings = MetamorphosisSettings()
    result = register_pair(
        to_array(problem.moving),
        to_array(problem.fixed),
        to_array(problem.tumor),
        problem.fixed.GetSpacing(),
        settings=settings,
        brain_mask=to_array(problem.brain),
        device=device,
        seed=problem.seed,
    )
    return Answer(
        forward=displacement_to_itk(result.displacement, problem.fixed),
        inverse=displacement_to_itk(result.inverse_displacement, problem.fixed),
        appearance=result.appearance,
        used={"device": device, "settings": attrs.asdict(settings), "energy": result.energy[-1:]},
    )


METHODS: dict[str, Callable[[Problem], Answer]] = {
    "rigid": _rigid,
    "affine": _affine,
    "syn": _syn,
    "syn-cfm": _syn_cfm,
    "metamorphosis": _metamorphosis,
}

Register = task(register, forward=File, inverse=File, appearance=Optional, used=File)
