"""The methods of distillation by name: which terms a student minimises, with which weights (thesis, Ch. 3).

Without torch: the command line reads the names as it starts.
"""

from __future__ import annotations

import attrs
from attrs import validators as valid


@attrs.frozen(kw_only=True)
class DistillationSettings:
    """Weights of the terms, 0 for those that are left out, and what the terms depend on."""

    dice: float = attrs.field(default=1.0, validator=valid.ge(0))
    """Weight of (1 − Dice) beside the cross-entropy, in :func:`.losses.ground_truth`."""
    kd: float = attrs.field(default=0.0, validator=[valid.ge(0), valid.le(1)])
    """λ in [0, 1], of :func:`.losses.softened_cross_entropy`; the truth has 1 − λ."""
    kl: float = attrs.field(default=0.0, validator=valid.ge(0))
    """α, of :func:`.losses.bottleneck_divergence`."""
    attention: float = attrs.field(default=0.0, validator=valid.ge(0))
    """Weight of :func:`.losses.attention_transfer`, at the bottleneck."""
    contrastive: float = attrs.field(default=0.0, validator=valid.ge(0))
    """Weight of :func:`.losses.contrastive`, at the second-to-last layer."""
    adversarial: float = attrs.field(default=0.0, validator=valid.ge(0))
    """Weight of :class:`.adversarial.AdversarialTerm`."""
    temperature: float = attrs.field(default=5.0, validator=valid.gt(0))
    """T of the softened outputs."""
    margin: float = attrs.field(default=1.0, validator=valid.gt(0))
    """ξ, the distance of other subjects that the contrastive term is content with."""
    embedding: int = attrs.field(default=16, validator=valid.ge(1))
    """Length of the vectors that it compares."""

    @property
    def taught(self) -> dict[str, float]:
        """Weights, by name, of the terms that take a teacher and have one."""
        names = ("kd", "kl", "attention", "contrastive", "adversarial")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    @property
    def needs_teacher(self) -> bool:
        """Whether there is any such term."""
        return bool(self.taught)


METHODS: dict[str, DistillationSettings] = {
    "baseline": DistillationSettings(),
    "att": DistillationSettings(attention=10.0),
    "kl": DistillationSettings(kl=10.0),
    "kl+kd": DistillationSettings(kl=10.0, kd=0.5),
    "kd": DistillationSettings(kd=0.5),
    "ct": DistillationSettings(contrastive=0.5),
    "ct+kd": DistillationSettings(contrastive=0.5, kd=0.5),
    "adversarial": DistillationSettings(adversarial=0.2),
    "shared-decoder": DistillationSettings(kl=10.0),
    "shared-decoder-no-skips": DistillationSettings(kl=10.0),
}
"""The thesis' methods by name; ``kl+kd`` is KD-Net. The weight of ``adversarial`` is HAD-Net's."""

SHARED_DECODER = {"shared-decoder": True, "shared-decoder-no-skips": False}
"""Methods in which the student's decoder is the teacher's own, frozen (§3.3.2, §3.3.1): with skip-connections?"""


def settings_of(method: str) -> DistillationSettings:
    """Weights of a method, one of :data:`METHODS`."""
    if method not in METHODS:
        raise ValueError(f"one of the methods {', '.join(METHODS)} is required, got {method!r}")
    return METHODS[method]
