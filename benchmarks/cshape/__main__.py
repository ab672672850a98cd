"""The C-shape benchmark: every method on the same pairs, beside the true deformation (thesis, Table 5.2).

    python -m benchmarks.cshape OUT [--training 200] [--test 40] [--methods …] [--processes 2]

trains the networks on the CPU, registers the test pairs with every method (one thread each), and writes
``OUT/cshape.md``, ``OUT/cshape.tsv`` and figures. Resumable: networks and answers that are there are kept.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from gliomorph.interfaces.machine.limits import available_cpus

from ..tables import markdown
from .data import TEST_SEED, Shapes, simulate
from .figures import draw
from .methods import METHODS, PLANS, PRINTED, Answers, answers_path, chosen, scores, solve


def _table(methods: list[str], test: Shapes, folder: Path) -> pd.DataFrame:
    """Mean and standard deviation of every score; medians for the seconds; what the thesis has of L2 and s."""
    rows = {}
    for method in methods:
        found = scores(Answers.load(answers_path(method, folder)), test)
        rows[method] = {
            name: f"{np.median(values):.3g}"
            if name == "seconds"
            else f"{values.mean():.4g} ({values.std():.3g})"
            for name, values in found.items()
        }
        l2, s = PRINTED.get(method, ("–", "–"))
        rows[method] |= {"thesis' L2": str(l2), "thesis' s": str(s)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _same_run(args: argparse.Namespace) -> None:
    """One folder holds one set of problems."""
    path, asked = args.out / "problems.json", {"training": args.training, "test": args.test}
    if path.exists() and json.loads(path.read_text()) != asked:
        raise SystemExit(f"{args.out} holds a run of {path.read_text()}: give another folder")
    path.write_text(json.dumps(asked))


def main() -> None:
    """Train, register, compare, draw."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cshape",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--training", type=int, default=200, help="training pairs (default 200)")
    parser.add_argument("--test", type=int, default=40, help="test pairs, at least 2 (default 40)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--processes", type=int, default=available_cpus())
    args = parser.parse_args()
    if args.training < 1 or args.test < 2:
        parser.error("--training 1 and --test 2 are the least")
    args.out.mkdir(parents=True, exist_ok=True)
    _same_run(args)
    methods = chosen(args.methods)
    longest_first = sorted(
        methods, key=lambda m: -PLANS[m].iterations * PLANS[m].network.steps if m in PLANS else 0
    )
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # for ANTs, in the processes to come
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, mp_context=spawn, max_tasks_per_child=1) as pool:
        for done in [pool.submit(solve, m, args.training, args.test, args.out) for m in longest_first]:
            print(f"{done.result()}: done", flush=True)
    test = simulate(args.test, TEST_SEED)
    table = _table(methods, test, args.out)
    table.to_csv(args.out / "cshape.tsv", sep="\t")
    text = markdown(["method", *table.columns], ([method, *row] for method, row in table.iterrows()))
    (args.out / "cshape.md").write_text(text)
    draw(methods, test, args.out)
    print(text)


if __name__ == "__main__":
    main()
