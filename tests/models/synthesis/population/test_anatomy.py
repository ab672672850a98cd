"""Laws of people's tissues on a coarse grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from label_maps import VOXEL_MM, head_labels

from gliomorph.models.synthesis.population import anatomy
from gliomorph.models.synthesis.structures import BY_NUMBER, STRUCTURES


def test_every_structure_but_air_is_in_one_group() -> None:
    names = [name for group in anatomy.GROUPS.values() for name in group]
    assert sorted([*names, "air and background"]) == sorted(one.name for one in STRUCTURES)


def test_shares_are_those_of_the_boxes_voxels() -> None:
    labels = head_labels()
    fine, coarse = (anatomy.person_of(labels, VOXEL_MM, factor * VOXEL_MM) for factor in (1, 2))
    for name in ("white", "cortex", "ventricles"):
        channel = anatomy.MAPS.index(name)
        numbers = [number for number, one in BY_NUMBER.items() if one.name in anatomy.GROUPS[name]]
        count = int(np.isin(labels, numbers).sum())
        assert int((fine.shares[channel] > 0).sum()) == count
        assert float(coarse.shares[channel].float().sum()) / anatomy.LEVELS * 8 == pytest.approx(
            count, rel=0.01
        )
    assert (fine.shares[:-1].int().sum(0) <= anatomy.LEVELS).all()


def test_the_brain_is_whole_and_without_the_skull() -> None:
    person = anatomy.person_of(head_labels(), VOXEL_MM, VOXEL_MM)
    brain = person.shares[-1] > 0
    inside = person.shares[1 : anatomy.INSIDE].sum(0) > 127
    assert brain[inside].all()
    assert not person.shares[anatomy.INSIDE : -1].sum(0)[brain].any()
    assert person.brain_ml == pytest.approx(float(brain.sum()) * VOXEL_MM**3 / 1000)


def test_the_grid_holds_every_brain_and_the_margin() -> None:
    person = anatomy.person_of(head_labels(), VOXEL_MM, VOXEL_MM)
    shape = anatomy.common_shape([person], 8.0, 8)
    assert all(side % 8 == 0 and side >= n + 4 for side, n in zip(shape, person.extent, strict=True))


def test_label_maps_that_cannot_be_used_are_refused() -> None:
    labels = head_labels()
    with pytest.raises(ValueError, match="labels 999 are none of FreeSurfer's"):
        anatomy.person_of(np.where(labels == 3, 999, labels), VOXEL_MM, VOXEL_MM)
    with pytest.raises(ValueError, match="cerebral white matter"):
        anatomy.person_of(np.full((8, 8, 8), 3), VOXEL_MM, VOXEL_MM)
    with pytest.raises(ValueError, match="voxels of 6 mm are no multiple of the label map's, 4 mm"):
        anatomy.person_of(labels, VOXEL_MM, 6.0)


def test_a_person_is_read_as_an_atlas_whose_shares_are_fractions() -> None:
    atlas = anatomy.person_of(head_labels(), VOXEL_MM, VOXEL_MM).atlas()
    assert atlas.maps.max() == 1
    assert torch.isfinite(atlas.widening).all()
