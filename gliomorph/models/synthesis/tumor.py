"""A tumour as a function of position: necrotic core, enhancing rim, oedema.

It lives in the patient's frame (the template's voxel lattice after the deformation). Being a function, it is
evaluated at any point without interpolation: at the native image's voxels and, through the true map, at the
template's.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from scipy.ndimage import map_coordinates

from ..regions import LABELS
from .deformation import smooth_noise, smoothstep

NOISE_SIDE = 61
NOISE_REACH = 6.0
"""The shape's noise covers this many radii on each side of the centre."""


@attrs.frozen(kw_only=True)
class Tumor:
    """Shape of one tumour."""

    center: np.ndarray
    """(3,): Voxels, patient's frame."""
    voxel_mm: float
    radius_mm: float
    """Mean radius of the core (necrosis and rim)."""
    rim: float
    """Thickness of the enhancing rim as a fraction of the radius."""
    edema: float
    """Reach of the oedema in white matter beyond the core as a fraction of the radius."""
    roughness: float
    """Standard deviation of the radius as a fraction of it."""
    noise: np.ndarray = attrs.field(repr=False)
    """(3, 61, 61, 61): What modulates radius, rim and oedema; in units of the radius around the centre."""

    def memberships(
        self, points: np.ndarray, brain: np.ndarray, white: np.ndarray, fluid: np.ndarray
    ) -> np.ndarray:
        """Share of NCR, ED and ET at every point.

        The core keeps out of the ventricles; oedema also follows white matter.

        Parameters
        ----------
        points : ndarray, shape (3, …)
            Voxels, patient's frame.
        brain, white, fluid : ndarray, shape (…)
            The anatomy at these points (:class:`~.anatomy.Anatomy`), in [0, 1].

        Returns
        -------
        shares : ndarray, shape (3, …), float32
            In [0, 1], order of :data:`~gliomorph.models.regions.LABELS`, sum at most 1.
        """
        shares = np.zeros(points.shape, np.float32)
        offset = (points - _column(self.center, points.ndim)) * (self.voxel_mm / self.radius_mm)
        near = ((offset**2).sum(axis=0) < NOISE_REACH**2) & (brain > 0)
        if not near.any():
            return shares
        offset = offset[:, near]
        scale = (NOISE_SIDE - 1) / (2 * NOISE_REACH)
        shape, rim, spread = (
            map_coordinates(part, (offset + NOISE_REACH) * scale, mode="nearest") for part in self.noise
        )
        border = 1 + self.roughness * np.clip(shape, -2.5, 2.5)
        outside_mm = (np.sqrt((offset**2).sum(axis=0)) - border) * self.radius_mm
        tissue = smoothstep(2 * brain[near]) * (1 - fluid[near])
        core = _below(outside_mm, 0.3 * self.voxel_mm) * tissue
        rim_mm = self.rim * self.radius_mm * np.clip(1 + 0.35 * rim, 0.3, 2)
        necrosis = core * _below(outside_mm + rim_mm, 0.3 * self.voxel_mm)
        reach_mm = self.edema * self.radius_mm * np.clip(1 + 0.35 * spread, 0.2, 2)
        reach_mm *= 0.15 + 0.85 * white[near]
        edema = (tissue - core) * _below(outside_mm - reach_mm, 0.6)
        shares[:, near] = necrosis, edema, core - necrosis
        return shares


def shape_noise(rng: np.random.Generator) -> np.ndarray:
    """Noise for :class:`Tumor`, shape (3, 61, 61, 61), smooth over 0.6 radii."""
    sigma = 0.6 * (NOISE_SIDE - 1) / (2 * NOISE_REACH)
    return np.stack([smooth_noise((NOISE_SIDE,) * 3, sigma, rng) for _ in range(3)])


def label_regions(shares: np.ndarray) -> np.ndarray:
    """BraTS labels (uint8) of the largest share; 0 where the rest is largest.

    Parameters
    ----------
    shares : ndarray, shape (3, …)
        Of NCR, ED and ET.
    """
    values = np.array([0, *LABELS.values()], np.uint8)
    return values[np.concatenate([1 - shares.sum(axis=0, keepdims=True), shares]).argmax(axis=0)]


def fit_volume(
    tumor: Tumor, volume_ml: float, tissue_at: Callable[[np.ndarray], tuple[np.ndarray, ...]]
) -> Tumor:
    """``tumor`` scaled until all its regions together have ``volume_ml``.

    Parameters
    ----------
    tumor : Tumor
    volume_ml : float
    tissue_at : callable
        Gives (brain, white, fluid) at points (3, …) of the patient's frame.

    Returns
    -------
    tumor : Tumor
        With another radius, the same shape; the largest that the brain holds where it is too small.
    """
    step_mm = max(tumor.voxel_mm, 2.0)
    reach_mm = 3 * tumor.radius_mm * (1 + tumor.edema)
    steps = np.arange(-reach_mm, reach_mm + step_mm, step_mm) / tumor.voxel_mm
    points = np.stack(np.meshgrid(*(c + steps for c in tumor.center), indexing="ij")).astype(np.float32)
    anatomy = tissue_at(points)
    low, high = 0.4, 3.0
    for _ in range(10):
        scale = (low + high) / 2
        candidate = attrs.evolve(tumor, radius_mm=scale * tumor.radius_mm)
        labels = label_regions(candidate.memberships(points, *anatomy))
        if np.count_nonzero(labels) * step_mm**3 / 1000 < volume_ml:
            low = scale
        else:
            high = scale
    return attrs.evolve(tumor, radius_mm=(low + high) / 2 * tumor.radius_mm)


def nominal_radius(volume_ml: float, edema: float) -> float:
    """Radius (mm) of the core of a round tumour of this whole volume, before :func:`fit_volume`."""
    return (3000 * volume_ml / (4 * np.pi)) ** (1 / 3) / (1 + 0.5 * edema)


def _below(x: np.ndarray, width: float) -> np.ndarray:
    """1 well below 0, 0 well above, smooth over ``width``."""
    return 0.5 * (1 - np.tanh(x / width))


def _column(vector: np.ndarray, ndim: int) -> np.ndarray:
    return np.asarray(vector, np.float32).reshape((3,) + (1,) * (ndim - 1))
