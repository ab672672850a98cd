"""One registration, and the record of it."""

from __future__ import annotations

import time
from typing import Any

from ..machine.limits import cpu_seconds, peak_gb, reset_peak
from ..methods import REGISTRY
from .problem import Answer, Problem


def solve(problem: Problem) -> tuple[Answer, dict[str, Any]]:
    """What a problem's method makes of it.

    Returns
    -------
    answer : Answer
    used : dict
        Method, device, seconds, peak memory in GB, seed, and what the method reports of itself.
    """
    reset_peak()
    start, busy = time.perf_counter(), cpu_seconds()
    answer = REGISTRY[problem.method].solve(problem)
    return answer, {
        "method": problem.method,
        "device": "cpu",
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(cpu_seconds() - busy, 2),
        "peak_memory_gb": round(peak_gb(), 2),
        "seed": problem.seed,
        **answer.used,
    }
