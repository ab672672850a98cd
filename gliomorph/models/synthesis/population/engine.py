"""Patients on the fly with the anatomies of people: another :class:`~gliomorph.models.synthesis.engine.Engine`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ... import geometry
from .. import artefacts, heads, lesions
from ..chance import Chance
from ..contrast import MEANS
from ..engine import DIVISOR, Example
from . import anatomy, colours, growth, shapes
from .anatomy import Person

WITHOUT_TUMOR = 0.08
SHAPED = 0.5
"""Share of the tumours with the shape of a real one, where there are such shapes."""
GOOD_SCAN = 0.4
"""Share of the scans with bias and a little noise alone."""
GENEROUS = 0.6
"""Share of the scans whose mask bridges sulci and holds fluid around the brain."""
BADLY_STRIPPED = 0.15
"""Share of the scans in which rests of skull and dura are left."""
MARGIN_MM = 8.0


class PopulationEngine:
    """A source of patients by number.

    Parameters
    ----------
    people : sequence of Person
        All of one voxel size, which is that of the patients.
    modalities : sequence of str
        Among T1w, T1ce, T2w and FLAIR: channels of the images.
    shape : sequence of int, optional
        (X, Y, Z); if not given, a box that holds every brain and 8 mm on each side, sides divisible by 8.
    device : str or torch.device
        Where they are made.
    tumors : sequence of Tensor
        Shapes of real tumours (:func:`~.shapes.shape_of`) at the people's voxels, which half of the tumours get.

    Raises
    ------
    ValueError
        No people, or no or unknown modalities.
    """

    def __init__(
        self,
        people: Sequence[Person],
        modalities: Sequence[str] = ("T1w",),
        shape: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        tumors: Sequence[Tensor] = (),
    ) -> None:
        unknown = sorted(set(modalities) - set(MEANS))
        if unknown or not modalities:
            raise ValueError(f"modalities among {', '.join(MEANS)} are required, got {', '.join(modalities)}")
        if not people or len({person.voxel_mm for person in people}) > 1:
            raise ValueError("people of one voxel size are required, at least one")
        self.people, self.modalities, self.device = tuple(people), tuple(modalities), torch.device(device)
        self.tumors = tuple(tumor.to(self.device) for tumor in tumors)
        self.shape = tuple(shape or anatomy.common_shape(people, MARGIN_MM, DIVISOR))

    @property
    def voxel_mm(self) -> float:
        """Voxel size of the patients."""
        return self.people[0].voxel_mm

    @property
    def brain_ml(self) -> float:
        """Mean volume of the people's brains."""
        return sum(person.brain_ml for person in self.people) / len(self.people)

    @torch.no_grad()
    def draw(self, seed: int) -> Example:
        """The patient of this number; the same number gives the same patient on the same kind of device."""
        chance = Chance(seed, self.device)
        atlas = self.people[chance.integer(len(self.people))].atlas()
        positions = heads.sample_positions(atlas, self.shape, chance)
        maps, regions = self._with_tumor(atlas, positions, chance)
        mask = _sample_mask(maps, self.voxel_mm, chance)
        edge = 1 - chance.uniform(0.0, 1.5) * (1 - artefacts.box_mean(mask.float(), 1))
        stuff = colours.sample_tumor(chance)
        water = (
            colours.water_map(regions, stuff, self.voxel_mm, chance),
            colours.harmless_water(maps, self.voxel_mm, chance),
        )
        structure = torch.cat([chance.field(self.shape, scale / self.voxel_mm) for scale in (20.0, 6.0, 3.0)])
        images = []
        for modality in self.modalities:
            own = colours.sample_colours(modality, stuff, chance)
            signal = colours.render(own, maps, regions, water, structure, stuff.bleeding, chance)
            if modality == "T1ce" and chance.happens(0.8):
                signal = signal + colours.vessels(maps, self.voxel_mm, chance)
            good = chance.happens(GOOD_SCAN)
            signal = signal.lerp(artefacts.box_mean(signal, 1), chance.uniform(0.0, 0.8))
            signal = signal * edge.clamp_min(
                0
            )  # resampling after the skull-stripping mixes in the nothing outside
            images.append(artefacts.corrupt(signal, mask, self.voxel_mm, chance, good))
        return Example(images=torch.stack(images), labels=lesions.largest(regions) * mask)

    def _with_tumor(self, atlas: heads.Atlas, positions: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
        """Maps (15, X, Y, Z) of the head that a tumour has displaced, and the tumour's regions (3, X, Y, Z)."""
        possible = _possible(heads.read(atlas, positions))
        if chance.happens(WITHOUT_TUMOR) or not possible.any():
            return self._maps(atlas, positions), torch.zeros(3, *self.shape, device=self.device)
        if self.tumors and chance.happens(SHAPED):
            regions, maps = self._shaped(atlas, positions, possible, chance)
        else:
            regions, maps = self._grown(atlas, positions, possible, chance)
        return _swollen(maps, regions.sum(0), chance.uniform(0.0, 0.8)), regions

    def _grown(
        self, atlas: heads.Atlas, positions: Tensor, possible: Tensor, chance: Chance
    ) -> tuple[Tensor, Tensor]:
        plan = growth.sample_plan(chance)
        seats = growth.sample_seats(possible, plan, atlas.step * atlas.voxel_mm, chance)
        maps = self._pushed(atlas, positions, growth.pushing(plan, seats))
        return growth.grow(plan, seats, maps, atlas.voxel_mm, chance), maps

    def _shaped(
        self, atlas: heads.Atlas, positions: Tensor, possible: Tensor, chance: Chance
    ) -> tuple[Tensor, Tensor]:
        shape = self.tumors[chance.integer(len(self.tumors))]
        unit, voxel_mm = atlas.step * atlas.voxel_mm, atlas.voxel_mm
        placement = shapes.sample_placement(shape, possible, unit, voxel_mm, chance)
        mass = shapes.pushing(placement, voxel_mm, chance.uniform(0.0, growth.STRONGEST_PUSH))
        maps = self._pushed(atlas, positions, mass)
        return shapes.place(placement, growth.room_of(maps), voxel_mm, chance), maps

    def _pushed(self, atlas: heads.Atlas, positions: Tensor, mass: lesions.Mass) -> Tensor:
        push = lesions.mass_effect(mass, positions.shape[2:], atlas.step * atlas.voxel_mm, self.device)
        return self._maps(atlas, geometry.warp(positions, push))

    def _maps(self, atlas: heads.Atlas, positions: Tensor) -> Tensor:
        return heads.read(atlas, heads.refined(atlas, positions, self.shape))


def _possible(maps: Tensor) -> Tensor:
    """Where a tumour can sit: in the tissue of the cerebrum."""
    return maps[list(anatomy.CEREBRAL)].sum(0) > 0.7


def _swollen(maps: Tensor, whole: Tensor, strength: float) -> Tensor:
    """``maps`` in which sulci within the tumour are closed in part: their fluid's share goes to the cortex."""
    moved = strength * whole * maps[0]
    maps[0] -= moved
    maps[anatomy.MAPS.index("cortex")] += moved
    return maps


def _sample_mask(maps: Tensor, voxel_mm: float, chance: Chance) -> Tensor:
    """What a skull-stripping leaves: the brain, well or badly cut, now and then rests of dura and skull."""
    brain = maps[-1]
    if chance.happens(GENEROUS):
        reach = round(chance.uniform(3.0, 9.0) / voxel_mm)
        wide = artefacts.box_mean(artefacts.box_mean(brain, reach), reach) > chance.uniform(0.25, 0.5)
        brain = torch.maximum(brain, (wide & (maps[: anatomy.INSIDE].sum(0) > 0.3)).float())
    mask = artefacts.sample_mask(brain, voxel_mm, chance)
    if chance.happens(BADLY_STRIPPED):
        field = chance.field(brain.shape, chance.uniform(6.0, 15.0) / voxel_mm)[0]
        near = artefacts.box_mean(brain, round(chance.uniform(3.0, 9.0) / voxel_mm)) > 0.15
        mask = mask | (near & (field > chance.uniform(0.8, 2.0)) & (maps[:-1].sum(0) > 0.3))
    return mask
