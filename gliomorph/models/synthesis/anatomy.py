"""The template as the simulation needs it: tissues, texture, and where a tumour can sit."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from .deformation import smoothstep

TISSUES = ("CSF", "GM", "WM")
LATTICE_MM = 4.0
"""Smooth fields are made on a lattice of about this voxel size."""
LOWEST_SHARE = 0.3
"""No tumour is centred in this lowest share of the brain's height: cerebellum and brain stem."""


@attrs.frozen(kw_only=True)
class Anatomy:
    """A template's arrays, (X, Y, Z) float32 unless said otherwise. Made by :func:`prepare_anatomy`."""

    tissues: np.ndarray = attrs.field(repr=False)
    """(3, X, Y, Z): Probabilities of :data:`TISSUES`; they sum to 1 in the brain and to 0 outside."""
    texture: np.ndarray = attrs.field(repr=False)
    """What the T1w image shows beyond the tissues' means, as a fraction of white matter's mean."""
    white: np.ndarray = attrs.field(repr=False)
    """White matter smoothed over 3 mm: where oedema spreads."""
    fluid: np.ndarray = attrs.field(repr=False)
    """Close to 1 in the ventricles and large cisterns, 0 in tissue and narrow sulci."""
    voxel_mm: float
    """Voxel size (isotropic)."""
    voxel_to_world: np.ndarray = attrs.field(repr=False)
    """(4, 4): Voxel indices to world (LPS, mm)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(X, Y, Z)."""
        return self.texture.shape

    @property
    def step(self) -> int:
        """Voxels between two neighbours of the coarse lattice."""
        return max(1, round(LATTICE_MM / self.voxel_mm))

    @property
    def coarse_mm(self) -> float:
        """Voxel size of the coarse lattice in mm."""
        return self.step * self.voxel_mm


def prepare_anatomy(
    t1w: np.ndarray, brain: np.ndarray, tissues: np.ndarray, voxel_to_world: np.ndarray
) -> Anatomy:
    """The anatomy of a template, once a cohort.

    Parameters
    ----------
    t1w : ndarray, shape (X, Y, Z)
        Brain-extracted T1w, any unit.
    brain : ndarray, shape (X, Y, Z)
        Brain mask.
    tissues : ndarray, shape (3, X, Y, Z)
        Probabilities of CSF, GM and WM in this order.
    voxel_to_world : ndarray, shape (4, 4)
        Voxel indices to world (LPS, mm), with isotropic voxels.

    Returns
    -------
    anatomy : Anatomy

    Raises
    ------
    ValueError
        Empty brain mask, or voxels that are not isotropic.
    """
    inside = brain > 0
    spacing = np.linalg.norm(voxel_to_world[:3, :3], axis=0)
    if not inside.any():
        raise ValueError("the template's brain mask is empty")
    if np.ptp(spacing) > 1e-3:
        raise ValueError(f"isotropic template voxels are required, got {np.round(spacing, 4).tolist()} mm")
    voxel_mm = float(spacing.mean())
    shares = np.clip(tissues, 0, 1).astype(np.float32) * inside
    shares[0] += (shares.sum(axis=0) < 0.01) & inside  # a brain voxel without any tissue is fluid
    shares /= np.maximum(shares.sum(axis=0), 1e-6)
    means, *_ = np.linalg.lstsq(shares[:, inside].T, t1w[inside].astype(np.float32), rcond=None)
    texture = (t1w - np.tensordot(means, shares, axes=1)) / means[2] * inside
    smooth_csf = gaussian_filter(shares[0], 2 / voxel_mm)
    return Anatomy(
        tissues=shares,
        texture=np.clip(texture, -0.3, 0.3).astype(np.float32),
        white=gaussian_filter(shares[2], 3 / voxel_mm),
        fluid=smoothstep((smooth_csf - 0.3) / 0.3).astype(np.float32),
        voxel_mm=voxel_mm,
        voxel_to_world=np.asarray(voxel_to_world, float),
    )


def center_weights(anatomy: Anatomy, depth_mm: float) -> np.ndarray:
    """How likely a tumour is centred at each voxel of the coarse lattice.

    White matter at least ``depth_mm`` below the brain's surface and 6 mm from the ventricles, above the
    lowest :data:`LOWEST_SHARE` of the brain; where no voxel is deep enough, the deepest ones.

    Returns
    -------
    weights : ndarray
        Shape of the coarse lattice inside the template's; sums to 1.
    """
    every = (slice(None, None, anatomy.step),) * 3
    brain = anatomy.tissues[(slice(None), *every)].sum(axis=0) > 0.5
    height = _superior_mm(anatomy)[every]
    lowest, highest = height[brain].min(), height[brain].max()
    white = anatomy.white[every] * (anatomy.white[every] > 0.5)
    white = white * brain * (height > lowest + LOWEST_SHARE * (highest - lowest))
    if not white.any():
        raise ValueError("no place for a tumour: the template has no white matter in the upper brain")
    depth = distance_transform_edt(np.pad(brain, 1))[1:-1, 1:-1, 1:-1] * anatomy.coarse_mm
    clear = white * (ventricle_distance(anatomy) > min(6.0, 1.5 * anatomy.coarse_mm))
    allowed = clear if clear.any() else white
    weights = allowed * (depth >= min(depth_mm, depth[allowed > 0].max()))
    return weights / weights.sum()


def ventricle_distance(anatomy: Anatomy) -> np.ndarray:
    """Distance to the ventricles and cisterns in mm, on the coarse lattice; infinite where there are none."""
    fluid = anatomy.fluid[(slice(None, None, anatomy.step),) * 3] > 0.5
    if not fluid.any():
        return np.full(fluid.shape, np.inf)
    return distance_transform_edt(~fluid) * anatomy.coarse_mm


def _superior_mm(anatomy: Anatomy) -> np.ndarray:
    """World coordinate towards the head of every voxel (LPS: the third one)."""
    row = anatomy.voxel_to_world[2]
    return np.tensordot(row[:3], np.indices(anatomy.shape, dtype=np.float32), axes=1) + row[3]
