"""NIfTI files as bytes: header and voxels, of both editions, compressed or not."""

from __future__ import annotations

import gzip
import io
import logging
import math
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zlib.error,
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
)
"""What :func:`read_nifti` and :func:`read_header` raise where a file is damaged or no NIfTI."""

HEADERS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
"""Header classes by the length of the header, which stands at its beginning."""
MAGIC = {b"n+1", b"n+2", b"ni1", b"ni2"}
QUIET = logging.getLogger("gliomorph.quiet")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
PAIR = (".hdr", ".img")


def read_nifti(path: Path) -> tuple[nib.Nifti1Header, np.ndarray]:
    """The header of a file as it stands, and its voxels (X, Y, Z, …) with slope and intercept applied.

    nibabel refuses headers whose voxels can be read all the same, for a quaternion that is rounded, say; so its
    checks of what does not concern the voxels are left out here. The checksum of a compressed file is verified.

    Parameters
    ----------
    path : Path
        ``.nii``, ``.nii.gz``, or one of a pair ``.hdr`` and ``.img``.

    Raises
    ------
    UNREADABLE
        It is damaged or no NIfTI.
    """
    header = read_header(path)
    content = _content(path.with_suffix(".img") if path.suffix in PAIR else path)
    # nibabel mends what can be mended, in a copy, and leaves the rest as it is
    mended = header.copy()
    mended.check_fix(logger=QUIET, error_level=100)
    shape = mended.get_data_shape()
    if any(size < 1 for size in shape):
        raise ValueError(f"sizes of at least 1 are required, the header has {shape}")
    # before memory is taken for what a damaged header promises
    promised = math.prod(shape) * mended.get_data_dtype().itemsize
    if promised > len(content) - mended.get_data_offset():
        raise OSError(f"{promised} bytes of voxels are required, the file holds {len(content)}")
    return header, mended.data_from_fileobj(io.BytesIO(content))


def read_header(path: Path) -> nib.Nifti1Header:
    """The header of a NIfTI file as it stands; the same errors as :func:`read_nifti`."""
    content = _content(path.with_suffix(".hdr") if path.suffix in PAIR else path, most=540)
    if not content:
        raise ValueError("the file is empty")
    sizes = {int.from_bytes(content[:4], "little"), int.from_bytes(content[:4], "big")}
    size = next((size for size in HEADERS if size in sizes), 0)
    if not size or len(content) < size:
        raise ValueError("no header of NIfTI at its beginning")
    header = HEADERS[size](content[:size], check=False)
    if bytes(header["magic"])[:3] not in MAGIC:
        raise ValueError("a header of Analyze, which does not say which side is left")
    return header


def _content(path: Path, most: int = -1) -> bytes:
    """The bytes of a file, decompressed where they are compressed, whatever its name says; the first alone if asked."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            return file.read(most)
        if most < 0:
            return gzip.decompress(file.read())
        with gzip.open(file) as decompressed:
            return decompressed.read(most)
