"""``gliomorph-evaluate``: how good registrations are, and which method is better than another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..environment import template_folders
from .numbers import positive

if TYPE_CHECKING:
    from ..interfaces.derivatives.registrations import Registrations

PROGRAM = "gliomorph-evaluate"
COMPARE_EPILOG = """
Every scan takes part that has all methods; the others are named. Written are comparison.tsv (mean, standard deviation,
median, difference from the baseline, p of the paired t-test and of Wilcoxon's), comparison_scans.tsv (every scan) and
comparison.html (tables and box plots). Run 'labels', 'landmarks' and 'truth' with the same OUT_DIR before, and
overlaps, landmark errors and true errors are compared, too.
"""


LABELS_EPILOG = """
LABELS_DIR has the layout of BIDS derivatives: sub-X/[ses-Y/]anat/sub-X[_ses-Y]_label-NAME_mask.nii.gz, or a dseg.nii.gz
with a dseg.tsv that has NAME as name or abbreviation. The template's own structures are its label-NAME masks. Written
is labels.tsv: Dice, mean and 95 % surface distance of every scan, method and label.
"""

LANDMARKS_EPILOG = """
A file has a head and a point a line, in mm of the world: Landmark,X,Y,Z. Its name says whose it is:
sub-X[_ses-Y]_landmarks.csv or tpl-TPL_landmarks.csv. With one of the template every scan's landmarks are taken there.
Without, as in BraTS-Reg, those of each further scan of a subject (follow-up) are taken through the template to the
subject's scan whose file is given first (baseline). Written are landmarks.tsv (median and mean error before and after,
robustness), landmarks_points.tsv (every landmark) and landmarks_summary (.tsv, .md, .png: means over scans).
"""


TRUTH_EPILOG = """
TRUTH_DIR is derivatives/truth of a cohort that gliomorph-simulate has written. Written is truth.tsv: for every scan and
method the distance, in mm of native space, between where its transform and the true one take points of the template
(mean, median, 95 %; in the brain outside the tumour, within 10 mm of it, inside it), folds, the change of the
tumour's volume and the true one, and the overlap of the tumour in template space with the true one.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when the tables are written, 1 when they cannot be (argparse itself exits with 2), 130 when interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        for line in options.run(options):
            print(line, flush=True)
    except (ValueError, OSError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; nothing is written by halves", file=sys.stderr)
        return 130
    return 0


def _compare(options: argparse.Namespace) -> list[str]:
    # only now: --help needs neither torch nor matplotlib
    from ..evaluation.compare import evaluate_compare

    study, written = evaluate_compare(_registrations(options), options.out_dir, options.baseline)
    left_out = [f"{scan}: left out, lacks {', '.join(lacking)}" for scan, lacking in study.missing.items()]
    methods = ", ".join(study.registrations.methods)
    scans = f"{len(study.scans)} scan{'s' * (len(study.scans) != 1)}"
    return [
        *study.registrations.notices,
        *left_out,
        f"{methods} on {scans}, {study.baseline} is the baseline",
        *_written(written),
    ]


def _labels(options: argparse.Namespace) -> list[str]:
    from ..evaluation.labels import evaluate_labels

    table = evaluate_labels(
        _registrations(options),
        options.out_dir,
        options.labels_dir,
        names=options.label,
        template_folders=[*options.template_dir, *template_folders()],
        report=lambda line: print(line, flush=True),
    )
    return [*_written([table]), f"next: {PROGRAM} compare {options.deriv_dir} {options.out_dir}"]


def _landmarks(options: argparse.Namespace) -> list[str]:
    from ..evaluation.landmarks import evaluate_landmarks
    from ..interfaces.derivatives.direct import find_direct

    tables = evaluate_landmarks(
        _registrations(options),
        options.out_dir,
        options.files,
        coordinates=options.coordinates,
        before=options.before,
        onto=options.onto.removeprefix("ses-"),
        direct=[one for folder in options.direct for one in find_direct(folder)],
        report=lambda line: print(line, flush=True),
    )
    return [*_written(tables), f"next: {PROGRAM} compare {options.deriv_dir} {options.out_dir}"]


def _truth(options: argparse.Namespace) -> list[str]:
    from ..evaluation.truth import evaluate_truth

    table = evaluate_truth(
        _registrations(options),
        options.out_dir,
        options.truth_dir,
        report=lambda line: print(line, flush=True),
    )
    return [*_written([table]), f"next: {PROGRAM} compare {options.deriv_dir} {options.out_dir}"]


def _registrations(options: argparse.Namespace) -> Registrations:
    from ..interfaces.derivatives.registrations import find_registrations
    from ..interfaces.methods import METHODS

    return find_registrations(
        options.deriv_dir, template=options.template, resolution=options.resolution, order=METHODS
    )


def _written(paths: Sequence[Path]) -> list[str]:
    return [f"written: {', '.join(map(str, paths))}"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Evaluate the registrations in a folder that gliomorph has written."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="{labels,landmarks,truth,compare}", required=True)
    _add_labels(commands)
    _add_landmarks(commands)
    _add_truth(commands)
    _add_compare(commands)
    return parser


def _add_labels(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    labels = commands.add_parser(
        "labels",
        help="overlap of given structures (ventricles, …) with the template's",
        description="Carry structures that were drawn on the native scans into template space by every method's "
        "transforms, and measure how they agree with the template's own.",
        epilog=LABELS_EPILOG,
    )
    _add_folders(labels)
    add = labels.add_argument
    add("-d", "--labels-dir", metavar="LABELS_DIR", type=Path, required=True, help="the native structures")
    add(
        "--label",
        metavar="NAME",
        nargs="+",
        default=[],
        help="which structures (default: all that the template has)",
    )
    add(
        "--template-dir",
        metavar="DIR",
        nargs="+",
        type=Path,
        default=[],
        help="folders that hold tpl-NAME; also GLIOMORPH_TEMPLATES",
    )
    _add_common(labels)
    labels.set_defaults(run=_labels)


def _add_landmarks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    landmarks = commands.add_parser(
        "landmarks",
        help="errors of landmarks, in the style of BraTS-Reg",
        description="Take landmarks to the template, or from one scan of a subject to another through the template, "
        "and measure how far from their places they arrive.",
        epilog=LANDMARKS_EPILOG,
    )
    _add_folders(landmarks)
    add = landmarks.add_argument
    add(
        "files", metavar="LANDMARKS.csv", type=Path, nargs="+", help="landmarks of scans, and of the template"
    )
    add(
        "--coordinates",
        choices=("RAS", "LPS"),
        default="RAS",
        help="where X and Y point to: RAS, as in NIfTI, or LPS, as in ITK and in the files of BraTS-Reg (default: RAS)",
    )
    add(
        "--before",
        choices=("affine", "native"),
        default="affine",
        help="compare with the affine alone, or, for pairs in one frame, with the native positions, as BraTS-Reg "
        "does (default: affine)",
    )
    add(
        "--onto",
        metavar="SESSION",
        default="",
        help="the session to which the other scans of a subject are taken, such as pre (default: that of the file "
        "given first)",
    )
    add(
        "--direct",
        metavar="DIR",
        type=Path,
        nargs="+",
        default=[],
        help="folders with transforms from scan to scan, measured beside the way through the template: what "
        "gliomorph-register has written, or files sub-X_from-A_to-B_mode-image_desc-METHOD_xfm.h5 that take points of "
        "session B to session A",
    )
    _add_common(landmarks)
    landmarks.set_defaults(run=_landmarks)


def _add_truth(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    truth = commands.add_parser(
        "truth",
        help="errors against the known truth of a simulated cohort",
        description="Measure how far every method's transforms of simulated patients are from the true ones.",
        epilog=TRUTH_EPILOG,
    )
    _add_folders(truth)
    truth.add_argument("truth_dir", metavar="TRUTH_DIR", type=Path, help="what gliomorph-simulate knows")
    _add_common(truth)
    truth.set_defaults(run=_truth)


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="all methods beside each other, with paired tests",
        description="Compare registration methods over the scans that have all of them.",
        epilog=COMPARE_EPILOG,
    )
    _add_folders(compare)
    compare.add_argument(
        "--baseline",
        metavar="METHOD",
        default="",
        help="test the others against it (default: syn-cfm, else syn, else affine, else the first)",
    )
    _add_common(compare)
    compare.set_defaults(run=_compare)


def _add_folders(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("deriv_dir", metavar="DERIV_DIR", type=Path, help="what gliomorph has written")
    add("out_dir", metavar="OUT_DIR", type=Path, help="where tables go, not DERIV_DIR itself")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--template", metavar="NAME", default="", help="of the registrations (default: the one in DERIV_DIR)")
    add(
        "--resolution",
        metavar="MM",
        type=positive,
        default=0,
        help="of the registrations (default: the one in DERIV_DIR)",
    )
    add("-v", "--verbose", action="store_true", help="show where an error comes from")


if __name__ == "__main__":
    sys.exit(main())
