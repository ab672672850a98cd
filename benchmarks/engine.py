"""The data engine's speed: patients a second, by modalities, threads and processes.

    python -m benchmarks.engine [--shape 96 96 72] [--count 12] [--repeats 5] [--device cpu]

makes patients on MNI152 at 2 mm and prints a table of medians. Every process is started and warmed up before the
clock; configurations take turns, so that other work on the machine meets all of them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier

import attrs
import torch

from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.models.regions import MODALITIES
from gliomorph.models.synthesis.engine import DataEngine
from gliomorph.training.segmentation.data import engine_of

from .tables import markdown

RESOLUTION_MM = 2
LAYOUTS = ((1, 1), (1, 2), (2, 1))
"""Processes and threads of each."""


@attrs.frozen(kw_only=True)
class Configuration:
    """One row of the table."""

    modalities: tuple[str, ...]
    processes: int
    threads: int


_engine: DataEngine


def _start(configuration: Configuration, shape: Sequence[int], device: str, ready: Barrier) -> None:
    """In a new process: the engine, and its first patient; no process draws before all are ready."""
    global _engine
    torch.set_num_threads(configuration.threads)
    _engine = engine_of(load_template("MNI152", RESOLUTION_MM), configuration.modalities, shape, device)
    _draw(0)
    ready.wait()


def _draw(seed: int) -> int:
    """The tumour's voxels; to count them is to wait for a GPU."""
    return int(_engine.draw(seed).labels.count_nonzero())


def measure(shape: Sequence[int], count: int, repeats: int, device: str) -> dict[Configuration, list[float]]:
    """Patients a second of every configuration, ``repeats`` times with ``count`` patients each."""
    configurations = [
        Configuration(modalities=modalities, processes=processes, threads=threads)
        for modalities in (MODALITIES[:1], MODALITIES)
        for processes, threads in LAYOUTS
    ]
    rates: dict[Configuration, list[float]] = {configuration: [] for configuration in configurations}
    with ExitStack() as stack:
        pools, context = {}, multiprocessing.get_context("spawn")
        for configuration in configurations:
            ready = context.Barrier(configuration.processes)
            pool = ProcessPoolExecutor(
                configuration.processes,
                mp_context=context,
                initializer=_start,
                initargs=(configuration, shape, device, ready),
            )
            pools[configuration] = stack.enter_context(pool)
            list(pool.map(_draw, range(configuration.processes)))
        for number in range(repeats):
            seeds = range(number * count, (number + 1) * count)
            for configuration, pool in pools.items():
                start = time.perf_counter()
                list(pool.map(_draw, seeds))
                rates[configuration].append(count / (time.perf_counter() - start))
    return rates


def table(rates: dict[Configuration, list[float]]) -> str:
    """Medians with their ranges as Markdown."""
    rows = [
        [
            str(len(configuration.modalities)),
            str(configuration.processes),
            str(configuration.threads),
            f"{statistics.median(found):.3g}",
            f"{min(found):.3g} – {max(found):.3g}",
        ]
        for configuration, found in rates.items()
    ]
    return markdown(["modalities", "processes", "threads each", "patients / s", "min – max"], rows)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--shape", type=int, nargs=3, default=[96, 96, 72], help="voxels of a patient")
    options.add_argument("--count", type=int, default=12, help="patients of one measurement")
    options.add_argument("--repeats", type=int, default=5, help="measurements of each configuration")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = options.parse_args()
    rates = measure(args.shape, args.count, args.repeats, args.device)
    size = " × ".join(map(str, args.shape))
    print(
        f"{size} voxels of {RESOLUTION_MM} mm on {args.device}, {os.cpu_count()} CPU cores, "
        f"load {os.getloadavg()[0]:.1f}, medians of {args.repeats} times {args.count} patients\n"
    )
    print(table(rates))


if __name__ == "__main__":
    main()
