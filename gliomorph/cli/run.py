"""``gliomorph``: the BIDS App's command line."""

from __future__ import annotations

import argparse
import json
import os
import reprlib
import signal
import sys
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from .. import __version__
from ..config.settings import (
    CORRECTIONS,
    GPU_STAGES,
    LEVELS,
    MIN_COVERAGE,
    MIN_LESIONS,
    MODALITIES,
    PERMUTATIONS,
    REFINE,
    SLURM_CPUS,
    TEST_REGIONS,
    WORKERS,
    Settings,
    SettingsError,
    default_method,
)
from ..environment import LOG_LEVEL, prepare_environment, template_folders
from ..interfaces.group.strata.small_cells import MIN_CELL
from ..interfaces.machine.device import GPU_CHOICES
from ..interfaces.methods import METHODS, NEEDED
from ..interfaces.networks.registration import shipped_network
from ..workflows.checks.validation import check_folders
from .numbers import positive

INTERRUPTED = 130
ENDINGS = {
    signal.SIGINT: ("interrupted", INTERRUPTED),
    signal.SIGTERM: ("terminated", 143),
    signal.SIGHUP: ("hung up", 129),
}
"""Signals that ask a run to end: what is said then, and the exit code, as a shell has it. Slurm sends SIGTERM."""

EPILOG = """examples:
  gliomorph BIDS OUT participant group -d masks=BIDS/derivatives/masks --registration metamorph-r syn-cfm
  gliomorph BIDS OUT participant --participant-label 01 02 --template SRI24 --template-dir TEMPLATES
  gliomorph BIDS OUT group
Run the same command again after a failure or an interruption: what is done is kept. A tool for research, not for
diagnosis."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``gliomorph``."""
    parser = argparse.ArgumentParser(
        prog="gliomorph",
        description="From a BIDS cohort of brain-tumour MRI to derivatives in template space and a tumour atlas.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="BIDS dataset")
    add("output_dir", type=Path, help="where the derivatives go")
    add("levels", nargs="+", choices=LEVELS, metavar="{participant,group}", help="one level, or both")
    add("--version", action="version", version=f"gliomorph {__version__}")
    add(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="tracebacks of failures on the terminal; -vv: also the registrations' iterations",
    )
    _add_selection(parser.add_argument_group("what is read"))
    _add_processing(parser.add_argument_group("what is done"))
    _add_atlas(parser.add_argument_group("the atlas"))
    _add_tests(parser.add_argument_group("tests at every voxel of the atlas"))
    _add_resources(parser.add_argument_group("how it is run"))
    _add_workers(parser.add_argument_group("where it is run"))
    return parser


def _add_selection(group: Any) -> None:
    add = group.add_argument
    add("--participant-label", "--participant_label", nargs="+", default=(), metavar="LABEL", dest="participants",
        help="subjects, with or without sub-")  # fmt: skip
    add("--session-label", "--session_label", nargs="+", default=(), metavar="LABEL", dest="sessions",
        help="sessions, with or without ses-")  # fmt: skip
    add("--bids-filter-file", type=Path, metavar="FILE",
        help='JSON of entities, as in fMRIPrep: {"t1w": {"acquisition": "MPRAGE"}, "mask": {…}}')  # fmt: skip
    add("-d", "--derivatives", nargs="+", action="extend", default=[], metavar="NAME=PATH",
        help="folders with tumour masks (seg-brats_dseg, label-tumor_mask, label-lesion_roi), brain masks")  # fmt: skip
    add("--modality", choices=MODALITIES, default="T1w", help="the primary image (default: %(default)s)")
    add("--skip-bids-validation", "--skip_bids_validation", action="store_true",
        help="do not run bids-validator-deno on bids_dir")  # fmt: skip


def _add_processing(group: Any) -> None:
    add = group.add_argument
    add("--template", default="MNI152", metavar="NAME",
        help="MNI152 (embedded), SRI24, or any tpl-NAME of --template-dir (default: %(default)s)")  # fmt: skip
    add("--template-dir", nargs="+", type=Path, default=[], dest="template_dirs", metavar="DIR",
        help="folders that hold tpl-NAME folders; also GLIOMORPH_TEMPLATES")  # fmt: skip
    add("--resolution", type=int, choices=(1, 2, 3, 4), default=1, help="voxels in mm (default: %(default)s)")
    add("--registration", nargs="+", choices=METHODS, metavar="METHOD",
        help=f"one or several of {', '.join(m for m in METHODS if m not in NEEDED)}, and the learned ones "
        f"{', '.join(NEEDED)}; the first feeds the atlas (default: {default_method('T1w')} where the primary image is "
        f"T1w, which its network reads, else {default_method('T2w')})")  # fmt: skip
    shipped = ", ".join(method for method in NEEDED if shipped_network(method)) or "none"
    add("--registration-weights", nargs="+", type=Path, default=[], metavar="FILE",
        help="safetensors of registration networks, one for each learned method (default: those that come with "
        f"gliomorph: {shipped}; trained on T1w for SRI24 and MNI152)")  # fmt: skip
    add("--refine", type=int, metavar="N",
        help="a learned method's answer is followed by N iterations of optimisation on each pair; 0: the network "
        f"alone (default: {REFINE})")  # fmt: skip
    add("--weights", type=Path, metavar="FILE",
        help="safetensors of a segmentation network, for scans without a given mask (default: the one that comes "
        "with gliomorph for T1w and for T1ce)")  # fmt: skip
    add("--random-seed", type=int, default=0, help="of all random sampling (default: %(default)s)")


def _add_atlas(group: Any) -> None:
    add = group.add_argument
    add("--strata", nargs="+", default=(), metavar="WORD",
        help="maps of groups of participants as well: NAME makes one of each category of a column of "
        "participants.tsv, NAME:40,60 of the numbers below 40, from 40 to below 60, and from 60 up")  # fmt: skip
    add("--parcellation", default="", metavar="WORD",
        help="maps of the tumours of each region as well, and their overlap with it: hemispheres, the path of a label "
        "map in the template's space with a _dseg.tsv beside it, or the atlas- or seg- name of one in the template's "
        "folder")  # fmt: skip
    add("--min-cell", type=int, metavar="N",
        help="maps, of all participants too, show nothing that fewer than N participants share; 1 shows everything, "
        f"for simulated patients or maps that nobody else will see (default: {MIN_CELL} in strata, while the maps of "
        "all participants show everything)")  # fmt: skip
    add("--min-coverage", type=float, default=MIN_COVERAGE, metavar="SHARE",
        help="frequencies are left out where the fields of view of fewer than this share of the participants hold the "
        "voxel (default: %(default)s)")  # fmt: skip


def _add_tests(group: Any) -> None:
    add = group.add_argument
    add("--tests", nargs="+", default=(), metavar="WORD",
        help="whether lesions go with columns of participants.tsv: adiffi:COLUMN or liebermeister:COLUMN (two groups; "
        "COLUMN=VALUE: one against all others), glm:COLUMN (numbers), logrank:TIME,EVENT, cox:TIME,EVENT")  # fmt: skip
    add("--test-regions", nargs="+", choices=TEST_REGIONS, default=("WT",), metavar="REGION",
        help=f"what a lesion is, one or several of {', '.join(TEST_REGIONS)}; sub-regions leave out participants with "
        "a plain mask (default: WT, the whole tumour)")  # fmt: skip
    add("--covariates", nargs="+", default=(), metavar="NAME",
        help="columns of participants.tsv that glm and cox adjust for beside lesion volume: numbers, or two "
        "values")  # fmt: skip
    add("--correction", choices=CORRECTIONS, default="fwer",
        help="of p for all voxels: fwer, by permutations, or fdr (default: %(default)s)")  # fmt: skip
    add("--permutations", type=int, default=PERMUTATIONS, metavar="N",
        help="of the participants, for fwer; the smallest p is 1 / (N + 1) (default: %(default)s)")  # fmt: skip
    add("--tfce", action="store_true", help="threshold-free cluster enhancement, with fwer; much slower")
    add("--min-lesions", type=int, default=MIN_LESIONS, metavar="N",
        help="voxels are tested where at least N participants have a lesion and as many have none; not less than "
        "--min-cell, which holds for either group too (default: %(default)s)")  # fmt: skip


def _add_resources(group: Any) -> None:
    add = group.add_argument
    add("-w", "--work-dir", type=Path, metavar="DIR", help="intermediate results (default: OUTPUT_DIR/work)")
    add("--nprocs", type=int, metavar="N", help="CPUs to use in all (default: those available)")
    add(
        "--omp-nthreads",
        type=int,
        metavar="N",
        help="threads of each process (default: CPUs shared among scans)",
    )
    add("--mem", type=float, metavar="GB", dest="mem_gb", help="memory to use in all (default: what is free)")
    add("--gpu", nargs="+", choices=(*GPU_CHOICES, *GPU_STAGES), default=["auto"], metavar="WORD",
        help=f"auto: if there is one; all: required; none; or the stages that are to have one, of "
        f"{', '.join(GPU_STAGES)} (default: auto)")  # fmt: skip
    add("--gpu-slots", type=positive, default=1, metavar="N",
        help="stages on one GPU at a time (default: %(default)s)")  # fmt: skip
    add("--clean-workdir", action="store_true",
        help="remove the intermediate results of each scan that is done, and what is left at the end")  # fmt: skip
    add("--stop-on-first-crash", action="store_true", help="start nothing more after a failure")
    add("--dry-run", action="store_true", help="say what would be run, and stop")
    add("--config-file", type=Path, metavar="FILE", help="TOML with these options, by their long names")
    add("--notrack", action="store_true", help="accepted and without effect: there is no telemetry")


def _add_workers(group: Any) -> None:
    add = group.add_argument
    add("--worker", choices=WORKERS, default="pool",
        help=f"pool: this machine; slurm: jobs of --nprocs CPUs (default: {SLURM_CPUS}) and --mem GB each; dask: the "
        "workers of dask.distributed (default: %(default)s)")  # fmt: skip
    add("--slurm-args", default="", metavar="ARGS",
        help="further arguments of sbatch, in one word: --slurm-args='--partition=long --time=4:00:00'")  # fmt: skip
    add("--no-requeue", action="store_true",
        help="do not submit jobs once more that were cancelled or preempted, or whose node failed")  # fmt: skip
    add("--dask-scheduler", metavar="ADDRESS",
        help="of a running dask.distributed, as in tcp://host:8786 (default: workers on this machine)")  # fmt: skip


def parse(argv: Sequence[str]) -> tuple[Settings, argparse.Namespace]:
    """Options from the command line, over those of ``--config-file``.

    Raises
    ------
    SettingsError
        An option that cannot be carried out.
    """
    parser = build_parser()
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    before.add_argument("--config-file", type=Path)
    config = before.parse_known_args(argv)[0].config_file
    if config is not None:
        parser.set_defaults(**_from_toml(config, parser))
    args = parser.parse_intermixed_args(argv)
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = {name: given[name] for name in attrs.fields_dict(Settings) if name in given}
    options |= {
        "requeue": not args.no_requeue,
        "work_dir": args.work_dir or args.output_dir / "work",
        "derivatives": dict(_named_path(text) for text in args.derivatives),
        "template_dirs": (*args.template_dirs, *(p for p in template_folders() if p.is_dir())),
        "bids_filters": _read_filters(args.bids_filter_file),
    }
    settings = Settings(**options)
    return settings, args


def _named_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals:
        name, path = "".join(c for c in Path(text).resolve().name if c.isalnum()) or "derivatives", text
    return name, Path(path).resolve()


def _read_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--bids-filter-file {path}: cannot be read as JSON ({error})") from error
    known = {"t1w", "t1ce", "t2w", "flair", "mask"}
    if not isinstance(content, dict) or not set(content) <= known:
        raise SettingsError(
            f"--bids-filter-file {path}: an object with keys among {sorted(known)} is required"
        )
    for key, entities in content.items():
        if not isinstance(entities, dict):
            raise SettingsError(
                f"--bids-filter-file {path}: {key}: an object of entities is required, got {reprlib.repr(entities)}"
            )
    return content


def _from_toml(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config-file {path}: cannot be read as TOML ({error})") from error
    actions = {
        option.lstrip("-").replace("_", "-"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    defaults = {}
    for key, value in content.items():
        action = actions.get(key.replace("_", "-"))
        if action is None or action.dest in ("help", "version", "config_file"):
            raise SettingsError(f"--config-file {path}: unknown option {key!r}")
        try:
            defaults[action.dest] = _typed(action, value)
        except ValueError as error:
            raise SettingsError(f"--config-file {path}: {key} = {value!r}; {error}") from None
    return defaults


def _typed(action: argparse.Action, value: Any) -> Any:
    """A TOML value, converted and checked as the command line would."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("choose from true and false")
        return value
    values = value if isinstance(value, list) and action.nargs == "+" else [value]
    if not values or not all(type(v) in (str, int, float) for v in values):
        raise ValueError("a list of values is required" if action.nargs == "+" else "one value is required")
    typed = [action.type(str(v)) if callable(action.type) else str(v) for v in values]
    if action.choices and not all(v in action.choices for v in typed):
        raise ValueError(f"choose from {list(action.choices)}")
    return typed if action.nargs == "+" else typed[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gliomorph``.

    Parameters
    ----------
    argv : sequence of str, optional
        Without the program's name; ``sys.argv`` if not given.

    Returns
    -------
    code : int
        0: everything requested is on disk; 1: something is missing; 2: the run could not start; 129, 130, 143: hung
        up, interrupted, terminated.
    """
    with _ending_on_signals():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
    from rich.console import Console

    console = Console(soft_wrap=True)
    verbose = 0
    try:
        settings, args = parse(argv)
        verbose = args.verbose
        if verbose > 1:
            os.environ[LOG_LEVEL] = "INFO"
        check_folders(settings)
        prepare_environment(settings.work_dir, settings.threads(1), settings.gpu_slots)
        # only now: matplotlib makes its folders where the environment says, when it is imported
        from ..workflows.run import run

        return run(
            settings,
            ["gliomorph", *argv],
            console,
            dry_run=args.dry_run,
            verbose=verbose,
        )
    except KeyboardInterrupt as ending:
        word, code = ENDINGS[ending.args[0] if ending.args else signal.SIGINT]
        with suppress(OSError):  # the terminal may be gone
            console.print(f"{word}: run the same command again, what is done is kept")
        return code
    except (ValueError, OSError) as error:
        if verbose:
            raise
        print(f"gliomorph: {error}", file=sys.stderr)
        return 2


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """The first of :data:`ENDINGS` ends the block as Ctrl-C does, children too; those that follow are ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # under nohup SIGHUP is ignored already
    before = {number: signal.getsignal(number) for number in ENDINGS}
    numbers = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def end(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number))

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


if __name__ == "__main__":
    sys.exit(main())
