"""What layers represent and what they are needed for: SVCCA (Fig. 3.9) and zeroed layers (Tables 3.5, 3.6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gliomorph.interfaces.networks.segmentation import load_unet
from gliomorph.models.segmentation.distillation.ablation import LAYERS, zeroed
from gliomorph.models.segmentation.distillation.svcca import network_similarity
from gliomorph.models.segmentation.metrics import REGIONS, measure
from gliomorph.training.segmentation.data import one_by_one

from ..tables import markdown
from .data import cohort
from .study import AGAIN, BASELINE, TEACHER, Study
from .train import channels, weights_path

STUDENT = "kl+kd"
"""KD-Net, whose layers and patients are looked at."""

PAIRS = ((TEACHER, STUDENT), (TEACHER, BASELINE), (BASELINE, STUDENT), (TEACHER, AGAIN))
"""The thesis' three comparisons, and one that tells what another seed alone changes."""

SEEN = 8
"""Test patients whose layers are compared."""

ZEROED = (TEACHER, BASELINE)


def similarities(study: Study, training: int, models: list[str], out: Path) -> pd.DataFrame:
    """Mean canonical correlation by layer (index) of the pairs (columns) whose models are among ``models``."""
    batches = list(one_by_one(cohort(study, training, 0, out).test))[:SEEN]
    columns = {}
    for pair in PAIRS:
        if set(pair) <= set(models):
            networks = tuple(load_unet(weights_path(out, training, model))[0] for model in pair)
            images = [tuple(batch.images[:, channels(study, model)] for model in pair) for batch in batches]
            columns[" – ".join(pair)] = network_similarity(networks, images)
    return pd.DataFrame(columns).rename_axis("layer")


def zeroed_layers(study: Study, training: int, out: Path) -> pd.DataFrame:
    """Mean Dice of the validation patients with each layer set to zero; columns ``model``, ``zeroed``, regions."""
    rows = []
    for model in ZEROED:
        network = load_unet(weights_path(out, training, model))[0]
        for layer in ("none", *LAYERS):
            found = []
            for head in one_by_one(cohort(study, training, 0, out).validation):
                image = head.images[:, channels(study, model)]
                with torch.inference_mode():
                    scores = network(image) if layer == "none" else zeroed(network, image, layer)
                labels = head.labels[0].numpy()
                found.append(measure(scores[0].argmax(0).numpy(), labels, [study.voxel_mm] * 3))
            means = {region: np.mean([f[f"{region}_dice"] for f in found]) for region in REGIONS}
            rows.append({"training": training, "model": model, "zeroed": layer, **means})
    return pd.DataFrame(rows)


def zeroed_table(table: pd.DataFrame) -> str:
    """Markdown, Dice in percent."""
    rows = [
        [f"N = {row.training}", row.model, row.zeroed, *(f"{100 * row[region]:.2f}" for region in REGIONS)]
        for _, row in table.iterrows()
    ]
    return markdown(["training set", "model", "zeroed layer", *REGIONS], rows)
