"""What a student minimises: the truth, and likeness to a teacher that saw more modalities (thesis, Ch. 3).

    L = λ L_KD + (1 − λ) L_GT + α L_KL + …                                        (Eq. 3.8)

The terms are in :mod:`.losses` and :mod:`.adversarial`, their weights in :mod:`.distillation_methods`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...unet import UNet
from .adversarial import AdversarialTerm
from .apart import Apart
from .losses import (
    ProjectionHead,
    attention_transfer,
    bottleneck_divergence,
    contrastive,
    ground_truth,
    softened_cross_entropy,
)
from .methods import DistillationSettings


class StudentObjective(nn.Module):
    """L of a student, with all that is trained for it.

    Its parameters are the student's and those of the projection head, where there is one, which both networks share.
    The teacher is frozen, in evaluation mode, and neither parameter nor state; it moves along to another device.
    The discriminator of the adversarial term trains itself, in training mode, and is state but no parameter.

    Parameters
    ----------
    settings : DistillationSettings
    student : UNet
        What is trained: also a teacher, by settings that need none.
    teacher : UNet or None
        Trained; of the student's width and dimension. Not used where the settings need none.
    """

    projection: ProjectionHead
    """Where the contrastive term has a weight."""
    adversarial: AdversarialTerm
    """Where that term has a weight."""

    def __init__(self, settings: DistillationSettings, student: UNet, teacher: UNet | None = None) -> None:
        super().__init__()
        self.settings, self.student = settings, student
        if not settings.needs_teacher:
            return
        if teacher is None:
            raise ValueError(f"the terms {', '.join(settings.taught)} require a teacher, got none")
        if teacher.head.in_channels != student.head.in_channels:
            raise ValueError(
                "teacher and student of one width are required, "
                f"got {teacher.head.in_channels} and {student.head.in_channels}"
            )
        self.teacher = Apart(teacher.eval().requires_grad_(False))
        if settings.contrastive:
            head = ProjectionHead(student.head.in_channels, settings.embedding)
            self.projection = head.to(student.head.weight.device)
        if settings.adversarial:
            self.adversarial = AdversarialTerm(student)

    def forward(
        self, student_input: Tensor, teacher_input: Tensor | None, labels: Tensor
    ) -> dict[str, Tensor]:
        """L and its terms.

        Parameters
        ----------
        student_input : Tensor
            (N, C, X, Y[, Z]).
        teacher_input : Tensor or None
            The same subjects, in all modalities of the teacher. Not read where the settings need no teacher.
        labels : Tensor
            (N, X, Y[, Z]), int64 class indices.

        Returns
        -------
        terms : dict of str to Tensor
            ``total``; without their weights ``ground_truth`` and the terms that have one, by the name of the
            setting; the student's ``scores``.
        """
        features = self.student.features(student_input)
        taught = self._taught(teacher_input) if self.settings.needs_teacher else {}
        with torch.autocast(student_input.device.type, enabled=False):
            terms = {"ground_truth": self.truth(features["scores"], labels)}
            terms |= self._terms(features, taught)
            weights = {"ground_truth": 1.0 - self.settings.kd, **self.settings.taught}
            total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        return {"total": total, **terms, "scores": features["scores"]}

    def truth(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of scores (N, 4, X, Y[, Z]) against class indices (N, X, Y[, Z])."""
        return ground_truth(scores, labels, self.settings.dice)

    @torch.no_grad()
    def _taught(self, teacher_input: Tensor | None) -> dict[str, Tensor]:
        """The teacher's features."""
        if teacher_input is None:
            raise ValueError(
                f"the terms {', '.join(self.settings.taught)} require the teacher's input, got none"
            )
        return self.teacher.network.features(teacher_input)

    def _terms(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms that take a teacher and have a weight."""
        settings = self.settings
        measures: dict[str, Callable[[], Tensor]] = {
            "kd": lambda: softened_cross_entropy(student["scores"], teacher["scores"], settings.temperature),
            "kl": lambda: bottleneck_divergence(student["bottleneck"], teacher["bottleneck"]),
            "attention": lambda: attention_transfer(student["bottleneck"], teacher["bottleneck"]),
            "contrastive": lambda: contrastive(
                self.projection(student["up1"]), self.projection(teacher["up1"]), settings.margin
            ),
            "adversarial": lambda: self.adversarial(student, teacher),
        }
        return {name: measures[name]() for name in settings.taught}
