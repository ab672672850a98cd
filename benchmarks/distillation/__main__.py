"""Distillation with few data (thesis, Tables 3.5 to 3.8, Fig. 3.9, 3.11, 3.14), on simulated patients.

    python -m benchmarks.distillation OUT [--sizes 12 48] [--models …] [--processes 1]

simulates patients, trains a teacher of four modalities and students of one for every size of the training set, tests
all of them on the same patients, and writes ``OUT/distillation.md``, tables (TSV) and figures. Resumable: patients and
networks that are there are kept, so that models and sizes can be added later.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs
import pandas as pd

from gliomorph.interfaces.files.images import write_text

from .data import simulate
from .examples import draw_examples
from .figures import draw_distribution, draw_improvement, draw_similarity
from .layers import STUDENT, similarities, zeroed_layers, zeroed_table
from .spread import spread
from .study import MODELS, Study, chosen, same_study
from .table import compared, differences_table, main_table, per_patient
from .train import figures_path, run_set

OPTIONS = (
    "template",
    "resolution",
    "least_ml",
    "validation",
    "test",
    "student",
    "voxel_mm",
    "width",
    "steps",
    "teacher_steps",
    "every",
    "learning_rate",
    "seed",
)
"""Fields of the study that the command line can change."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, train, test, compare, draw."""
    args = _parser().parse_args(arguments)
    study = Study(**{name: getattr(args, name) for name in OPTIONS}, box=tuple(args.box))
    if min(args.sizes) < study.batch_size:
        raise SystemExit(f"--sizes of at least a batch, {study.batch_size}, are required, got {args.sizes}")
    args.out.mkdir(parents=True, exist_ok=True)
    same_study(study, args.out)
    sizes, models = sorted(set(args.sizes)), chosen(args.models)
    simulate(study, sizes[-1], args.out, args.template_dir, args.processes)
    for training in spread(partial(run_set, study, models, args.out), sizes, args.processes):
        print(f"N = {training}: done", flush=True)
    print(report(study, sizes, args.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distillation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Study()
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[12, 48], help="training patients (12 48)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--processes", type=int, default=1, help="at once (default 1)")
    parser.add_argument("--template-dir", nargs="+", type=Path, default=[])
    parser.add_argument("--box", type=int, default=default.box, nargs=3, help="of training, voxels")
    for name in OPTIONS:
        value = getattr(default, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}"
        )
    return parser


def report(study: Study, sizes: Sequence[int], out: Path) -> str:
    """Tables and figures of whatever is done, as files; the Markdown."""
    done = {n: [model for model in MODELS if figures_path(out, n, model).exists()] for n in sizes}
    patients = per_patient(out, sizes, MODELS)
    table = compared(patients)
    alike = {n: similarities(study, n, done[n], out) for n in sizes}
    zeros = pd.concat([zeroed_layers(study, n, out) for n in sizes], ignore_index=True)
    for name, frame in (("patients", patients), ("distillation", table), ("zeroed", zeros)):
        write_text(frame.to_csv(sep="\t", index=False), out / f"{name}.tsv")
    svcca = pd.concat(alike, names=["training"])
    write_text(svcca.to_csv(sep="\t"), out / "svcca.tsv")
    draw_improvement(table, out / "improvement.png")
    draw_similarity(alike, out / "svcca.png")
    if any(STUDENT in models for models in done.values()):
        draw_distribution(patients, out / "distribution.png")
    for n in sizes:
        if STUDENT in done[n]:
            draw_examples(study, n, patients, out, out / f"examples-N{n:03d}.png")
    text = "\n".join(
        (_head(study), main_table(table, study.test), differences_table(table), zeroed_table(zeros))
    )
    write_text(text, out / "distillation.md")
    return text


def _head(study: Study) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in attrs.asdict(study).items()) + "\n"


if __name__ == "__main__":
    main()
