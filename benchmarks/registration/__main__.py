"""Command line: ``python -m benchmarks.registration OUT``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gliomorph.environment import prepare_environment
from gliomorph.interfaces.files.images import write_text

from . import __doc__ as description
from . import runs, table


def main(arguments: list[str] | None = None) -> int:
    """Plan, run what is missing, write the tables; 1 if a run has failed."""
    args = parser().parse_args(arguments)
    out = args.out.resolve()
    prepare_environment(out / "work", args.threads)
    devices = args.devices or seen_devices()
    common = {"devices": devices, "steps": args.steps, "threads": args.threads}
    registrations = runs.registrations(args.methods, shape=args.shape, repeats=args.repeats, **common)
    trainings = []
    if args.train:
        full = tuple(args.shape)
        trainings = runs.trainings(shapes=args.training_shapes, full=full, width=args.width, **common)
    records, failed = collect([*registrations, *trainings], out)
    text = table.report(registrations, trainings, records, failed)
    write_text(text, out / "registration.md")
    write_text(table.flat(records).to_csv(sep="\t", index=False), out / "registration.tsv")
    print(text)
    return int(bool(failed))


def collect(planned: list[runs.Run], out: Path) -> tuple[list[table.Record], list[runs.Run]]:
    """The record of every run, measured where it is not there yet; and the runs that failed."""
    records, failed, computed = [], [], 0
    for number, run in enumerate(planned, start=1):
        record = runs.kept(run, out)
        if record is None:
            print(f"{number}/{len(planned)} {run.name}", file=sys.stderr, flush=True)
            try:
                record = runs.perform(run, out)
            except runs.RunError as error:
                print(error, file=sys.stderr, flush=True)
                failed.append(run)
                continue
            computed += 1
        records.append(record)
    counts = f"{computed} computed, {len(records) - computed} kept, {len(failed)} failed"
    print(counts, file=sys.stderr, flush=True)
    return records, failed


def seen_devices() -> list[str]:
    """The CPU and, where torch sees one, a CUDA device."""
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.registration",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("out", type=Path)
    options.add_argument(
        "--shape", type=int, nargs=3, default=[192, 192, 144], help="voxels of the pair's grid"
    )
    options.add_argument("--steps", type=int, default=15, help="T of the MetaMorph networks")
    options.add_argument("--repeats", type=int, default=3, help="of each registration")
    options.add_argument(
        "--methods", nargs="*", default=list(runs.METHODS), choices=runs.METHODS, help="none: training alone"
    )
    options.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), help="default: what torch sees")
    options.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: the CPUs available"
    )
    options.add_argument("--train", action="store_true", help="also the memory of a training step")
    options.add_argument("--width", type=int, default=32, help="of the network that is trained")
    options.add_argument(
        "--training-shapes",
        type=shape_of,
        nargs="+",
        default=[(64, 64, 48), (96, 96, 72), (128, 128, 96)],
        metavar="XxYxZ",
        help="beside that of --shape; for grids under 64x64 torch has other convolutions, that need much more",
    )
    return options


def shape_of(text: str) -> tuple[int, ...]:
    """(X, Y, Z) from ``XxYxZ``."""
    sizes = tuple(int(size) for size in text.split("x"))
    if len(sizes) != 3 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"three sizes as in 64x64x48 are required, got {text}")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
