"""Smooth ellipsoids: heads of a few thousand voxels."""

import numpy as np

SHAPE, SPACING = (32, 36, 28), (2.0, 2.0, 2.0)


def ellipsoid(centre, radii, shape=SHAPE):
    """Smooth in [0, 1]: ½ on the surface."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    radius = np.sqrt(sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)))
    return (1 / (1 + np.exp(12 * (radius - 1)))).astype(np.float32)
