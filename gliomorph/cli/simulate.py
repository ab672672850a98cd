"""``gliomorph-simulate``: a BIDS cohort of simulated patients with known truth."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from ..environment import template_folders
from ..interfaces.datasets.simulate import GRIDS, PROGRAM, Cohort, SimulationError, simulate_cohort
from ..interfaces.datasets.templates import TemplateError, load_template
from ..interfaces.files.images import ImageError
from ..models.synthesis import FoldingError
from .numbers import not_negative, positive

EPILOG = """
The truth (labels, tissues, brain masks, transforms, parameters) is written to OUT_DIR/derivatives/truth.
The same seed gives the same bytes, and patient k does not depend on N. A run that was interrupted, or a
cohort that should grow, continues in the same OUT_DIR. Labels have two digits, three beyond 99 subjects: a
cohort does not grow across that border.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when every file is written, 1 when it cannot be done as asked (argparse itself exits with 2), 130
        when interrupted.
    """
    options = _parser().parse_args(argv)
    start = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {line}", flush=True)

    try:
        _simulate(options, report)
    except (SimulationError, TemplateError, FoldingError, ImageError, OSError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; the same command continues", file=sys.stderr)
        return 130
    print(f"{options.subjects} subjects in {options.out_dir}, their truth in its derivatives/truth")
    return 0


def _simulate(options: argparse.Namespace, report: Callable[[str], None]) -> None:
    """The cohort that was asked for: of a template, or of people's anatomies."""
    if options.anatomies is None:
        if options.shapes:
            raise SimulationError(f"--shapes {options.shapes}: only with --anatomies DIR")
        folders = [*options.template_dir, *template_folders()]
        template = load_template(options.template or "MNI152", options.resolution, folders)
        cohort = Cohort(seed=options.seed, template=template, grid=options.grid or "isotropic")
        simulate_cohort(options.out_dir, options.subjects, cohort, report)
        return
    if idle := [f"--{name}" for name in ("template", "grid") if getattr(options, name)]:
        raise SimulationError(f"{', '.join(idle)}: without effect with --anatomies, leave it out")
    from ..interfaces.datasets.simulate_people import PeopleCohort, simulate_people

    people = PeopleCohort(
        anatomies=options.anatomies,
        shapes=options.shapes,
        resolution=options.resolution,
        seed=options.seed,
    )
    simulate_people(options.out_dir, options.subjects, people, report)


def _parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Write a BIDS cohort of simulated brain-tumour patients (skull-stripped T1w, T1w with "
        "gadolinium, T2w and FLAIR) made from a template's tissues, with the truth about them.",
        epilog=EPILOG,
    )
    arguments.add_argument(
        "out_dir", metavar="OUT_DIR", type=Path, help="new or empty folder, or a cohort to continue"
    )
    arguments.add_argument("--subjects", metavar="N", type=positive, required=True, help="number of patients")
    arguments.add_argument("--seed", metavar="S", type=not_negative, default=0, help="default: 0")
    arguments.add_argument(
        "--resolution", type=int, choices=(1, 2, 3, 4), default=1, help="voxel size in mm, default: 1"
    )
    arguments.add_argument("--template", metavar="NAME", help="one with CSF, GM and WM maps, default: MNI152")
    arguments.add_argument(
        "--template-dir",
        metavar="DIR",
        nargs="+",
        type=Path,
        default=[],
        help="folders that hold tpl-NAME; also GLIOMORPH_TEMPLATES",
    )
    arguments.add_argument(
        "--grid",
        choices=GRIDS,
        help="native voxels: isotropic; anisotropic with thick slices; las, the first axis reversed; mixed "
        "goes through these, patient after patient; all are slightly oblique (default: isotropic)",
    )
    arguments.add_argument(
        "--anatomies",
        metavar="DIR",
        type=Path,
        help="instead of a template: label maps of people's whole heads (FreeSurfer's numbers); the truth then "
        "has labels and brain masks, but no transforms",
    )
    arguments.add_argument(
        "--shapes",
        metavar="DIR",
        type=Path,
        help="with --anatomies: label maps of real tumours, whose shapes half of the tumours get",
    )
    arguments.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    arguments.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
