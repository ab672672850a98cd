"""One network of the study: trained, tested on every test patient, kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gliomorph.interfaces.files.images import replacing, write_text
from gliomorph.interfaces.networks.segmentation import load_unet, write_unet
from gliomorph.models.regions import MODALITIES
from gliomorph.models.segmentation.distillation.methods import DistillationSettings, settings_of
from gliomorph.models.segmentation.distillation.objective import StudentObjective
from gliomorph.models.segmentation.distillation.shared_decoder import share_decoder
from gliomorph.models.segmentation.inference import decide, probabilities
from gliomorph.models.segmentation.metrics import measure
from gliomorph.models.segmentation.training import Batch, SegmentationTrainer
from gliomorph.models.unet import UNet
from gliomorph.training.scans import example_seed
from gliomorph.training.segmentation.data import PreparedExamples, one_by_one

from .data import cohort
from .study import SHARED_DECODER, TAUGHT, Study, teacher_of

FORMAT = torch.channels_last_3d
"""Order of weights and images in memory: a sixth faster on the CPU."""


def run_set(study: Study, models: list[str], out: Path, training: int) -> int:
    """All models of one training set that are not done yet, one after the other.

    Parameters
    ----------
    study : Study
    models : list of str
        Of :data:`.study.MODELS`; teachers before their students.
    out : Path
    training : int
        Patients.

    Returns
    -------
    training : int
    """
    for model in models:
        if not figures_path(out, training, model).exists():
            network = _trained(study, model, training, out)
            rows = _tested(network, study, model, training, out)
            write_text(rows.to_csv(sep="\t", index=False), figures_path(out, training, model))
            dices = ", ".join(f"{name} {rows[f'{name}_dice'].mean():.3f}" for name in ("ET", "TC", "WT"))
            print(f"N = {training}, {model}: test Dice {dices}", flush=True)
    return training


def figures_path(out: Path, training: int, model: str) -> Path:
    """Figures of every test patient; written last, so that a model is done where it is there."""
    return out / f"N{training:03d}" / f"{model}.tsv"


def weights_path(out: Path, training: int, model: str) -> Path:
    """Weights of the best validation."""
    return out / f"N{training:03d}" / f"{model}.safetensors"


def channels(study: Study, model: str) -> list[int]:
    """Channels of the patients' images that a model reads."""
    return [MODALITIES.index(modality) for modality in study.network(model).modalities]


def _trained(study: Study, model: str, training: int, out: Path) -> UNet:
    """The network with the weights of its best validation."""
    seed = study.first_seed(model)
    patients = cohort(study, training, seed, out)
    objective, network = _objective(study, model, training, out)
    per_epoch = study.every
    trainer = SegmentationTrainer(objective, study.optimisation(model), channels(study, model), per_epoch)
    kept, log = weights_path(out, training, model), []
    while not trainer.finished:
        steps = range(trainer.epoch * per_epoch, (trainer.epoch + 1) * per_epoch)
        losses = [trainer.step(_batch(patients.training, step, study, seed))["total"] for step in steps]
        found = trainer.validate(one_by_one(patients.validation))
        if trainer.end_epoch(found["loss"]):
            write_unet(network, study.network(model), kept)
        log.append(
            {"step": steps.stop, "loss": float(np.mean(losses))}
            | {f"validation_{k}": v for k, v in found.items()}
        )
        print(
            f"N = {training}, {model}: " + ", ".join(f"{k} {v:.4g}" for k, v in log[-1].items()), flush=True
        )
    with replacing(kept.with_suffix(".log.tsv")) as temporary:
        pd.DataFrame(log).to_csv(temporary, sep="\t", index=False)
    return load_unet(kept)[0]


def _objective(study: Study, model: str, training: int, out: Path) -> tuple[StudentObjective, UNet]:
    torch.manual_seed(study.first_seed(model))
    network = study.network(model).build().to(memory_format=FORMAT)
    settings = settings_of(model) if model in TAUGHT else DistillationSettings()
    teacher, name = None, teacher_of(model)
    if name:
        teacher = load_unet(weights_path(out, training, name))[0].to(memory_format=FORMAT)
        if model in SHARED_DECODER:
            share_decoder(teacher, network)
    return StudentObjective(settings, network, teacher), network


def _batch(examples: PreparedExamples, step: int, study: Study, seed: int) -> Batch:
    """The examples of one step: every round in an order of its own that depends on nothing else."""
    per_round = max(1, len(examples) // study.batch_size)
    round_, position = divmod(step, per_round)
    order = np.random.default_rng(example_seed(seed, round_)).permutation(len(examples))
    chosen = order[position * study.batch_size : (position + 1) * study.batch_size]
    images, labels = zip(*(examples.read(int(index), round_) for index in chosen), strict=True)
    return Batch(images=torch.stack(images).contiguous(memory_format=FORMAT), labels=torch.stack(labels))


def _tested(network: UNet, study: Study, model: str, training: int, out: Path) -> pd.DataFrame:
    """Every figure of every test patient."""
    rows = []
    for number, head in enumerate(one_by_one(cohort(study, training, 0, out).test)):
        found = probabilities(network, head.images[0, channels(study, model)], mirrored=True)
        predicted = decide(found.numpy(), study.voxel_mm**3)
        brain = (head.images[0, 0] != 0).numpy()
        figures = measure(predicted, head.labels[0].numpy(), [study.voxel_mm] * 3, brain)
        rows.append({"patient": number, **figures})
    return pd.DataFrame(rows)
