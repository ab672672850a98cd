"""The thesis' first two frameworks: an encoder for the teacher, one for the student, one decoder (§3.3).

The teacher is trained first, against the truth alone. Its weights, hence the decoder's, are then frozen while the
student's encoder, the bottleneck included, learns to feed that decoder: with L_GT + α L_KL, as the methods
``shared-decoder`` and ``shared-decoder-no-skips`` of :mod:`.distillation_methods` say:

    share_decoder(teacher, student) objective = StudentObjective(settings_of("shared-decoder"), student, teacher)

A teacher with ``skips=False`` makes the framework of §3.3.1, any other that of §3.3.2.
"""

from __future__ import annotations

import torch
from torch import nn

from ...unet import UNet


def share_decoder(teacher: UNet, student: UNet) -> None:
    """Make the teacher's decoder, frozen, the student's; the student's own is dropped.

    The student's ``state_dict`` has the decoder, too: it can be used without the teacher.

    Raises
    ------
    ValueError
        If the decoders differ in width, classes, dimension or skip-connections.
    """
    of_teacher, of_student = _decoder_shapes(teacher), _decoder_shapes(student)
    if of_teacher != of_student:
        raise ValueError(
            "teacher and student with decoders of equal shapes are required, "
            f"got the weights {of_teacher} and {of_student}"
        )
    student.up, student.head = teacher.up, teacher.head
    nn.ModuleList([teacher.up, teacher.head]).requires_grad_(False)


def _decoder_shapes(network: UNet) -> list[torch.Size]:
    """Shapes of the convolutions; those of the norms follow."""
    weights = [*network.up.parameters(), *network.head.parameters()]
    return [weight.shape for weight in weights if weight.dim() > 1]
