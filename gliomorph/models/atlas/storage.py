"""Sums as plain arrays and back: what a later run adds new participants to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..regions import LABELS
from ..small_cells import EVERYBODY
from .moments import Moments
from .records import WHOLE, Grid, Member
from .sums import AtlasSums, Cell

FORMAT = 2
"""Number of the arrays' format; another one cannot be read."""


def to_arrays(sums: AtlasSums) -> dict[str, np.ndarray]:
    """Arrays without Python objects, for ``numpy.savez``.

    Returns
    -------
    arrays : dict of str to ndarray
        The same bytes for the same participants, in whatever order they were added. Large ones are not copied.
    """
    labels = sorted(sums.members)
    members = [sums.members[label] for label in labels]
    count = len(members)
    arrays = {
        "format": np.array(FORMAT),
        "shape": np.array(sums.grid.shape),
        "affine": sums.grid.affine,
        "support": sums.support,
        "strata": np.array(sums.strata, str),
        "means": np.array(sums.means, str),
        "spreads": np.array(sums.spreads, str),
        "shapes": np.array(sums.shapes, str),
        "labels": np.array(labels, str),
        "keys": np.array([member.key for member in members], str),
        "kinds": np.array([member.kind for member in members], str),
        "inside": np.array(
            [[name in member.strata for name in sums.strata] for member in members], bool
        ).reshape(count, len(sums.strata)),
        "voxels": np.array([member.voxels for member in members], np.int64).reshape(count, 4),
        "positions": np.array([member.positions for member in members], np.int64).reshape(count, 4, 3),
    }
    for number, name in enumerate((EVERYBODY, *sums.strata)):
        cell = sums.cells[name]
        arrays |= {f"{number}/count/{part}": values for part, values in cell.counts.items()}
        arrays |= {f"{number}/unseen/{kind}": values for kind, values in sorted(cell.unseen.items())}
        for index, mean in enumerate(sums.means):
            found = cell.moments[mean].arrays()
            arrays |= {f"{number}/mean/{index}/{part}": values for part, values in found.items()}
        if cell.shape is not None:
            arrays[f"{number}/shape"] = cell.shape
    return arrays


def of_arrays(arrays: Mapping[str, np.ndarray]) -> AtlasSums:
    """Sums from arrays of :func:`to_arrays`; independent copies.

    Raises
    ------
    ValueError
        If they are of another format.
    """
    found = arrays["format"].item() if "format" in arrays else None
    if found != FORMAT:
        raise ValueError(f"sums of format {FORMAT} are required, got {found}: make them again")
    x, y, z = arrays["shape"].tolist()
    strata, means = tuple(arrays["strata"].tolist()), tuple(arrays["means"].tolist())
    cells = {
        name: _cell({key: arrays[key] for key in arrays if key.startswith(f"{number}/")}, number, means)
        for number, name in enumerate((EVERYBODY, *strata))
    }
    return AtlasSums(
        grid=Grid(shape=(x, y, z), affine=arrays["affine"].copy()),
        strata=strata,
        means=means,
        spreads=tuple(arrays["spreads"].tolist()),
        shapes=tuple(arrays["shapes"].tolist()),
        support=arrays["support"].copy(),
        members=_members(arrays, strata),
        cells=cells,
    )


def _cell(arrays: Mapping[str, np.ndarray], number: int, means: tuple[str, ...]) -> Cell:
    def below(prefix: str) -> dict[str, np.ndarray]:
        start = f"{number}/{prefix}/"
        return {key.removeprefix(start): arrays[key] for key in arrays if key.startswith(start)}

    return Cell(
        counts={part: arrays[f"{number}/count/{part}"].copy() for part in (*LABELS, WHOLE)},
        unseen={kind: values.copy() for kind, values in below("unseen").items()},
        moments={mean: Moments.of_arrays(below(f"mean/{index}")) for index, mean in enumerate(means)},
        shape=arrays[f"{number}/shape"].copy() if f"{number}/shape" in arrays else None,
    )


def _members(arrays: Mapping[str, np.ndarray], strata: tuple[str, ...]) -> dict[str, Member]:
    columns = ("labels", "keys", "kinds", "inside", "voxels", "positions")
    return {
        label: Member(
            key=key,
            kind=kind,
            strata=tuple(sorted(name for name, is_in in zip(strata, inside, strict=True) if is_in)),
            voxels=tuple(voxels),
            positions=tuple(map(tuple, positions)),
        )
        for label, key, kind, inside, voxels, positions in zip(
            *(arrays[column].tolist() for column in columns), strict=True
        )
    }
