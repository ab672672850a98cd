"""``gliomorph-train``: networks that segment or register, from scans or from simulated patients; ensembles."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..environment import template_folders
from ..interfaces.machine.device import DeviceError
from ..models.regions import MODALITIES
from ..models.segmentation.distillation.methods import SHARED_DECODER
from .train_any_options import ANY, any_options
from .train_registration_options import REGISTRATION, registration_options
from .train_segmentation_options import ENSEMBLE, ONLY_BIDS, ONLY_SIMULATED, PROGRAM, parse

if TYPE_CHECKING:
    from ..models.synthesis.engine import Engine
    from ..models.unet import SegmentationSettings
    from ..training.segmentation.options import TrainingOptions

THESIS_BOX_MM = (192, 192, 144)
"""Size of a training example; holds every brain of BraTS (§3.5.2)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when the network is trained, 1 when it cannot be (argparse itself exits with 2), 130 when interrupted.
    """
    args = parse(argv)
    try:
        weights = _made(args)
    except KeyboardInterrupt:
        again = "the same command goes on after the last finished epoch"
        print(f"{PROGRAM}: interrupted; {again}", file=sys.stderr)
        return 130
    except (ValueError, OSError, ArithmeticError, RuntimeError) as error:
        problem = _problem(error, args.role)
        if args.verbose or not problem:
            raise
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
        return 1
    print(f"{weights} and its model card {weights.with_suffix('.json').name}")
    return 0


def _problem(error: Exception, role: str) -> str:
    """What to tell; an empty string for an error that nobody has foreseen."""
    if isinstance(error, FloatingPointError):
        other = "" if role in REGISTRATION else ", or on a GPU with --single-precision"
        return f"{error}; begin anew with a smaller --learning-rate{other}"
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported for this
        smaller = (
            "--batch-size or --width, a larger --voxel-size or --network-voxel-size"
            if role in REGISTRATION
            else "--batch-size, --width or --box"
        )
        return f"the GPU's memory does not suffice: take a smaller {smaller}, or --gpu none"
    return str(error) if isinstance(error, (ValueError, OSError, DeviceError)) else ""


def _made(args: argparse.Namespace) -> Path:
    """The weights that were asked for."""
    if args.role == ENSEMBLE:
        from ..training.segmentation.ensemble import join

        return join(args.weights, args.out_file, args.threshold, args.least_sure_ml)
    if args.role == ANY:
        return _train_any(args)
    return _train_registration(args) if args.role in REGISTRATION else _train(args)


def _train_any(args: argparse.Namespace) -> Path:
    options = any_options(args, _named_folders(args.derivatives))
    from ..training.any_sequence.train import train_any
    from ..training.folder import TrainingFolder

    with _Progress(args.epochs) as progress:
        return train_any(
            options,
            TrainingFolder(args.out_dir),
            args.prepared,
            gpu=args.gpu,
            report=progress.report,
            progress=progress.update,
        )


def _train_registration(args: argparse.Namespace) -> Path:
    options = registration_options(args)
    from ..training.folder import TrainingFolder
    from ..training.registration.train import train

    with _Progress(args.epochs) as progress:
        return train(
            options,
            TrainingFolder(args.out_dir),
            [*args.template_dir, *template_folders()],
            gpu=args.gpu,
            report=progress.report,
            progress=progress.update,
        )


def _train(args: argparse.Namespace) -> Path:
    # only now: torch takes seconds, and neither --help nor a wrong path needs it
    _check(args)
    derivatives = _named_folders(args.derivatives or [])
    from ..training.folder import TrainingFolder
    from ..training.segmentation.train import train

    options = _options(args, derivatives)
    engine = None
    if args.simulated:
        known_ml = _brain_ml(args.start)
        engine = _engine(args, options, known_ml)
        network = attrs.evolve(options.network, brain_ml=known_ml or round(engine.brain_ml))
        options = attrs.evolve(options, network=network)
    with _Progress(args.epochs) as progress:
        return train(
            options,
            TrainingFolder(args.out_dir),
            gpu=args.gpu,
            engine=engine,
            report=progress.report,
            progress=progress.update,
        )


def _check(args: argparse.Namespace) -> None:
    """Refuse what says nothing or two things, and paths that lead nowhere."""
    if (args.bids is None) == (args.simulated is None):
        raise ValueError("either --bids DIR or --simulated N is required, and not both")
    source, other = ("--bids", ONLY_SIMULATED) if args.bids else ("--simulated", ONLY_BIDS)
    if idle := [f"--{name.replace('_', '-')}" for name in other if getattr(args, name) is not None]:
        raise ValueError(f"{', '.join(idle)}: without effect with {source}, leave it out")
    if args.anatomies and (args.template or args.template_dir):
        raise ValueError("--template, --template-dir: without effect with --anatomies, leave them out")
    if args.bids is not None and not args.bids.is_dir():
        raise ValueError(f"--bids {args.bids}: not a folder (in a container: is it mounted?)")
    if args.bids is not None and not args.derivatives:
        raise ValueError("--bids needs -d NAME=PATH: the folder with the label maps (seg-brats_dseg)")
    if args.role == "teacher" and args.modality is not None:
        raise ValueError(f"--modality {args.modality}: a teacher reads {', '.join(MODALITIES)}, leave it out")
    weights = {"teacher": [args.teacher] if args.teacher else [], "start": args.start}
    for name, paths in weights.items():
        for path in paths:
            if not path.is_file():
                raise ValueError(f"--{name} {path}: no such file")


def _named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Folders by name, from words ``NAME=PATH``."""
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name.isalnum():
            raise ValueError(f"-d {word}: NAME=PATH with an alphanumeric name is required")
        if name in folders:
            raise ValueError(f"-d {word}: the name {name} is taken, choose another")
        folders[name] = Path(path).resolve()
        if not folders[name].is_dir():
            raise ValueError(f"-d {word}: not a folder")
    return folders


def _options(args: argparse.Namespace, derivatives: Mapping[str, Path]) -> TrainingOptions:
    from ..models.segmentation.training import Optimisation
    from ..training.segmentation.options import TrainingOptions

    return TrainingOptions(
        role=args.role,
        network=_network(args),
        optimisation=Optimisation(
            epochs=args.epochs,
            learning_rate=args.learning_rate,
            schedule=args.schedule,
            mixed_precision=not args.single_precision,
        ),
        method=args.method,
        dice_weight=args.dice_weight,
        teacher=args.teacher.resolve() if args.teacher else None,
        start=tuple(path.resolve() for path in args.start),
        bids_dir=args.bids.resolve() if args.bids else None,
        derivatives=derivatives,
        simulated=args.simulated or 0,
        held_out=args.held_out or 12,
        template=args.template or "MNI152",
        anatomies=args.anatomies.resolve() if args.anatomies else None,
        shapes=args.shapes.resolve() if args.shapes else None,
        box=_box(args),
        batch_size=args.batch_size,
        fraction=args.train_fraction or 1.0,
        seed=args.seed,
    )


def _network(args: argparse.Namespace) -> SegmentationSettings:
    """A student that takes over its teacher's decoder has skip-connections where that has them."""
    from ..models.unet import SegmentationSettings

    return SegmentationSettings(
        modalities=MODALITIES if args.role == "teacher" else (args.modality or "T1w",),
        width=args.width,
        voxel_mm=args.voxel_size,
        skips=not args.no_skips and SHARED_DECODER.get(args.method, True),
    )


def _box(args: argparse.Namespace) -> tuple[int, ...] | None:
    """Sides of a training example; whole heads where patients are simulated and nothing is said."""
    from ..models.unet import DIVISOR

    if args.box is None and args.bids is not None:
        return tuple(-(-mm // args.voxel_size // DIVISOR) * DIVISOR for mm in THESIS_BOX_MM)
    return tuple(args.box) if args.box else None


def _brain_ml(start: Sequence[Path]) -> float:
    """Size of the brains that the first of some weights know; 0 for none, or for brains of their own size."""
    from ..interfaces.networks.segmentation import load_unet

    return load_unet(start[0])[1].brain_ml if start else 0.0


def _engine(args: argparse.Namespace, options: TrainingOptions, brain_ml: float) -> Engine:
    from ..interfaces.datasets.anatomies import people_engine
    from ..interfaces.datasets.templates import load_template
    from ..interfaces.machine.device import choose_device
    from ..training.segmentation.data import engine_of

    device = choose_device(args.gpu)  # before the template, which takes seconds
    if options.anatomies:
        return people_engine(
            options.anatomies, options.shapes, args.voxel_size, options.channels, options.box, device
        )
    folders = [*(args.template_dir or []), *template_folders()]
    template = load_template(options.template, args.voxel_size, folders, brain_ml)
    return engine_of(template, options.channels, options.box, device)


class _Progress:
    """On a terminal a bar of the whole training, with epoch, loss and validation; lines everywhere."""

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.epochs, console = epochs, Console()
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=8), TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}"), transient=True, console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("preparing", total=None, figures="")

    def __enter__(self) -> _Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def report(self, line: str) -> None:
        """A line for the reader, as it is."""
        self.bar.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def update(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Steps done and in all, and what is known after the last one."""
        described: dict[str, Any] = {
            "description": f"epoch {figures['epoch']:.0f}/{self.epochs}",
            "figures": _figures(figures),
        }
        self.bar.update(self.task, completed=done, total=total, **described)


def _figures(figures: Mapping[str, float]) -> str:
    """``loss 1.234, validation Dice ET 0.41 TC 0.52 WT 0.62``; fits 80 columns, the latter from epoch 2.

    Of a registration ``loss 12345.678, validation 0.41 of before``.
    """
    dices = [
        f"{name.removeprefix('validation_').removesuffix('_dice')} {value:.2f}"
        for name, value in figures.items()
        if name.startswith("validation_") and name.endswith("_dice")
    ]
    loss = f"loss {figures['total']:.3f}"
    if "validation_outside" in figures:
        return f"{loss}, validation {figures['validation_outside']:.2f} of before"
    return f"{loss}, validation Dice {' '.join(dices)}" if dices else loss


if __name__ == "__main__":
    sys.exit(main())
