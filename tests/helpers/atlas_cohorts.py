"""Random participants of an atlas, their sums, and what is said of them by a slow way."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from gliomorph.models.atlas import AtlasSums, Grid, Participant, to_arrays
from gliomorph.models.regions import LABELS, REGIONS

GRID = Grid(shape=(7, 6, 5), affine=np.diag([2.0, 1.0, 1.5, 1.0]) + np.eye(4, k=3) * -6.0)
STRATA = ("sexF", "sexM", "ageunder50", "age50up")
COLUMNS = (("sexF", "sexM"), ("ageunder50", "age50up"))


def cohort(count: int, seed: int = 0) -> list[Participant]:
    """Random participants: some without labels, some seen in part, some without an image."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        kind = "mask" if random.random() < 0.25 else "dseg"
        labels = random.choice([0, 0, 1, 2, 4] if kind == "dseg" else [0, 0, 7], GRID.shape).astype(np.uint8)
        seen = random.random(GRID.shape) < 0.8 if random.random() < 0.5 else None
        values = {
            name: random.normal(0, 1, GRID.shape).astype(np.float32)
            for name in ("image", "jacobian")
            if random.random() < 0.8
        }
        where = {"jacobian": random.random(GRID.shape) < 0.5} if "jacobian" in values else {}
        found.append(
            Participant(
                label=f"{number:03}",
                labels=np.asarray(labels, order="F") if number % 2 else labels,
                kind=kind,
                strata=tuple(str(random.choice(column)) for column in COLUMNS if random.random() < 0.9),
                seen=seen,
                values=values,
                where=where,
                key=f"key{number}",
            )
        )
    return found


SUPPORT = np.random.default_rng(3).random(GRID.shape) < 0.6


def empty() -> AtlasSums:
    """Sums of nobody yet, on :data:`GRID`."""
    return AtlasSums.empty(GRID, STRATA, ("image", "jacobian"), ("jacobian",), SUPPORT)


def summed(participants: Sequence[Participant]) -> AtlasSums:
    sums = empty()
    for participant in participants:
        sums.add(participant)
    return sums


def bytes_of(sums: AtlasSums) -> bytes:
    file = io.BytesIO()
    np.savez(file, **to_arrays(sums))
    return file.getvalue()


def members_of(participants: Sequence[Participant], stratum: str, region: str = "WT") -> list[Participant]:
    return [p for p in participants if stratum in ("all", *p.strata) and (region == "WT" or p.kind == "dseg")]


def inside(participant: Participant, region: str) -> np.ndarray:
    if participant.kind == "mask":
        return participant.labels > 0
    return np.isin(participant.labels, [LABELS[part] for part in REGIONS[region]])


WIDE = Grid(shape=(40, 36, 30), affine=np.diag([1.0, 1.2, 1.5, 1.0]))
