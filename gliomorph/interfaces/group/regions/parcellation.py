"""A parcellation on the template's grid: its two hemispheres, or a given label map."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ....models.atlas import hemispheres
from ...datasets.template_files import TemplateFiles
from ...files.images import (
    ImageError,
    from_array,
    image_and_notices,
    to_array,
    voxel_volume_ml,
    write_image,
)
from ...files.labels import whole_labels
from ...files.masks import GIVE_ONE_FRAME, in_one_frame
from ...files.text import listed
from ..atlas.scan import Frame
from .label_map import HEMISPHERES, Parcel, ParcellationError, find_label_map, read_parcels, table_of

LEAST_IN_BRAIN = 0.5
"""Share of a label map that has to lie in the template's brain: else it is in another frame."""
SIDES = (Parcel(label="left", name="left hemisphere"), Parcel(label="right", name="right hemisphere"))


@attrs.frozen(kw_only=True)
class Parcellation:
    """Regions of a template's brain that exclude each other."""

    name: str
    """``hemispheres``, or the label map's file."""
    path: Path
    """On the template's full grid, uint16: 1 to n in the order of ``parcels``."""
    parcels: tuple[Parcel, ...]
    """The parcels with a voxel there."""
    sizes: tuple[int, ...]
    """Their voxels."""
    voxel_ml: float
    """Volume of a voxel."""
    digest: str
    """Hash of voxels, labels and names."""
    notices: tuple[str, ...] = ()
    """What a reader should know."""

    @property
    def facts(self) -> dict[str, str]:
        """What the sidecars of regions say of it."""
        return {"Name": self.name, "SHA256": self.digest}


def prepare_parcellation(
    word: str, template_name: str, template: TemplateFiles, folders: Sequence[Path], out_dir: Path
) -> Parcellation:
    """What ``--parcellation`` asks for, as a file on the template's grid.

    Parameters
    ----------
    word : str
        ``hemispheres``, a path, or the name of a label map among the template's files.
    template_name : str
    template : TemplateFiles
    folders : sequence of Path
        As for :func:`~gliomorph.interfaces.group.regions.label_map.find_label_map`.
    out_dir : Path
        Where the file goes.

    Returns
    -------
    parcellation : Parcellation

    Raises
    ------
    ParcellationError
        No such label map; labels or a table that cannot be used; another frame than the template's.
    """
    frame = Frame.of(template.image, template.brain)
    notices: list[str] = []
    if word == HEMISPHERES:
        name, known = HEMISPHERES, dict(enumerate(SIDES, 1))
        voxels = hemispheres(frame.brain, frame.grid, frame.midline_mm)
    else:
        path = find_label_map(word, template_name, folders)
        name, known = path.name, read_parcels(table_of(path))
        voxels, odd = _on_template(path, list(known), frame)
        notices += [f"--parcellation: {name}: {text}" for text in odd]
        _require_brain(path, voxels > 0, frame.brain)
    parcels, voxels, absent = _present(list(known.values()), voxels)
    if absent:
        notices.append(f"--parcellation: {name}: no voxel of the template is in {listed(absent)}")
    digest = hashlib.sha256(voxels.tobytes() + repr((name, parcels)).encode()).hexdigest()
    target = Path(out_dir) / f"parcellation_{digest[:16]}.nii.gz"
    write_image(from_array(voxels, frame.image), target)
    return Parcellation(
        name=name,
        path=target,
        parcels=tuple(parcels),
        sizes=tuple(np.bincount(voxels.ravel(), minlength=len(parcels) + 1)[1:].tolist()),
        voxel_ml=voxel_volume_ml(frame.image),
        digest=digest,
        notices=tuple(notices),
    )


def _on_template(path: Path, indices: Sequence[int], frame: Frame) -> tuple[np.ndarray, list[str]]:
    """A label map with labels 1 to n, in the indices' order, on the template's grid: (X, Y, Z) uint16; and notices."""
    try:
        image, notices = image_and_notices(path)
        values = whole_labels(to_array(image), path.name)
    except ImageError as error:
        raise ParcellationError(f"--parcellation: {error}") from error
    image, differing = in_one_frame(image, frame.image, path.name, "the template")
    if differing:
        raise ParcellationError(f"--parcellation: {differing}: {GIVE_ONE_FRAME}")
    found = np.unique(values)
    if unknown := sorted(set(found.astype(int).tolist()) - {0, *indices}):
        raise ParcellationError(
            f"--parcellation: {path.name} has labels that its table has no row of, {listed(map(str, unknown))}: "
            "add them to the table"
        )
    number = {0: 0} | {index: n for n, index in enumerate(indices, 1)}
    renumbered = np.array([number[int(value)] for value in found], np.uint16)[np.searchsorted(found, values)]
    resampled = sitk.Resample(
        from_array(renumbered, image),
        frame.image,
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        0,
        sitk.sitkUInt16,
    )
    return to_array(resampled), notices


def _require_brain(path: Path, labelled: np.ndarray, brain: np.ndarray) -> None:
    inside, total = int((labelled & brain).sum()), int(labelled.sum())
    if inside < LEAST_IN_BRAIN * total or not inside:
        share = f"{inside / total:.0%} of its labels lie" if total else "none of its labels lies"
        where = "in the template's brain" if total else "in the template's field of view"
        raise ParcellationError(
            f"--parcellation: {path.name}: at least {LEAST_IN_BRAIN:.0%} of a label map has to lie in the template's "
            f"brain, {share} {where}: bring it into the template's space first"
        )


def _present(parcels: Sequence[Parcel], voxels: np.ndarray) -> tuple[list[Parcel], np.ndarray, list[str]]:
    """Parcels with a voxel, the voxels numbered by them, and the names of the others."""
    sizes = np.bincount(voxels.ravel(), minlength=len(parcels) + 1)[1:]
    number = np.concatenate([[0], np.where(sizes > 0, np.cumsum(sizes > 0), 0)]).astype(np.uint16)
    kept = [parcel for parcel, size in zip(parcels, sizes, strict=True) if size]
    return kept, number[voxels], [p.name for p, size in zip(parcels, sizes, strict=True) if not size]
