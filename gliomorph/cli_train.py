"""``gliomorph-train``: a segmentation network from a BIDS dataset or from simulated patients."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .environment import template_folders
from .interfaces.device import GPU_CHOICES, DeviceError
from .interfaces.images import ImageError
from .interfaces.query import QueryError
from .interfaces.stored_network import WeightsError
from .interfaces.templates import TemplateError, load_template

PROGRAM = "gliomorph-train"
DIVISOR = 8
"""Of the network's sides."""
EPILOG = """examples:
  gliomorph-train teacher OUT --bids BIDS -d brats=BIDS/derivatives/brats
  gliomorph-train student OUT --modality T1ce --bids BIDS -d brats=BIDS/derivatives/brats \\
      --method kl+kd --teacher TEACHER.safetensors
  gliomorph-train student OUT --modality T1w --simulated 100 --voxel-size 2
Run the same command again after an interruption: it goes on after the last finished epoch. The result is
OUT/<role>-<modality>.safetensors, for gliomorph --weights, with its model card (JSON) beside it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when the network is trained, 1 when it cannot be (argparse itself exits with 2), 130 when interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        return _train(args)
    except (ImageError, QueryError, TemplateError, WeightsError, DeviceError, ValueError, OSError) as error:
        if args.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{PROGRAM}: interrupted; the same command goes on after the last finished epoch", file=sys.stderr
        )
        return 130


def _train(args: argparse.Namespace) -> int:
    # only now: torch takes seconds, and --help need not wait for it
    from .interfaces.train_segmentation import train
    from .interfaces.training_files import TrainingFolder
    from .interfaces.training_options import TrainingOptions
    from .models.segmentation_training import Optimisation
    from .models.unet import MODALITIES, SegmentationSettings

    _check(args)
    modalities: tuple[str, ...] = MODALITIES if args.role == "teacher" else (args.modality,)
    options = TrainingOptions(
        role=args.role,
        network=SegmentationSettings(
            modalities=modalities,
            width=args.width,
            voxel_mm=args.voxel_size,
        ),
        optimisation=Optimisation(
            epochs=args.epochs,
            learning_rate=args.learning_rate,
            schedule=args.schedule,
            mixed_precision=not args.single_precision,
        ),
        method=args.method if args.role == "student" else "baseline",
        teacher=args.teacher if args.role == "student" else None,
        start=args.start,
        bids_dir=args.bids.resolve() if args.bids else None,
        derivatives=dict(_named(text) for text in args.derivatives),
        simulated=args.simulated or 0,
        held_out=args.held_out,
        template=args.template,
        box=_box(args),
        batch_size=args.batch_size,
        fraction=args.train_fraction,
        seed=args.seed,
    )
    with _Progress() as progress:
        weights = train(
            options,
            TrainingFolder(args.out_dir),
            gpu=args.gpu,
            engine=_engine(args, options.channels) if args.simulated else None,
            report=progress.report,
            progress=progress.update,
        )
    print(f"{weights} and its model card {weights.with_suffix('.json').name}")
    return 0


THESIS_BOX_MM = (192, 192, 144)
"""Holds every brain of BraTS (§3.5.2)."""


def _box(args: argparse.Namespace) -> tuple[int, ...] | None:
    """Sides of a training example; whole heads where patients are simulated and nothing is said."""
    if args.box is None and args.bids is not None:
        return tuple(-(-mm // args.voxel_size // DIVISOR) * DIVISOR for mm in THESIS_BOX_MM)
    if args.box and any(side % DIVISOR for side in args.box):
        raise ValueError(f"--box: sides divisible by {DIVISOR} are required, got {args.box}")
    return tuple(args.box) if args.box else None


def _check(args: argparse.Namespace) -> None:
    """Refuse combinations that say nothing or two things."""
    if (args.bids is None) == (args.simulated is None):
        raise ValueError("either --bids DIR or --simulated N is required, and not both")
    if args.bids is not None and not args.bids.is_dir():
        raise ValueError(f"--bids {args.bids}: not a folder (in a container: is it mounted?)")
    if args.bids is not None and not args.derivatives:
        raise ValueError("--bids needs -d NAME=PATH: the folder with the label maps (seg-brats_dseg)")
    if args.role == "teacher" and (args.teacher or args.method != "baseline"):
        raise ValueError("a teacher is trained without --teacher and --method: they are for students")
    if args.role == "student" and (args.method != "baseline") != (args.teacher is not None):
        raise ValueError(f"--method {args.method}: distillation takes both a --method and a --teacher FILE")
    for path in (args.teacher, args.start):
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: no such file")


def _engine(args: argparse.Namespace, channels: Sequence[str]) -> Any:
    from .interfaces.device import choose_device
    from .interfaces.training_data import engine_of

    folders = [*args.template_dir, *template_folders()]
    template = load_template(args.template, args.voxel_size, folders)
    return engine_of(template, channels, args.box, choose_device(args.gpu))


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name.isalnum():
        raise ValueError(f"-d {text}: NAME=PATH with an alphanumeric name is required")
    folder = Path(path).resolve()
    if not folder.is_dir():
        raise ValueError(f"-d {text}: not a folder")
    return name, folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Train a tumour segmentation network: a teacher that reads T1w, T1w with gadolinium, T2w and "
        "FLAIR, or a student that reads one of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("role", choices=("teacher", "student"))
    add("out_dir", metavar="OUT_DIR", type=Path, help="new or empty folder, or a training to go on with")
    add("-v", "--verbose", action="store_true", help="traceback of a failure")
    _add_data(parser.add_argument_group("what it is trained on"))
    _add_network(parser.add_argument_group("what is trained"))
    _add_optimisation(parser.add_argument_group("how"))
    return parser


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--bids", type=Path, metavar="DIR", help="BIDS dataset, images of a subject in one frame")
    add("-d", "--derivatives", nargs="+", action="extend", default=[], metavar="NAME=PATH",
        help="folders with label maps (seg-brats_dseg), brain masks")  # fmt: skip
    add("--train-fraction", type=float, choices=(0.25, 0.5, 1.0), default=1.0,
        help="part of the training subjects (2/3 of all) that is used (default: %(default)s)")  # fmt: skip
    add(
        "--simulated",
        type=_positive,
        metavar="N",
        help="instead: N simulated patients an epoch, always new ones",
    )
    add("--held-out", type=_positive, default=12, metavar="N",
        help="simulated patients for validation, and for the test (default: %(default)s)")  # fmt: skip
    add(
        "--template",
        default="MNI152",
        metavar="NAME",
        help="of the simulated patients (default: %(default)s)",
    )
    add(
        "--template-dir",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="folders that hold tpl-NAME folders",
    )


def _add_network(group: Any) -> None:
    add = group.add_argument
    add("--modality", choices=("T1w", "T1ce", "T2w", "FLAIR"), default="T1w",
        help="what a student reads (default: %(default)s)")  # fmt: skip
    add("--voxel-size", type=int, choices=(1, 2, 3, 4), default=1, help="mm (default: %(default)s)")
    add("--width", type=_positive, default=30, help="channels of the first level (default: %(default)s)")
    add("--start", type=Path, metavar="FILE", help="weights to begin with: fine-tuning")
    add("--method", choices=METHOD_NAMES, default="baseline", help="of distillation (default: %(default)s)")
    add("--teacher", type=Path, metavar="FILE", help="weights of the teacher, for distillation")


def _add_optimisation(group: Any) -> None:
    add = group.add_argument
    add("--epochs", type=_positive, default=1000, help="at most (default: %(default)s)")
    add("--batch-size", type=_positive, default=4, help="default: %(default)s")
    add("--box", type=_positive, nargs=3, metavar=("X", "Y", "Z"),
        help="voxels of a training example (default: 192 192 144 at 1 mm; the head where simulated)")  # fmt: skip
    add("--learning-rate", type=float, default=1e-4, help="default: %(default)s")
    add("--schedule", choices=("plateau", "cosine"), default="plateau",
        help="plateau: x 0.2 after 50 epochs without gain; cosine: to 0 at the end (default: %(default)s)")  # fmt: skip
    add("--single-precision", action="store_true", help="no mixed precision on a GPU")
    add("--gpu", choices=GPU_CHOICES, default="auto", help="default: %(default)s")
    add(
        "--seed",
        type=int,
        default=0,
        help="of split, order, augmentation, first weights (default: %(default)s)",
    )


METHOD_NAMES = ("baseline", "att", "kl", "kl+kd", "kd", "ct", "ct+kd", "adversarial")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1 is required, got {text}")
    return number


class _Progress:
    """A bar with the last loss on a terminal; lines for the epochs everywhere."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"), transient=True,
        )  # fmt: skip
        self.task = self.bar.add_task("epoch", loss=float("nan"))

    def __enter__(self) -> _Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def report(self, line: str) -> None:
        self.bar.console.print(line, soft_wrap=True, highlight=False)

    def update(self, done: int, total: int, losses: Mapping[str, float]) -> None:
        self.bar.update(self.task, completed=done, total=total, loss=losses["total"])


if __name__ == "__main__":
    sys.exit(main())
