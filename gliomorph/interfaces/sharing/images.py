"""NIfTI files with nothing but a frame and voxels, and those voxels of the brain alone."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ..files.images import ImageError
from ..files.nifti import UNREADABLE, read_header
from ..scan.brain import BRAIN_ML

EMPTIED = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
"""Fields of the header that hold text of any kind."""
MARGIN_MM = 5.0
"""What is kept around the brain mask where an image shows more than the brain."""


def read_voxels(path: Path) -> tuple[nib.Nifti1Header, np.ndarray]:
    """The header of a compressed file, and its voxels as they are stored; a copy.

    Raises
    ------
    ImageError
        It is damaged or no NIfTI.
    """
    try:
        header, content = read_header(path), gzip.decompress(path.read_bytes())
        start, shape, dtype = int(header["vox_offset"]), header.get_data_shape(), header.get_data_dtype()
        voxels = np.frombuffer(content, dtype, math.prod(shape), start)
    except UNREADABLE as error:
        raise ImageError(f"{path}: cannot be read, damaged or no NIfTI ({error})") from error
    return header, voxels.reshape(shape, order="F").copy(order="F")


def write_voxels(header: nib.Nifti1Header, voxels: np.ndarray, path: Path) -> None:
    """Write a NIfTI file without text in its header, without extensions, name and time of the compression."""
    bare = header.copy()
    for field in EMPTIED:
        if field in bare:  # NIfTI-2 has not all of them
            bare[field] = b""
    start = len(bare.binaryblock) + 4
    bare["vox_offset"] = start
    with path.open("wb") as file, gzip.GzipFile("", "wb", 1, file, 0) as out:
        out.write(bare.binaryblock + bytes(4) + voxels.tobytes(order="F"))


def shows_more_than_brain(path: Path, mask: Path | None) -> bool:
    """Whether an image has anything outside its brain mask; without a mask, more than a brain can have.

    Parameters
    ----------
    path : Path
        Native.
    mask : Path or None
        Its brain mask, on its grid.
    """
    header, voxels = read_voxels(path)
    shown = voxels != 0
    if mask is not None:
        return bool((shown & ~_mask(mask, header)).any())
    volume_ml = shown.sum() * float(np.prod(header.get_zooms()[:3])) / 1000
    return bool(shown.all() or volume_ml > BRAIN_ML[1])


def write_defaced(path: Path, mask: Path, target: Path) -> None:
    """Write an image with 0 in all voxels that are farther than 5 mm from its brain mask."""
    header, voxels = read_voxels(path)
    distances = ndimage.distance_transform_edt(~_mask(mask, header), sampling=header.get_zooms()[:3])
    voxels[distances > MARGIN_MM] = 0
    write_voxels(header, voxels, target)


def _mask(path: Path, image: nib.Nifti1Header) -> np.ndarray:
    """Where a brain mask is above 0; on another grid than its image's it would tell nothing."""
    header, voxels = read_voxels(path)
    same = np.allclose(header.get_best_affine(), image.get_best_affine(), atol=1e-3)
    if header.get_data_shape() != image.get_data_shape() or not same:
        raise ImageError(
            f"{path}: a brain mask on the grid of its image is required, this one lies on another"
        )
    return voxels > 0
