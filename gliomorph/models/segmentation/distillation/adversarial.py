"""Adversarial distillation: a discriminator tells teacher from student, the student learns to be mistaken for it.

After HAD-Net (Vadacchino et al. 2021; thesis §3.2.3, Fig. 3.5): one discriminator D reads several layers F of the
decoders, and both sides minimise least squares,

    L_D = mean (D(F_T) − 1)² + mean D(F_S)²        L_adv = mean (D(F_S) − 1)²

Its learning rate, its betas and its waiting for the student are HAD-Net's; the images and the segmentation, which
D also reads there, are left out.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ...unet import UNet, convolution
from .apart import Apart

LEVELS = ("up1", "up2", "up3")
"""Layers of the decoder that are compared, each half as fine as the one before."""

LEARNING_RATE = 2e-4
BETAS = (0.5, 0.999)

PATIENCE = 0.8
"""The discriminator is not trained further while it is right about more than this share of the places."""


class Discriminator(nn.Module):
    """A judge of features: near 1 for the teacher's, near 0 for the student's, place by place.

    Each level is joined, at its own resolution, to what was made of the finer ones.

    Parameters
    ----------
    channels : dict of str to int
        Of each level, from fine to coarse.
    dimension : int
        2 or 3.
    """

    def __init__(self, channels: dict[str, int], dimension: int = 3) -> None:
        super().__init__()
        conv = convolution(dimension)
        self.levels = tuple(channels)
        self.blocks = nn.ModuleList()
        read = 0
        for count in channels.values():
            out = 2 * count
            self.blocks.append(
                nn.Sequential(conv(read + count, out, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
            )
            read = out
        self.head = conv(read, 1, 3, padding=1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Scores (N, 1, …) at half the resolution of the coarsest level, from features by level (N, C, X, Y[, Z])."""
        first, *coarser = (features[level] for level in self.levels)
        seen = self.blocks[0](first)
        for block, level in zip(self.blocks[1:], coarser, strict=True):
            seen = block(torch.cat([seen, level], dim=1))
        scores: Tensor = self.head(seen)
        return scores


def discriminator_loss(of_teacher: Tensor, of_student: Tensor) -> Tensor:
    """L_D (see the module) of the discriminator's scores, of any shape: least, 0, at 1 and 0."""
    return (of_teacher - 1).square().mean() + of_student.square().mean()


def fooling_loss(of_student: Tensor) -> Tensor:
    """L_adv (see the module) of the discriminator's scores, of any shape: least, 0, where all are 1."""
    return (of_student - 1).square().mean()


class AdversarialTerm(nn.Module):
    """L_adv as a term of the student's objective, with the discriminator that it takes, and its training.

    The discriminator has an optimiser of its own: it is none of the parameters of this module. With that optimiser
    it is the state of this module, from which a training goes on exactly.

    Parameters
    ----------
    student : UNet
        Its decoder has the teacher's widths. The discriminator is on its device and moves with the module.
    """

    def __init__(self, student: UNet) -> None:
        super().__init__()
        decoder = zip(reversed(LEVELS), student.up, strict=True)
        channels = {level: len(next(block.parameters())) for level, block in decoder}
        weight = student.head.weight
        discriminator = Discriminator({level: channels[level] for level in LEVELS}, weight.dim() - 2)
        self._discriminator = Apart(discriminator.to(weight.device))
        self.optimiser = torch.optim.Adam(discriminator.parameters(), lr=LEARNING_RATE, betas=BETAS)

    @property
    def discriminator(self) -> Discriminator:
        """Who is asked."""
        return self._discriminator.network

    def forward(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
        """L_adv, the gradient of which reaches the student alone; in training the discriminator is updated before.

        Parameters
        ----------
        student, teacher : dict of str to Tensor
            Features by name, (N, C, X, Y[, Z]); those of :data:`LEVELS` are read, in float32.

        Returns
        -------
        loss : Tensor
            Scalar; L_D where that is not finite, which L_adv, blind to the teacher, may hide.
        """
        of_student, of_teacher = ({level: f[level].float() for level in LEVELS} for f in (student, teacher))
        if self.training:
            told = self.update(of_student, of_teacher)
            if not torch.isfinite(told):
                return told
        constants = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        return fooling_loss(torch.func.functional_call(self.discriminator, constants, (of_student,)))

    def update(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
        """One step of the discriminator on features that are taken as constants, and L_D before it.

        No step is taken while the discriminator is ahead, that is right about more than :data:`PATIENCE`, nor where
        L_D or its gradient is not finite.
        """
        of_student, of_teacher = (
            self.discriminator({level: features[level].detach() for level in LEVELS})
            for features in (student, teacher)
        )
        loss = discriminator_loss(of_teacher, of_student)
        right = torch.cat([of_teacher.flatten() >= 0.5, of_student.flatten() < 0.5]).float().mean()
        if right <= PATIENCE and torch.isfinite(loss):
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            gradients = [p.grad for p in self.discriminator.parameters() if p.grad is not None]
            if all(torch.isfinite(gradient).all() for gradient in gradients):
                self.optimiser.step()
        return loss.detach()

    def get_extra_state(self) -> dict[str, Any]:
        """Weights and optimiser of the discriminator, for ``state_dict``."""
        return {"discriminator": self.discriminator.state_dict(), "optimiser": self.optimiser.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a state; it is copied."""
        self.discriminator.load_state_dict(state["discriminator"])
        # Adam keeps the tensors that it is given, and changes them at its next step.
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
