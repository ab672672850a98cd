"""Training of a teacher or a student: steps, validation, and a state from which it goes on as if never stopped."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any, Literal

import attrs
import torch
from attrs import validators as valid
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..unet import UNet
from .distillation.objective import StudentObjective
from .metrics import REGIONS

Schedule = Literal["plateau", "cosine"]


@attrs.frozen(kw_only=True)
class Optimisation:
    """How the weights are found; the defaults are the thesis' (§3.5.4)."""

    epochs: int = attrs.field(default=1000, validator=valid.ge(1))
    """At most."""
    learning_rate: float = attrs.field(default=1e-4, validator=[valid.gt(0), valid.le(1)])
    """Learning rate of Adam at the start, up to 1."""
    weight_decay: float = attrs.field(default=1e-5, validator=valid.ge(0))
    schedule: Schedule = attrs.field(default="plateau", validator=valid.in_(("plateau", "cosine")))
    """One of ``"plateau"``, ``"cosine"``. With ``plateau``: times ``factor`` whenever the validation loss has not
    fallen for ``patience`` epochs. ``cosine``: down to 0 over all epochs, after a warm-up of :data:`WARM_UP` of
    them: for a fixed budget."""
    factor: float = attrs.field(default=0.2, validator=[valid.gt(0), valid.lt(1)])
    patience: int = attrs.field(default=50, validator=valid.ge(0))
    lowest_rate: float = attrs.field(default=1e-8, validator=valid.ge(0))
    """A smaller learning rate on a plateau ends the training."""
    gradient_norm: float = attrs.field(default=5.0, validator=valid.gt(0))
    """Longer gradients are shortened to this."""
    mixed_precision: bool = True
    """On a GPU, half precision where it is safe."""
    averaging: float = attrs.field(default=0.0, validator=[valid.ge(0), valid.lt(1)])
    """Share of the mean of the weights that each step leaves as it is; the mean is what is validated and kept. 0: the
    last weights are."""

    @lowest_rate.validator
    def _check_lowest(self, _: object, lowest_rate: float) -> None:
        if self.learning_rate < lowest_rate:
            raise ValueError(
                f"a learning rate of at least {lowest_rate:g}, below which a training ends, is required, got "
                f"{self.learning_rate:g}"
            )


WARM_UP = 0.02


@attrs.frozen(kw_only=True)
class Batch:
    """Some examples."""

    images: Tensor = attrs.field(repr=False)
    """(N, C, X, Y, Z), standardised; the channels that the student reads come by ``student_channels`` of the
    trainer."""
    labels: Tensor = attrs.field(repr=False)
    """(N, X, Y, Z), int64 class indices."""

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(images=self.images.to(device), labels=self.labels.to(device))


class SegmentationTrainer:
    """Steps and epochs of one training.

    Parameters
    ----------
    objective : StudentObjective
        Holds the network that is trained; on its device.
    settings : Optimisation
    student_channels : list of int
        Channels of a batch's images that the trained network reads; a teacher in the objective reads them all.
    steps_per_epoch : int
        For the cosine schedule.

    Attributes
    ----------
    epoch : int
        Epochs done.
    best : float
        Lowest validation loss so far.
    """

    def __init__(
        self,
        objective: StudentObjective,
        settings: Optimisation,
        student_channels: list[int],
        steps_per_epoch: int,
    ) -> None:
        self.objective, self.settings, self.student_channels = objective, settings, student_channels
        self.device = next(objective.parameters()).device
        self.optimiser = torch.optim.Adam(
            objective.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        total = settings.epochs * steps_per_epoch
        self.schedule: Any
        if settings.schedule == "cosine":
            self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, _Cosine(total))
        else:
            # eps: else torch leaves out decays of less than 1e-8, and some trainings would never fall below the lowest
            self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
                self.optimiser, factor=settings.factor, patience=settings.patience, eps=0.0
            )
        half = settings.mixed_precision and self.device.type == "cuda"
        self.half = half
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.averaged: AveragedModel | None = None
        if settings.averaging:
            self.averaged = AveragedModel(
                objective.student, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging)
            )
        self.epoch, self.best = 0, math.inf

    @property
    def network(self) -> UNet:
        """What is validated and kept: the trained network, or the mean of its weights over the last steps."""
        if self.averaged is None:
            return self.objective.student
        averaged: UNet = self.averaged.module  # type: ignore[assignment]
        return averaged

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the learning rate has fallen below what is useful."""
        stopped = self.settings.schedule == "plateau" and self.learning_rate < self.settings.lowest_rate
        return stopped or self.epoch >= self.settings.epochs

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of Adam.

        Returns
        -------
        losses : dict
            ``total`` and every term by name.

        Raises
        ------
        FloatingPointError
            If the loss or its gradient is not finite; the weights are left as they were, but for a discriminator's
            where its own loss and gradient were finite. In half precision such a gradient is no error: the scaler
            leaves the step out.
        """
        self.objective.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms = self._terms(batch)
        losses = {name: float(term.detach()) for name, term in terms.items() if name != "scores"}
        if not math.isfinite(losses["total"]):
            raise FloatingPointError(f"epoch {self.epoch + 1}: the loss is not finite: {losses}")
        self.scaler.scale(terms["total"]).backward()
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.objective.parameters(), self.settings.gradient_norm)
        if not self.half and not torch.isfinite(norm):
            raise FloatingPointError(f"epoch {self.epoch + 1}: the gradient is not finite: {losses}")
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.averaged is not None:
            self.averaged.update_parameters(self.objective.student)
        if self.settings.schedule == "cosine":
            self.schedule.step()
        return losses

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean loss against the truth and Dice of the regions, over batches of one example."""
        network = self.network.eval()
        figures: list[dict[str, float]] = []
        for batch in batches:
            batch = batch.to(self.device)
            with torch.autocast(self.device.type, enabled=self.half):
                scores = network(batch.images[:, self.student_channels])
            predicted = scores.argmax(1)
            overlap = {
                f"{region}_dice": _dice(_among(predicted, classes), _among(batch.labels, classes))
                for region, classes in REGIONS.items()
            }
            loss = self.objective.truth(scores, batch.labels)
            figures.append({"loss": float(loss), **overlap})
        return {name: sum(f[name] for f in figures) / len(figures) for name in figures[0]}

    def end_epoch(self, validation_loss: float) -> bool:
        """Count the epoch and adapt the learning rate; whether this was the best epoch so far.

        Raises
        ------
        FloatingPointError
            If the loss is not finite; nothing is counted.
        """
        if not math.isfinite(validation_loss):
            raise FloatingPointError(
                f"epoch {self.epoch + 1}: the validation loss is not finite: {validation_loss}"
            )
        self.epoch += 1
        if self.settings.schedule == "plateau":
            self.schedule.step(validation_loss)
        better = validation_loss < self.best
        self.best = min(self.best, validation_loss)
        return better

    def state(self) -> dict[str, Any]:
        """A copy of everything that a resumed training needs: tensors and plain values."""
        state = {
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
        }
        if self.averaged is not None:
            state["averaged"] = self.averaged.state_dict()
        return copy.deepcopy(state)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken, on whichever device."""
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        if state["scaler"]:  # empty after single precision, as on a CPU: then the scale begins anew
            self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best = state["epoch"], state["best"]

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, enabled=self.half):
            terms: dict[str, Tensor] = self.objective(
                batch.images[:, self.student_channels], batch.images, batch.labels
            )
        return terms


class _Cosine:
    """Factor of the learning rate by step; an object, so that its numbers travel with the schedule's state."""

    def __init__(self, total: int) -> None:
        self.total, self.warm = total, max(1, round(WARM_UP * total))

    def __call__(self, step: int) -> float:
        if step < self.warm:
            return (step + 1) / self.warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warm) / max(1, self.total - self.warm))))


def _among(classes: Tensor, wanted: tuple[int, ...]) -> Tensor:
    return torch.isin(classes, torch.tensor(wanted, device=classes.device))


def _dice(one: Tensor, other: Tensor) -> float:
    """Dice of two boolean masks; 1 where both are empty."""
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
