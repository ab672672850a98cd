"""The template as files: what the nodes of every scan read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import SimpleITK as sitk

from .images import write_image
from .templates import load_template, working_grid


@attrs.frozen(kw_only=True)
class TemplateFiles:
    """A template on disk.

    Attributes
    ----------
    image, brain : Path
        On the template's full grid.
    fixed, fixed_brain : Path
        On the working grid.
    """

    image: Path
    brain: Path
    fixed: Path
    fixed_brain: Path


def prepare_template(
    name: str, resolution: int, folders: Sequence[Path], out_dir: Path
) -> TemplateFiles:
    """Write the template at the wanted resolution, whole and cropped to the working grid.

    Parameters
    ----------
    name, resolution, folders
        As for :func:`~gliomorph.interfaces.templates.load_template`.
    out_dir : Path
        Where the files go; written anew each time (a few seconds), with the same bytes.

    Returns
    -------
    files : TemplateFiles
    """
    template = load_template(name, resolution, folders)
    grid = working_grid(template)
    fixed = sitk.Resample(template.image, grid, sitk.Transform(), sitk.sitkLinear)
    fixed_brain = sitk.Resample(template.brain_mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    folder = Path(out_dir) / f"tpl-{name}_res-{resolution}"
    return TemplateFiles(
        image=write_image(template.image, folder / "image.nii.gz"),
        brain=write_image(template.brain_mask, folder / "brain.nii.gz"),
        fixed=write_image(fixed, folder / "fixed.nii.gz"),
        fixed_brain=write_image(fixed_brain, folder / "fixed_brain.nii.gz"),
    )
