"""The networks that find the brain in a head: their file, and a head of any grid as they read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..files.images import ImageError, from_array, to_array
from .files import load_state, read_stored, settings_from, write_network

if TYPE_CHECKING:
    from ...models.brain_extraction import BrainNetworks, BrainSettings

THICK_MM = 2.5
"""Voxels longer than this are thick slices: lines between them are not what a head shows there."""
MISSING = "no networks of gliomorph for brain extraction in it"


def write_brain(networks: BrainNetworks, settings: BrainSettings, path: Path) -> Path:
    """Store the two networks with their settings in a ``.safetensors`` file; returns its path."""
    return write_network(networks, "linknet pair", settings, path)


def load_brain(path: Path) -> tuple[BrainNetworks, BrainSettings]:
    """The stored networks, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        Not a safetensors file, other settings or tensors than those of the two networks, or values that are not finite.
    """
    from ...models.brain_extraction import BrainSettings

    settings: BrainSettings = settings_from(read_stored(path, MISSING), BrainSettings, path)
    networks = settings.build()
    networks.load_state_dict(load_state(path, settings.build, "brain extraction"))
    return networks.eval(), settings


def brain_probability(head: sitk.Image, networks: BrainNetworks, settings: BrainSettings) -> sitk.Image:
    """How likely each voxel of a head is brain.

    The whole image is stretched to a cube, in which one network finds the brain; its box with a margin is stretched to
    a finer cube, in which the other outlines it. Both cubes have the image's axes in the order right, anterior,
    superior; voxels are interpolated linearly, there and back, but for what the second network reads of an image of
    thick slices: between those lie cubic splines.

    Parameters
    ----------
    head : SimpleITK.Image
        Finite, any orientation and voxel size.
    networks, settings
        From :func:`load_brain`.

    Returns
    -------
    probability : SimpleITK.Image
        float32 on the head's grid.

    Raises
    ------
    ImageError
        No brain is found.
    """
    import torch

    from ...models.brain_extraction import CLIPPED, box_of, largest_piece, standardised

    image = sitk.DICOMOrient(sitk.Cast(head, sitk.sitkFloat32), "RAS")
    darkest = float(to_array(image).min())
    whole = stretched(image, np.zeros(3), np.array(image.GetSize(), float), settings.finder_voxels)
    voxels = to_array(sitk.Resample(image, whole, sitk.Transform(), sitk.sitkLinear, darkest))
    low, high = (float(np.quantile(voxels, share)) for share in CLIPPED)
    with torch.inference_mode():
        rough = networks.finder(standardised(voxels, low, high))[0, 0].numpy() > 0.5
        if not rough.any():
            raise ImageError("no brain is found in the image")
        start, end = box_of(largest_piece(rough))
        spare = settings.margin * (end - start)
        scale = np.array(image.GetSize()) / settings.finder_voxels
        box = stretched(image, scale * (start - spare), scale * (end + spare), settings.outliner_voxels)
        between = sitk.sitkBSpline if max(image.GetSpacing()) > THICK_MM else sitk.sitkLinear
        voxels = to_array(sitk.Resample(image, box, sitk.Transform(), between, darkest))
        found = networks.outliner(standardised(voxels, low, high))[0, 0].numpy()
    return sitk.Resample(from_array(found, box), head, sitk.Transform(), sitk.sitkLinear)


def stretched(image: sitk.Image, start: np.ndarray, end: np.ndarray, voxels: int) -> sitk.Image:
    """An empty cube of as many voxels a side over a box of an image, along the image's axes.

    Parameters
    ----------
    image : SimpleITK.Image
    start, end : ndarray
        The box's edges in voxels of the image: 0 is where its first voxel begins; the box may reach beyond it.
    voxels : int
        A side.
    """
    size = (end - start) / voxels
    grid = sitk.Image([voxels] * 3, sitk.sitkUInt8)
    grid.SetSpacing((size * np.array(image.GetSpacing())).tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((start + size / 2 - 0.5).tolist()))
    return grid
