"""Lesions of many subjects in one bit each: a cohort of 400 at 1 mm is 50 bytes a voxel instead of 400.

Rows are voxels, so that a row is a lesion pattern; bits are in the order of ``numpy.packbits``.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from .patterns import Patterns
from .selection import select_voxels

BLOCK = 1 << 16
"""Voxels that are unpacked together."""


@attrs.frozen(kw_only=True, eq=False)
class LesionBits:
    """Where N subjects are lesioned, and where they could be."""

    lesions: np.ndarray
    coverage: np.ndarray
    """``lesions``, ``coverage``: (V, ⌈N / 8⌉) uint8. A lesion counts only where its subject is covered."""
    subjects: int
    """N."""

    @classmethod
    def empty(cls, voxels: int, subjects: int) -> LesionBits:
        """Nobody is lesioned, nobody is covered."""
        shape = (voxels, -(-subjects // 8))
        return cls(lesions=np.zeros(shape, np.uint8), coverage=np.zeros(shape, np.uint8), subjects=subjects)

    def add(self, subject: int, lesioned: np.ndarray, covered: np.ndarray) -> None:
        """Set one subject's voxels, (V,) bool each."""
        byte, bit = subject >> 3, np.uint8(128 >> (subject & 7))
        self.lesions[lesioned & covered, byte] |= bit
        self.coverage[covered, byte] |= bit

    def select(
        self,
        subjects: Sequence[int],
        *,
        min_coverage: int,
        min_lesions: int,
        min_spared: int,
        group: np.ndarray | None = None,
        min_group: int = 1,
    ) -> tuple[np.ndarray, LesionBits]:
        """The voxels in which enough of some subjects are covered, lesioned and spared.

        Parameters
        ----------
        subjects : sequence of int
            Which, in the order of the result.
        min_coverage, min_lesions, min_spared : int
            As for :func:`select_voxels`.
        group : ndarray, optional
            (N,) bool of those subjects: at least ``min_group`` of the group and of the others have to be covered.
        min_group : int

        Returns
        -------
        selected : ndarray
            (V,) bool.
        bits : LesionBits
            Of those voxels and subjects.
        """
        columns, selected, parts = list(subjects), np.zeros(len(self.lesions), bool), []
        for start in range(0, len(self.lesions), BLOCK):
            rows = slice(start, start + BLOCK)
            lesioned, covered = (
                _unpacked(bits[rows], self.subjects)[:, columns] for bits in (self.lesions, self.coverage)
            )
            inside = select_voxels(
                lesioned.T,
                covered.T,
                min_coverage=min_coverage,
                min_lesions=min_lesions,
                min_spared=min_spared,
            )
            if group is not None:
                fewer = np.minimum(covered[:, group].sum(axis=1), covered[:, ~group].sum(axis=1))
                inside &= fewer >= min_group
            selected[rows] = inside
            parts.append([np.packbits(found[inside], axis=1) for found in (lesioned, covered)])
        none = LesionBits.empty(0, len(columns)).lesions
        lesions, coverage = (np.concatenate([none, *(part[i] for part in parts)]) for i in (0, 1))
        return selected, LesionBits(lesions=lesions, coverage=coverage, subjects=len(columns))

    def patterns(self) -> Patterns:
        """The distinct rows, as :func:`find_patterns` gives them for unpacked lesions, perhaps in another order.

        Raises
        ------
        ValueError
            Without subjects or voxels.
        """
        if not self.lesions.size:
            raise ValueError(f"subjects and voxels are required, got {self.subjects} and {len(self.lesions)}")
        everybody = np.packbits(np.ones(self.subjects, bool))
        complete = bool((self.coverage == everybody).all())
        keys = self.lesions if complete else np.concatenate([self.lesions, self.coverage], axis=1)
        keys = np.ascontiguousarray(keys)
        _, first, inverse = np.unique(
            keys.view(np.dtype((np.void, keys.shape[1])))[:, 0], return_index=True, return_inverse=True
        )
        return Patterns(
            lesioned=_unpacked(self.lesions[first], self.subjects),
            covered=None if complete else _unpacked(self.coverage[first], self.subjects),
            inverse=inverse.reshape(-1),
        )


def _unpacked(bits: np.ndarray, subjects: int) -> np.ndarray:
    """(V, N) bool."""
    return np.unpackbits(bits, axis=1, count=subjects).view(bool)
