"""Label maps: label conventions, tables of labels, resampling."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...models.regions import CAVITY, CONVENTIONS, LABELS, NESTED, part_named
from .folders import files_in
from .images import ImageError, from_array, to_array
from .tables import read_tsv
from .text import listed

MOST_NAMES = 10
"""Most names of a label table that an error lists; tables of anatomy have hundreds."""
ROUNDING = 0.01
"""How far a stored value may lie from the whole number that it is: slopes and float arithmetic do less."""
MOST_LABELS = 32
"""Whole numbers in a mask that may still be labels; more are shades of an interpolated one."""
CAVITY_OR_ET = (
    "until 2022; since 2024 label 4 is the resection cavity (RC) of treated patients, as a dseg.tsv would say"
)


def tables_in(folder: Path) -> list[Path]:
    """The label tables of a folder, not of those below."""
    return files_in(folder, "*dseg.tsv")


def find_table(dseg: Path, root: Path, tables_of: Callable[[Path], list[Path]] = tables_in) -> Path | None:
    """The table that holds for a label map, by the inheritance of BIDS.

    Parameters
    ----------
    dseg : Path
        The label map.
    root : Path
        The dataset's folder, above it.
    tables_of : callable
        As :func:`tables_in`.

    Returns
    -------
    table : Path or None
        Of the ``dseg.tsv`` whose entities the label map has too: of the nearest folder, the one with the most
        entities. A link to nothing counts: to read without the table would be to guess.
    """
    parts = set(dseg.name.split(".")[0].split("_"))
    for folder in dseg.parents:
        if tables := [path for path in tables_of(folder) if set(path.stem.split("_")) <= parts]:
            return max(tables, key=lambda path: (path.name.count("_"), path.name))
        if folder == root:
            break
    return None


def table_rows(table: Path) -> list[tuple[str, str]]:
    """Index and name of every row of a label table, as they are written.

    The name is the abbreviation; the ``name`` where there is none, or where only that is one that
    :func:`~gliomorph.models.regions.part_named` knows.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is no table, or none with a column ``index``.
    """
    if table.exists() and not table.is_file():
        raise OSError(errno.EINVAL, "a file is required, this is a folder, a pipe or a device", str(table))
    columns, rows = read_tsv(table, "replace")
    if "index" not in columns:
        raise ImageError(
            f"{table.name}: columns index and abbreviation or name, with tabs between, are required in the first line, "
            f"found {listed(columns)}"
        )
    return [(row.cells.get("index", "").strip(), _row_name(row.cells)) for row in rows]


def _row_name(cells: Mapping[str, str]) -> str:
    names = [text for key in ("abbreviation", "name") if (text := cells.get(key, "").strip())]
    return next((name for name in names if part_named(name)), names[0] if names else "")


def resample_labels(
    labels: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None
) -> sitk.Image:
    """A label map on another grid: every label resampled linearly, then decided from the whole to its parts.

    Lesion where all labels together reach one half; within it resection cavity (5) where that outweighs the tumour;
    within the tumour core (1 and 4) where that outweighs oedema (2); within the core the heavier of both. One by one,
    a rim as thin as a voxel would lose against what it separates.

    Parameters
    ----------
    labels : SimpleITK.Image
        BraTS labels 0, 1, 2, 4, and 5 for a cavity; a mask of 0 and 1.
    grid : SimpleITK.Image
        Where the result lies.
    transform : SimpleITK.Transform, optional
        Maps points of ``grid`` to points of ``labels`` (LPS, mm); identity if not given.

    Returns
    -------
    resampled : SimpleITK.Image
        uint8.
    """
    transform = transform or sitk.Transform()
    values = [int(value) for value in np.unique(to_array(labels)) if value]
    if not values:
        return sitk.Cast(sitk.Resample(labels, grid, transform, sitk.sitkNearestNeighbor), sitk.sitkUInt8)
    shares = [
        to_array(sitk.Resample(sitk.Cast(labels == v, sitk.sitkFloat32), grid, transform, sitk.sitkLinear))
        for v in values
    ]
    share = dict(zip(values, shares, strict=True))
    none = np.zeros_like(shares[0])
    core, rim, edema = (share.get(LABELS[part], none) for part in ("NCR", "ET", "ED"))
    part = np.where(rim > core, LABELS["ET"], LABELS["NCR"])
    part = np.where(edema > core + rim, LABELS["ED"], part)
    part = np.where(share.get(CAVITY, none) > core + rim + edema, CAVITY, part)
    return from_array(np.where(np.sum(shares, axis=0) >= 0.5, part, 0).astype(np.uint8), grid)


def tumor_only(labels: np.ndarray) -> np.ndarray:
    """Labels without the resection cavity, which is no tumour."""
    return np.where(labels == CAVITY, 0, labels)


def whole_labels(voxels: np.ndarray, name: str) -> np.ndarray:
    """The whole numbers that the values of a label map are, whatever type and slope they are stored with.

    Raises
    ------
    ImageError
        NaN, infinite or negative values, or values between labels.
    """
    if not np.isfinite(voxels).all():
        raise ImageError(f"{name}: the label map holds NaN or infinite values")
    whole = np.rint(voxels)
    if (between := np.abs(voxels - whole) > ROUNDING).any():
        raise ImageError(
            f"{name}: labels are whole numbers, {between.mean():.2%} of the voxels lie between them, such as "
            f"{voxels[between][0]:.4g}: was the map resampled with interpolation, or are these probabilities? Give the "
            "map as it was before, or resample it by nearest neighbour"
        )
    if whole.min() < 0:
        raise ImageError(
            f"{name}: labels are whole numbers from 0 up, got {whole.min():g}: is it a label map?"
        )
    return whole


def inside_of_mask(voxels: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Where a mask is set, whatever number stands for it, and a flag where that had to be decided.

    Of two values the upper one counts (1, 255, or 1/255 by a slope); of a few whole numbers, which are labels (or
    numbered lesions), all above 0; of shades, as interpolation and probabilities give them, those from half of the
    largest up.
    """
    top, whole = float(voxels.max()), np.rint(voxels)
    if top <= 0:
        return np.zeros(voxels.shape, bool), []
    if top >= 0.5 and np.abs(voxels - whole).max() <= ROUNDING and len(np.unique(whole)) <= MOST_LABELS:
        several = np.unique(whole[whole > 0])
        text = f"{name}: the mask has {len(several)} values, {several[0]:g} to {top:.3g}: all voxels above 0 count"
        return whole > 0, [text] if len(several) > 1 else []
    lowest = float(voxels[voxels > ROUNDING * top].min())
    shades = f"{name}: the mask has shades up to {top:.3g}: voxels from half of that up count"
    return voxels >= top / 2, [shades] if top - lowest > ROUNDING * top else []


def brats_labels(
    segmentation: sitk.Image, kind: str, name: str, table: Path | None = None
) -> tuple[sitk.Image, list[str], list[str]]:
    """A segmentation in the labels that the stages pass on.

    Parameters
    ----------
    segmentation : SimpleITK.Image
    kind : str
        ``mask`` or ``dseg``.
    name : str
        Of its file, for errors.
    table : Path, optional
        The ``dseg.tsv`` that says which label is what; without it a ``dseg`` follows the first of
        :data:`~gliomorph.models.regions.CONVENTIONS` that has all its labels.

    Returns
    -------
    labels : SimpleITK.Image
        uint8: 0 and 1 for a mask; 0, 1, 2, 4 (:data:`~gliomorph.models.regions.LABELS`) for a label map, and
        :data:`~gliomorph.models.regions.CAVITY`.
    notices, flags : list of str
        How the values were read, where no table says what they are; flags where they could mean something else.

    Raises
    ------
    ImageError
        NaN, no voxel above 0, values between labels, labels that the table (or the convention) has no region for, or a
        table that :func:`table_regions` refuses.
    """
    voxels = to_array(segmentation)
    if not np.isfinite(voxels).all():
        raise ImageError(f"{name}: the tumour mask holds NaN or infinite values")
    if not (voxels > 0).any():
        raise ImageError(f"{name}: the tumour mask is empty (no voxel above 0)")
    if kind == "mask":
        inside, flags = inside_of_mask(voxels, name)
        return from_array(inside.astype(np.uint8), segmentation), [], flags
    whole = whole_labels(voxels, name)
    found = {int(value) for value in np.unique(whole)} - {0}
    if table is None:
        regions, notices, flags = _by_convention(found)
        required = "BraTS labels {1, 2, 4} (ET = 4), {1, 2, 3} (ET = 3) or {1, 2, 3, 4} (RC = 4)"
    else:
        regions, notices, flags = table_regions(table), [], []
        meant = ", ".join(f"{index} {region}" for index, region in sorted(regions.items()))
        required = f"labels that {table.name} gives to a region ({meant})"
    if not found <= regions.keys():
        raise ImageError(f"{name}: {required} are required, found {sorted(found)}")
    labels = np.zeros(voxels.shape, np.uint8)
    for index in found:
        labels[whole == index] = (LABELS | {"RC": CAVITY})[regions[index]]
    if not tumor_only(labels).any():
        what = "a resection cavity alone" if found else "no label above 0"
        raise ImageError(f"{name}: a tumour is required, the label map has {what}")
    return from_array(labels, segmentation), notices, flags


def _by_convention(found: set[int]) -> tuple[dict[int, str], list[str], list[str]]:
    """Regions by label, and what is to be said of reading labels without a table."""
    labels = next((labels for labels in CONVENTIONS if found <= labels), frozenset())
    regions = {index: part for part, index in CONVENTIONS.get(labels, {}).items()}
    if not regions:
        return {}, [], []
    text = (
        f"labels {', '.join(map(str, sorted(found)))} read as {', '.join(regions[i] for i in sorted(found))}"
    )
    if found == {LABELS["NCR"]}:
        why = "BraTS: a binary mask of the whole tumour is named label-tumor_mask"
    elif 4 not in found:
        return regions, [f"{text}, as in BraTS: no dseg.tsv says what they are"], []
    elif 3 in found:
        why = "BraTS 2024: RC, the resection cavity, is carried along and no tumour"
    else:
        why = f"BraTS {CAVITY_OR_ET}"
    return regions, [], [f"{text}, as in {why}"]


def table_regions(table: Path) -> dict[int, str]:
    """Which labels a table gives to NCR, ED and ET, and to a resection cavity (RC).

    Parameters
    ----------
    table : Path
        ``dseg.tsv`` with the columns ``index`` and ``abbreviation`` or ``name``
        (:func:`~gliomorph.models.regions.part_named`).

    Returns
    -------
    regions : dict of int to str
        By label: ``{1: "ET", 2: "NCR", 3: "ED"}``. A region may have several; other rows are left out.

    Raises
    ------
    ImageError
        An index that is no whole number, is 0 for a region or there twice; a region that is not named, unless the
        table names a resection cavity and one of them.
    """
    rows, name = table_rows(table), table.name
    if odd := [index for index, _ in rows if not index.isdecimal()]:
        raise ImageError(f"{name}: an index (0, 1, 2, …) is required in every row, found {odd[0]!r}")
    named = [(int(index), text) for index, text in rows]
    if twice := [index for index, count in Counter(index for index, _ in named).items() if count > 1]:
        meanings = ", ".join(text for index, text in named if index == twice[0])
        raise ImageError(f"{name}: every index is required once, found {twice[0]} for {meanings}")
    regions = {index: part for index, text in named if (part := part_named(text))}
    # a treated patient may have lost parts of the tumour with their rows
    if not set(regions.values()) >= set(LABELS) and not {"RC"} < set(regions.values()):
        found = ", ".join(text for _, text in named[:MOST_NAMES]) or "none"
        more = ", …" if len(named) > MOST_NAMES else ""
        raise ImageError(
            f"{name}: rows named NCR, ED and ET (column abbreviation or name) are required, found {found}{more}"
        )
    if 0 in regions:
        raise ImageError(f"{name}: 0 is required for the background, found it for {regions[0]}")
    return regions


def class_indices(labels: np.ndarray) -> np.ndarray:
    """uint8 indices of a network's classes (background, NCR, ED, ET) for BraTS labels as :func:`brats_labels` gives.

    A resection cavity is background.
    """
    return np.searchsorted([0, *LABELS.values()], tumor_only(labels)).astype(np.uint8)


def by_region(probabilities: Sequence[Path]) -> dict[str, Path]:
    """The probabilities of :func:`segment` by region; none where the tumour was given.

    Raises
    ------
    ValueError
        Some, but not one of each region.
    """
    if probabilities and len(probabilities) != len(NESTED):
        raise ValueError(
            f"probabilities of {', '.join(NESTED)} are required, or none at all, got "
            f"{len(probabilities)} files"
        )
    return dict(zip(NESTED, map(Path, probabilities), strict=False))  # or none at all
