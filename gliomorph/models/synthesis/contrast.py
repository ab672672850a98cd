"""MR contrasts from tissues: class means, texture, bias field, noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from .deformation import smooth_noise

CLASSES = ("CSF", "GM", "WM", "NCR", "ED", "ET")
MEANS = {
    "T1w": (0.30, 0.68, 1.00, 0.42, 0.66, 0.62),
    "T1ce": (0.31, 0.70, 1.00, 0.38, 0.66, 1.55),
    "T2w": (1.60, 0.78, 0.55, 1.35, 1.15, 0.90),
    "FLAIR": (0.22, 0.80, 0.66, 0.55, 1.30, 1.05),
}
"""Signal of :data:`CLASSES` in units of the white matter in T1w; typical of glioblastoma at 3 T."""
TEXTURE = {"T1w": 1.0, "T1ce": 1.0, "T2w": -0.8, "FLAIR": -0.4}
"""How the template's T1w texture shows: iron-rich or dense tissue is bright in T1w and dark in T2w."""


def sample_contrast(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Random settings of one contrast of one patient, ready for JSON.

    Returns
    -------
    settings : dict
        ``gain`` (scanner units of the white matter in T1w), ``means`` of :data:`CLASSES`, ``bias`` (largest
        deviation from 1), ``noise`` (standard deviation, fraction of the white matter in T1w), ``seed``.
    """
    means = np.array(MEANS[name]) * rng.normal(1, 0.05, len(CLASSES)).clip(0.85, 1.15)
    return {
        "gain": round(float(rng.uniform(250, 900)), 2),
        "means": {key: round(float(mean), 4) for key, mean in zip(CLASSES, means, strict=True)},
        "bias": round(float(rng.uniform(0.08, 0.2)), 4),
        "noise": round(float(rng.uniform(0.01, 0.03)), 4),
        "seed": int(rng.integers(2**31)),
    }


def render(
    name: str,
    settings: dict[str, Any],
    shares: np.ndarray,
    texture: np.ndarray,
    brain: np.ndarray,
    spacing_mm: np.ndarray,
) -> np.ndarray:
    """One skull-stripped image.

    Parameters
    ----------
    name : str
        A key of :data:`MEANS`.
    settings : dict
        From :func:`sample_contrast`.
    shares : ndarray, shape (6, X, Y, Z)
        Of :data:`CLASSES`; they sum to 1 in the brain.
    texture : ndarray, shape (X, Y, Z)
        The healthy anatomy's (:class:`~.anatomy.Anatomy`).
    brain : ndarray of bool, shape (X, Y, Z)
    spacing_mm : ndarray, shape (3,)

    Returns
    -------
    image : ndarray, int16
        Scanner units, at least 1 in the brain and 0 outside.
    """
    rng = np.random.default_rng(settings["seed"])
    means = np.array([settings["means"][key] for key in CLASSES], np.float32)
    voxel_mm = float(np.prod(spacing_mm)) ** (1 / 3)
    grain = smooth_noise(brain.shape, 1.2 / voxel_mm, rng)
    clumps = smooth_noise(brain.shape, 4 / voxel_mm, rng)
    tumor = shares[3:].sum(axis=0)
    signal = np.tensordot(means, shares, axes=1)
    signal += TEXTURE[name] * texture * (1 - tumor)
    signal *= 1 + 0.015 * grain + 0.1 * clumps * tumor
    signal = _blur(signal, brain)
    field = smooth_noise(brain.shape, 45 / voxel_mm, rng)
    field -= field[brain].mean()
    signal *= 1 + settings["bias"] * field / np.abs(field[brain]).max()
    real, imaginary = settings["noise"] * rng.standard_normal((2, *brain.shape), np.float32)
    magnitude = settings["gain"] * np.hypot(signal + real, imaginary)
    return np.where(brain, np.clip(np.rint(magnitude), 1, 32767), 0).astype(np.int16)


def _blur(signal: np.ndarray, brain: np.ndarray, sigma: float = 0.4) -> np.ndarray:
    """Partial volume: smoothed over ``sigma`` voxels of the brain only, so that its edge stays bright."""
    weight = gaussian_filter(brain.astype(np.float32), sigma)
    return gaussian_filter(signal * brain, sigma) / np.maximum(weight, 1e-3)
