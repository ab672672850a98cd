"""``gliomorph-register``: one image registered to another, a patient's two sessions above all."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..environment import prepare_environment
from ..interfaces.machine.device import GPU_CHOICES
from ..interfaces.machine.limits import available_cpus
from ..interfaces.methods import DEFORMABLE, PAIR_METHOD
from ..interfaces.scan.records import EXTRACTIONS
from .numbers import above_zero, not_negative, positive

PROGRAM = "gliomorph-register"
TRANSFORMS = ("rigid", "affine", "deformable")
EPILOG = """examples:
  gliomorph-register post_T1w.nii.gz pre_T1w.nii.gz -o OUT --moving-mask post_seg.nii.gz --fixed-mask pre_seg.nii.gz
  gliomorph-register one_T1w.nii.gz other_T1w.nii.gz -o OUT --affine
  gliomorph-register post_T1w.nii.gz pre_T1w.nii.gz -o OUT --transform rigid --apply post_T2w.nii.gz post_seg.nii.gz

Both images are of one contrast, of brains or of heads, whose brains are extracted. The moving image is registered to
the fixed one and the fixed one to the moving one: where a point does not come back to its place there is no
counterpart, as in a cavity that only one of them has (syn and its like are symmetric and cannot say so).
Written are warped.nii.gz, transforms from-moving_to-fixed and from-fixed_to-moving (ITK), inconsistency.nii.gz (mm),
no-counterpart_mask.nii.gz, report.html with its figures, and last registration.json. A tool for research, not for
diagnosis.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when everything is written, 1 when it cannot be (argparse itself exits with 2), 130 when interrupted.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.transform != "deformable" and options.method:
        parser.error(f"--method {options.method}: goes with --transform deformable alone")
    try:
        with tempfile.TemporaryDirectory(prefix=f"{PROGRAM}-") as scratch:
            print(f"written: {_register(options, Path(scratch))}", flush=True)
    except (ValueError, OSError, RuntimeError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; nothing is written by halves", file=sys.stderr)
        return 130
    return 0


def _register(options: argparse.Namespace, scratch: Path) -> Path:
    prepare_environment(scratch, options.omp_nthreads or min(8, available_cpus()))
    # only now: threads and matplotlib's folders are where the environment says, when they are imported
    from ..interfaces.scan.records import Extraction, Reading
    from ..workflows.pair import Given, Request, register_images

    deformable = options.transform == "deformable"
    request = Request(
        moving=Given(image=options.moving, brain=options.moving_brain, lesion=options.moving_mask),
        fixed=Given(image=options.fixed, brain=options.fixed_brain, lesion=options.fixed_mask),
        linear="affine" if options.affine or options.transform == "affine" else "rigid",
        deformable=(options.method or PAIR_METHOD) if deformable else "",
        voxel_mm=options.resolution or 0.0,
        threshold_mm=options.threshold,
        seed=options.random_seed,
        gpu=options.gpu,
        reading=Reading(orientation=options.orientation or "", trust_voxels=options.trust_voxels),
        extraction=Extraction(tool=options.brain_extraction),
        applied=tuple(options.apply),
        landmarks=options.landmarks,
        coordinates=options.coordinates,
    )
    return register_images(request, options.output, scratch, lambda line: print(line, flush=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Register an image to another, tumours left out, and mark what has no counterpart.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_files(parser)
    add = parser.add_argument_group("how").add_argument
    add("--transform", choices=TRANSFORMS, default="deformable",
        help="rigid; affine; or deformable, after a rigid map (default: %(default)s)")  # fmt: skip
    add("--affine", action="store_true", help="an affine map comes first: the images are of two people")
    add("--method", choices=DEFORMABLE, metavar="METHOD",
        help=f"of the deformable map, one of {', '.join(DEFORMABLE)} (default: {PAIR_METHOD})")  # fmt: skip
    add("--threshold", type=above_zero, metavar="MM", default=3.0,
        help="a point that comes back farther from its place has no counterpart (default: %(default)s)")  # fmt: skip
    add("--resolution", type=above_zero, metavar="MM",
        help="voxels on which both are compared (default: those of the fixed image, 1 mm at least)")  # fmt: skip
    add(
        "--random-seed",
        type=not_negative,
        default=0,
        metavar="N",
        help="of all sampling (default: %(default)s)",
    )
    add("--gpu", choices=GPU_CHOICES, default="auto", help="for methods of torch (default: %(default)s)")
    add("--omp-nthreads", type=positive, metavar="N", help="threads (default: the CPUs, 8 at most)")
    add("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("files").add_argument
    add("moving", metavar="MOVING", type=_absolute, help="NIfTI image, which is carried to the other")
    add("fixed", metavar="FIXED", type=_absolute, help="NIfTI image, which stays as it is")
    add("-o", "--output", type=_absolute, metavar="DIR", required=True, help="folder for all that is written")
    for side in ("moving", "fixed"):
        add(f"--{side}-mask", type=_absolute, metavar="FILE",
            help=f"tumour, cavity or lesion of the {side} image, a mask or label map: left out")  # fmt: skip
        add(f"--{side}-brain", type=_absolute, metavar="FILE",
            help=f"brain mask of the {side} image (default: all but the background of a brain alone)")  # fmt: skip
    add("--brain-extraction", choices=EXTRACTIONS, default="auto",
        help="what makes the brain mask of a head: auto (a given mask, else the network that comes with gliomorph), or "
        "one of the others whether a mask is given or not (default: %(default)s)")  # fmt: skip
    add("--apply", type=_absolute, nargs="+", metavar="FILE", default=[],
        help="further images, masks or label maps of the moving side, carried along")  # fmt: skip
    add("--landmarks", type=_absolute, metavar="CSV",
        help="landmarks of the moving image (Landmark,X,Y,Z, mm), carried along")  # fmt: skip
    add(
        "--coordinates", choices=("RAS", "LPS"), default="RAS", help="of the landmarks (default: %(default)s)"
    )
    add("--orientation", metavar="RAS", type=_orientation,
        help="how the voxels lie of files whose header does not say it")  # fmt: skip
    add("--trust-voxels", action="store_true",
        help="masks with as many voxels as their image lie on them, whatever their header says")  # fmt: skip


def _absolute(text: str) -> Path:
    """A path that holds in every folder; links keep their names, which in datasets of git-annex are the files' own."""
    return Path(text).absolute()


def _orientation(text: str) -> str:
    from ..interfaces.files.text import is_orientation

    if not is_orientation(text):
        raise argparse.ArgumentTypeError(f"three directions such as RAS or LPI are required, got {text!r}")
    return text.upper()


if __name__ == "__main__":
    sys.exit(main())
