"""Algorithm 5.2: a C, cut through by a rectangle and deformed by a geodesic of random momentum."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from gliomorph.models import geometry
from gliomorph.models.kernels import Kernel, in_voxels
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.shooting import shoot

TRAINING_SEED, TEST_SEED = 1, 2

SIDE = 200
SPACING = (1.0, 1.0)
SIGMA = 6.0
STEPS = 15
MOMENTUM = 1000.0
"""z_0 is drawn uniformly from ± this."""

CENTRE, RADIUS, HALF_THICKNESS, OPENING = 99.5, 55.0, 15.0, math.radians(40)
"""The C: a ring (pixels) that is open by twice this angle about the first axis."""

CUT_HALF_WIDTH = (5.0, 15.0)


@attrs.frozen(kw_only=True, eq=False)
class Shapes:
    """Registration problems: the cut and deformed C is moving, the whole C fixed.

    Attributes
    ----------
    moving, mask : Tensor
        (N, 1, 200, 200): images in [0, 1], and where the cut is, {0, 1}.
    fixed : Tensor
        (1, 1, 200, 200), the template.
    truth : Tensor
        (N, 2, 200, 200), pixels: a point of the moving image corresponds to x + u(x) in the template.
    """

    moving: Tensor
    mask: Tensor
    fixed: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.moving)

    def pair(self, index: list[int]) -> Pair:
        """Some of the problems as a batch."""
        moving = self.moving[index]
        return Pair(
            moving=moving,
            fixed=self.fixed.expand_as(moving),
            mask=self.mask[index],
            brain=torch.ones_like(moving),
            spacing_mm=SPACING,
        )


def template() -> Tensor:
    """The C, (1, 1, 200, 200), with edges one pixel wide."""
    x, y = _coordinates()
    radius, angle = torch.hypot(x, y), torch.atan2(y, x).abs()
    inside_ring = HALF_THICKNESS - (radius - RADIUS).abs()
    inside_arc = radius * torch.sin((angle - OPENING).clamp(max=math.pi / 2))
    return _filled(torch.minimum(inside_ring, inside_arc))


def cut(angle: float, half_width: float) -> Tensor:
    """The rectangle that crosses the ring at ``angle`` (radians from the first axis), (1, 1, 200, 200)."""
    x, y = _coordinates()
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    length = HALF_THICKNESS + 5.0
    return _filled(torch.minimum(length - (along - RADIUS).abs(), half_width - across.abs()))


def simulate(count: int, seed: int) -> Shapes:
    """``count`` problems; deformations with folds are drawn again."""
    random = torch.Generator().manual_seed(seed)
    fixed = template()
    kernel = Kernel((SIDE, SIDE), SPACING, (SIGMA,), like=fixed)
    moving, masks, truths = [], [], []
    while len(moving) < count:
        low, high = CUT_HALF_WIDTH
        angle, width, noise = (
            torch.rand(1, generator=random).item(),
            torch.rand(1, generator=random).item(),
            torch.rand(fixed.shape, generator=random),
        )
        # the cut stays clear of the ends of the C
        margin = OPENING + math.radians(25)
        rectangle = cut(margin + angle * 2 * (math.pi - margin), low + width * (high - low))
        image = fixed * (1.0 - rectangle)
        path = shoot(MOMENTUM * (2 * noise - 1), image, kernel, SPACING, STEPS)
        truth = in_voxels(path.backward, (SIDE, SIDE))
        if (geometry.jacobian_determinant(truth) <= 0).any():
            continue
        moving.append(geometry.warp(image, truth))
        masks.append((geometry.warp(rectangle, truth) > 0.01).float())
        truths.append(truth)
    return Shapes(moving=torch.cat(moving), mask=torch.cat(masks), fixed=fixed, truth=torch.cat(truths))


def _coordinates() -> tuple[Tensor, Tensor]:
    axis = torch.arange(SIDE, dtype=torch.float32) - CENTRE
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def _filled(depth: Tensor) -> Tensor:
    """1 inside, 0 outside, from the distance to the edge (positive inside)."""
    return (depth + 0.5).clamp(0, 1)[None, None]
