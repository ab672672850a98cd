"""Pictures of the C-shapes, like the thesis' Fig. 5.4, 5.7 and 5.9."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from gliomorph.models import geometry
from gliomorph.models.kernels import in_voxels
from gliomorph.models.registration.metamorph import MetaMorphR
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings, register
from gliomorph.models.registration.pair import pair_of

from .data import SPACING, Shapes
from .methods import OPTIMISED, PLANS, Answers, answers_path, deformed, solver_path
from .train import trained

COLUMNS = 7
"""Columns in the picture of all methods."""

MUS, LAMS = (0.03, 0.05, 0.1), (3e-6, 3e-5, 3e-4)


def draw(methods: list[str], test: Shapes, folder: Path) -> None:
    """All three figures, those of the networks where they were trained."""
    compare([method for method in methods if method != "nothing"], test, folder)
    disentangle(test, folder)
    if "MetaMorph-R" in methods:
        follow(test, folder)


def example(test: Shapes) -> int:
    """The test pair that is drawn: the one with the largest cut."""
    return int(test.mask.sum((1, 2, 3)).argmax())


def compare(methods: list[str], test: Shapes, folder: Path) -> None:
    """Each method's image with its new appearance, the deformed one, and the deformed grid (Fig. 5.4)."""
    index, bands = example(test), math.ceil((len(methods) + 1) / COLUMNS)
    figure, axes = plt.subplots(3 * bands, COLUMNS, figsize=(1.6 * COLUMNS, 5.1 * bands))
    for axis in axes.flat:
        axis.set_axis_off()
    columns = axes.reshape(bands, 3, COLUMNS).swapaxes(1, 2).reshape(-1, 3)
    _show(columns[0, 0], test.fixed[0, 0].numpy(), "target")
    _show(columns[0, 1], test.moving[index, 0].numpy(), "source")
    _grid(columns[0, 2], _inverse(test.truth[index]), "true grid")
    for column, method in zip(columns[1:], methods, strict=False):
        answers = Answers.load(answers_path(method, folder))
        shape, total = deformed(answers, test, index)
        _show(column[0], total, method)
        _show(column[1], shape)
        _grid(column[2], torch.from_numpy(answers.displacement[index]))
    _save(figure, folder / "methods.png")


def disentangle(test: Shapes, folder: Path) -> None:
    """Metamorphosis with local regularisation and without, for three μ and three λ (Fig. 5.7)."""
    variants = [{"mu": mu} for mu in MUS] + [{"lam": lam} for lam in LAMS]
    figure, axes = plt.subplots(4, len(variants), figsize=(1.7 * len(variants), 7.0))
    index = example(test)
    images = [tensor[0].numpy() for tensor in (test.moving[index], test.fixed[0], test.mask[index])]
    for column, changed in zip(axes.T, variants, strict=True):
        name = ", ".join(f"{key} = {value:g}" for key, value in changed.items())
        for row, masking in ((0, "local"), (2, "none")):
            shape, total = _registered(attrs.evolve(OPTIMISED, masking=masking, **changed), *images)
            _show(column[row], shape, name if row == 0 else "")
            _show(column[row + 1], total)
    for row, label in enumerate(("local:\nshape", "local:\ntotal", "no mask:\nshape", "no mask:\ntotal")):
        axes[row, 0].set_ylabel(label)
    _save(figure, folder / "disentanglement.png")


def follow(test: Shapes, folder: Path) -> None:
    """A path of MetaMorph-R through time, and back by its inverse (Fig. 5.9)."""
    kept = solver_path("MetaMorph-R", folder)
    if not kept.exists():
        raise SystemExit(f"{kept} is missing: remove {answers_path('MetaMorph-R', folder)} to train it again")
    network = trained(PLANS["MetaMorph-R"], test, kept).eval()
    assert isinstance(network, MetaMorphR)
    pair, states = test.pair([example(test)]), []
    with torch.inference_mode():
        path = network(pair, watch=lambda step, psi, change: states.append((step, psi, change)))
    last = len(states) - 1
    shown = [states[round(last * part / 5)] for part in range(6)]
    figure, axes = plt.subplots(3, len(shown) + 1, figsize=(1.7 * (len(shown) + 1), 5.4))
    for column, (step, psi, change) in zip(axes.T[:-1], shown, strict=True):
        backward = in_voxels(psi, pair.shape)
        added = geometry.warp(pair.mask * geometry.stretch(change, pair.shape), backward)
        _show(column[0], (geometry.warp(pair.moving, backward) + added)[0, 0].numpy(), f"t = {step}")
        _show(column[1], added[0, 0].numpy(), symmetric=True)
        _grid(column[2], backward[0])
    backward, forward = (in_voxels(field, pair.shape) for field in (path.backward, path.forward))
    forward = geometry.invert(backward, forward)
    end = geometry.warp(path.start(pair.moving, pair.mask), backward)
    returned = geometry.warp(end, forward) - pair.mask * path.change
    _show(axes[0, -1], returned[0, 0].numpy(), "and back")
    _show(axes[1, -1], (returned - pair.moving)[0, 0].numpy(), symmetric=True)
    _grid(axes[2, -1], geometry.compose(backward, forward)[0])
    for row, label in enumerate(("image", "added\nintensity", "grid")):
        axes[row, 0].set_ylabel(label)
    _save(figure, folder / "path.png")


def _registered(settings: MetamorphosisSettings, *images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moving, fixed, mask → the deformed image, and the same with its new appearance."""
    result = register(pair_of(*images, SPACING), settings)
    moving = torch.from_numpy(images[0])[None, None]
    shape = geometry.warp(moving, torch.from_numpy(result.displacement)[None])[0, 0].numpy()
    return shape, shape + result.appearance


def _inverse(displacement: Tensor) -> Tensor:
    return geometry.invert(displacement[None], iterations=50)[0]


def _show(axis: Axes, image: np.ndarray, title: str = "", symmetric: bool = False) -> None:
    limits = (
        {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} if symmetric else {"cmap": "gray", "vmin": 0, "vmax": 1}
    )
    axis.imshow(image.T, origin="lower", **limits)
    axis.set_title(title, fontsize=8)
    axis.set_axis_on()
    axis.set_xticks([])
    axis.set_yticks([])


def _grid(axis: Axes, displacement: Tensor, title: str = "") -> None:
    """Where the map takes every eighth grid line."""
    points = (displacement + geometry.identity_grid(displacement[None])[0]).numpy()
    for lines in (points[:, ::8], points[:, :, ::8].swapaxes(1, 2)):
        axis.plot(*lines.swapaxes(1, 2), color="0.3", linewidth=0.4)
    axis.set_aspect("equal")
    axis.set_xlim(0, points.shape[1])
    axis.set_ylim(0, points.shape[2])
    axis.set_title(title, fontsize=8)
    axis.set_axis_on()
    axis.set_xticks([])
    axis.set_yticks([])


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout(pad=0.4, h_pad=1.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
