"""The speed of permutation tests of the atlas, their error rate without an effect and their power with one.

    python -m benchmarks.statistics [--subjects 400] [--voxel-mm 2] [--permutations 1000] [--workers 2]
    python -m benchmarks.statistics calibration [--subjects 300] [--cohorts 200]
    python -m benchmarks.statistics power [--subjects 150 300 600] [--hazard-ratio 2 4] [--cohorts 50]

print tables. Cohorts are simulated: irregular lesions in an ellipsoid of 1.7 l (about 210,000 voxels of 2 mm). The two
others take coarse voxels, since they need many cohorts; 300 subjects are between the 236 of BraTS 2020 whose survival
is known and the 500 to 630 of the larger public cohorts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs
import numpy as np
from scipy.stats import binomtest

from gliomorph.interfaces.machine.limits import peak_gb, reset_peak
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
    "speed": {"subjects": (400,), "voxel_mm": 2.0, "permutations": 1000, "radius_mm": (5.0, 30.0)},
    "calibration": {"subjects": (300,), "voxel_mm": 10.0, "cohorts": 200, **COARSE},
    "power": {"subjects": (150, 300, 600), "voxel_mm": 8.0, "cohorts": 50, **COARSE},
}
LEVEL = 0.05
CONFIDENCE = 0.95
MIN_LESIONS = 5


@attrs.frozen(kw_only=True)
class Timing:
    """What one statistic takes: patterns, seconds to prepare it, seconds of the permutations and of processor time, and
    the process' peak of memory with the cohort."""

    patterns: int
    voxels: int
    setup: float
    seconds: float
    cpu_seconds: float
    peak_gb: float


@attrs.frozen(kw_only=True)
class Calibration:
    """Errors of one statistic: null cohorts with any significant voxel, of how many, and the rate that ties allow."""

    errors: int
    cohorts: int
    allowed: float

    @property
    def rate(self) -> float:
        """Share of cohorts with an error."""
        return self.errors / self.cohorts


def tested(cohort: Cohort) -> tuple[np.ndarray, Patterns]:
    """Voxels with enough lesions (V,) and their patterns."""
    selected = select_voxels(cohort.lesions, min_lesions=MIN_LESIONS)
    return selected, find_patterns(cohort.lesions[:, selected])


def measure(cohort: Cohort, permutations: int, workers: int) -> dict[str, Timing]:
    """Time of each statistic with the same patterns."""
    selected, patterns = tested(cohort)
    timings = {}
    for name, prepare in STATISTICS.items():
        reset_peak()
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
            peak_gb=peak_gb(),
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


def allowed_rate(test: PermutationTest) -> float:
    """How often a test errs whose observed order is any of these, all equally likely.

    Without ties of the largest statistics it is the level, or just below it.
    """
    # the digits to which other orders of the same sum agree
    largest = np.round(np.append(test.largest, np.abs(test.observed).max()), 8)
    p = (largest[:, None] <= largest).mean(axis=1)
    return float((p <= LEVEL).mean())


def error_rates(
    cohorts: int, permutations: int, simulate: Callable[..., Cohort], names: Iterable[str] = STATISTICS
) -> dict[str, Calibration]:
    """Null cohorts with any corrected p ≤ 0.05, by statistic."""
    names = list(names)
    errors, allowed = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for seed in range(cohorts):
        cohort = simulate(seed=seed)
        for name in names:
            p, test = run(cohort, name, permutations, seed)
            errors[name] += bool((p <= LEVEL).any())
            allowed[name] += allowed_rate(test) / cohorts
    return {name: Calibration(errors=errors[name], cohorts=cohorts, allowed=allowed[name]) for name in names}


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
            f"{timing.peak_gb:.1f}",
        ]
        for name, timing in timings.items()
    ]
    head = ["statistic", "voxels", "patterns", "set-up (s)", "permutations (s)", "CPU (s)", "s / 1000"]
    return markdown([*head, "peak memory (GB)"], rows)


def calibration_table(rates: dict[int, dict[str, Calibration]]) -> str:
    """Markdown, of error rates by number of subjects."""
    rows = []
    for subjects, found in rates.items():
        for name, known in found.items():
            exact = binomtest(known.errors, known.cohorts).proportion_ci(CONFIDENCE)
            interval = f"{exact.low:.1%} to {exact.high:.1%}"
            rows.append([str(subjects), name, f"{known.rate:.1%}", interval, f"{known.allowed:.1%}"])
    return markdown(["subjects", "statistic", "cohorts with an error", "95 % interval", "ties allow"], rows)


def power_table(found: dict[tuple[int, float], dict[str, tuple[float, float]]]) -> str:
    """Markdown, of what is found by number of subjects and hazard ratio: cohorts / voxels."""
    names = list(next(iter(found.values())))
    rows = [
        [str(subjects), f"{ratio:g}", *(f"{cohorts:.0%} / {share:.0%}" for cohorts, share in known.values())]
        for (subjects, ratio), known in found.items()
    ]
    return markdown(["subjects", "hazard ratio", *names], rows)


def parse() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.statistics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("what", nargs="?", choices=("speed", "calibration", "power"), default="speed")
    options.add_argument(
        "--subjects", type=int, nargs="+", help="400 for speed, 300 for calibration, 150 300 600 for power"
    )
    options.add_argument("--voxel-mm", type=float, help="2 for speed, 10 for calibration, 8 for power")
    options.add_argument("--permutations", type=int, help="1000 for speed, else 199")
    options.add_argument(
        "--radius-mm", type=float, nargs=2, help="of lesions: 5 to 30 for speed, else 15 to 40"
    )
    options.add_argument("--cohorts", type=int, help="of each size: 200 for calibration, 50 for power")
    options.add_argument(
        "--hazard-ratio", type=float, nargs="+", default=(2.0, 4.0), help="of planted lesions, for power"
    )
    options.add_argument("--workers", type=int, default=1, help="threads, for speed")
    options.add_argument("--seed", type=int, default=0, help="of the cohort, for speed")
    args = options.parse_args()
    for name, value in DEFAULTS[args.what].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.what == "speed" and len(args.subjects) > 1:
        options.error(f"speed takes one number of subjects, got {len(args.subjects)}")
    return args


def simulation(args: argparse.Namespace) -> Callable[..., Cohort]:
    """Cohorts of the size that is given with the seed."""
    return partial(simulate_cohort, voxel_mm=args.voxel_mm, radius_mm=tuple(args.radius_mm))


def print_calibration(args: argparse.Namespace) -> None:
    """Error rates of every size."""
    rates = {
        subjects: error_rates(args.cohorts, args.permutations, partial(simulation(args), subjects=subjects))
        for subjects in args.subjects
    }
    print(f"{args.cohorts} cohorts without effect of each size, level {LEVEL:.0%}\n")
    print(calibration_table(rates))


def print_power(args: argparse.Namespace) -> None:
    """What is found, for every size and effect."""
    found = {
        (subjects, ratio): power(
            args.cohorts,
            args.permutations,
            partial(simulation(args), subjects=subjects, hazard_ratio=ratio),
        )
        for subjects in args.subjects
        for ratio in args.hazard_ratio
    }
    print(
        f"{args.cohorts} cohorts of each kind, level {LEVEL:.0%}: cohorts in which it is found / planted voxels"
    )
    print()
    print(power_table(found))


def main() -> None:
    """Measure and print."""
    args = parse()
    print(
        f"{_listed(args.subjects)} subjects, voxels of {args.voxel_mm:g} mm, lesions of {args.radius_mm[0]:g} to "
        f"{args.radius_mm[1]:g} mm radius, {args.permutations} permutations, voxels with {MIN_LESIONS} lesions or more"
    )
    if args.what == "speed":
        print(f"{os.cpu_count()} CPU cores, {args.workers} threads, load {os.getloadavg()[0]:.1f}\n")
        cohort = simulation(args)(subjects=args.subjects[0], seed=args.seed)
        print(speed_table(measure(cohort, args.permutations, args.workers), args.permutations))
    elif args.what == "calibration":
        print_calibration(args)
    else:
        print_power(args)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


if __name__ == "__main__":
    main()
