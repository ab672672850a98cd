"""The speed of permutation tests of the atlas, their error rate without an effect and their power with one.

    python -m benchmarks.statistics [--subjects 400] [--voxel-mm 2] [--permutations 1000] [--workers 2]
    python -m benchmarks.statistics calibration [--cohorts 200]
    python -m benchmarks.statistics power [--cohorts 50] [--hazard-ratio 4]

print tables. Cohorts are simulated: irregular lesions in an ellipsoid of 1.7 l (about 210,000 voxels of 2 mm). The two
others take small cohorts on coarse voxels, since they need many.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable
from functools import partial

import attrs
import numpy as np

from gliomorph.models.statistics import (
    Patterns,
    PermutationTest,
    cox_score_test,
    find_patterns,
    fisher_statistic,
    liebermeister_statistic,
    linear_model,
    logrank_test,
    permutation_test,
    select_voxels,
)
from gliomorph.models.statistics.permutation import Statistic

from .lesion_cohorts import Cohort, simulate_cohort
from .tables import markdown

STATISTICS: dict[str, Callable[[Patterns, Cohort], Statistic]] = {
    "log-rank": lambda patterns, c: logrank_test(patterns, c.times, c.events),
    "Cox score, volume as covariate": lambda patterns, c: cox_score_test(
        patterns, c.times, c.events, c.volume
    ),
    "GLM, volume as covariate": lambda patterns, c: linear_model(patterns, c.outcome, c.volume),
    "Fisher": lambda patterns, c: fisher_statistic(patterns, c.group),
    "Liebermeister": lambda patterns, c: liebermeister_statistic(patterns, c.group),
}
COARSE = {"permutations": 199, "radius_mm": (15.0, 40.0)}
DEFAULTS = {
    "speed": {"subjects": 400, "voxel_mm": 2.0, "permutations": 1000, "radius_mm": (5.0, 30.0)},
    "calibration": {"subjects": 60, "voxel_mm": 10.0, "cohorts": 200, **COARSE},
    "power": {"subjects": 300, "voxel_mm": 8.0, "cohorts": 50, **COARSE},
}
LEVEL = 0.05
MIN_LESIONS = 5


@attrs.frozen(kw_only=True)
class Timing:
    """Of one statistic: patterns, seconds to prepare it, seconds of the permutations and of processor time."""

    patterns: int
    voxels: int
    setup: float
    seconds: float
    cpu_seconds: float


def tested(cohort: Cohort) -> tuple[np.ndarray, Patterns]:
    """Voxels with enough lesions (V,) and their patterns."""
    selected = select_voxels(cohort.lesions, min_lesions=MIN_LESIONS)
    return selected, find_patterns(cohort.lesions[:, selected])


def measure(cohort: Cohort, permutations: int, workers: int) -> dict[str, Timing]:
    """Time of each statistic with the same patterns."""
    selected, patterns = tested(cohort)
    timings = {}
    for name, prepare in STATISTICS.items():
        start = time.perf_counter()
        statistic = prepare(patterns, cohort)
        ready, cpu = time.perf_counter(), time.process_time()
        permutation_test(statistic, patterns.subjects, permutations=permutations, workers=workers)
        timings[name] = Timing(
            patterns=len(patterns),
            voxels=int(selected.sum()),
            setup=ready - start,
            seconds=time.perf_counter() - ready,
            cpu_seconds=time.process_time() - cpu,
        )
    return timings


def run(cohort: Cohort, name: str, permutations: int, seed: int) -> tuple[np.ndarray, PermutationTest]:
    """Corrected p of voxels that cannot be tested are 1: (V,), and the test."""
    selected, patterns = tested(cohort)
    test = permutation_test(
        STATISTICS[name](patterns, cohort), patterns.subjects, permutations=permutations, seed=seed
    )
    p = np.ones(cohort.lesions.shape[1])
    p[selected] = patterns.expand(test.p_fwer)
    return p, test


def error_rates(
    cohorts: int, permutations: int, simulate: Callable[..., Cohort], names: Iterable[str] = STATISTICS
) -> dict[str, float]:
    """Share of null cohorts with any corrected p ≤ 0.05, by statistic."""
    names = list(names)
    errors = dict.fromkeys(names, 0)
    for seed in range(cohorts):
        cohort = simulate(seed=seed)
        for name in names:
            errors[name] += bool((run(cohort, name, permutations, seed)[0] <= LEVEL).any())
    return {name: count / cohorts for name, count in errors.items()}


def power(cohorts: int, permutations: int, simulate: Callable[..., Cohort]) -> dict[str, tuple[float, float]]:
    """Share of cohorts with a significant voxel in the planted ball, and mean share of its voxels found.

    Only tests of what the planted lesions change.
    """
    found: dict[str, list[float]] = {name: [] for name in list(STATISTICS)[:3]}
    for seed in range(cohorts):
        cohort = simulate(seed=seed)
        for name, shares in found.items():
            p, _ = run(cohort, name, permutations, seed)
            shares.append(float((p[cohort.planted] <= LEVEL).mean()))
    return {name: (float(np.mean(np.array(s) > 0)), float(np.mean(s))) for name, s in found.items()}


def speed_table(timings: dict[str, Timing], permutations: int) -> str:
    """Markdown, with seconds for a thousand permutations."""
    rows = [
        [
            name,
            f"{timing.voxels:,}",
            f"{timing.patterns:,}",
            f"{timing.setup:.1f}",
            f"{timing.seconds:.1f}",
            f"{timing.cpu_seconds:.1f}",
            f"{1000 * timing.seconds / permutations:.0f}",
        ]
        for name, timing in timings.items()
    ]
    head = ["statistic", "voxels", "patterns", "set-up (s)", "permutations (s)", "CPU (s)", "s / 1000"]
    return markdown(head, rows)


def parse() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.statistics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("what", nargs="?", choices=("speed", "calibration", "power"), default="speed")
    options.add_argument("--subjects", type=int, help="400 for speed, 60 for calibration, 300 for power")
    options.add_argument("--voxel-mm", type=float, help="2 for speed, 10 for calibration, 8 for power")
    options.add_argument("--permutations", type=int, help="1000 for speed, else 199")
    options.add_argument(
        "--radius-mm", type=float, nargs=2, help="of lesions: 5 to 30 for speed, else 15 to 40"
    )
    options.add_argument("--cohorts", type=int, help="200 for calibration, 50 for power")
    options.add_argument("--hazard-ratio", type=float, default=4.0, help="of planted lesions")
    options.add_argument("--workers", type=int, default=1, help="threads, for speed")
    options.add_argument("--seed", type=int, default=0, help="of the cohort, for speed")
    args = options.parse_args()
    for name, value in DEFAULTS[args.what].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def main() -> None:
    """Measure and print."""
    args = parse()
    simulate = partial(
        simulate_cohort, subjects=args.subjects, voxel_mm=args.voxel_mm, radius_mm=tuple(args.radius_mm)
    )
    print(
        f"{args.subjects} subjects, voxels of {args.voxel_mm:g} mm, lesions of {args.radius_mm[0]:g} to "
        f"{args.radius_mm[1]:g} mm radius, {args.permutations} permutations, voxels with {MIN_LESIONS} lesions or more"
    )
    if args.what == "speed":
        print(f"{os.cpu_count()} CPU cores, {args.workers} threads, load {os.getloadavg()[0]:.1f}\n")
        timings = measure(simulate(seed=args.seed), args.permutations, args.workers)
        print(speed_table(timings, args.permutations))
    elif args.what == "calibration":
        rates = error_rates(args.cohorts, args.permutations, simulate)
        print(f"{args.cohorts} cohorts without effect, level {LEVEL:.0%}\n")
        print(markdown(["statistic", "cohorts with an error"], [[n, f"{r:.1%}"] for n, r in rates.items()]))
    else:
        found = power(args.cohorts, args.permutations, partial(simulate, hazard_ratio=args.hazard_ratio))
        print(
            f"{args.cohorts} cohorts, hazard ratio {args.hazard_ratio:g} where planted, level {LEVEL:.0%}\n"
        )
        rows = [[n, f"{detected:.0%}", f"{share:.0%}"] for n, (detected, share) in found.items()]
        print(markdown(["statistic", "cohorts in which it is found", "planted voxels found"], rows))


if __name__ == "__main__":
    main()
