"""Random signals of tissues and tumours in each modality, before the scanner adds its own; torch, any device."""

from __future__ import annotations

import torch
from torch import Tensor

from .chance import Chance
from .contrast import CLASSES, MEANS, TEXTURE

RANDOM_CONTRAST = 0.02
"""Share of images whose class means have nothing to do with the modality."""
WITH_VESSELS = 0.8
"""Share of T1ce images with bright vessels and choroid plexus."""
SPREAD = (0.25, 0.08, 0.0, 0.25, 0.1, 0.2)
"""Of the logarithm of each class' mean in T2w and FLAIR, order of :data:`~.contrast.CLASSES`."""


def sample_means(modality: str, chance: Chance, typical: bool = False) -> Tensor:
    """Mean signal of the classes, (6,), in units of the white matter in T1w.

    ``typical``: within 10 % of :data:`~.contrast.MEANS`; else far from them, now and then at random altogether.
    """
    if typical:
        return torch.tensor([mean * chance.uniform(0.9, 1.1) for mean in MEANS[modality]])
    if chance.happens(RANDOM_CONTRAST):
        return torch.tensor([chance.uniform(0.1, 1.5) for _ in CLASSES])
    if modality in ("T1w", "T1ce"):
        return t1_weighted(modality == "T1ce", chance)
    usual = torch.tensor(MEANS[modality])
    spread = torch.tensor([width * (2 * chance.uniform() - 1) * 1.7 for width in SPREAD])
    means = usual * spread.exp()
    white = usual[CLASSES.index("WM")]
    return (white + chance.log_uniform(0.6, 1.3) * (means - white)).clamp_min(0.05)


def t1_weighted(gadolinium: bool, chance: Chance) -> Tensor:
    """Means of the classes in T1w: white matter 1, grey 0.6 (gradient echo) to 0.93 (spin echo), fluid darkest.

    The tumour's means follow these: oedema is near grey matter and darker than white, necrosis between grey matter
    and fluid, what enhances near grey matter or, in four of five images with gadolinium, brighter than all.
    """
    grey = chance.uniform(0.6, 0.93)
    csf = grey - chance.uniform(0.25, 0.85) * grey
    edema = grey + chance.uniform(-1.2, 0.4) * (1 - grey)
    necrosis = grey - chance.uniform(0.1, 1.0) * (grey - csf)
    enhancing = grey * chance.uniform(0.8, 1.08)
    if gadolinium:
        enhancing = chance.uniform(0.9, 1.2) if chance.happens(0.2) else chance.uniform(1.2, 2.4)
    return torch.tensor([csf, grey, 1.0, necrosis, edema, enhancing]).clamp_min(0.05)


def render(
    modality: str,
    shares: Tensor,
    maps: Tensor,
    structure: Tensor,
    voxel_mm: float,
    chance: Chance,
    typical: bool = False,
) -> Tensor:
    """One modality's signal, without noise.

    Parameters
    ----------
    modality : str
        A key of :data:`~.contrast.MEANS`.
    shares : Tensor
        (6, X, Y, Z) of :data:`~.contrast.CLASSES`; 0 outside the head.
    maps : Tensor
        Of the head, :func:`~.heads.sample_head`.
    structure : Tensor
        (3, X, Y, Z), the patient's own fields of variance 1, one for all modalities: from place to place in
        tissue, in the tumour (coarse, fine).
    voxel_mm : float
    chance : Chance
    typical : bool
        Means near the modality's.

    Returns
    -------
    signal : Tensor
        (X, Y, Z), at least 0, in units of the white matter in T1w.
    """
    means = sample_means(modality, chance, typical).to(shares.device)
    signal = torch.tensordot(means, shares, dims=1)
    tumor = shares[3:].sum(0)
    healthy = shares[:3].sum(0)
    signal = signal + _texture(modality, means) * chance.uniform(0.2, 1.4) * maps[3] * healthy
    tissue, coarse, fine = structure
    regional = chance.uniform(0.0, 0.06) * tissue * healthy
    patchy = (chance.uniform(-0.2, 0.2) * coarse + chance.uniform(-0.15, 0.15) * fine) * tumor
    grain = chance.uniform(0.0, 0.04) * chance.field(signal.shape, 1.5 / voxel_mm)[0]
    signal = signal * (1 + regional + patchy + grain)
    if modality == "T1ce" and chance.happens(WITH_VESSELS):
        signal = signal + vessels(shares[0], maps[5], voxel_mm, chance)
    return signal.clamp_min(0.0)


def _texture(modality: str, means: Tensor) -> float:
    """How the template's texture shows: as strongly as its grey matter stands out from white."""
    grey, white = CLASSES.index("GM"), CLASSES.index("WM")
    typical = MEANS[modality][white] - MEANS[modality][grey]
    contrast = abs(float(means[white] - means[grey])) / abs(typical)
    return TEXTURE[modality] * min(1.5, contrast)


def vessels(csf: Tensor, fluid: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """What else takes up gadolinium: vessels in the sulci and choroid plexus in the ventricles, (X, Y, Z).

    Vessels run where two random fields are near 0 at once, which is along curves.

    Parameters
    ----------
    csf : Tensor
        (X, Y, Z), share of fluid.
    fluid : Tensor
        (X, Y, Z), near 1 in ventricles and cisterns.
    voxel_mm : float
    chance : Chance
    """
    first, second = chance.field(csf.shape, chance.uniform(4.0, 9.0) / voxel_mm, 2)
    width = chance.uniform(0.1, 0.25)
    curves = torch.exp(-(first.square() + second.square()) / (2 * width**2)) * (2 * csf).clamp(0, 1)
    plexus = (
        torch.sigmoid(8 * (chance.field(csf.shape, 4.0 / voxel_mm)[0] - chance.uniform(1.2, 2.2))) * fluid
    )
    return chance.uniform(0.2, 1.2) * curves + chance.uniform(0.0, 0.8) * plexus
