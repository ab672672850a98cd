"""One network for any subset of the sequences: what it is given, and a loss for labels that do not say all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..regions import MODALITIES
from ..unet import CLASSES
from .distillation.objective import StudentObjective
from .metrics import REGIONS

UNKNOWN_PART = CLASSES
"""Label of tumour of which nobody says what part it is, beside the class indices."""
ALONE = 0.6
"""Share of the training examples that are one sequence alone: the hardest to read, and what many scans have."""
ALL = 0.15
"""Share of those with all sequences that the patient has; the rest are subsets of two or more."""
FAVOUR: Mapping[str, float] = {"T1w": 1.5, "T1ce": 1.5, "T2w": 1.0, "FLAIR": 1.0}
"""How often a sequence is the one that stays: oedema is faint in T1-weighted images."""


def kept_sequences(present: Sequence[int], choice: float, keys: Sequence[float]) -> list[int]:
    """The sequences that the network is given of those that a patient has.

    Parameters
    ----------
    present : sequence of int
        Channels, places in :data:`~gliomorph.models.regions.MODALITIES`; at least one.
    choice : float
        Uniform in [0, 1): how many stay.
    keys : sequence of float
        Uniform in [0, 1), one for each of ``MODALITIES``: which ones.

    Returns
    -------
    kept : list of int
        At least one of ``present``, ascending; any of its subsets is possible.

    Examples
    --------
    >>> kept_sequences([0, 3], 0.99, [0.5] * 4), kept_sequences([0, 3], 0.0, [0.9, 0.5, 0.5, 0.1])
    ([0, 3], [0])
    """
    # the largest of u ** (1 / weight) is each channel by its weight's share (Efraimidis and Spirakis 2006)
    order = sorted(present, key=lambda channel: keys[channel] ** (1 / FAVOUR[MODALITIES[channel]]))[::-1]
    if choice < ALONE or len(order) == 1:
        return order[:1]
    if choice >= 1 - ALL or len(order) == 2:
        return sorted(order)
    between = (choice - ALONE) / (1 - ALL - ALONE)
    return sorted(order[: 2 + int(between * (len(order) - 2))])


def nested_truth(scores: Tensor, labels: Tensor, dice: float) -> Tensor:
    """Cross-entropy and (1 − Dice) of the nested regions, for labels of which some say only where tumour is.

    A voxel of :data:`UNKNOWN_PART` costs −log of the probability of all tumour classes together. Dice is
    soft, of each sample and region by itself; a region counts where a sample has it and says so: a sample with such
    voxels says nothing of the core. Where no sample has any, as in healthy brains, the cross-entropy alone is left.

    Parameters
    ----------
    scores : Tensor
        (N, 4, X, Y[, Z]), before the softmax.
    labels : Tensor
        (N, X, Y[, Z]), int64: class indices, or ``UNKNOWN_PART``.
    dice : float
        Weight of (1 − Dice), at least 0.

    Returns
    -------
    loss : Tensor
        Scalar, ≥ 0.
    """
    logs = scores.float().log_softmax(1)
    tumor = logs[:, 1:].logsumexp(1, keepdim=True)
    entropy = functional.nll_loss(torch.cat([logs, tumor], 1), labels)
    found, overlaps = logs.exp(), []
    for sample, truth in zip(found, labels, strict=True):
        unknown = bool((truth == UNKNOWN_PART).any())
        for region, classes in REGIONS.items():
            wanted = (*classes, UNKNOWN_PART)
            there = torch.isin(truth, torch.tensor(wanted, device=truth.device)).float()
            if not there.any() or (unknown and region != "WT"):
                continue
            share = sample[list(classes)].sum(0)
            overlaps.append(2 * (share * there).sum() / (share.sum() + there.sum()))
    if not overlaps:
        return entropy
    return entropy + dice * (1 - torch.stack(overlaps).mean())


class SubsetObjective(StudentObjective):
    """What a network for any subset minimises: :func:`nested_truth`, without a teacher."""

    def truth(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss against the labels."""
        return nested_truth(scores, labels, self.settings.dice)
