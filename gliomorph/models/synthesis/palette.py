"""The signal of every structure of a head: T1-weighted within what scanners show, or any at all; torch, any device."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
import torch
from torch import Tensor

from .chance import Chance
from .contrast import CLASSES
from .signals import t1_weighted
from .structures import BY_NUMBER, STRUCTURES

SWAY = 0.08
"""How far a structure's place between grey and white matter is from its typical one, at most."""


@attrs.frozen(kw_only=True)
class Palette:
    """Mean and texture of every label, in units of the white matter in T1w."""

    mean: Mapping[int, float]
    """By number of the label map."""
    sd: Mapping[int, float]
    """Standard deviation of the texture, likewise."""
    tumor: tuple[float, ...]
    """Mean of necrosis, oedema and enhancing tumour."""

    def tables(self, labels: Collection[int], device: str | torch.device = "cpu") -> tuple[Tensor, Tensor]:
        """Means and standard deviations by label, (largest label + 1,), for indexing with a label map.

        Raises
        ------
        ValueError
            A label that has no mean here.
        """
        unknown = sorted(set(labels) - set(self.mean))
        if unknown:
            raise ValueError(
                f"labels {', '.join(map(str, unknown))} are no structures that a palette knows: give them one of "
                f"{', '.join(map(str, sorted(self.mean)))}"
            )
        size = max(labels, default=0) + 1
        tables = []
        for values in (self.mean, self.sd):
            tables.append(torch.tensor([values.get(label, 0.0) for label in range(size)], device=device))
        return tables[0], tables[1]


def sample_t1w(chance: Chance) -> Palette:
    """T1-weighted: fluid dark, grey matter between, white matter bright, deep nuclei between grey and white.

    How bright grey matter, fluid and tumour are is drawn as for the other data of the modality
    (:func:`~.signals.t1_weighted`); so is each structure's place between them, a little, and its texture.
    """
    means = t1_weighted(False, chance)
    fluid, grey, white = (float(value) for value in means[:3])
    texture = chance.uniform(0.6, 1.4)
    mean, sd = {}, {}
    for one in STRUCTURES:
        sway = chance.uniform(-SWAY, SWAY)
        if one.kind == "tissue":
            level = grey + (one.t1 + sway * (one.t1 != 1.0)) * (white - grey)
        else:
            level = one.t1 * (fluid if one.kind == "fluid" else 1.0 + sway)
        # fluid and deep white matter are smooth, cortex and the cerebellum's folia are not
        grain = 0.015 + 0.025 * (1 - min(1.0, max(0.0, one.t1))) if one.kind == "tissue" else 0.015
        for number in one.numbers:
            mean[number], sd[number] = max(0.0, level), texture * grain
    return Palette(mean=mean, sd=sd, tumor=tuple(means[3:].tolist()))


def sample_any(chance: Chance) -> Palette:
    """No modality's: every structure has a mean of its own between 0 and 1, both sides the same; so do tumours."""
    level = {one.name: chance.uniform() for one in STRUCTURES}
    spread = {one.name: chance.log_uniform(0.005, 0.1) for one in STRUCTURES}
    return Palette(
        mean={number: level[one.name] if number else 0.0 for number, one in BY_NUMBER.items()},
        sd={number: spread[one.name] if number else 0.0 for number, one in BY_NUMBER.items()},
        tumor=tuple(chance.uniform() for _ in CLASSES[3:]),
    )
