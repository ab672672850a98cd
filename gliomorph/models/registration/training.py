"""Training of a registration network: one objective, one optimiser, a state that can be kept and resumed."""

from __future__ import annotations

import copy
from typing import Any

import attrs
import torch
from attrs import validators as valid

from .networks import RegistrationNetwork
from .objective import Objective
from .pair import Pair


@attrs.frozen(kw_only=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    iterations : int
        Steps of Adam in all.
    learning_rate : float
        At the start; it rises over the first :data:`WARM_UP` of the iterations and falls to 0 along a cosine.
    gradient_norm : float
        Longer gradients are shortened to this.
    """

    iterations: int = attrs.field(validator=valid.ge(1))
    learning_rate: float = attrs.field(default=1e-3, validator=valid.gt(0))
    gradient_norm: float = attrs.field(default=1.0, validator=valid.gt(0))


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
