"""The options of a registration network's training, without anything that takes seconds to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..interfaces.machine.device import GPU_CHOICES
from .numbers import above_zero, from_zero, not_negative, positive, rate
from .train_presets import add_preset

if TYPE_CHECKING:
    from ..training.registration.options import RegistrationOptions

MEASURES = ("lncc", "ssd", "cc", "mi", "vir")
MASKINGS = ("none", "cfm", "local")


class Kind(NamedTuple):
    """What the help says of a kind of network."""

    purpose: str
    width: int
    steps: int
    what_steps_are: str
    lam: str
    masking: str


REGISTRATION = {
    "metamorph-r": Kind(
        "registers a brain to a template, shape and the tumour's appearance, by residual blocks",
        32, 15, "residual blocks", "6e-4, that of the metamorphosis", "local",
    ),
    "metamorph-g": Kind(
        "registers a brain to a template, shape and the tumour's appearance, by one geodesic",
        16, 15, "time steps of the shooting", "6e-4, that of the metamorphosis", "local",
    ),
    "voxelmorph": Kind(
        "registers a brain to a template, shape only, by a stationary velocity",
        16, 7, "squarings of the velocity", "2, the published one", "none",
    ),
}  # fmt: skip
"""By role; the defaults are those of ``gliomorph.models.registration.networks.DEFAULTS``."""

ONLY_SIMULATED = ("held_out", "anatomies")
"""Options that do nothing with scans, and are refused there."""
NETWORK = (
    "width", "steps", "voxel_mm", "sigma_mm", "mu", "masking", "sees_mask",
    "guided", "fine_steps", "fine_voxel_mm", "fine_sigma_mm", "fine_width",
)  # fmt: skip
"""Options that are settings of the network; with weights to start from, these know them."""


def epilog_of(role: str) -> str:
    """Examples for one of :data:`REGISTRATION`, and what is written."""
    return f"""examples:
  without any data of your own, on simulated patients:
    gliomorph-train {role} OUT --simulated 200 --template SRI24 --voxel-size 2
  on the scans of a run of gliomorph, which have been aligned and matched:
    gliomorph BIDS DERIV participant -d masks=MASKS --template SRI24 --resolution 2 --registration affine
    gliomorph-train {role} OUT --derivatives-dir DERIV --template SRI24 --voxel-size 2
  the first network, trained further on your own scans:
    gliomorph-train {role} TUNED --derivatives-dir DERIV --template SRI24 --voxel-size 2 \\
        --start OUT/{role}.safetensors

OUT then holds the weights, for gliomorph --registration-weights, their model card (JSON), settings.json, log.csv, and
pictures of validation pairs in figures/. A tool for research, not for diagnosis."""


def add_registration_options(parser: argparse.ArgumentParser, role: str) -> None:
    """The options of one of :data:`REGISTRATION`."""
    add_preset(parser.add_argument, role)
    _add_data(parser.add_argument_group("what it is trained on: --simulated or --derivatives-dir"))
    _add_network(parser.add_argument_group("what is trained"), role)
    _add_optimisation(parser.add_argument_group("how it is trained"), role)


def _add_data(group: Any) -> None:
    add = group.add_argument
    add(
        "--simulated",
        type=positive,
        metavar="N",
        help="N simulated patients an epoch, new ones in every epoch",
    )
    add("--held-out", type=positive, metavar="N",
        help="with --simulated: patients for validation, and as many for the test (default: 12)")  # fmt: skip
    add("--anatomies", type=Path, metavar="DIR",
        help="with --simulated: half of the patients are people painted from the label maps of heads in this folder "
        "(*_dseg.nii.gz, FreeSurfer's numbers), T1-weighted or of any contrast")  # fmt: skip
    add("--derivatives-dir", type=Path, metavar="DIR",
        help="instead of --simulated: what gliomorph has written of a cohort, with the same --template and the "
        "--voxel-size as its --resolution; two thirds of the subjects are for training, a sixth for validation, a "
        "sixth for the test")  # fmt: skip
    add("--template", nargs="+", default=["MNI152"], metavar="NAME",
        help="to which is registered; with --simulated several, whose patients come in turn, for a network that serves "
        "them all (default: MNI152, which is built in)")  # fmt: skip
    add("--template-dir", nargs="+", type=Path, default=[], metavar="DIR",
        help="folders that hold tpl-NAME folders; also GLIOMORPH_TEMPLATES")  # fmt: skip


def _add_network(group: Any, role: str) -> None:
    add, kind = group.add_argument, REGISTRATION[role]
    add("--voxel-size", type=int, choices=(1, 2, 3, 4), default=1,
        help="mm; 2 takes an eighth of the time and memory of 1 (default: %(default)s)")  # fmt: skip
    add("--width", type=positive, metavar="N", help=f"channels; fewer are faster (default: {kind.width})")
    add("--steps", type=positive, metavar="T", help=f"{kind.what_steps_are} (default: {kind.steps})")
    add("--network-voxel-size", dest="voxel_mm", type=above_zero, metavar="MM",
        help="voxels of the convolutions, whatever those of the images (default: 4)")  # fmt: skip
    if role == "voxelmorph":
        add("--masking", choices=MASKINGS[:2],
            help="what the tumour mask is for: cfm: the cost leaves the tumour out, the result serves gliomorph as "
            f"voxelmorph-cfm; none: nothing (default: {kind.masking})")  # fmt: skip
    else:
        add("--sigma", dest="sigma_mm", type=above_zero, metavar="MM",
            help="width of the Gaussian kernel (default: 8)")  # fmt: skip
        add("--mu", type=from_zero, metavar="MU", help="weight of appearance (default: 0.05; with cfm 0)")
        add("--masking", choices=MASKINGS,
            help="what the tumour mask is for: local: appearance changes inside it alone, as gliomorph needs it; cfm: "
            f"the cost leaves the tumour out; none: nothing (default: {kind.masking})")  # fmt: skip
    if role == "metamorph-r":
        _add_stages(add)
    add("--start", type=Path, metavar="FILE",
        help="begin with these weights of the same kind of network (fine-tuning), whose settings are taken; the voxel "
        "size may differ")  # fmt: skip


def _add_stages(add: Any) -> None:
    add("--guided", action="store_true", default=None,
        help="each block also sees the pull of the images, and follows it by learnt steps: any contrast")  # fmt: skip
    add("--fine-steps", type=positive, metavar="T", help="further blocks on smaller voxels (default: none)")
    add("--fine-voxel-size", dest="fine_voxel_mm", type=above_zero, metavar="MM",
        help="their voxels (default: 2)")  # fmt: skip
    add("--fine-sigma", dest="fine_sigma_mm", type=above_zero, metavar="MM",
        help="their kernel's width (default: 4)")  # fmt: skip
    add("--fine-width", type=positive, metavar="N", help="their channels (default: 8)")


def _add_optimisation(group: Any, role: str) -> None:
    add = group.add_argument
    add("--epochs", type=positive, default=100, metavar="N",
        help="in which the learning rate rises, and falls to 0 (default: %(default)s)")  # fmt: skip
    add(
        "--batch-size", type=positive, default=1, metavar="N", help="pairs in one step (default: %(default)s)"
    )
    add("--learning-rate", type=rate, default=1e-3, metavar="RATE", help="of Adam (default: %(default)s)")
    add("--measure", dest="similarity", choices=MEASURES, default="lncc",
        help="what is made small: local correlation, squared difference, correlation, mutual information, variation "
        "of the ratio (default: %(default)s)")  # fmt: skip
    add("--lambda", dest="lam", type=from_zero, metavar="LAMBDA",
        help=f"weight of the path's energy (default: {REGISTRATION[role].lam}; to be given with ssd)")  # fmt: skip
    add("--margin", dest="margin_mm", type=from_zero, default=4.0, metavar="MM",
        help="around the tumour, left out of the comparison as it is (default: %(default)s)")  # fmt: skip
    add("--inverse-consistency", type=from_zero, default=0.0, metavar="WEIGHT",
        help="of what the path's two maps lack of being inverse (default: %(default)s)")  # fmt: skip
    add("--gpu", choices=GPU_CHOICES, default="auto",
        help="auto: if there is one; all: required; none (default: %(default)s)")  # fmt: skip
    add("--seed", type=not_negative, default=0, metavar="N",
        help="of split, order, simulated patients and first weights (default: %(default)s)")  # fmt: skip


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
    from ..models.registration.training import EpochSettings
    from ..training.registration.options import RegistrationOptions, default_lam, network_settings

    asked = {name: value for name in NETWORK if (value := getattr(args, name, None)) is not None}
    start = args.start.resolve() if args.start else None
    return RegistrationOptions(
        network=network_settings(args.role, start, asked),
        optimisation=EpochSettings(epochs=args.epochs, learning_rate=args.learning_rate),
        lam=default_lam(args.role, args.similarity) if args.lam is None else args.lam,
        similarity=args.similarity,
        margin_mm=args.margin_mm,
        inverse_consistency=args.inverse_consistency,
        start=start,
        derivatives_dir=args.derivatives_dir.resolve() if args.derivatives_dir else None,
        simulated=args.simulated or 0,
        anatomies=args.anatomies.resolve() if args.anatomies else None,
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
    if args.anatomies is not None and not args.anatomies.is_dir():
        raise ValueError(f"--anatomies {args.anatomies}: not a folder (in a container: is it mounted?)")
    if args.start is not None and not args.start.is_file():
        raise ValueError(f"--start {args.start}: no such file")
