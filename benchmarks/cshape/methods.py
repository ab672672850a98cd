"""Every method of the table: from a problem to its map, the transformed image, and the seconds it took."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor

from gliomorph.models import geometry
from gliomorph.models.registration.catalogue import predict
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings
from gliomorph.models.registration.metamorphosis import register as register_metamorphosis
from gliomorph.models.registration.networks import NetworkSettings
from gliomorph.models.registration.pair import pair_of

from .data import SIDE, SIGMA, SPACING, STEPS, TEST_SEED, TRAINING_SEED, Shapes, simulate
from .train import Plan, trained

MU, LAM = 0.05, 1e-5

OPTIMISED = MetamorphosisSettings(
    sigma_mm=SIGMA,
    mu=MU,
    lam=LAM,
    steps=STEPS,
    voxel_mm=(2.0, 1.0),
    iterations=(60, 30),
    appearance_iterations=20,
    similarity="ssd",
)
NETWORK = NetworkSettings(method="metamorph-r", dimension=2, voxel_mm=2.0, sigma_mm=SIGMA, mu=MU, steps=STEPS)
VOXELMORPH = attrs.evolve(
    NETWORK, method="voxelmorph", mu=0, steps=7, width=16, masking="none", sees_mask=False
)

PLANS = {
    "MetaMorph-R": Plan(network=NETWORK, lam=LAM, iterations=800, learning_rate=2e-3),
    "MetaMorph-R, apart": Plan(
        network=attrs.evolve(NETWORK, apart=True), lam=3 * LAM, iterations=800, learning_rate=2e-3
    ),
    "MetaMorph-G": Plan(
        network=attrs.evolve(NETWORK, method="metamorph-g", width=16),
        lam=LAM,
        iterations=800,
        learning_rate=2e-3,
    ),
    "VoxelMorph": Plan(network=VOXELMORPH, lam=0.1, iterations=1000, learning_rate=1e-3),
    "VoxelMorph-CFM": Plan(
        network=attrs.evolve(VOXELMORPH, masking="cfm", sees_mask=True),
        lam=0.1,
        iterations=1000,
        learning_rate=1e-3,
    ),
}


@attrs.frozen(kw_only=True)
class Answers:
    """What one method makes of all problems.

    Attributes
    ----------
    displacement : ndarray
        (N, 2, 200, 200), pixels: from the template to the moving image.
    appearance : ndarray
        (N, 200, 200), to add to the warped image.
    seconds : ndarray
        (N,), one thread.
    """

    displacement: np.ndarray
    appearance: np.ndarray
    seconds: np.ndarray

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, **attrs.asdict(self))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Answers:
        with np.load(path) as file:
            return cls(**{name: file[name] for name in file.files})


Solver = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From moving, fixed and mask to displacement and appearance."""


def solve_all(solver: Solver, shapes: Shapes) -> Answers:
    """Every problem, one after the other; the first is solved once more beforehand, unmeasured."""
    fixed = shapes.fixed[0, 0].numpy()
    found, seconds = [], []
    for index in [0, *range(len(shapes))]:
        moving, mask = (images[index, 0].numpy() for images in (shapes.moving, shapes.mask))
        start = time.perf_counter()
        found.append(solver(moving, fixed, mask.astype(np.uint8)))
        seconds.append(time.perf_counter() - start)
    return Answers(
        displacement=np.stack([u for u, _ in found[1:]]).astype(np.float32),
        appearance=np.stack([a for _, a in found[1:]]).astype(np.float32),
        seconds=np.array(seconds[1:]),
    )


def solver_of(method: str, training: Shapes, folder: Path) -> Solver:
    """The method's solver; networks are trained first, or read from ``folder``."""
    if method == "nothing":
        return lambda moving, fixed, mask: (np.zeros((2, SIDE, SIDE)), np.zeros_like(moving))
    if method in PLANS:
        network = trained(PLANS[method], training, solver_path(method, folder))
        return partial(_network, network)
    if method in OPTIMISATIONS:
        return partial(_optimised, OPTIMISATIONS[method])
    transform, masked = ANTS[method]
    return partial(_ants, transform, masked)


OPTIMISATIONS = {
    "LDDMM": attrs.evolve(OPTIMISED, mu=0.0, masking="none"),
    "LDDMM-CFM": attrs.evolve(OPTIMISED, mu=0.0, masking="cfm"),
    "Metamorphosis": OPTIMISED,
}

ANTS = {
    "rigid": ("Rigid", False),
    "SyN": ("SyN", False),
    "SyN-CFM": ("SyN", True),
    "SyNOnly": ("SyNOnly", False),
    "SyNOnly-CFM": ("SyNOnly", True),
}
"""``SyN`` is ANTs' default with its affine stage, as in the thesis; ``SyNOnly`` the deformation alone."""

METHODS = ("nothing", "rigid", "SyN", "SyN-CFM", "SyNOnly", "SyNOnly-CFM", "VoxelMorph", "VoxelMorph-CFM")
METHODS = (*METHODS, *OPTIMISATIONS, "MetaMorph-G", "MetaMorph-R", "MetaMorph-R, apart")


PRINTED = {
    "rigid": (1616, 4575),
    "SyN": (282, 3904),
    "SyN-CFM": (538, 623),
    "VoxelMorph": (97.18, 2195),
    "VoxelMorph-CFM": (576, 443),
    "Metamorphosis": (45.3, 386),
    "MetaMorph-G": (45.4, 320),
    "MetaMorph-R": (20.95, 352),
}
"""Mean L2 and s of the thesis' Table 5.2, at its λ = 3·10⁻⁶, μ = 0.05, σ = 6 and, of VoxelMorph, λ = 0.1."""


def solver_path(method: str, folder: Path) -> Path:
    """Where the training of a network is kept."""
    return folder / f"{_file_name(method)}.pt"


def _file_name(method: str) -> str:
    return "".join(character for character in method.lower() if character.isalnum())


def answers_path(method: str, folder: Path) -> Path:
    """Where a method's answers are kept."""
    return folder / f"{_file_name(method)}.npz"


def solve(method: str, training: int, test: int, folder: Path) -> str:
    """One method from training to answers, where they are not there, on one thread of a process of its own."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if not answers_path(method, folder).exists():
        learning = simulate(training if method in PLANS else 1, TRAINING_SEED)
        answers = solve_all(solver_of(method, learning, folder), simulate(test, TEST_SEED))
        answers.save(answers_path(method, folder))
    return method


def _network(network: torch.nn.Module, *images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result = predict(network, pair_of(*images, SPACING))
    return result.displacement, result.appearance


def _optimised(settings: MetamorphosisSettings, *images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result = register_metamorphosis(pair_of(*images, SPACING), settings)
    return result.displacement, result.appearance


def _ants(
    transform: str, masked: bool, moving: np.ndarray, fixed: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    import ants
    import pandas as pd

    options = {"moving_mask": ants.from_numpy(1.0 - mask), "mask_all_stages": True} if masked else {}
    if masked:
        options["mask"] = ants.from_numpy(np.ones_like(fixed))
    if transform == "SyNOnly":
        options["initial_transform"] = "identity"
    images = [ants.from_numpy(image.astype(float)) for image in (fixed, moving)]
    result = ants.registration(*images, transform, random_seed=1, **options)
    points = _pixels()
    mapped = ants.apply_transforms_to_points(
        2, pd.DataFrame(points, columns=["x", "y"]), result["fwdtransforms"]
    )
    displacement = (mapped.to_numpy() - points).T.reshape(2, SIDE, SIDE)
    for name in {*result["fwdtransforms"], *result["invtransforms"]}:
        Path(name).unlink(missing_ok=True)
    return displacement, np.zeros_like(moving)


def _pixels() -> np.ndarray:
    return (
        np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1)
        .reshape(-1, 2)
        .astype(float)
    )


def scores(answers: Answers, shapes: Shapes) -> dict[str, np.ndarray]:
    """L2 = Σ (I − J)², s = √Σ ‖Id − ψ∘φ‖² (pixels), the same as a root mean square, folds; each (N,)."""
    displacement = torch.from_numpy(answers.displacement)
    image = geometry.warp(shapes.moving, displacement)[:, 0] + torch.from_numpy(answers.appearance)
    off = geometry.compose(shapes.truth, displacement).square().sum(1)
    folds = (geometry.jacobian_determinant(displacement)[:, 0] <= 0).sum((1, 2))
    l2 = (image - shapes.fixed[:, 0]).square().sum((1, 2))

    def array(tensor: Tensor) -> np.ndarray:
        return tensor.double().numpy()

    total = off.sum((1, 2))
    return {
        "L2": array(l2),
        "s": array(total.sqrt()),
        "rms (px)": array((total / SIDE**2).sqrt()),
        "folds": array(folds),
        "seconds": answers.seconds,
    }


def deformed(answers: Answers, shapes: Shapes, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The image of one problem, deformed only and with its new appearance."""
    displacement = torch.from_numpy(answers.displacement[index])[None]
    image = geometry.warp(shapes.moving[index : index + 1], displacement)[0, 0].numpy()
    return image, image + answers.appearance[index]


def chosen(methods: Sequence[str]) -> list[str]:
    """The methods in the order of the table."""
    return [method for method in METHODS if method in methods]
