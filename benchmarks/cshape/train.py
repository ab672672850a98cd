"""Training of one network on the C-shapes, kept on disk as it goes."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import torch

from gliomorph.models.registration.catalogue import build
from gliomorph.models.registration.networks import NetworkSettings, RegistrationNetwork
from gliomorph.models.registration.objective import Objective
from gliomorph.models.registration.training import Trainer, TrainingSettings

from .data import Shapes

BATCH = 4
SAVE_EVERY = 50


@attrs.frozen(kw_only=True)
class Plan:
    """What is trained, and how.

    Attributes
    ----------
    network : NetworkSettings
    lam : float
        λ of the objective.
    iterations : int
    learning_rate : float
    """

    network: NetworkSettings
    lam: float
    iterations: int
    learning_rate: float


def trained(plan: Plan, shapes: Shapes, path: Path) -> RegistrationNetwork:
    """The network of ``plan`` after its iterations; goes on from ``path`` and leaves its state there."""
    torch.manual_seed(0)
    network = build(plan.network)
    trainer = Trainer(
        network,
        Objective(lam=plan.lam, masking=plan.network.masking),
        TrainingSettings(iterations=plan.iterations, learning_rate=plan.learning_rate),
    )
    identity = json.dumps(attrs.asdict(plan), sort_keys=True)
    history: list[dict[str, float]] = []
    if path.exists():
        kept = torch.load(path, weights_only=True)
        if kept["plan"] != identity:
            raise SystemExit(f"{path} was trained with other settings: give another folder, or remove it")
        trainer.resume(kept["trainer"])
        history = kept["history"]
    while trainer.iteration < plan.iterations:
        batch = _batch(trainer.iteration, len(shapes))
        history.append(trainer.step(shapes.pair(batch)))
        if trainer.iteration % SAVE_EVERY == 0 or trainer.iteration == plan.iterations:
            temporary = path.with_suffix(".tmp")
            torch.save({"plan": identity, "trainer": trainer.state(), "history": history}, temporary)
            temporary.replace(path)
            print(f"{path.stem} {trainer.iteration}/{plan.iterations} {_recent(history)}", flush=True)
    return network


def _batch(iteration: int, count: int) -> list[int]:
    """The problems of one step: every epoch in an order of its own that depends on nothing else."""
    per_epoch = max(1, count // BATCH)
    epoch, position = divmod(iteration, per_epoch)
    order = np.random.default_rng(epoch).permutation(count)
    return [int(index) for index in order[position * BATCH : (position + 1) * BATCH]]


def _recent(history: list[dict[str, float]]) -> str:
    names = history[-1]
    return " ".join(f"{n} {np.mean([entry[n] for entry in history[-SAVE_EVERY:]]):.1f}" for n in names)
