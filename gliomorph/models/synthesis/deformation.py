"""Random smooth fields and diffeomorphisms on lattices.

Displacements and velocities are arrays (3, X, Y, Z) in voxels of their own lattice; a displacement u stands
for the map x -> x + u(x) of voxel coordinates. Smooth fields are made on a coarse lattice (every ``step``-th
voxel) and brought to the full one by cubic splines. They are SciPy's, not :mod:`~gliomorph.models.geometry`'s of torch,
whose interpolation rounds otherwise: recorded patients are replayed bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, map_coordinates


def smooth_noise(shape: Sequence[int], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian random field with mean 0 and standard deviation 1.

    Parameters
    ----------
    shape : sequence of int
        Of the result.
    sigma : float
        Standard deviation in voxels of the Gaussian that smooths the white noise.
    rng : numpy.random.Generator

    Returns
    -------
    noise : ndarray, float32
    """
    step = max(1, int(sigma // 3))
    coarse = rng.standard_normal(coarse_shape(shape, step))
    noise = upsample(gaussian_filter(coarse, sigma / step, mode="wrap"), step, shape)
    return (noise - noise.mean()) / noise.std()


def coarse_shape(shape: Sequence[int], step: int) -> tuple[int, ...]:
    """Shape of the lattice whose voxels lie on every ``step``-th voxel and that covers all of ``shape``."""
    return tuple(-(-(size - 1) // step) + 1 for size in shape)


def upsample(coarse: np.ndarray, step: int, shape: Sequence[int]) -> np.ndarray:
    """``coarse`` (…, x, y, z), whose voxels lie ``step`` apart, on the lattice ``shape``, as float32."""
    fine = coarse
    for axis, size in enumerate(shape, start=coarse.ndim - len(shape)):
        if step > 1:
            knots = step * np.arange(fine.shape[axis])
            fine = CubicSpline(knots, fine, axis=axis)(np.arange(size)).astype(np.float32)
    return fine.astype(np.float32)


def random_velocity(shape: Sequence[int], sigmas: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Stationary velocity of unit variance with equal parts of noise at every scale.

    It fades to zero at the lattice's faces, so that its flow maps the lattice's box onto itself.

    Parameters
    ----------
    shape : sequence of int
        (X, Y, Z).
    sigmas : sequence of float
        Scales of the noise in voxels.
    rng : numpy.random.Generator

    Returns
    -------
    velocity : ndarray, shape (3, X, Y, Z)
    """
    noise = [sum(smooth_noise(shape, sigma, rng) for sigma in sigmas) for _ in range(3)]
    return np.stack(noise) * fade(shape) / np.sqrt(len(sigmas))


def radial_velocity(
    shape: Sequence[int], center: np.ndarray, reach: float, push: float, room: np.ndarray
) -> np.ndarray:
    """Velocity that pushes away from a centre: v(x) = a (x - c) exp(-|x - c|² / 2s²) room(x).

    Parameters
    ----------
    shape : sequence of int
        (X, Y, Z).
    center : ndarray, shape (3,)
        c, in voxels; it does not move.
    reach : float
        s, in voxels: the distance at which the push is largest.
    push : float
        Largest length of v in voxels, where ``room`` is 1.
    room : ndarray, shape (X, Y, Z)
        In [0, 1]: how freely tissue can move (0 at the skull).

    Returns
    -------
    velocity : ndarray, shape (3, X, Y, Z)
    """
    offset = np.indices(shape, dtype=np.float64) - center[:, None, None, None]
    strength = push / reach * np.exp((1 - (offset**2).sum(axis=0) / reach**2) / 2)
    return offset * strength * room


def exponential(velocity: np.ndarray, squarings: int = 6) -> np.ndarray:
    """Displacement of the flow of a stationary velocity after unit time, by scaling and squaring.

    ``exponential(-velocity)`` is the inverse map, up to interpolation.
    """
    displacement = velocity / 2.0**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement)
    return displacement


def compose(outer: np.ndarray, inner: np.ndarray, order: int = 1) -> np.ndarray:
    """Displacement of the map outer ∘ inner (``inner`` acts first), both on one lattice."""
    return inner + sample(outer, inner + np.indices(inner.shape[1:], dtype=inner.dtype), order)


def sample(
    fields: np.ndarray, points: np.ndarray, order: int = 1, outside: float | None = None
) -> np.ndarray:
    """Every one of ``fields`` (C, X, Y, Z) at ``points`` (3, …) in voxels, as an array (C, …) of their type.

    Beyond the lattice the value is ``outside``, or that of the nearest voxel where ``outside`` is None.
    """
    mode = {"mode": "nearest"} if outside is None else {"mode": "constant", "cval": outside}
    sampled = np.empty((len(fields), *points.shape[1:]), fields.dtype)
    for field, values in zip(fields, sampled, strict=True):
        map_coordinates(field, points, output=values, order=order, **mode)
    return sampled


def invert(displacement: np.ndarray, start: np.ndarray, iterations: int, order: int = 1) -> np.ndarray:
    """Inverse of the map x + u(x), by iterations w(x) <- w(x) - 0.7 [w(x) + u(x + w(x))] from ``start``.

    The damping lets them converge where the map stretches up to 2.8 times (2 times without).

    With ``order`` 1 the displacement is interpolated linearly, as ITK does: the round trip is right there.
    """
    inverse = start
    identity = np.indices(start.shape[1:], dtype=start.dtype)
    for _ in range(iterations):
        inverse = inverse - 0.7 * (inverse + sample(displacement, identity + inverse, order))
    return inverse


def fade(shape: Sequence[int], share: float = 0.1) -> np.ndarray:
    """1 inside, falling smoothly to 0 at the faces over ``share`` of each side."""
    window = np.ones(tuple(shape))
    for axis, size in enumerate(shape):
        position = np.linspace(0, 1, size)
        edge = smoothstep(np.minimum(position, 1 - position) / share)
        window = window * np.expand_dims(edge, [a for a in range(len(shape)) if a != axis])
    return window


def smoothstep(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, 3x² - 2x³ between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
