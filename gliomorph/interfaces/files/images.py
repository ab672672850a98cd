"""Images on disk: read with clear errors, written whole or not at all.

In memory a medical image is a ``SimpleITK.Image`` (LPS, mm). Arrays are indexed (X, Y, Z), the order of
the voxel axes in the file, as in nibabel; SimpleITK's own arrays are (Z, Y, X).
"""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from .frames import Frame, FrameError, affine_of, frame_of, grid_of, place
from .nifti import UNREADABLE, read_header, read_nifti


class ImageError(ValueError):
    """An image that cannot be used: the message names the file, what was required and what arrived."""


def read_image(
    path: str | Path,
    dtype: int = sitk.sitkFloat32,
    *,
    orientation: str = "",
    like: sitk.Image | None = None,
) -> sitk.Image:
    """A three-dimensional image, in the frame that :func:`~.frames.frame_of` finds in its header.

    Trailing axes of length one are dropped (the published SRI24 is 4-D with one volume).

    Parameters
    ----------
    path : path
        NIfTI file.
    dtype : int
        Pixel type of the result: ``sitkFloat32`` or ``sitkUInt8``.
    orientation : str
        As in :func:`~.frames.frame_of`, for a header that says none.
    like : SimpleITK.Image, optional
        An image whose frame is trusted more than that of the header, where both have the same numbers of voxels.

    Returns
    -------
    image : SimpleITK.Image
        Three-dimensional, LPS, mm.

    Raises
    ------
    ImageError
        Unreadable or truncated file, more than one volume, colours or complex numbers, or a header that does not say
        where the voxels lie.
    """
    image, _ = image_and_notices(path, dtype, orientation=orientation, like=like)
    return image


def image_and_notices(
    path: str | Path,
    dtype: int = sitk.sitkFloat32,
    *,
    orientation: str = "",
    like: sitk.Image | None = None,
) -> tuple[sitk.Image, list[str]]:
    """The image as :func:`read_image` gives it, and what in its header disagrees."""
    path = Path(path)
    try:
        header, voxels = read_nifti(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    shape = voxels.shape
    if len(shape) < 3 or any(size > 1 for size in shape[3:]):
        raise ImageError(f"{path.name}: one 3-D volume is required, this file has shape {shape}")
    if voxels.dtype.kind not in "biuf":
        raise ImageError(f"{path.name}: one number a voxel is required, this file's are {_kind(voxels)}")
    voxels = voxels.reshape(shape[:3])
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T, _numpy_type(dtype)))
    if like is not None and image.GetSize() == like.GetSize():
        image.CopyInformation(like)
        return image, _not_trusted(header, like)
    frame = _frame(path, header, orientation)
    place(image, frame)
    return image, list(frame.notices)


def _not_trusted(header: nib.Nifti1Header, like: sitk.Image) -> list[str]:
    """A sentence where a header says another frame than the image whose frame is trusted, or none."""
    try:
        agrees = np.allclose(frame_of(header).affine, affine_of(like), atol=1e-2)
    except FrameError:
        agrees = False
    return [] if agrees else ["its header puts the voxels elsewhere and was not trusted (--trust-voxels)"]


def read_grid(path: str | Path, orientation: str = "") -> sitk.Image:
    """The frame and size of a file's image, without its voxels; the errors of :func:`read_image`."""
    path = Path(path)
    try:
        header = read_header(path)
        shape = header.get_data_shape()
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if len(shape) < 3:
        raise ImageError(f"{path.name}: one 3-D volume is required, this file has shape {shape}")
    return grid_of(_frame(path, header, orientation), shape)


def _frame(path: Path, header: nib.Nifti1Header, orientation: str) -> Frame:
    try:
        return frame_of(header, orientation)
    except FrameError as error:
        raise ImageError(f"{path.name}: {error}") from error


def write_image(image: sitk.Image, path: str | Path) -> Path:
    """Write NIfTI under a temporary name, then rename: a reader never sees half a file.

    Raises
    ------
    OSError
        Not all of it could be written.
    """
    with replacing(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
        _require_written(image, temporary)
    return Path(path)


def _require_written(image: sitk.Image, path: Path) -> None:
    """ITK does not tell that a disk is full: the length at the end of a compressed file does, which is written last."""
    expected = NIFTI_HEADER + sitk.GetArrayViewFromImage(image).nbytes
    with path.open("rb") as file:
        found = file.seek(0, os.SEEK_END)
        if path.suffix == ".gz":
            file.seek(max(0, found - 4))
            expected, found = expected % 2**32, int.from_bytes(file.read(), "little")
    if found != expected:
        raise OSError(errno.ENOSPC, "not all of it could be written, most often for want of room", str(path))


NIFTI_HEADER = 352
"""Bytes before the voxels that ITK writes."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` (same suffixes) that becomes ``path`` if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f"{_signature()}{os.getpid()}-", suffix="-" + path.name, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(out_dir: Path) -> int:
    """Remove temporary files of an output folder whose process, on this host, has ended.

    Returns
    -------
    removed : int
        Number of files.
    """
    removed, name = 0, f"{_signature()}*"
    for path in [
        p for where in ("", "sub-*/**/", "tpl-*/**/", "logs/*/") for p in out_dir.glob(where + name)
    ]:
        pid = path.name.removeprefix(_signature()).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def write_text(text: str, path: str | Path) -> Path:
    """Write UTF-8 text under a temporary name, then rename."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def to_array(image: sitk.Image) -> np.ndarray:
    """Voxels as (X, Y, Z); a vector image gives (components, X, Y, Z)."""
    return sitk.GetArrayFromImage(image).T


def from_array(array: np.ndarray, like: sitk.Image) -> sitk.Image:
    """An image in the frame of ``like`` from (X, Y, Z) voxels, or (components, X, Y, Z) for vectors."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T), isVector=array.ndim == 4)
    image.CopyInformation(like)
    return image


def same_box(image: sitk.Image, template: sitk.Image) -> bool:
    """Whether both fields of view are one box in space, within a voxel and a half of the template's."""
    tolerance = 1.5 * max(template.GetSpacing())
    return bool(np.abs(_box(image) - _box(template)).max() <= tolerance)


def require_same_grid(**images: sitk.Image) -> None:
    """Refuse images that do not lie on the first one's grid, voxel for voxel.

    Parameters
    ----------
    images : SimpleITK.Image
        By the names that the error uses.

    Raises
    ------
    ImageError
        Naming both images and how their grids differ: size, spacing (mm), origin (LPS, mm), direction.
    """
    (first, reference), *others = images.items()
    for name, image in others:
        if differing := _grid_difference(reference, image):
            raise ImageError(
                f"{first} and {name} have to lie on one grid: {differing}; resample one onto the other's grid"
            )


def voxel_volume_ml(image: sitk.Image) -> float:
    """Volume of one voxel in millilitres."""
    return float(np.prod(image.GetSpacing())) / 1000.0


def _box(image: sitk.Image) -> np.ndarray:
    size = np.array(image.GetSize(), float)
    ends = [
        image.TransformContinuousIndexToPhysicalPoint(point.tolist())
        for point in (size * 0 - 0.5, size - 0.5)
    ]
    return np.array([np.min(ends, axis=0), np.max(ends, axis=0)])


GRID_TOLERANCE = 1e-3
"""Largest difference of one grid, in voxels and in direction cosines: NIfTI headers hold single precision."""


def _grid_difference(one: sitk.Image, other: sitk.Image) -> str:
    """What differs, with both values; an empty string for one grid."""
    if one.GetSize() != other.GetSize():
        return f"size {one.GetSize()} against {other.GetSize()}"
    finest = min(one.GetSpacing())
    properties = {
        "spacing": (one.GetSpacing(), other.GetSpacing(), finest),
        "origin": (one.GetOrigin(), other.GetOrigin(), finest),
        "direction": (one.GetDirection(), other.GetDirection(), 1.0),
    }
    return ", ".join(
        f"{what} {_rounded(a)} against {_rounded(b)}"
        for what, (a, b, unit) in properties.items()
        if np.abs(np.subtract(a, b)).max() > GRID_TOLERANCE * unit
    )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)


def _signature() -> str:
    return f".tmp-{''.join(c for c in socket.gethostname() if c.isalnum())}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unreadable(path: Path, error: BaseException) -> ImageError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ImageError(f"{path.name}: cannot be read, damaged or no NIfTI ({reason})")


def _kind(voxels: np.ndarray) -> str:
    return "colours" if voxels.dtype.names else f"of type {voxels.dtype}"


def _numpy_type(dtype: int) -> type:
    return {sitk.sitkFloat32: np.float32, sitk.sitkUInt8: np.uint8}[dtype]
