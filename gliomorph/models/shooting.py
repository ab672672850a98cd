r"""Geodesic shooting of shape and appearance, integrated in the source frame.

A geodesic of metamorphosis (thesis, Eq. 5.2, 5.11) is fixed by the image I_0, the scalar momentum z_0 and the
mask m_0 inside which the appearance may change:

    v_t = −K(z_t ∇I_t)      ∂z/∂t = −∇·(z v)      ∂I/∂t = −⟨∇I, v⟩ + μ² m_t z_t

With the flow φ_t (source to time t) and ψ_t = φ_t⁻¹, the last two are solved exactly by

    z_t = det Dψ_t · z_0∘ψ_t        I_t = (I_0 + A_t)∘ψ_t        A_t = μ² m_0 z_0 ∫_0^t 1 / det Dφ_s ds

so that the momentum that K smooths is the transport of one that stays in the source frame,

    z_t ∇I_t = det Dψ_t · Dψ_tᵀ · (z_0 ∇(I_0 + A_t))∘ψ_t .

K sees only what its coarse grid can hold, hence the product in parentheses is restricted to that grid first
and everything that has to be integrated (ψ, φ, v) lives there. The image is interpolated once, at the end:
this is the sharp scheme (Eq. 5.9) at a cost that hardly depends on the number of steps.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from . import geometry
from .kernels import Kernel

LEAST_DETERMINANT = 0.05
"""Floor of det Dφ where it is divided by: with a fold the energy would have no lower bound."""


@attrs.frozen(kw_only=True)
class Geodesic:
    """End point of a geodesic.

    Attributes
    ----------
    backward : Tensor
        ψ_1 − Id, (1, D, …) in voxels of the kernel's coarse grid: where a point of the end frame comes from.
    forward : Tensor
        φ_1 − Id, likewise: where a point of the source goes.
    elapsed : Tensor
        ∫ 1 / det Dφ_s ds, (1, 1, …) on the coarse grid.
    change : Tensor or None
        μ² z_0 ∫ 1 / det Dφ_s ds on the image grid: times m_0 it is A_1. None where there is no appearance.
    energy : Tensor
        ∫ ‖v_t‖²_V + μ² ⟨m_t z_t, z_t⟩ dt, sums over voxels of the image grid.
    """

    backward: Tensor
    forward: Tensor
    elapsed: Tensor
    change: Tensor | None
    energy: Tensor


def shoot(
    momentum: Tensor,
    image: Tensor,
    kernel: Kernel,
    spacing_mm: tuple[float, ...],
    steps: int,
    mu: float = 0.0,
    mask: Tensor | None = None,
) -> Geodesic:
    """The geodesic that starts from ``image`` with ``momentum``, in ``steps`` explicit Euler steps.

    Parameters
    ----------
    momentum : Tensor
        z_0, (1, 1, X, Y[, Z]): such that −K(z_0 ∇I_0) is a velocity in mm per unit time, ∇ per mm.
    image : Tensor
        I_0, same shape, intensities in [0, 1].
    kernel : Kernel
        K, built for this grid.
    spacing_mm : tuple of float
        Voxel size along each axis.
    steps : int
        Number of time steps.
    mu : float
        Weight of appearance; 0 is LDDMM.
    mask : Tensor, optional
        m_0, same shape, in [0, 1]; no appearance without it.

    Returns
    -------
    geodesic : Geodesic
        Differentiable with respect to ``momentum``.
    """
    where = mask if mu > 0 else None
    delta = 1.0 / steps
    per_voxel, per_node = _columns(spacing_mm, image), _columns(kernel.coarse_mm, image)
    force = kernel.restrict(momentum * geometry.gradient(image)[:, 0] / per_voxel)
    backward = forward = torch.zeros_like(force)
    elapsed = torch.zeros_like(force[:, :1])  # ∫ 1 / det Dφ_s ds
    change = None
    energy = torch.zeros((), dtype=image.dtype, device=image.device)
    for step in range(steps):
        transported = transport(force, backward, per_node) if step else force
        velocity = -kernel.smooth(transported)
        energy = energy - delta * kernel.voxels_per_node * (transported * velocity).sum()
        moved = velocity * (delta / per_node)
        elapsed = elapsed + delta / geometry.jacobian_determinant(forward).clamp_min(LEAST_DETERMINANT)
        if where is not None:
            change = mu**2 * momentum * kernel.prolong(elapsed)
            changed = image + where * change
            force = kernel.restrict(momentum * geometry.gradient(changed)[:, 0] / per_voxel)
        backward = geometry.compose(backward, -moved)
        forward = geometry.compose(moved, forward)
    if where is not None and change is not None:
        energy = energy + (where * momentum * change).sum()
    return Geodesic(backward=backward, forward=forward, elapsed=elapsed, change=change, energy=energy)


def transport(force: Tensor, backward: Tensor, spacing: Tensor) -> Tensor:
    """Momentum carried along: det Dψ · Dψᵀ · force∘ψ, the pairing with vector fields being kept.

    ``force`` and ``backward`` (ψ − Id, in voxels) are (1, D, …) on one grid with voxels of ``spacing``
    (D columns, mm).
    """
    matrix = geometry.jacobian(backward)
    carried = geometry.warp(force, backward) * spacing
    turned = (matrix * carried[:, :, None]).sum(1) / spacing
    return geometry.determinant(matrix) * turned


def _columns(sizes: tuple[float, ...], like: Tensor) -> Tensor:
    """One value a component, shaped (1, D, 1, …) to broadcast over a vector field."""
    return torch.tensor(sizes, dtype=like.dtype, device=like.device).view(1, -1, *[1] * (like.dim() - 2))
