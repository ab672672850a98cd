"""The cohort of a study."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gliomorph.interfaces.datasets.simulate import Cohort, simulate_cohort
from gliomorph.interfaces.datasets.templates import load_template

from .options import Options


def simulate(options: Options, folder: Path, visible: bool = True) -> None:
    """The patients (or their twins), as ``gliomorph-simulate`` writes them; complete ones are kept."""
    template = load_template(options.template, options.resolution, options.template_folders)
    cohort = Cohort(seed=options.seed, template=template, visible=visible)
    simulate_cohort(folder, options.subjects, cohort, partial(print, flush=True))
