"""Faults of single images and masks."""

from __future__ import annotations

import gzip
import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

import nibabel as nib
import numpy as np

from .fault import Fault, Inject, Kind
from .world import World, permissions_hold

UNREADABLE = r"cannot be read"
NO_CONTENT = r"link to nothing"
HEADER = r"cannot be read|required|overlap|header|constant|empty|voxel"
"""What may be said of a header that lies: which of its fields is found first, depends."""

Spoil = Callable[[Path, Random], str]
"""Does something to a file; says what."""


def cut(path: Path, rng: Random) -> str:
    size = path.stat().st_size
    kept = rng.randrange(1, size)
    os.truncate(path, kept)
    return f"cut after {kept} of {size} bytes"


def emptied(path: Path, rng: Random) -> str:
    os.truncate(path, 0)
    return "0 bytes"


def noise(path: Path, rng: Random) -> str:
    path.write_bytes(rng.randbytes(rng.randrange(1, 20000)))
    return "random bytes"


def other_content(path: Path, rng: Random) -> str:
    path.write_text("<html><script>hostile()</script> 404 Not Found</html>\n")
    return "a web page"


def flipped(path: Path, rng: Random) -> str:
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(10, len(content)), rng.randrange(8)  # the first ten tell a time and a system
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place}"


def flipped_header(path: Path, rng: Random) -> str:
    content = bytearray(gzip.decompress(path.read_bytes()))
    place, bit = rng.randrange(348), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(gzip.compress(bytes(content), 1))
    return f"bit {bit} of byte {place} of the header"


def locked(path: Path, rng: Random) -> str:
    path.chmod(0)
    return "no permissions"


def folder(path: Path, rng: Random) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def dangling(path: Path, rng: Random) -> str:
    path.unlink()
    path.symlink_to("nowhere.nii.gz")
    return "a link to nothing"


def looping(path: Path, rng: Random) -> str:
    path.unlink()
    path.symlink_to(path.name)
    return "a link to itself"


def pipe(path: Path, rng: Random) -> str:
    path.unlink()
    os.mkfifo(path)
    return "a pipe that nobody writes"


def device(path: Path, rng: Random) -> str:
    path.unlink()
    path.symlink_to("/dev/zero")
    return "a link to /dev/zero"


def voxels(change: Callable[[np.ndarray, Random], np.ndarray]) -> Spoil:
    """Other voxels in the same frame."""

    def spoil(path: Path, rng: Random) -> str:
        image = nib.load(path)
        found = change(np.asarray(image.dataobj), rng)
        nib.save(nib.Nifti1Image(found, image.affine, dtype=found.dtype), path)
        return f"{found.dtype} {found.shape}"

    return spoil


def affine(change: Callable[[np.ndarray, Random], np.ndarray]) -> Spoil:
    """The same voxels in another frame, sform and qform."""

    def spoil(path: Path, rng: Random) -> str:
        content = bytearray(gzip.decompress(path.read_bytes()))
        header = nib.Nifti1Header.from_fileobj(BytesIO(bytes(content)), check=False)
        found = change(nib.load(path).affine.copy(), rng)
        header["srow_x"], header["srow_y"], header["srow_z"] = found[:3]
        header["sform_code"], header["qform_code"] = 1, 0
        with np.errstate(all="ignore"):
            header["pixdim"][1:4] = np.sqrt((found[:3, :3] ** 2).sum(axis=0))
        content[:348] = header.binaryblock[:348]
        path.write_bytes(gzip.compress(bytes(content), 1))
        return f"affine {np.round(found[:3], 3).tolist()}"

    return spoil


def fields(**values: object) -> Spoil:
    """Other values in the header, the same voxels behind it."""

    def spoil(path: Path, rng: Random) -> str:
        content = bytearray(gzip.decompress(path.read_bytes()))
        header = nib.Nifti1Header.from_fileobj(BytesIO(bytes(content)), check=False)
        for name, value in values.items():
            header[name] = value
        content[:348] = header.binaryblock[:348]
        path.write_bytes(gzip.compress(bytes(content), 1))
        return ", ".join(f"{name} = {value}" for name, value in values.items())

    return spoil


def _scaled(factor: float) -> Callable[[np.ndarray, Random], np.ndarray]:
    def change(matrix: np.ndarray, rng: Random) -> np.ndarray:
        matrix[:3, :3] *= factor
        return matrix

    return change


def _moved(matrix: np.ndarray, rng: Random) -> np.ndarray:
    matrix[:3, 3] += [rng.choice([-1, 1]) * 10 ** rng.uniform(3, 7) for _ in range(3)]
    return matrix


def _singular(matrix: np.ndarray, rng: Random) -> np.ndarray:
    row, other = rng.sample(range(3), 2)
    matrix[row, :3] = matrix[other, :3]
    return matrix


def _sheared(matrix: np.ndarray, rng: Random) -> np.ndarray:
    matrix[0, 1] += rng.uniform(1, 3)
    return matrix


def _no_number(matrix: np.ndarray, rng: Random) -> np.ndarray:
    matrix[rng.randrange(3), rng.randrange(4)] = rng.choice([np.nan, np.inf])
    return matrix


def _holes(found: np.ndarray, rng: Random) -> np.ndarray:
    found = found.astype(np.float32)
    corner = [rng.randrange(2, 6) for _ in range(3)]
    found[: corner[0], : corner[1], : corner[2]] = rng.choice([np.nan, np.inf, -np.inf])
    return found


def _unknown_label(found: np.ndarray, rng: Random) -> np.ndarray:
    found = found.astype(np.int16)
    found[found == 1] = rng.choice([5, 7, -1, 99, 257, 258, 260, 1000])
    return found


def _between(found: np.ndarray, rng: Random) -> np.ndarray:
    return np.where(found > 0, found + rng.uniform(0.2, 0.8), 0).astype(np.float32)


def _colours(path: Path, rng: Random) -> str:
    image = nib.load(path)
    colour = np.zeros(image.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, image.affine), path)
    return "RGB"


def _on(where: Callable[[World, str], Path], spoil: Spoil, cause: str, may: bool) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        path, scan = where(world, subject), f"sub-{subject}"
        times = path.stat().st_mtime_ns
        detail = f"{path.name}: {spoil(path, rng)}"
        if path.is_file() and not path.is_symlink():
            os.utime(path, ns=(times + 1, times + 1))
        return Fault(detail=detail, may_fail=(scan,)) if may else Fault(detail=detail, failed={scan: cause})

    return inject


def _vanishing(where: Callable[[World, str], Path]) -> Inject:
    """Deleted some time after the run has said what it will do."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        path, wait = where(world, subject), rng.uniform(0, 4)
        path.write_bytes(_again(path))  # other bytes, so that it has to be read
        return Fault(
            detail=f"{path.name} deleted {wait:.1f} s after the plan",
            may_fail=(f"sub-{subject}",),
            disturb=lambda running, process: _after_plan(running, process, wait, lambda: path.unlink()),
        )

    return inject


def _replaced(world: World, subject: str, rng: Random) -> Fault:
    """Another head's image comes in the place of this one's after the run has said what it will do."""
    path, wait = world.image(subject), rng.uniform(0, 3)
    other = gzip.compress(_brighter(path), 1)
    path.write_bytes(_again(path))

    def replace() -> None:
        path.with_name("new").write_bytes(other)
        os.replace(path.with_name("new"), path)

    return Fault(
        detail=f"{path.name} replaced {wait:.1f} s after the plan",
        may_fail=(f"sub-{subject}",),
        disturb=lambda running, process: _after_plan(running, process, wait, replace),
    )


def _same_time(world: World, subject: str, rng: Random) -> Fault:
    """Another content of the same length and time, as a clock that was set back or a copy with times leaves it."""
    path = world.image(subject)
    times, content = path.stat().st_mtime_ns, _brighter(path)
    path.write_bytes(gzip.compress(content, 1))
    os.utime(path, ns=(times, times))
    return Fault(
        detail=f"{path.name}: other voxels, the same time",
        changed=(f"sub-{subject}/anat/sub-{subject}_desc-n4_T1w.nii.gz",),
    )


def _again(path: Path) -> bytes:
    return gzip.compress(gzip.decompress(path.read_bytes()), 9)


def _brighter(path: Path) -> bytes:
    content = bytearray(gzip.decompress(path.read_bytes()))
    values = np.frombuffer(content, np.float32, offset=352)
    content[352:] = (values * 1.25).astype(np.float32).tobytes()
    return bytes(content)


def _after_plan(
    world: World, process: subprocess.Popen[bytes], wait_s: float, act: Callable[[], object]
) -> bool:
    while process.poll() is None and b"to run" not in world.log.read_bytes():
        time.sleep(0.02)
    time.sleep(wait_s)
    in_time = process.poll() is None
    act()
    return in_time


def _locked_only() -> str:
    return "" if permissions_hold() else "root reads everything, and setpriv is not installed"


FILES: dict[str, tuple[Spoil, str]] = {
    "cut short": (cut, UNREADABLE),
    "zero length": (emptied, UNREADABLE),
    "random bytes": (noise, UNREADABLE),
    "a web page": (other_content, UNREADABLE),
    "bit flipped": (flipped, UNREADABLE),
    "folder in its place": (folder, UNREADABLE),
    "link to nothing": (dangling, NO_CONTENT),
    "link to itself": (looping, NO_CONTENT),
    "pipe in its place": (pipe, UNREADABLE),
    "device in its place": (device, UNREADABLE),
    "singular affine": (affine(_singular), HEADER),
    "sheared affine": (affine(_sheared), "sheared|orthogonal"),
    "affine not finite": (affine(_no_number), HEADER),
    "voxels of 0 mm": (affine(_scaled(0.0)), HEADER),
    "4-D": (
        voxels(lambda found, rng: np.stack([found] * rng.randint(2, 4), -1)),
        "one 3-D volume is required",
    ),
    "2-D": (voxels(lambda found, rng: found[:, :, 10]), "one 3-D volume is required"),
    "RGB": (_colours, HEADER),
    "complex": (voxels(lambda found, rng: (found + 1j).astype(np.complex64)), HEADER),
    "huge sizes in the header": (fields(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), UNREADABLE),
    "large sizes in the header": (fields(dim=[3, 2000, 2000, 1000, 1, 1, 1, 1]), UNREADABLE),
    "negative sizes": (fields(dim=[3, -5, 38, 28, 1, 1, 1, 1]), HEADER),
}
"""What may happen to an image as to a mask, and what the summary has to say."""

IMAGES: dict[str, tuple[Spoil, str]] = {
    "all NaN": (voxels(lambda found, rng: np.full_like(found, np.nan)), "NaN or infinite"),
    "all infinite": (voxels(lambda found, rng: np.full_like(found, np.inf)), "NaN or infinite"),
    "constant": (voxels(lambda found, rng: np.full_like(found, rng.uniform(-5, 500))), "constant"),
    "negative": (voxels(lambda found, rng: -found), "required|skull|brain|positive"),
    "far away": (affine(_moved), "overlap|elsewhere"),
    "voxels of 400 mm": (affine(_scaled(100.0)), "skull-stripped|ml is required"),
    "voxels of 4 µm": (affine(_scaled(0.001)), "ml is required|overlap"),
}

MASKS: dict[str, tuple[Spoil, str]] = {
    "empty": (voxels(lambda found, rng: found * 0), "the tumour mask is empty"),
    "all NaN": (
        voxels(lambda found, rng: np.full(found.shape, np.nan, np.float32)),
        "NaN|finite|empty|labels",
    ),
    "unknown label": (voxels(_unknown_label), "label"),
    "labels between integers": (voxels(_between), "label"),
    "everywhere": (
        voxels(lambda found, rng: np.ones_like(found)),
        "label|of the tumour mask lies in the brain|brain",
    ),
    "far away": (affine(_moved), "overlap|elsewhere"),
}

EITHER_WAY: dict[str, Spoil] = {
    "header bit flipped": flipped_header,
    "some voxels not finite": voxels(_holes),
    "64-bit integers": voxels(lambda found, rng: found.astype(np.int64)),
    "slope not finite": fields(scl_slope=np.nan),
    "unknown datatype": fields(datatype=77),
    "offset beyond the end": fields(vox_offset=1e9),
}
"""Harmless or not, by what is hit."""


def _image(world: World, subject: str) -> Path:
    return world.image(subject)


def _labels(world: World, subject: str) -> Path:
    return world.labels(subject)


def kinds() -> list[Kind]:
    """All of them."""
    of_scan = partial(Kind, single=True, together="scans")
    found = []
    for group, where, own in (("image", _image, IMAGES), ("mask", _labels, MASKS)):
        kind = partial(of_scan, share=2 if group == "image" else 1)
        found += [
            kind(name=f"{group}: {name}", inject=_on(where, spoil, cause, False))
            for name, (spoil, cause) in (FILES | own).items()
        ]
        found += [
            kind(name=f"{group}: {name}", inject=_on(where, spoil, "", True))
            for name, spoil in EITHER_WAY.items()
        ]
        found += [
            kind(
                name=f"{group}: no permissions",
                inject=_on(where, locked, UNREADABLE, False),
                missing=_locked_only,
            ),
            kind(name=f"{group}: disappears", inject=_vanishing(where)),
        ]
    return [
        *found,
        of_scan(name="image: replaced while it is read", inject=_replaced, share=3),
        of_scan(name="clock: changed content, same time", inject=_same_time, share=3),
    ]
