"""The frame of a NIfTI file: where its voxels lie in the world, decided in one place for every image that is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import attrs
import nibabel as nib
import numpy as np
import SimpleITK as sitk

from .text import AXES

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From RAS (NIfTI, nibabel) to LPS (ITK), and back."""
LARGEST_SHEAR = 0.25
"""Part of a voxel by which axes that are not orthogonal may move a corner: headers with rounded numbers do less."""
LARGEST_DIFFERENCE_MM = 0.1
"""Between the places of a corner by both forms, above which the difference is said."""
LONGEST_QUATERNION = 1.001
"""Squared length of a rounded quaternion; 1 is exact."""
SAME_SIZE = 1e-5
"""Relative difference between pixdim and the sform's voxel size that single precision makes: pixdim counts."""
VOXEL_MM = (0.1, 15.0)
"""Edges that a voxel of a brain's image has."""
UNITS = {1: "metres", 3: "micrometres"}
"""NIfTI's codes of units of space that are not millimetres."""


class FrameError(ValueError):
    """A header that does not say where the voxels lie; the message says what it lacks and the way out."""


@attrs.frozen(kw_only=True)
class Frame:
    """Where the voxels of a file lie."""

    affine: np.ndarray
    """(4, 4), from voxel indices to RAS mm."""
    notices: tuple[str, ...] = ()
    """What in the header disagrees, and which of it counts."""


def frame_of(header: nib.Nifti1Header, orientation: str = "") -> Frame:
    """The frame of a header by the rule of NIfTI, as nibabel, FSL, SPM and fMRIPrep have it.

    The sform counts where its code is above 0, else the qform where its code is.

    Parameters
    ----------
    header : nibabel.Nifti1Header
        As it stands in the file.
    orientation : str
        Where both codes are 0: the directions in which the voxels' axes run, such as ``RAS``; the centre of the
        voxels is then the world's origin.

    Returns
    -------
    frame : Frame

    Raises
    ------
    FrameError
        Both codes are 0 and no orientation is given, axes that are sheared or no axes at all, voxels of an
        impossible size.
    """
    forms = [form for form in (_sform(header), _qform(header)) if form is not None]
    edges = np.abs(header["pixdim"][1:4].astype(float))
    shape = np.array([max(1, size) for size in header["dim"][1:4]])
    if not forms:
        affine = _by_letters(orientation, edges, shape)
        notices = [f"the header says no orientation: {orientation.upper()} is trusted, as asked for"]
    else:
        affine, notices = forms[0], _differences(forms, shape.tolist())
    if not np.isfinite(affine).all():
        raise FrameError(
            "the header's frame is none: a quaternion longer than 1, or numbers that are not finite"
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise FrameError(f"the header's axes span no space (voxels of {_millimetres(spacing)})")
    _require_right_angles(affine, spacing, shape)
    if not np.allclose(spacing, edges, rtol=0.01):
        notices.append(
            f"the header's pixdim has voxels of {_millimetres(edges)}, its sform of {_millimetres(spacing)}: the sform "
            "counts"
        )
    else:
        if np.allclose(spacing, edges, rtol=SAME_SIZE):
            affine[:3, :3] *= (
                edges / spacing
            )  # 1.6 mm and not 1.5999999: what rounds voxel sizes gives one answer
        if (header["pixdim"][1:4] < 0).any():
            notices.append("pixdim has a negative voxel size, whose sign has no meaning")
    return Frame(affine=affine, notices=(*notices, *_units(header, spacing)))


def grid_of(frame: Frame, size: tuple[int, ...]) -> sitk.Image:
    """An empty image (uint8) of a frame: what code that asks for a grid takes, without voxels that are read."""
    image = sitk.Image([int(n) for n in size[:3]], sitk.sitkUInt8)
    place(image, frame)
    return image


def place(image: sitk.Image, frame: Frame) -> None:
    """Set the frame of an image (LPS, mm)."""
    affine = LPS @ frame.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # as headers have it: 2 mm and not 1.9999999999999996, which tips what compares and rounds voxel sizes
    image.SetSpacing(spacing.astype(np.float32).astype(float).tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())


def affine_of(image: sitk.Image) -> np.ndarray:
    """(4, 4), from voxel indices to RAS mm, as nibabel has it."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return LPS @ affine


def described(affine: np.ndarray) -> str:
    """A frame in words, for errors: orientation, voxel size, place of the first voxel (RAS)."""
    letters, tilt = "".join(nib.aff2axcodes(affine)), math.degrees(nib.affines.obliquity(affine).max())
    letters += f", oblique by {tilt:.2g}°" if tilt > 0.1 else ""
    origin = ", ".join(f"{value:.1f}" for value in affine[:3, 3])
    return f"{letters}, voxels of {_millimetres(np.linalg.norm(affine[:3, :3], axis=0))}, first voxel at ({origin})"


def _sform(header: nib.Nifti1Header) -> np.ndarray | None:
    if header["sform_code"] <= 0:
        return None
    rows = [header[name].astype(float) for name in ("srow_x", "srow_y", "srow_z")]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def _qform(header: nib.Nifti1Header) -> np.ndarray | None:
    """The qform; a quaternion that rounding has made longer than 1 is brought to its length."""
    if header["qform_code"] <= 0:
        return None
    vector = np.array([float(header[f"quatern_{axis}"]) for axis in "bcd"])
    squared = float(vector @ vector)
    affine = np.eye(4)
    if not squared <= LONGEST_QUATERNION:
        affine[:3, :3] = math.nan
        return affine
    # what is left for the real part is rounding below nibabel's bound, and is 0 for it, too
    rest = 1 - squared
    quaternion = [math.sqrt(rest) if rest > 3 * np.finfo(np.float32).eps else 0.0, *vector]
    edges = np.abs(header["pixdim"][1:4].astype(float))
    if header["pixdim"][0] < 0:
        edges[2] = -edges[2]
    affine[:3, :3] = nib.quaternions.quat2mat(quaternion) * edges
    affine[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _by_letters(orientation: str, edges: np.ndarray, shape: np.ndarray) -> np.ndarray:
    if not orientation:
        raise FrameError(
            "the header does not say which side is left (qform_code and sform_code are both 0): correct the header; "
            "in a run, --orientation says how the voxels of such files are ordered (RAS: the first axis runs to the "
            "right, the second to the front, the third up), and --trust-voxels lays a mask on its image's voxels"
        )
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, letter in enumerate(orientation.upper()):
        affine[AXES[letter], axis] = edges[axis] if letter in "RAS" else -edges[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    return affine


def farthest_mm(one: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> float:
    """How far apart two affines put a corner of an image at most."""
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, size - 1) for size in shape))])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _differences(forms: list[np.ndarray], shape: Sequence[int]) -> list[str]:
    """A sentence where both forms are set and put a corner elsewhere."""
    if len(forms) < 2 or not np.isfinite(forms[1]).all():
        return []
    apart = farthest_mm(forms[0], forms[1], shape)
    if not apart > LARGEST_DIFFERENCE_MM:
        return []
    return [
        f"the header's sform and qform differ by up to {apart:.1f} mm: the sform counts, as in nibabel, FSL and SPM"
    ]


def _require_right_angles(affine: np.ndarray, spacing: np.ndarray, shape: np.ndarray) -> None:
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    shear = affine[:3, :3] - left @ right * spacing
    if np.linalg.norm(np.abs(shear) @ (shape / 2)) > LARGEST_SHEAR * spacing.min():
        axes = affine[:3, :3] / spacing
        angles = [math.degrees(math.acos(abs(axes[:, i] @ axes[:, j]))) for i, j in ((0, 1), (0, 2), (1, 2))]
        raise FrameError(
            f"the header's axes are sheared ({', '.join(f'{angle:.1f}°' for angle in angles)} between them): resample "
            "image and masks onto a grid with right angles, for instance by nibabel.processing.conform or mri_convert"
        )


def _units(header: nib.Nifti1Header, spacing: np.ndarray) -> list[str]:
    unit = UNITS.get(int(header["xyzt_units"]) & 7)
    if unit is None:
        return []
    if not (VOXEL_MM[0] <= spacing.min() and spacing.max() <= VOXEL_MM[1]):
        sizes = " × ".join(f"{edge:.4g}" for edge in spacing)
        raise FrameError(
            f"the header has voxels of {sizes} {unit}, which as millimetres are no brain's either: write the header in "
            "millimetres"
        )
    return [
        f"the header's unit is {unit}, its numbers ({_millimetres(spacing)}) are millimetres and read as such"
    ]


def _millimetres(edges: np.ndarray) -> str:
    return " × ".join(f"{edge:.3g}" for edge in edges) + " mm"
