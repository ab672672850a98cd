"""The cohort, and ``gliomorph`` on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gliomorph.cli.run import INTERRUPTED
from gliomorph.cli.run import main as run_gliomorph
from gliomorph.interfaces.datasets.simulate import Cohort, simulate_cohort
from gliomorph.interfaces.datasets.templates import load_template

from .options import Options, Run


def simulate(options: Options, folder: Path, visible: bool = True) -> None:
    """The patients (or their twins), as ``gliomorph-simulate`` writes them; complete ones are kept."""
    template = load_template(options.template, options.resolution, options.template_folders)
    cohort = Cohort(seed=options.seed, template=template, visible=visible)
    simulate_cohort(folder, options.subjects, cohort, partial(print, flush=True))


def perform(run: Run, options: Options) -> None:
    """``gliomorph`` with a run's methods; a run in which some scans failed is one, they are named in the table.

    Raises
    ------
    SystemExit
        It could not start, or did not come to its end.
    """
    code = run_gliomorph(command(run, options))
    if code not in (0, 1):
        known = {2: "could not start, for the reason above", INTERRUPTED: "was interrupted"}
        raise SystemExit(f"gliomorph {known.get(code, f'ended with code {code}')}: nothing is measured")


def command(run: Run, options: Options) -> list[str]:
    """What follows ``gliomorph`` on the command line; stages that runs share are computed once."""
    words = [str(options.bids), str(run.folder), "participant", "-w", str(options.out / "work")]
    words += ["-d", f"truth={options.bids / 'derivatives' / 'truth'}", "--skip-bids-validation"]
    words += ["--template", options.template, "--resolution", str(options.resolution)]
    words += ["--template-dir", *map(str, options.template_dir)] if options.template_dir else []
    words += ["--registration", *run.methods, "--gpu", options.gpu]
    words += ["--registration-weights", *map(str, run.weights)] if run.weights else []
    words += ["--refine", str(run.refine)] if run.weights else []
    return [*words, "--nprocs", str(options.nprocs), "--omp-nthreads", str(options.omp_nthreads)]
