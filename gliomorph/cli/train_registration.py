"""``gliomorph-train metamorph-r|metamorph-g|voxelmorph``: from the command line to the training's options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .train_registration_options import NETWORK, ONLY_SIMULATED

if TYPE_CHECKING:
    from ..training.registration.options import RegistrationOptions


def registration_options(args: argparse.Namespace) -> RegistrationOptions:
    """What the command line asks to train.

    Raises
    ------
    ValueError
        Options that say nothing or two things, paths that lead nowhere.
    WeightsError
        Weights to start from that are of another network.
    """
    _check(args)
    # only now: torch takes seconds, and neither --help nor a wrong path needs it
    from ..models.registration.registration_training import EpochSettings
    from ..training.registration.options import RegistrationOptions, default_lam, network_settings

    asked = {name: value for name in NETWORK if (value := getattr(args, name, None)) is not None}
    start = args.start.resolve() if args.start else None
    return RegistrationOptions(
        network=network_settings(args.role, start, asked),
        optimisation=EpochSettings(epochs=args.epochs, learning_rate=args.learning_rate),
        lam=default_lam(args.role, args.similarity) if args.lam is None else args.lam,
        similarity=args.similarity,
        start=start,
        derivatives_dir=args.derivatives_dir.resolve() if args.derivatives_dir else None,
        simulated=args.simulated or 0,
        held_out=args.held_out or 12,
        templates=tuple(args.template),
        voxel_mm=args.voxel_size,
        batch_size=args.batch_size,
        seed=args.seed,
    )


def _check(args: argparse.Namespace) -> None:
    if (args.derivatives_dir is None) == (args.simulated is None):
        raise ValueError("either --derivatives-dir DIR or --simulated N is required, and not both")
    if args.derivatives_dir is not None:
        if idle := [
            f"--{name.replace('_', '-')}" for name in ONLY_SIMULATED if getattr(args, name) is not None
        ]:
            raise ValueError(f"{', '.join(idle)}: without effect with --derivatives-dir, leave it out")
        if not args.derivatives_dir.is_dir():
            raise ValueError(
                f"--derivatives-dir {args.derivatives_dir}: not a folder (in a container: is it mounted?)"
            )
    if args.start is not None and not args.start.is_file():
        raise ValueError(f"--start {args.start}: no such file")
