"""Patients on the fly, with domain randomisation: what a segmentation network is trained on.

In contrast to :func:`~.patient.simulate_patient`, which makes cohorts with a known map to the template on grids of
their own, these come fast, on one grid, affinely aligned as a working image is, and with the contrasts and
artefacts of scanners that the network has not seen (after SynthSeg: Billot et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import torch
from torch import Tensor

from .. import geometry
from . import artefacts, heads, lesions, signals
from .anatomy import Anatomy
from .chance import Chance
from .contrast import MEANS

DIVISOR = 8
TYPICAL = 0.5
WITHOUT_TUMOR = 0.04
TWO_FOCI = 0.2
WITH_SPOTS = 0.2
"""Share of the patients with harmless white-matter lesions."""


@attrs.frozen(kw_only=True)
class Example:
    """One patient."""

    images: Tensor = attrs.field(repr=False)
    """(C, X, Y, Z), one a modality, in (0, 1] in the brain, 0 outside."""
    labels: Tensor = attrs.field(repr=False)
    """(X, Y, Z), int64 class indices: 0 background, 1 NCR, 2 ED, 3 ET."""


class Engine(Protocol):
    """A source of patients by number."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Channels of the images."""
        ...

    @property
    def voxel_mm(self) -> float:
        """Voxel size of the patients (isotropic)."""
        ...

    @property
    def brain_ml(self) -> float:
        """Volume of the brains, about which those of the patients vary."""
        ...

    def draw(self, seed: int) -> Example:
        """The patient of this number; the same number gives the same patient on the same kind of device."""
        ...


class DataEngine:
    """A source of patients by number.

    Parameters
    ----------
    anatomy : Anatomy
        Of a template; its voxel size is that of the patients.
    modalities : sequence of str
        Among T1w, T1ce, T2w and FLAIR: channels of the images.
    shape : sequence of int, optional
        (X, Y, Z); if not given, the brain's box and 8 mm on each side, sides divisible by 8.
    device : str or torch.device
        Where they are made.
    centre : sequence of float, optional
        Where the middle of their grid lies in the anatomy, voxels; if not given, that of the brain's box.
    misalignment : float
        As for :func:`~.heads.sample_positions`.
    typical : float
        Share of the patients with a modality's typical contrast and a good scan; the others vary without measure.

    Raises
    ------
    ValueError
        No or unknown modalities, a shape that is none, an anatomy without grey and white matter.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        modalities: Sequence[str] = ("T1w",),
        shape: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        centre: Sequence[float] | None = None,
        misalignment: float = 1.0,
        typical: float = TYPICAL,
    ) -> None:
        unknown = sorted(set(modalities) - set(MEANS))
        if unknown or not modalities:
            raise ValueError(f"modalities among {', '.join(MEANS)} are required, got {', '.join(modalities)}")
        self.modalities = tuple(modalities)
        self.atlas = heads.atlas_of(anatomy, device)
        if centre is not None:
            self.atlas = attrs.evolve(self.atlas, centre=tuple(float(voxel) for voxel in centre))
        self.device, self.misalignment, self.typical = torch.device(device), misalignment, typical
        margin = 2 * 8.0 / anatomy.voxel_mm
        box = [-(-(extent + margin) // DIVISOR) * DIVISOR for extent in self.atlas.extent]
        self.shape = tuple(int(side) for side in (shape or box))
        if len(self.shape) != 3 or min(self.shape) < DIVISOR:
            raise ValueError(f"three sides of at least {DIVISOR} voxels are required, got {self.shape}")
        if not _possible(self.atlas.maps[0]).any():
            raise ValueError("an anatomy with grey and white matter is required: tumours grow there")

    @property
    def voxel_mm(self) -> float:
        """Voxel size of the patients."""
        return self.atlas.voxel_mm

    @property
    def brain_ml(self) -> float:
        """Volume of the template's brain, about which those of the patients vary."""
        inside = int((self.atlas.maps[0, :3].sum(0) > 0.5).sum())
        return inside * self.atlas.voxel_mm**3 / 1000

    @torch.no_grad()
    def draw(self, seed: int) -> Example:
        """The patient of this number; the same number gives the same patient on the same kind of device."""
        chance = Chance(seed, self.device)
        atlas, voxel_mm = self.atlas, self.atlas.voxel_mm
        typical = chance.happens(self.typical)
        positions = heads.sample_positions(atlas, self.shape, chance, self.misalignment)
        growths = self._sample_growths(positions, chance)
        unit = atlas.step * voxel_mm
        for growth in growths:
            push = lesions.mass_effect(growth, positions.shape[2:], unit, self.device)
            positions = geometry.warp(positions, push)
        maps = heads.sample_head(atlas, positions, self.shape, chance)
        if not chance.happens(heads.PLAIN):
            maps = heads.with_variants(maps, voxel_mm, chance)
        tumor = torch.zeros(3, *self.shape, device=self.device)
        for growth in growths:
            found = lesions.sample_regions(growth, maps, voxel_mm, chance)
            tumor = tumor + found * (1 - tumor.sum(0)).clamp_min(0)
        brain = maps[:3].sum(0).clamp(0, 1)
        shares = torch.cat([maps[:3] * (1 - tumor.sum(0)), tumor])
        if chance.happens(WITH_SPOTS):
            shares = lesions.with_spots(shares, maps, voxel_mm, chance)
        mask = artefacts.sample_mask(brain, voxel_mm, chance)
        structure = torch.cat([chance.field(self.shape, scale / voxel_mm) for scale in (15.0, 6.0, 3.0)])
        images = []
        for modality in self.modalities:
            signal = signals.render(modality, shares, maps, structure, voxel_mm, chance, typical)
            images.append(artefacts.corrupt(signal, mask, voxel_mm, chance, typical))
        return Example(images=torch.stack(images), labels=lesions.largest(tumor) * mask)

    def _sample_growths(self, positions: Tensor, chance: Chance) -> list[lesions.Growth]:
        if chance.happens(WITHOUT_TUMOR):
            return []
        maps = heads.read(self.atlas, positions)
        possible = torch.nonzero(_possible(maps))
        if not len(possible):  # a small grid can lie in a ventricle
            return []
        unit = self.atlas.step * self.atlas.voxel_mm
        growths = []
        for _ in range(1 + chance.happens(TWO_FOCI)):
            centre = possible[chance.integer(len(possible))] * unit
            growths.append(lesions.sample_growth(centre.tolist(), chance))
        return growths


def _possible(maps: Tensor) -> Tensor:
    """Where a tumour can be centred: in tissue, out of the ventricles."""
    return (maps[1] + maps[2] > 0.7) & (maps[5] < 0.3)
