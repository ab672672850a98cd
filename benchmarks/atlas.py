"""The atlas' speed and memory: frequency maps of five regions in six strata.

    python -m benchmarks.atlas [--subjects 1000] [--shape 240 240 155] [--means] [--seed 1]

streams a synthetic cohort on the grid of SRI24 at 1 mm: a tumour of nested balls each, one in ten seen in part. What a
reader of files would do, to make a participant, is not counted. ``--means`` adds three images each, two with their
standard deviation, in a brain of a fifth of the grid.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import numpy as np

from gliomorph.interfaces.machine.limits import peak_gb, reset_peak
from gliomorph.models.atlas import (
    EVERYBODY,
    AtlasSums,
    Grid,
    Participant,
    frequency_map,
    release,
)
from gliomorph.models.regions import LABELS, REGIONS
from gliomorph.models.small_cells import small_cells

from .tables import markdown

COLUMNS = (("sexF", "sexM"), ("ageunder40", "age40to60", "age60up"))
MEANS = ("image", "jacobian", "appearance")
SPREADS = ("jacobian", "appearance")
CELLS = small_cells(5)
RADII = (0.22, 0.16, 0.1)
"""Largest radii of the balls of ED, ET and NCR as shares of the grid's shortest side."""


@attrs.define
class Clock:
    """Seconds of one stage: on the wall and of this process' CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def participants(count: int, grid: Grid, means: bool, seed: int) -> Iterator[Participant]:
    """A cohort, one at a time."""
    random = np.random.default_rng(seed)
    image = random.random(grid.shape, np.float32).copy(order="F") if means else None
    for number in range(count):
        seen = None
        if number % 10 == 0:
            seen = np.ones(grid.shape, bool, order="F")
            seen[:, :, : random.integers(1, grid.shape[2] // 4)] = False
        yield Participant(
            label=f"{number:06}",
            labels=tumor(grid.shape, random),
            strata=tuple(str(random.choice(column)) for column in COLUMNS),
            seen=seen,
            values={} if image is None else dict.fromkeys(MEANS, image),
        )


def tumor(shape: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Labels of three balls around one point, the inner ones over the outer ones."""
    labels = np.zeros(shape, np.uint8, order="F")
    centre, size = np.array(shape) * random.uniform(0.3, 0.7, 3), random.uniform(0.5, 1)
    for largest, part in zip(RADII, ("ED", "ET", "NCR"), strict=True):
        radius = min(shape) * largest * size
        first, last = np.floor(centre - radius).astype(int), np.ceil(centre + radius).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        axes = np.ogrid[box]
        distance = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
        labels[box][distance <= radius**2] = LABELS[part]
    return labels


def brain(shape: Sequence[int]) -> np.ndarray:
    """An ellipsoid that fills about a fifth of the grid."""
    axes = np.ogrid[tuple(slice(-1, 1, complex(side)) for side in shape)]
    return np.asarray(sum(axis**2 for axis in axes) <= 0.52)


def measure(subjects: int, shape: tuple[int, int, int], means: bool, seed: int) -> list[list[str]]:
    """Rows of the table: stage, seconds, CPU seconds, peak memory so far in GB."""
    reset_peak()
    grid = Grid(shape=shape, affine=np.diag([-1.0, -1.0, 1.0, 1.0]))
    adding, deciding, mapping = Clock(), Clock(), Clock()
    strata = [name for column in COLUMNS for name in column]
    names, spreads = (MEANS, SPREADS) if means else ((), ())
    rows = []
    with adding.running():
        sums = AtlasSums.empty(grid, strata, names, spreads, brain(shape))
    for participant in participants(subjects, grid, means, seed):
        with adding.running():
            sums.add(participant)
    rows.append(_row("sums of all participants", adding))
    with deciding.running():
        shown = release(sums, COLUMNS, CELLS)
    rows.append(_row("what may be shown", deciding))
    made = 0
    with mapping.running():
        for stratum in (EVERYBODY, *strata):
            made += sum(frequency_map(sums, stratum, region, shown) is not None for region in REGIONS)
    rows.append(_row(f"{made} frequency maps with intervals", mapping))
    clocks = (adding, deciding, mapping)
    total = Clock(sum(clock.wall for clock in clocks), sum(clock.cpu for clock in clocks))
    return [*rows, _row("together", total)]


def _row(stage: str, clock: Clock) -> list[str]:
    return [stage, f"{clock.wall:.1f}", f"{clock.cpu:.1f}", f"{peak_gb():.2f}"]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.atlas",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--subjects", type=int, default=1000)
    options.add_argument("--shape", type=int, nargs=3, default=[240, 240, 155], help="voxels of the grid")
    options.add_argument("--means", action="store_true", help="sum images too")
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args(argv)
    x, y, z = args.shape
    rows = measure(args.subjects, (x, y, z), args.means, args.seed)
    print(
        f"{args.subjects} participants on {x} × {y} × {z} voxels, {len(REGIONS)} regions, "
        f"{1 + sum(map(len, COLUMNS))} strata, {os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}\n"
    )
    print(markdown(["stage", "seconds", "CPU seconds", "peak memory (GB)"], rows))


if __name__ == "__main__":
    main()
