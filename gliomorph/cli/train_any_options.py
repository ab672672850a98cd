"""The options of the training of a network for any subset of the sequences; nothing that takes seconds to import."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..interfaces.machine.device import GPU_CHOICES
from ..models.regions import MODALITIES
from .numbers import not_negative, positive, rate, share

if TYPE_CHECKING:
    from ..training.any_sequence.options import SubsetOptions

ANY = "any"
"""Its sub-command."""
PURPOSE = "segments tumours from whichever of T1w, T1ce, T2w and FLAIR there are"
AVERAGING = 0.99
"""Memory of the mean of the weights that is kept: some 100 steps."""

EPILOG = """examples:
  on two datasets, of which the second has outlines of the whole tumour alone, and on healthy people; a third of all
  persons is held out for the test:
    gliomorph-train any OUT --bids BRATS HEADS -d brats=BRATS/derivatives/brats masks=HEADS/derivatives/masks \\
        --healthy CONTROLS --folds 3 --fold 0 --voxel-size 3
  the other folds, with scans that were prepared once, and all networks as one:
    gliomorph-train any OUT1 … --fold 1 --prepared OUT/prepared
    gliomorph-train ensemble any.safetensors OUT/any.safetensors OUT1/any.safetensors

Run the same command again after an interruption: it goes on after the last finished epoch, to the same result. OUT
then holds any.safetensors, for gliomorph --weights, its model card (JSON) with its figures on the held-out fold for
each sequence alone and for all, settings.json and log.csv. A tool for research, not for diagnosis."""


def add_any_options(parser: argparse.ArgumentParser) -> None:
    """The options of this training."""
    _add_data(parser.add_argument_group("what it is trained on"))
    _add_network(parser.add_argument_group("what is trained, and how"))


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--bids", type=Path, nargs="+", required=True, action="extend", metavar="DIR",
        help="BIDS datasets of patients, with at least one sequence each, those of a scan in one frame; heads with "
        "their skull are extracted")  # fmt: skip
    add("-d", "--derivatives", nargs="+", required=True, action="extend", metavar="NAME=PATH",
        help="folders with their label maps (seg-brats_dseg), outlines of the whole tumour (label-tumor_mask) and "
        "brain masks, under names of your choice")  # fmt: skip
    add("--healthy", type=Path, nargs="+", default=[], action="extend", metavar="DIR",
        help="BIDS datasets of people without a tumour")  # fmt: skip
    add("--persons", type=Path, metavar="FILE",
        help="table (TSV) with the columns participant_id and person_id: who is one person under several names; a "
        "person is held out with all scans")  # fmt: skip
    add("--folds", type=positive, default=5, metavar="K",
        help="folds into which persons are dealt, those of each dataset evenly (default: %(default)s)")  # fmt: skip
    add("--fold", type=not_negative, metavar="I",
        help="the fold that is held out, from 0 (default: none, all persons are trained on)")  # fmt: skip
    add("--prepared", type=Path, metavar="DIR",
        help="where scans are kept as tensors, for several trainings (default: in OUT_DIR)")  # fmt: skip


def _add_network(group: Any) -> None:
    add = group.add_argument
    add("--voxel-size", type=int, choices=(1, 2, 3, 4), default=2, help="mm (default: %(default)s)")
    add("--brain-ml", type=positive, default=1500, metavar="ML",
        help="size to which brains are brought before the network reads them (default: %(default)s)")  # fmt: skip
    add("--width", type=positive, default=16, metavar="N",
        help="channels of the first level; fewer are faster (default: %(default)s)")  # fmt: skip
    add("--start", type=Path, metavar="FILE",
        help="begin with these weights of a network of this width; it may read a single sequence")  # fmt: skip
    add("--box", type=positive, nargs=3, metavar=("X", "Y", "Z"),
        help="voxels of a training example, multiples of 8 (default: 144 192 144 mm)")  # fmt: skip
    add("--epochs", type=positive, default=100, metavar="N", help="(default: %(default)s)")
    add("--passes", type=positive, default=4, metavar="N",
        help="how often an epoch reads every scan, each time changed otherwise (default: %(default)s)")  # fmt: skip
    add(
        "--batch-size",
        type=positive,
        default=2,
        metavar="N",
        help="examples in one step (default: %(default)s)",
    )
    add("--learning-rate", type=rate, default=1e-3, metavar="RATE",
        help="of Adam at the start; it falls to 0 at --epochs by a cosine (default: %(default)s)")  # fmt: skip
    add("--dice-weight", type=share, default=1.0, metavar="WEIGHT",
        help="of Dice beside the cross-entropy, 0 to 1 (default: %(default)s)")  # fmt: skip
    add("--gpu", choices=GPU_CHOICES, default="auto",
        help="auto: if there is one; all: required; none (default: %(default)s)")  # fmt: skip
    add("--seed", type=not_negative, default=0, metavar="N",
        help="of folds, order, changes and first weights (default: %(default)s)")  # fmt: skip


def any_options(args: argparse.Namespace, derivatives: Mapping[str, Path]) -> SubsetOptions:
    """What the command line asks to train.

    Raises
    ------
    ValueError
        Options that contradict each other, paths that lead nowhere.
    """
    for path in (*args.bids, *args.healthy):
        if not path.is_dir():
            raise ValueError(f"{path}: not a folder (in a container: is it mounted?)")
    for name in ("start", "persons"):
        path = getattr(args, name)
        if path is not None and not path.is_file():
            raise ValueError(f"--{name} {path}: no such file")
    from ..models.segmentation.training import Optimisation
    from ..models.unet import SegmentationSettings
    from ..training.any_sequence.options import BOX_MM, SubsetOptions

    return SubsetOptions(
        network=SegmentationSettings(
            modalities=MODALITIES,
            subsets=True,
            width=args.width,
            voxel_mm=args.voxel_size,
            brain_ml=args.brain_ml,
        ),
        optimisation=Optimisation(
            epochs=args.epochs, learning_rate=args.learning_rate, schedule="cosine", averaging=AVERAGING
        ),
        dice_weight=args.dice_weight,
        start=args.start.resolve() if args.start else None,
        bids_dirs=tuple(path.resolve() for path in args.bids),
        derivatives=derivatives,
        healthy_dirs=tuple(path.resolve() for path in args.healthy),
        persons=args.persons.resolve() if args.persons else None,
        folds=args.folds,
        fold=args.fold,
        box=tuple(args.box) if args.box else tuple(8 * -(-mm // args.voxel_size // 8) for mm in BOX_MM),
        passes=args.passes,
        batch_size=args.batch_size,
        seed=args.seed,
    )
