"""A grey ball with a bright lesion on a small grid."""

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array

CENTRE = np.array([11.5, 13.5, 9.5])
LESION_AT = np.array([7.0, 9.0, 13.0])  # right, anterior, superior of the centre (LPS)


def sphere(grid: sitk.Image, centre: np.ndarray, radius: float) -> np.ndarray:
    """Whether each voxel's physical position (LPS, mm) is within ``radius`` of ``centre``."""
    indices = np.indices(grid.GetSize()).reshape(3, -1)
    matrix = np.array(grid.GetDirection()).reshape(3, 3) * grid.GetSpacing()
    points = matrix @ indices + np.array(grid.GetOrigin())[:, None]
    return (np.linalg.norm(points - centre[:, None], axis=0) < radius).reshape(grid.GetSize())


def head(grid: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """A grey ball with a bright lesion, and the lesion's mask."""
    lesion = sphere(grid, LESION_AT, 3.2)
    brain = 0.4 * sphere(grid, CENTRE, 9.0) + 0.5 * lesion
    return from_array(brain.astype(np.float32), grid), from_array(lesion.astype(np.uint8), grid)
