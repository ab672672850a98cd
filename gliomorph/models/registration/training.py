"""Training of a registration network: one objective, one optimiser, a state that can be kept and resumed."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import attrs
import torch
from attrs import validators as valid
from torch import Tensor

from .. import geometry
from ..kernels import in_voxels
from .networks import RegistrationNetwork
from .objective import Objective, appearance_mask
from .pair import Pair
from .shooting import Path

VALIDATED = ("similarity", "outside", "folds_percent")
"""Figures that every validation gives."""


@attrs.frozen(kw_only=True)
class TrainingSettings:
    """How a network is trained."""

    iterations: int = attrs.field(validator=valid.ge(1))
    """Steps of Adam in all."""
    learning_rate: float = attrs.field(default=1e-3, validator=valid.gt(0))
    """At the start; it rises over the first :data:`WARM_UP` of the iterations and falls to 0 along a cosine."""
    gradient_norm: float = attrs.field(default=1.0, validator=valid.gt(0))
    """Longer gradients are shortened to this."""


WARM_UP = 0.02


class Trainer:
    """Steps of a training, one batch at a time.

    Parameters
    ----------
    network : RegistrationNetwork
    objective : Objective
        Its masking is the network's.
    settings : TrainingSettings

    Attributes
    ----------
    iteration : int
        Steps done so far.
    """

    def __init__(
        self, network: RegistrationNetwork, objective: Objective, settings: TrainingSettings
    ) -> None:
        if objective.masking != network.settings.masking:
            raise ValueError(
                f"the network's masking is {network.settings.masking}, the objective's {objective.masking}"
            )
        self.network, self.objective, self.settings = network, objective, settings
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        warm = max(1, round(WARM_UP * settings.iterations))
        rising = torch.optim.lr_scheduler.LinearLR(self.optimiser, 1.0 / warm, total_iters=warm)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, max(1, settings.iterations - warm)
        )
        self.schedule = torch.optim.lr_scheduler.SequentialLR(self.optimiser, [rising, falling], [warm])
        self.iteration = 0

    def step(self, batch: Pair) -> dict[str, float]:
        """One step of Adam; returns ``similarity`` and ``regularisation``, means over the batch.

        Raises
        ------
        FloatingPointError
            If the energy or its gradient is not finite; the weights are left as they were.
        """
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        path = self.network(batch)
        count = len(batch.moving)
        similarity = self.objective.similarity(path, batch) / count
        regularisation = self.objective.regularisation(path, batch) / count
        losses = {"similarity": similarity.item(), "regularisation": regularisation.item()}
        total = similarity + regularisation
        if not torch.isfinite(total):
            raise FloatingPointError(f"iteration {self.iteration}: the energy is not finite: {losses}")
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"iteration {self.iteration}: the gradient is not finite: {losses}")
        self.optimiser.step()
        self.schedule.step()
        self.iteration += 1
        return losses

    def state(self) -> dict[str, Any]:
        """A copy of everything that a resumed training needs: tensors and plain values."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "iteration": self.iteration,
            "random": torch.get_rng_state(),
        }
        return copy.deepcopy(state)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken, on whichever device."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.iteration = state["iteration"]
        torch.set_rng_state(state["random"].cpu())


@attrs.frozen(kw_only=True)
class EpochSettings:
    """How long a network is trained, and how fast."""

    epochs: int = attrs.field(default=100, validator=valid.ge(1))
    learning_rate: float = attrs.field(default=1e-3, validator=[valid.gt(0), valid.le(1)])
    """As in :class:`.training.TrainingSettings`."""

    def over(self, steps_per_epoch: int) -> TrainingSettings:
        """The settings of a training of that many steps an epoch."""
        return TrainingSettings(iterations=self.epochs * steps_per_epoch, learning_rate=self.learning_rate)


class EpochTrainer:
    """A training that is counted in epochs.

    Parameters
    ----------
    trainer : Trainer
        Its network on its device, its settings those of :meth:`EpochSettings.over`.
    steps_per_epoch : int
    """

    def __init__(self, trainer: Trainer, steps_per_epoch: int) -> None:
        self.trainer, self.steps_per_epoch = trainer, steps_per_epoch

    @property
    def device(self) -> torch.device:
        """The network's."""
        return next(self.trainer.network.parameters()).device

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.trainer.optimiser.param_groups[0]["lr"])

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.trainer.iteration // self.steps_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.trainer.iteration >= self.trainer.settings.iterations

    def step(self, batch: Pair) -> dict[str, float]:
        """One step of Adam: ``total``, ``similarity`` and ``regularisation``, means over the batch.

        Raises
        ------
        FloatingPointError
            As :meth:`.training.Trainer.step`.
        """
        losses = self.trainer.step(batch.to(self.device))
        return {"total": losses["similarity"] + losses["regularisation"], **losses}

    @torch.no_grad()
    def validate(self, pairs: Iterable[Pair]) -> dict[str, float]:
        """Means over pairs: ``loss`` and some of the figures of :func:`measured`.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        objective, rows = self.trainer.objective, []
        for pair in pairs:
            pair = pair.to(self.device)
            path = self.answer(pair)
            loss = objective.similarity(path, pair) + objective.regularisation(path, pair)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"epoch {self.epoch}: the validation loss is not finite: {loss}")
            found = measured(path, pair, objective)
            rows.append({"loss": float(loss), **{name: found[name] for name in VALIDATED}})
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    @torch.no_grad()
    def answer(self, pair: Pair) -> Path:
        """What the network, in evaluation mode, makes of a pair on its device."""
        path: Path = self.trainer.network.eval()(pair)
        return path

    def state(self) -> dict[str, Any]:
        """A copy of everything that a resumed training needs: tensors and plain values."""
        return {**self.trainer.state(), "epoch": self.epoch}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken, on whichever device."""
        self.trainer.resume(state)


@torch.no_grad()
def measured(path: Path, pair: Pair, objective: Objective) -> dict[str, float]:
    """What a path achieves for one pair.

    Parameters
    ----------
    path : Path
    pair : Pair
        Of batch one.
    objective : Objective
        Its measure compares the images: a mean over voxels of the brain.

    Returns
    -------
    figures : dict
        ``similarity_before`` and ``similarity``: what the objective asks to be small, appearance included.
        ``outside_before`` and ``outside_after``: the same of shape alone, where no tumour is; ``outside`` is the
        latter over the former: below 1 where the registration has brought the images together.
        ``folds_percent``: voxels of the brain with det J ≤ 0. ``jacobian_min``, ``jacobian_max``: of det J there.
    """
    still = attrs.evolve(
        path,
        backward=torch.zeros_like(path.backward),
        forward=torch.zeros_like(path.forward),
        change=None if path.change is None else torch.zeros_like(path.change),
    )
    brain = float(pair.brain.sum())
    before, after = (_outside(one, pair, objective) for one in (still, path))
    determinant = geometry.jacobian_determinant(in_voxels(path.backward, pair.shape))[pair.brain > 0.5]
    return {
        "similarity_before": float(objective.similarity(still, pair)) / brain,
        "similarity": float(objective.similarity(path, pair)) / brain,
        "outside_before": before,
        "outside_after": after,
        "outside": after / max(before, 1e-12),
        "folds_percent": 100 * float((determinant <= 0).float().mean()),
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
    }


def _outside(path: Path, pair: Pair, objective: Objective) -> float:
    warped, mask = warped_by(path, pair)
    weight = pair.brain * (1.0 - mask)
    return float(objective.measure(warped, pair.fixed, weight) / weight.sum().clamp_min(1.0))


def warped_by(path: Path, pair: Pair, objective: Objective | None = None) -> tuple[Tensor, Tensor]:
    """The moving image and the tumour mask at the end of a path; with the appearance that an objective allows."""
    start = pair.moving
    if objective is not None:
        start = path.start(pair.moving, appearance_mask(pair, objective.masking))
    both = geometry.warp(torch.cat([start, pair.mask], 1), in_voxels(path.backward, pair.shape))
    image, mask = both.split([start.shape[1], 1], 1)
    return image, mask
