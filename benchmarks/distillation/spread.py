"""Work on several processes, one thread each, or in this one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch


def spread(task: Callable[[Any], Any], items: Iterable[Any], processes: int) -> Iterator[Any]:
    """``task`` of every item, in their order; with one process here, and with torch's own number of threads."""
    if processes == 1:
        yield from map(task, items)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(task, items)
