"""Signals of a person's tissues and tumour in each modality, before the scanner adds its own; torch, any device.

Oedema is water in tissue: it moves a voxel's signal a part of the way towards that of wet tissue, so that what lies
below it still shows. How much water, how it falls off towards the border, what the core is made of: these belong to
the patient (:class:`Tumor`) and are one for all modalities; how each shows them is drawn anew (:class:`Colours`).
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from .. import signals
from ..chance import Chance
from .anatomy import GROUPS, MAPS

RANDOM = 0.12
"""Share of the images whose signals have nothing to do with the modality."""
T1_PLACE = {
    "cortex": 0.0, "white": 1.0, "folia": 0.05, "arbor": 0.95, "thalamus": 0.6, "striatum": 0.2, "pallidum": 0.75,
    "stem": 0.85,
}  # fmt: skip
"""Where a tissue lies between the cortex' signal and white matter's in T1w."""
T2_PLACE = {
    "cortex": 0.0, "white": 1.0, "folia": 0.1, "arbor": 0.9, "thalamus": 0.6, "striatum": 0.45, "pallidum": 1.3,
    "stem": 0.8,
}  # fmt: skip
"""The same in T2w and FLAIR."""
OUTSIDE = {
    "T1w": {"bone": 0.1, "vessels": 0.4, "soft": 0.8},
    "T1ce": {"bone": 0.1, "vessels": 1.4, "soft": 0.9},
    "T2w": {"bone": 0.2, "vessels": 0.5, "soft": 1.3},
    "FLAIR": {"bone": 0.2, "vessels": 0.5, "soft": 1.2},
}
"""Signal of what is no brain, in units of white matter's."""


@attrs.frozen(kw_only=True)
class Tumor:
    """What a patient's tumour is made of, whatever the modality."""

    water: float
    """Share of the way from tissue to wet tissue, deep in the oedema."""
    fading: float
    """Share of the water that is missing at the border."""
    blur_mm: float
    """Width of the border."""
    patchiness: float
    """How unevenly the water is spread: standard deviation over its mean."""
    core: str
    """``necrosis``, ``cyst`` or ``solid`` (a tumour that does not enhance)."""
    bleeding: float
    """Share of the core's voxels with blood, roughly; 0 as a rule."""


@attrs.frozen(kw_only=True)
class Colours:
    """One modality's mean signals, in units of the white matter."""

    groups: Tensor = attrs.field(repr=False)
    """(14,), order of :data:`~.anatomy.GROUPS`."""
    wet: float
    """Signal of wet tissue."""
    gain: float
    """How strongly the modality shows water: a factor of :attr:`Tumor.water`."""
    necrosis: float
    enhancing: float
    blood: float


def sample_tumor(chance: Chance) -> Tumor:
    """A random tumour's stuff: one of five has barely visible oedema."""
    faint = chance.happens(0.2)
    kind = chance.uniform()
    return Tumor(
        water=chance.log_uniform(0.03, 0.2) if faint else chance.uniform(0.25, 0.9),
        fading=chance.uniform(0.0, 0.6),
        blur_mm=chance.uniform(0.0, 6.0),
        patchiness=chance.uniform(0.1, 0.4),
        core="cyst" if kind < 0.15 else "necrosis" if kind < 0.55 else "solid",
        bleeding=chance.uniform(0.05, 0.5) if chance.happens(0.15) else 0.0,
    )


def sample_colours(modality: str, tumor: Tumor, chance: Chance) -> Colours:
    """Random signals: the modality's, far from typical ones as a rule; now and then of no modality."""
    if chance.happens(RANDOM):
        return _any_colours(chance)
    if modality in ("T1w", "T1ce"):
        return _t1_colours(modality, tumor, chance)
    grey = chance.uniform(1.02, 1.25)
    fluid = grey * chance.uniform(1.6, 3.2) if modality == "T2w" else chance.uniform(0.1, 0.7)
    wet = grey + chance.uniform(0.6, 1.0) * (fluid - grey)
    if modality == "FLAIR":
        wet = grey * chance.uniform(1.5, 3.0)
    return Colours(
        groups=_groups(modality, fluid, grey, T2_PLACE, chance),
        wet=wet,
        gain=chance.uniform(1.4, 2.4) if modality == "T2w" else chance.uniform(0.8, 1.5),
        necrosis=_t2_necrosis(modality, tumor.core, fluid, grey, wet, chance),
        enhancing=grey + chance.uniform(0.3, 1.0) * (wet - grey),
        blood=chance.uniform(0.2, 0.9) if modality == "T2w" else chance.uniform(0.3, 2.0),
    )


def _t1_colours(modality: str, tumor: Tumor, chance: Chance) -> Colours:
    grey = chance.uniform(0.6, 0.92)
    fluid = grey * (1 - chance.uniform(0.3, 0.85))
    below = {"necrosis": (0.1, 0.6), "cyst": (0.6, 1.0), "solid": (-0.1, 0.4)}[tumor.core]
    enhancing = grey * chance.uniform(0.8, 1.1)
    if modality == "T1ce":
        enhancing = chance.uniform(0.9, 1.2) if chance.happens(0.2) else chance.uniform(1.2, 2.2)
    return Colours(
        groups=_groups(modality, fluid, grey, T1_PLACE, chance),
        wet=grey - chance.uniform(0.2, 0.9) * (grey - fluid),
        gain=chance.uniform(1.0, 1.8),
        necrosis=grey - chance.uniform(*below) * (grey - fluid),
        enhancing=enhancing,
        blood=chance.uniform(0.9, 1.6),
    )


def _t2_necrosis(modality: str, core: str, fluid: float, grey: float, wet: float, chance: Chance) -> float:
    if core == "cyst":
        return fluid * chance.uniform(0.85, 1.1)
    if modality == "FLAIR" and core == "necrosis":
        return grey + chance.uniform(-0.5, 1.0) * (wet - grey)
    return grey + chance.uniform(0.6, 1.2) * (wet - grey)


def _groups(modality: str, fluid: float, grey: float, places: dict[str, float], chance: Chance) -> Tensor:
    """Signal of every group, each a little off its place."""
    means = {"sulci": fluid * chance.uniform(0.95, 1.2), "ventricles": fluid}
    means["plexus"] = grey + chance.uniform(0.0, 0.8) * (fluid - grey)
    for name, place in places.items():
        means[name] = grey + (place + chance.uniform(-0.12, 0.12) * (name != "white")) * (1 - grey)
    for name, level in OUTSIDE[modality].items():
        means[name] = level * chance.log_uniform(0.6, 1.6)
    return torch.tensor([means[name] for name in GROUPS]).clamp_min(0.03)


def _any_colours(chance: Chance) -> Colours:
    groups = torch.tensor([chance.uniform(0.05, 1.5) for _ in GROUPS])
    white = float(groups[tuple(GROUPS).index("white")])
    away = chance.uniform(0.3, 1.0) * (1.0 if chance.happens(0.5) else -0.6)
    return Colours(
        groups=groups,
        wet=max(0.05, white + away),
        gain=1.0,
        necrosis=chance.uniform(0.05, 1.5),
        enhancing=chance.uniform(0.05, 2.0),
        blood=chance.uniform(0.05, 2.0),
    )


def water_map(regions: Tensor, tumor: Tumor, voxel_mm: float, chance: Chance) -> Tensor:
    """Share of water in the tissue at every voxel, (X, Y, Z): most deep in the tumour, less towards its border.

    Parameters
    ----------
    regions : Tensor
        (3, X, Y, Z), shares of NCR, ED, ET.
    tumor : Tumor
    voxel_mm : float
    chance : Chance
    """
    whole = regions.sum(0)
    visible = _box_blurred(whole, tumor.blur_mm, voxel_mm)
    depth = (2 * _box_blurred(whole, 16.0, voxel_mm) - 0.6).clamp(0, 1)
    patchy = (1 + tumor.patchiness * chance.field(whole.shape, 8.0 / voxel_mm)[0]).clamp_min(0.2)
    return (tumor.water * (1 - tumor.fading * (1 - depth)) * visible * patchy).clamp(0, 1)


def harmless_water(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """Water in white matter that is no tumour: caps of the ventricles and scattered spots, (X, Y, Z)."""
    white, ventricles = maps[MAPS.index("white")], maps[MAPS.index("ventricles")]
    water = torch.zeros_like(white)
    if chance.happens(0.5):
        water = chance.uniform(0.0, 0.5) * (2 * _box_blurred(ventricles, 8.0, voxel_mm)).clamp(0, 1) * white
    if chance.happens(0.2):
        level = chance.uniform(1.6, 2.6)
        field = chance.field(white.shape, chance.uniform(2.0, 4.0) / voxel_mm)[0]
        water = water + chance.uniform(0.2, 0.6) * torch.sigmoid(8 * (field - level)) * white
    return water


def render(
    colours: Colours,
    maps: Tensor,
    regions: Tensor,
    water: tuple[Tensor, Tensor],
    structure: Tensor,
    bleeding: float,
    chance: Chance,
) -> Tensor:
    """One modality's signal, without noise.

    Parameters
    ----------
    colours : Colours
    maps : Tensor
        (15, X, Y, Z) of :data:`~.anatomy.MAPS`.
    regions : Tensor
        (3, X, Y, Z), shares of NCR, ED, ET.
    water : tuple of Tensor
        The tumour's and harmless water, (X, Y, Z) each.
    structure : Tensor
        (3, X, Y, Z), the patient's own fields of variance 1: in tissue, in the tumour (coarse, fine).
    bleeding : float
        As in :class:`Tumor`.
    chance : Chance

    Returns
    -------
    signal : Tensor
        (X, Y, Z), at least 0, in units of white matter.
    """
    signal = torch.tensordot(colours.groups.to(maps.device), maps[:-1], dims=1)
    tissue, coarse, fine = structure
    tumor_water, harmless = water
    signal = signal * (1 + chance.uniform(0.0, 0.05) * tissue)
    wet = (colours.gain * tumor_water + harmless).clamp(0, 1)
    signal = signal + wet * (colours.wet - signal)
    patchy = 1 + chance.uniform(-0.15, 0.15) * coarse + chance.uniform(-0.1, 0.1) * fine
    necrosis, _, enhancing = regions
    own = colours.necrosis * necrosis + colours.enhancing * enhancing
    if bleeding:
        blood = torch.sigmoid(6 * (fine + coarse - 1.4 * (1 - 2 * bleeding))) * (necrosis + enhancing)
        own = own + blood * (colours.blood * (necrosis + enhancing) - own)
    return (signal * (1 - necrosis - enhancing) + own * patchy).clamp_min(0)


def vessels(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """What takes up gadolinium besides a tumour, (X, Y, Z): vessels in the sulci, choroid plexus."""
    plexus = maps[MAPS.index("plexus")] * chance.uniform(0.0, 0.8)
    return plexus + signals.vessels(maps[0], maps[1], voxel_mm, chance)


def _box_blurred(share: Tensor, width_mm: float, voxel_mm: float) -> Tensor:
    """Means over boxes of about ``width_mm``, twice; unchanged where that is less than a voxel to each side."""
    reach = round(0.5 * width_mm / voxel_mm)
    if not reach:
        return share
    blurred = share[None, None]
    for _ in range(2):
        for axis in range(3):
            sides = [2 * reach + 1 if axis == each else 1 for each in range(3)]
            blurred = functional.avg_pool3d(blurred, sides, 1, [side // 2 for side in sides])
    return blurred[0, 0]
