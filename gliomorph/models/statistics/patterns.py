"""Lesion patterns: voxels that are lesioned in the same subjects are computed once.

A pattern is a column of the subjects × voxels matrix. Neighbouring voxels often share theirs ("unique patches":
Pustina et al., LESYMAP, Neuropsychologia 115:154-166, 2018), and every statistic of a voxel depends on nothing else.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.sparse import csr_array

ROWS = 1 << 16
"""Patterns that are made sparse together."""


@attrs.frozen(kw_only=True, eq=False)
class Patterns:
    """The distinct patterns of N subjects at V voxels."""

    lesioned: np.ndarray
    """(U, N) bool."""
    covered: np.ndarray | None
    """(U, N) bool: who could be lesioned there; None means everyone everywhere."""
    inverse: np.ndarray
    """(V,) int: the pattern of each voxel."""
    _sparse: csr_array = attrs.field(init=False, repr=False)
    _coverages: tuple[np.ndarray, np.ndarray] | None = attrs.field(init=False, repr=False)

    @_sparse.default
    def _as_sparse(self) -> csr_array:
        # in blocks: scipy's own way takes nearly three times the memory of the result
        start = np.concatenate([[0], np.cumsum(self.lesions)])
        index = np.int32 if start[-1] < 2**31 else np.int64
        subject = np.empty(start[-1], index)
        for first in range(0, len(self.lesioned), ROWS):
            last = min(first + ROWS, len(self.lesioned))
            subject[start[first] : start[last]] = np.nonzero(self.lesioned[first:last])[1]
        return csr_array((np.ones(len(subject)), subject, start.astype(index)), shape=self.lesioned.shape)

    @_coverages.default
    def _distinct_coverages(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Few beside the patterns: fields of view differ at their borders only."""
        if self.covered is None:
            return None
        first, inverse = distinct_columns(self.covered.T)
        return self.covered[first].astype(np.float64), inverse

    @property
    def subjects(self) -> int:
        """N."""
        return int(self.lesioned.shape[1])

    def __len__(self) -> int:
        """U."""
        return len(self.lesioned)

    @property
    def lesions(self) -> np.ndarray:
        """(U,) int: subjects with a lesion."""
        return self.lesioned.sum(axis=1)

    @property
    def totals(self) -> np.ndarray:
        """(U,) int: subjects who could have one."""
        return np.full(len(self), self.subjects) if self.covered is None else self.covered.sum(axis=1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of subjects' values over those lesioned: (N, …) → (U, …), float64."""
        return np.asarray(self._sparse @ np.ascontiguousarray(values, dtype=np.float64))

    def covered_sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of subjects' values over those covered: (N, M) → (U, M), float64."""
        if self._coverages is None:
            return np.broadcast_to(values.sum(axis=0, dtype=np.float64), (len(self), values.shape[1]))
        distinct, inverse = self._coverages
        return np.asarray((distinct @ values)[inverse])

    def expand(self, values: np.ndarray) -> np.ndarray:
        """From patterns to voxels: (…, U) → (…, V)."""
        return values[..., self.inverse]


def find_patterns(lesions: np.ndarray, coverage: np.ndarray | None = None) -> Patterns:
    """The distinct columns of a lesion matrix.

    Parameters
    ----------
    lesions : ndarray
        (N, V) bool, or 0 and 1.
    coverage : ndarray, optional
        (N, V) bool, or 0 and 1: who could contribute. A lesion counts only where its subject is covered.

    Returns
    -------
    patterns : Patterns
        In an order that depends on the patterns only, not on where they are.

    Raises
    ------
    ValueError
        Without subjects or voxels, with other values than 0 and 1, or with shapes that differ.
    """
    inside = _matrix(lesions, "lesions")
    seen = None if coverage is None else _matrix(coverage, "coverage")
    if seen is not None and seen.shape != inside.shape:
        raise ValueError(f"coverage must have the shape of lesions, {inside.shape}, got {seen.shape}")
    if seen is not None and seen.all():
        seen = None
    columns = inside if seen is None else np.concatenate([inside & seen, seen])
    first, inverse = distinct_columns(columns)
    distinct = np.ascontiguousarray(columns[:, first].T)
    subjects = len(inside)
    return Patterns(
        lesioned=distinct[:, :subjects],
        covered=None if seen is None else distinct[:, subjects:],
        inverse=inverse,
    )


def distinct_columns(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each distinct column of a bool matrix (N, V) is first, and which of them each column is: (U,), (V,)."""
    packed = np.ascontiguousarray(np.packbits(matrix, axis=0).T)
    keys = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def require_testable(patterns: Patterns) -> None:
    """Refuse patterns that no test can use.

    Raises
    ------
    ValueError
        If somewhere nobody who is covered is lesioned, or everybody is.
    """
    empty = int((patterns.lesions == 0).sum())
    full = int((patterns.lesions == patterns.totals).sum())
    if empty or full:
        raise ValueError(
            "lesioned and spared subjects are required in every voxel; "
            f"of {len(patterns)} patterns {empty} have nobody lesioned and {full} everybody: "
            "select voxels with select_voxels() first"
        )


def require_full_coverage(patterns: Patterns) -> None:
    """Refuse patterns that not every subject contributes to.

    Raises
    ------
    ValueError
        If somebody is not covered somewhere.
    """
    if patterns.covered is not None:
        partial = int((patterns.totals < patterns.subjects).sum())
        raise ValueError(
            f"every subject must be covered in every voxel, got {partial} of {len(patterns)} patterns with "
            f"fewer than {patterns.subjects}: select voxels with select_voxels(..., min_coverage={patterns.subjects})"
        )


def _matrix(values: np.ndarray, name: str) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"{name} must be a matrix of subjects × voxels, not empty, got shape {found.shape}")
    if found.dtype == bool:
        return found
    if not ((found == 0) | (found == 1)).all():
        raise ValueError(
            f"{name} must be 0 or 1 for every subject and voxel; other or missing values were found"
        )
    return found.astype(bool)
