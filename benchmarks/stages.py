"""``python -m benchmarks.stages OUT``: memory, time and disk of every stage of a scan.

One simulated patient with voxels of 1 mm goes through the real graph, every stage in a process of its own, one after
another; the memory is the peak of that process with everything that it imports. ``--segment`` leaves the mask to the
student. The last line is what the scan leaves in the work directory and among the outputs.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures as cf
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import cloudpickle as cp
from pydra.engine.job import Job  # before pydra.workers, which it imports in a circle
from pydra.engine.submitter import Submitter
from pydra.workers import base

from gliomorph.config.settings import Settings
from gliomorph.environment import prepare_environment
from gliomorph.interfaces.datasets.simulate import Cohort, simulate_cohort
from gliomorph.interfaces.datasets.template_files import prepare_template
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.machine.limits import peak_gb
from gliomorph.interfaces.methods import METHODS
from gliomorph.workflows.engine.progress import stage_and_scan
from gliomorph.workflows.engine.submission import run_side_by_side
from gliomorph.workflows.scan.graph import ScanGraph
from gliomorph.workflows.scan.inputs import graph_inputs, publication
from gliomorph.workflows.scan.plan import plan_scans

from .tables import markdown


@attrs.define
class Alone(base.Worker):
    """Runs every job in a new process, one at a time, and remembers what it took."""

    _plugin_name = "alone"
    rows: dict[str, list[str]] = attrs.field(factory=dict)
    _one: Any = attrs.field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_one": None}

    async def run(self, job: Job, rerun: bool = False) -> Any:
        """Run one job."""
        self._one = self._one or asyncio.Lock()
        async with self._one:
            with cf.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                result, seconds, memory = await self.loop.run_in_executor(pool, _measured, cp.dumps(job))
        stage, _ = stage_and_scan(job)
        self.rows[stage] = [stage, f"{seconds:.1f}", f"{memory:.2f}", f"{_megabytes(job.cache_dir):.1f}"]
        print(" ".join(self.rows[stage]), flush=True)
        return result


def _measured(pickled: bytes) -> tuple[Any, float, float]:
    start = time.perf_counter()
    result = cp.loads(pickled).run()
    return result, time.perf_counter() - start, peak_gb()


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measure(out: Path, resolution: int, methods: Sequence[str], segment: bool, threads: int) -> str:
    """The table, and a line on disk."""
    bids = out / "bids"
    simulate_cohort(bids, 1, Cohort(seed=1, template=load_template("MNI152", 1)))
    settings = Settings.of(
        bids_dir=bids,
        output_dir=out / f"derivatives-{resolution}",
        work_dir=out / f"work-{resolution}",
        derivatives={} if segment else {"truth": bids / "derivatives" / "truth"},
        resolution=resolution,
        registration=methods,
        gpu="none",
        omp_nthreads=threads,
    )
    prepare_environment(settings.resources.work_dir, threads)
    template = prepare_template(
        settings.processing.template, resolution, (), settings.resources.work_dir / "templates"
    )
    (scan,) = plan_scans(settings, template)
    plan = publication(scan, bids, settings.output_dir, settings.inputs.derivatives)
    inputs = graph_inputs(scan, settings.processing, settings.resources, template, plan, "stages")
    graph = ScanGraph(**inputs)
    worker, cache = Alone(), settings.resources.work_dir / "cache"
    with Submitter(cache_root=cache, worker=worker) as submit:
        errors = run_side_by_side(submit, [("scan", lambda: graph)], 1)
    if errors:
        raise errors["scan"]
    rows = markdown(["stage", "seconds", "peak memory (GB)", "left in its folder (MB)"], worker.rows.values())
    work, outputs = _megabytes(cache), _megabytes(settings.output_dir)
    return f"{rows}\nwork directory: {work:.0f} MB, outputs: {outputs:.0f} MB\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder for the patient, the work and the outputs"
    )
    parser.add_argument("--resolution", type=int, choices=(1, 2, 3, 4), default=2)
    parser.add_argument("--registration", nargs="+", choices=METHODS, default=["metamorph-r"])
    parser.add_argument("--segment", action="store_true", help="without the patient's mask")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    print(measure(args.out, args.resolution, args.registration, args.segment, args.threads))


if __name__ == "__main__":
    main()
