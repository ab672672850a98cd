r"""Geodesic shooting of shape and appearance, integrated in the source frame.

A geodesic of metamorphosis (thesis, Eq. 5.2, 5.11; several modalities: Eq. A.3) is fixed by the image
I_0: Ω → R^C, the momentum z_0: Ω → R^C and the mask m_0 inside which the appearance may change:

    v_t = −K(Σ_c z_c ∇I_c)      ∂z_c/∂t = −∇·(z_c v)      ∂I_c/∂t = −⟨∇I_c, v⟩ + μ² m_t z_c

With the flow φ_t (source to time t) and ψ_t = φ_t⁻¹, the last two are solved exactly by

    z_t = det Dψ_t · z_0∘ψ_t        I_t = (I_0 + m_0 A_t)∘ψ_t        A_t = μ² z_0 ∫_0^t 1 / det Dφ_s ds

so that the momentum that K smooths is the transport of one that stays in the source frame,

    Σ_c z_c ∇I_c = det Dψ_t · Dψ_tᵀ · (Σ_c z_0,c ∇(I_0 + m_0 A_t)_c)∘ψ_t .

K sees only what its coarse grid can hold, hence the sum in parentheses is restricted to that grid first
and everything that has to be integrated (ψ, φ, v) lives there. The image is interpolated once, at the end:
this is the sharp scheme (Eq. 5.9) at a cost that hardly depends on the number of steps.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .. import geometry
from ..kernels import Kernel

LEAST_DETERMINANT = 0.05
"""Floor of det Dφ where it is divided by: with a fold the energy would have no lower bound."""


@attrs.frozen(kw_only=True)
class Path:
    """End point of a path of images, and what the path cost.

    The maps may live on a coarser grid than the images, over the same box, in voxels of their own grid.
    """

    backward: Tensor
    """ψ_1 − Id, (batch, D, …): where a point of the end frame comes from; it resamples the image."""
    forward: Tensor
    """φ_1 − Id, likewise: where a point of the source goes."""
    change: Tensor | None
    """A_1 on the image grid, (batch, C, …): the change of intensity in the source frame, to be multiplied by m_0.
    None where there is no appearance."""
    energy: Tensor
    """(steps,): ‖v_t‖²_V + μ² ⟨m_t z_t, z_t⟩ at each time step, sums over voxels of the image grid and over the
    batch. Its mean is the integral over [0, 1]; along a geodesic with m = 1 it is constant."""

    def start(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """I_0 + m_0 A_1: the old shape with its new appearance (m_0 is 1 where not given)."""
        if self.change is None:
            return image
        return image + (self.change if mask is None else mask * self.change)


@attrs.frozen(kw_only=True)
class Geodesic(Path):
    """A path that is a geodesic."""

    elapsed: Tensor
    """∫ 1 / det Dφ_s ds, (batch, 1, …) on the kernel's coarse grid: A_1 is μ² z_0 times this."""


def shoot(
    momentum: Tensor,
    image: Tensor,
    kernel: Kernel,
    spacing_mm: tuple[float, ...],
    steps: int,
    mu: float = 0.0,
    mask: Tensor | None = None,
    checkpointed: bool = False,
) -> Geodesic:
    """The geodesic that starts from ``image`` with ``momentum``, in ``steps`` explicit Euler steps.

    Parameters
    ----------
    momentum : Tensor
        z_0, (batch, C, X, Y[, Z]): such that −K(Σ_c z_c ∇I_c) is a velocity in mm per unit time, ∇ per mm.
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
        m_0, (batch, 1, X, Y[, Z]), in [0, 1]; no appearance without it.
    checkpointed : bool
        Compute each step again in the backward pass instead of keeping it: memory of one step, a third more time.

    Returns
    -------
    geodesic : Geodesic
        Differentiable with respect to ``momentum``.
    """
    where = mask if mu > 0 else None
    per_node = geometry.columns(kernel.coarse_mm, image)

    def force_of(now: Tensor) -> Tensor:
        return kernel.restrict((momentum[:, :, None] * geometry.gradient(now, spacing_mm)).sum(1))

    def advance(backward: Tensor, forward: Tensor, elapsed: Tensor) -> tuple[Tensor, ...]:
        """ψ, φ, ∫ 1 / det Dφ one step later, and the energy at its beginning."""
        thinning = 1.0 / geometry.jacobian_determinant(forward).clamp_min(LEAST_DETERMINANT)
        force = constant
        if where is not None:
            force = force_of(image + where * mu**2 * momentum * kernel.prolong(elapsed))
        transported = transport(force, backward, per_node)
        velocity = -kernel.smooth(transported)
        energy = -kernel.voxels_per_node * (transported * velocity).sum()
        if where is not None:
            energy = energy + mu**2 * (where * momentum**2 * kernel.prolong(thinning)).sum()
        moved = velocity / (steps * per_node)
        return (
            geometry.compose(backward, -moved),
            geometry.compose(moved, forward),
            elapsed + thinning / steps,
            energy,
        )

    constant = force_of(image)
    elapsed = momentum.new_zeros(momentum.shape[0], 1, *kernel.coarse_shape)
    backward = forward = torch.zeros_like(constant)
    energies = []
    for _ in range(steps):
        state = (backward, forward, elapsed)
        backward, forward, elapsed, energy = (
            checkpoint(advance, *state, use_reentrant=False) if checkpointed else advance(*state)
        )
        energies.append(energy)
    return Geodesic(
        backward=backward,
        forward=forward,
        change=None if where is None else mu**2 * momentum * kernel.prolong(elapsed),
        energy=torch.stack(energies),
        elapsed=elapsed,
    )


def transport(force: Tensor, backward: Tensor, spacing: Tensor) -> Tensor:
    """Momentum carried along: det Dψ · Dψᵀ · force∘ψ, the pairing with vector fields being kept.

    ``force`` and ``backward`` (ψ − Id, in voxels) are (batch, D, …) on one grid with voxels of ``spacing``
    (D columns, mm).
    """
    matrix = geometry.jacobian(backward)
    carried = geometry.warp(force, backward) * spacing
    turned = (matrix * carried[:, :, None]).sum(1) / spacing
    return geometry.determinant(matrix) * turned
