"""Lesion masks of a cohort on the template's grid, read one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ....models.statistics import LesionBits
from ...files.images import from_array, read_image, require_same_grid, to_array, voxel_volume_ml
from ...files.labels import tumor_only
from ...files.text import listed, people
from ..sessions import one_scan_each
from .words import AssociationError


@attrs.frozen(kw_only=True, eq=False)
class LesionMasks:
    """Lesions of N participants in the voxels that enough of them share."""

    participants: tuple[str, ...]
    """Sorted labels without ``sub-``."""
    voxels: np.ndarray
    """(V,) flat indices, x fastest."""
    bits: LesionBits
    """The masks in those voxels, of those participants."""
    volumes_ml: np.ndarray
    """(N,) of the whole masks, in template space."""
    template: sitk.Image
    """The grid."""
    notices: tuple[str, ...]
    """Scans that do not count and participants without a lesion."""

    def volume(self, values: np.ndarray, voxels: np.ndarray, elsewhere: float = 0) -> np.ndarray:
        """Values of flat voxels as (X, Y, Z) of their type, ``elsewhere`` in the others."""
        size = self.template.GetSize()
        flat = np.full(int(np.prod(size)), elsewhere, values.dtype)
        flat[voxels] = values
        return flat.reshape(size, order="F")

    def image(self, array: np.ndarray) -> sitk.Image:
        """(X, Y, Z) float32 in the template's frame."""
        return from_array(array.astype(np.float32), self.template)


def read_masks(
    tumors: Mapping[str, Path],
    coverages: Mapping[str, Path],
    template: Path,
    min_lesions: int,
    labels: Sequence[int] = (),
) -> LesionMasks:
    """Read the masks of one scan of each participant, the first by its label.

    Memory: the voxels of every mask (4 bytes each), then 2 bits for each participant in each voxel that at least
    ``min_lesions`` have lesioned.

    Parameters
    ----------
    tumors : mapping of str to Path
        By scan, ``sub-X`` or ``sub-X_ses-Y``.
    coverages : mapping of str to Path
        Fields of view by scan; a scan without one is covered everywhere.
    template : Path
        Every mask lies on its grid.
    min_lesions : int
        At least 1.
    labels : sequence of int
        Which are lesion; all that is tumour where none is named.

    Returns
    -------
    masks : LesionMasks
        Independent of the order of the scans.

    Raises
    ------
    AssociationError
        Without any mask, or if no voxel has that many lesions.
    ImageError
        A mask that cannot be read or lies on another grid.
    """
    if not tumors:
        raise AssociationError("lesion masks are required, there are none")
    grid = read_image(template)
    choice = one_scan_each(tumors)
    chosen = choice.chosen
    participants = tuple(sorted(chosen))
    lesions = {
        name: np.flatnonzero(_read(chosen[name], tumors, grid, labels)).astype(np.uint32)
        for name in participants
    }
    counts = _count(lesions.values(), int(np.prod(grid.GetSize())))
    voxels = np.flatnonzero(counts >= min_lesions)
    if not len(voxels):
        raise AssociationError(
            f"voxels with a lesion in at least {min_lesions} participants are required; of {people(len(participants))} "
            f"{counts.max()} at most share one: add participants, or lower the minimum of lesions"
        )
    bits = LesionBits.empty(len(voxels), len(participants))
    for number, name in enumerate(participants):
        covered = (
            _read(chosen[name], coverages, grid)[voxels]
            if chosen[name] in coverages
            else np.ones(len(voxels), bool)
        )
        bits.add(number, np.isin(voxels, lesions[name], assume_unique=True), covered)
    sizes = np.array([len(lesions[name]) for name in participants])
    return LesionMasks(
        participants=participants,
        voxels=voxels,
        bits=bits,
        volumes_ml=sizes * voxel_volume_ml(grid),
        template=grid,
        notices=tuple(
            _notices(
                tuple(choice.left_out), [p for p, size in zip(participants, sizes, strict=True) if not size]
            )
        ),
    )


def _read(scan: str, files: Mapping[str, Path], grid: sitk.Image, labels: Sequence[int] = ()) -> np.ndarray:
    """Some labels, or what is not 0: (X · Y · Z,) bool, x fastest."""
    image = read_image(files[scan], sitk.sitkUInt8)
    require_same_grid(**{"the template": grid, f"{scan}'s {files[scan].name}": image})
    values = to_array(image).ravel(order="F")
    return np.isin(values, labels) if len(labels) else tumor_only(values) > 0


def _count(lesions: Iterable[np.ndarray], size: int) -> np.ndarray:
    counts = np.zeros(size, np.uint16)
    for inside in lesions:
        counts[inside] += np.uint16(1)
    return counts


def _notices(further: tuple[str, ...], empty: list[str]) -> Iterable[str]:
    if further:
        yield (
            f"one scan of each participant counts, the first by its label; left out: {len(further)}, {listed(further)}"
        )
    if empty:
        yield f"{people(len(empty))} with an empty mask, spared everywhere: {listed(empty)}"
