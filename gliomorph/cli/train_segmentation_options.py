"""The sub-commands of ``gliomorph-train`` and the options of a segmentation network's training.

Without anything that takes seconds to import.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..interfaces.machine.device import GPU_CHOICES
from ..models.regions import MODALITIES
from ..models.segmentation.distillation.methods import METHODS
from .numbers import from_zero, not_negative, positive, rate, share
from .train_any_options import ANY, PURPOSE, add_any_options
from .train_any_options import EPILOG as ANY_EPILOG
from .train_presets import PRESETS, add_preset
from .train_registration_options import REGISTRATION, add_registration_options, epilog_of

PROGRAM = "gliomorph-train"
METHOD_NAMES = tuple(METHODS)

ONLY_BIDS = ("derivatives", "train_fraction")
ONLY_SIMULATED = ("held_out", "template", "template_dir", "anatomies", "shapes")
"""Options of one source of patients alone; given with the other they would do nothing, and are refused."""

SEGMENTATION = {
    "teacher": "segments tumours from T1w, T1w with gadolinium (T1ce), T2w and FLAIR",
    "student": "segments tumours from one of these images, perhaps taught by a teacher",
}
"""What each of these networks does."""

EPILOG = f"""Options of one of them: {PROGRAM} student --help.

Run the same command again after an interruption: it goes on after the last finished epoch, to the same result. A tool
for research, not for diagnosis."""

ENSEMBLE = "ensemble"

SEGMENTATION_EPILOG = f"""examples:
  a student on simulated patients, without any data of your own:
    {PROGRAM} student OUT --modality T1w --simulated 100 --voxel-size 2
  a teacher on a BIDS dataset (BraTS folders become one with gliomorph-import), then a student that it teaches:
    {PROGRAM} teacher TEACHER --bids BIDS -d brats=BIDS/derivatives/brats
    {PROGRAM} student OUT --modality T1ce --bids BIDS -d brats=BIDS/derivatives/brats \\
        --method kl+kd --teacher TEACHER/teacher-T1w-T1ce-T2w-FLAIR.safetensors
  a trained student, trained further on your own scans:
    {PROGRAM} student TUNED --modality T1ce --bids MINE -d masks=MASKS --start OUT/student-T1ce.safetensors

Run the same command again after an interruption: it goes on after the last finished epoch, to the same result. OUT
then holds <role>-<modality>.safetensors, for gliomorph --weights, its model card (JSON), settings.json, log.csv, and
pictures of validation patients in figures/. A tool for research, not for diagnosis."""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What a command line asks for, with the values of its preset where it gives none."""
    args = build_parser().parse_args(argv)
    preset = getattr(args, "preset", None)
    return build_parser(PRESETS[preset]).parse_args(argv) if preset else args


def build_parser(defaults: Mapping[str, Mapping[str, Any]] | None = None) -> argparse.ArgumentParser:
    """The parser of ``gliomorph-train``: a sub-command for each kind of network, perhaps with other defaults."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Train a network: one that segments brain tumours, or one that registers brains with tumours to a "
        "template.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    kinds = parser.add_subparsers(dest="role", required=True, title="networks")
    for role, purpose in SEGMENTATION.items():
        _add_segmentation_options(_kind(kinds, role, purpose, SEGMENTATION_EPILOG), role)
    add_any_options(_kind(kinds, ANY, PURPOSE, ANY_EPILOG))
    for role, network in REGISTRATION.items():
        add_registration_options(_kind(kinds, role, network.purpose, epilog_of(role)), role)
    _add_ensemble(kinds)
    for role, values in (defaults or {}).items():
        kinds.choices[role].set_defaults(**values)
    return parser


def _add_ensemble(kinds: Any) -> None:
    purpose = "joins trained segmentation networks, whose mean probabilities then count"
    parser = kinds.add_parser(
        ENSEMBLE,
        help=purpose,
        description=f"Make a file of weights that {purpose}.\nThey read the same images; voxel sizes may differ.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out_file", metavar="OUT_FILE", type=Path,
        help="new .safetensors file, for gliomorph --weights; its model card goes beside it")  # fmt: skip
    add("weights", metavar="FILE", nargs="+", type=Path, help="weights of trained networks, two or more")
    add("--threshold", type=share, metavar="P",
        help="probability from which a voxel counts as tumour, chosen on patients who were held out (default: the "
        "mean of the networks' own, 0.5)")  # fmt: skip
    add("--least-sure-ml", type=from_zero, metavar="ML",
        help="volume that has to be tumour with a probability of 0.7, or a scan has none (default: the mean of the "
        "networks' own, 0)")  # fmt: skip
    add("-v", "--verbose", action="store_true", help="show where an error comes from")


def _kind(kinds: Any, role: str, purpose: str, epilog: str) -> argparse.ArgumentParser:
    """The sub-command of one kind, with what all of them take."""
    parser: argparse.ArgumentParser = kinds.add_parser(
        role,
        help=purpose,
        description=f"Train a network that {purpose}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out_dir", metavar="OUT_DIR", type=Path, help="new or empty folder, or a training to go on with")
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    add("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


def _add_segmentation_options(parser: argparse.ArgumentParser, role: str) -> None:
    add_preset(parser.add_argument, role)
    _add_data(parser.add_argument_group("what it is trained on: --bids or --simulated"))
    _add_network(parser.add_argument_group("what is trained"))
    _add_optimisation(parser.add_argument_group("how it is trained"))


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--bids", type=Path, metavar="DIR",
        help="BIDS dataset with every modality that is read, the images of a subject in one frame; two thirds of "
        "the subjects are for training, a sixth for validation, a sixth for the test")  # fmt: skip
    add("-d", "--derivatives", nargs="+", action="extend", metavar="NAME=PATH",
        help="with --bids: folders with its label maps (seg-brats_dseg) and brain masks, under names of your "
        "choice")  # fmt: skip
    add("--train-fraction", type=float, choices=(0.25, 0.5, 1.0),
        help="with --bids: part of the training subjects that is used; validation and test stay the same "
        "(default: 1.0)")  # fmt: skip
    add("--simulated", type=positive, metavar="N",
        help="instead of --bids: N simulated patients an epoch, new ones in every epoch")  # fmt: skip
    add("--held-out", type=positive, metavar="N",
        help="with --simulated: patients for validation, and as many for the test (default: 12)")  # fmt: skip
    add("--template", metavar="NAME",
        help="with --simulated: whose tissues patients are made from (default: MNI152, which is built in)")  # fmt: skip
    add("--template-dir", nargs="+", type=Path, metavar="DIR",
        help="with --simulated: folders that hold tpl-NAME folders; also GLIOMORPH_TEMPLATES")  # fmt: skip
    add("--anatomies", type=Path, metavar="DIR",
        help="with --simulated: label maps of people's whole heads (FreeSurfer's numbers; .nii, .nii.gz) that patients "
        "are made from, instead of a template")  # fmt: skip
    add("--shapes", type=Path, metavar="DIR",
        help="with --anatomies: label maps of real tumours (BraTS labels), whose shapes half of the tumours "
        "get")  # fmt: skip


def _add_network(group: Any) -> None:
    add = group.add_argument
    add("--modality", choices=MODALITIES, help="the image that a student reads (default: T1w)")
    add("--voxel-size", type=int, choices=(1, 2, 3, 4), default=1,
        help="mm; 2 takes an eighth of the time and memory of 1 (default: %(default)s)")  # fmt: skip
    add("--width", type=positive, default=30, metavar="N",
        help="channels of the first level; fewer are faster (default: %(default)s)")  # fmt: skip
    add("--start", type=Path, nargs="+", default=[], metavar="FILE",
        help="begin with these weights of a like network (fine-tuning), not at random; its voxel size may differ; of "
        "several networks that began alike, with their mean; of an ensemble, with its first network")  # fmt: skip
    add("--method", choices=METHOD_NAMES, default="baseline", metavar="METHOD",
        help=f"how a student learns from a teacher, one of {', '.join(METHOD_NAMES)}; kl+kd is KD-Net, a shared "
        "decoder is the teacher's own, baseline does without a teacher (default: %(default)s)")  # fmt: skip
    add("--teacher", type=Path, metavar="FILE",
        help="with --method: weights of a trained teacher of the same width and voxel size")  # fmt: skip
    add("--no-skips", action="store_true",
        help="no skip-connections: for the teacher that --method shared-decoder-no-skips needs; the student "
        "then has none either")  # fmt: skip


def _add_optimisation(group: Any) -> None:
    add = group.add_argument
    add("--epochs", type=positive, default=1000, metavar="N", help="at most (default: %(default)s)")
    add("--batch-size", type=positive, default=4, metavar="N",
        help="examples in one step; fewer take less memory (default: %(default)s)")  # fmt: skip
    add("--box", type=positive, nargs=3, metavar=("X", "Y", "Z"),
        help="voxels of a training example, multiples of 8; with --bids a box at a random place (default: 192 192 "
        "144 mm), with --simulated the grid around the brain's centre: what lies beyond it is never seen (default: "
        "the whole head)")  # fmt: skip
    add("--learning-rate", type=rate, default=1e-4, metavar="RATE",
        help="of Adam at the start (default: %(default)s)")  # fmt: skip
    add("--dice-weight", type=share, default=1.0, metavar="WEIGHT",
        help="of Dice beside the cross-entropy, 0 to 1; Dice learns fast and overdraws what is uncertain: end a "
        "training with --start and 0 for masks of the right size (default: %(default)s)")  # fmt: skip
    add("--schedule", choices=("plateau", "cosine"), default="plateau",
        help="of the learning rate; plateau: times 0.2 after 50 epochs without gain, until it is no longer useful; "
        "cosine: down to 0 at --epochs, for a fixed time (default: %(default)s)")  # fmt: skip
    add("--single-precision", action="store_true", help="no mixed precision on a GPU: slower, more memory")
    add("--gpu", choices=GPU_CHOICES, default="auto",
        help="auto: if there is one; all: required; none (default: %(default)s)")  # fmt: skip
    add("--seed", type=not_negative, default=0, metavar="N",
        help="of split, order, augmentation, simulated patients and first weights (default: %(default)s)")  # fmt: skip
