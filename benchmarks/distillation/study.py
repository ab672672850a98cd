"""What determines the study: patients, networks, how they are trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import attrs

from gliomorph.interfaces.files.images import write_text
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.distillation.methods import SHARED_DECODER, settings_of
from gliomorph.models.segmentation.training import Optimisation
from gliomorph.models.unet import SegmentationSettings

TEACHER, BASELINE = "teacher", "baseline"
AGAIN = "baseline-again"
"""A baseline from another seed: what chance alone changes."""
TEACHER_NO_SKIPS = "teacher-no-skips"
"""The teacher of the method ``shared-decoder-no-skips`` alone."""
TAUGHT = ("att", "kl", "kl+kd", "kd", "ct", "ct+kd", "adversarial", *SHARED_DECODER)
MODELS = (TEACHER, BASELINE, AGAIN, *TAUGHT[:-1], TEACHER_NO_SKIPS, TAUGHT[-1])
"""In the order in which they are trained, and of the table."""
LARGEST_LEAST_ML = 50.0
"""The simulation draws 1 to 60 ml, log-uniformly: of that size or more is one draw in 22, above 60 ml none."""


@attrs.frozen(kw_only=True)
class Study:
    """All that determines every figure, but for which models and training sets are asked for.

    Attributes
    ----------
    template : str
    resolution : int
        Of the template on which patients are simulated, mm.
    least_ml : float
        Smallest whole tumour that is asked of the simulation: on coarse voxels less has no parts. It is waited for,
        draw by draw: at most :data:`LARGEST_LEAST_ML`.
    validation, test : int
        Patients; those for training come after them, so that larger sets hold smaller ones.
    student : str
        The student's modality.
    voxel_mm : float
    box : tuple of int
        Voxels of a training example.
    width : int
        Of all networks.
    steps : int
        Of each student's training.
    teacher_steps : int
        Of each teacher's: four modalities take longer, and what it has not learnt it cannot teach.
    every : int
        Steps between validations.
    batch_size : int
        At least 2: the contrastive term pushes apart what a batch holds.
    learning_rate : float
    seed : int
        Of patients, first weights, order and augmentation.
    """

    template: str = "MNI152"
    resolution: int = 2
    least_ml: float = attrs.field(default=15.0)
    validation: int = attrs.field(default=12, validator=attrs.validators.ge(1))
    test: int = attrs.field(default=40, validator=attrs.validators.ge(2))
    student: str = attrs.field(default="T1ce", validator=attrs.validators.in_(MODALITIES))
    voxel_mm: float = 4.0
    box: tuple[int, ...] = (32, 40, 32)
    width: int = 8
    steps: int = attrs.field(default=500, validator=attrs.validators.ge(1))
    teacher_steps: int = attrs.field(default=600, validator=attrs.validators.ge(1))
    every: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    batch_size: int = attrs.field(default=2, validator=attrs.validators.ge(2))
    learning_rate: float = 5e-3
    seed: int = 0

    @least_ml.validator
    def _is_drawn(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not value <= LARGEST_LEAST_ML:  # so that NaN is refused too
            raise ValueError(
                f"least_ml of at most {LARGEST_LEAST_ML:g} is required, got {value:g}: the simulation draws tumours "
                "of 1 to 60 ml, and would hardly ever draw such a one, or never"
            )

    def __attrs_post_init__(self) -> None:
        if self.steps % self.every or self.teacher_steps % self.every:
            raise ValueError(
                f"steps divisible by {self.every} are required, got {self.steps} and {self.teacher_steps}"
            )

    def optimisation(self, model: str) -> Optimisation:
        """How one of :data:`MODELS` is trained; an epoch is what lies between two validations."""
        steps = self.teacher_steps if model in (TEACHER, TEACHER_NO_SKIPS) else self.steps
        return Optimisation(epochs=steps // self.every, learning_rate=self.learning_rate, schedule="cosine")

    def network(self, model: str) -> SegmentationSettings:
        """The architecture of one of :data:`MODELS`."""
        teaching = model in (TEACHER, TEACHER_NO_SKIPS)
        return SegmentationSettings(
            modalities=MODALITIES if teaching else (self.student,),
            width=self.width,
            voxel_mm=self.voxel_mm,
            skips=model != TEACHER_NO_SKIPS and SHARED_DECODER.get(model, True),
        )

    def first_seed(self, model: str) -> int:
        """Seed of first weights, order and augmentation: one for all models but :data:`AGAIN`."""
        return self.seed + (model == AGAIN)


def teacher_of(model: str) -> str | None:
    """The model whose features a model is taught by."""
    if model not in TAUGHT or not settings_of(model).needs_teacher:
        return None
    return TEACHER if SHARED_DECODER.get(model, True) else TEACHER_NO_SKIPS


def chosen(models: Sequence[str]) -> list[str]:
    """The models with the baseline and the teachers that they need, in the order of the table."""
    wanted = {TEACHER, BASELINE, *models} | {teacher_of(model) for model in models}
    return [model for model in MODELS if model in wanted]


def same_study(study: Study, out: Path) -> None:
    """One folder holds one study.

    Raises
    ------
    SystemExit
        ``out`` holds another one.
    """
    path, asked = out / "study.json", json.loads(json.dumps(attrs.asdict(study)))
    known = json.loads(path.read_text()) if path.exists() else asked
    if known != asked:
        changed = [f"{name} {known.get(name)} there, {asked[name]} asked for" for name in asked
                   if known.get(name) != asked[name]]  # fmt: skip
        raise SystemExit(f"{out} holds another study ({'; '.join(changed)}): give another folder")
    write_text(json.dumps(asked, indent=1) + "\n", path)
