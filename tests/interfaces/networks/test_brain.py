"""The networks of brain extraction: their file, and a head of any grid as they read it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array
from gliomorph.interfaces.networks.brain import brain_probability, load_brain, stretched, write_brain
from gliomorph.interfaces.networks.files import SHIPPED_BRAIN, WeightsError, card_of
from gliomorph.models.brain_extraction import BrainSettings

SMALL = BrainSettings(finder_voxels=64, outliner_voxels=64)
LARGEST_FILE = 20e6
"""Bytes of weights that are shipped: they go with every installation."""


class Bright(nn.Module):
    """Brain is what is bright, as in :func:`head`."""

    def forward(self, image: Tensor) -> Tensor:
        scaled = (image - image.min()) / (image.max() - image.min())
        return (scaled > 0.5).float()


class Networks(nn.Module):
    """In place of the two networks."""

    def __init__(self, outliner: nn.Module) -> None:
        super().__init__()
        self.finder, self.outliner = Bright(), outliner


def head(like: sitk.Image) -> sitk.Image:
    """The phantom's brain, brighter than fluid and scalp around it; air is not zero."""
    points = phantoms.positions(like)
    radius, brain = phantoms.radius_at(points), 0.7 + 0.3 * phantoms.tissue_at(points)
    voxels = np.select([radius < 1, radius < 1.15, radius < 1.3], [brain, 0.05, 0.3], 0.02)
    return from_array(voxels.astype(np.float32), like)


@pytest.mark.parametrize("frame", phantoms.FRAMES)
def test_probabilities_lie_on_the_head_in_every_frame(frame: str) -> None:
    like = phantoms.frame(frame)
    found = to_array(brain_probability(head(like), Networks(Bright()), SMALL)) > 0.5
    # cubes of 64 voxels over brains of 30 to 40: two interpolations
    assert phantoms.dice(found, to_array(phantoms.brain_mask(like)) > 0) > 0.95


def test_networks_read_right_anterior_superior_whatever_the_image_s_axes() -> None:
    read = []

    class Keeps(Bright):
        def forward(self, image: Tensor) -> Tensor:
            read.append(image)
            return super().forward(image)

    for frame in ("RAS", "permuted"):
        brain_probability(head(phantoms.frame(frame)), Networks(Keeps()), SMALL)
    assert torch.allclose(*read, atol=0.05)


def test_thick_slices_keep_the_brain_s_outline() -> None:
    like = phantoms.grid((64, 76, 26), (2.5, 2.5, 6.0))
    found = to_array(brain_probability(head(like), Networks(Bright()), SMALL)) > 0.5
    assert phantoms.dice(found, to_array(phantoms.brain_mask(like)) > 0) > 0.95


def test_second_network_reads_a_smooth_curve_between_thick_slices() -> None:
    """A parabola over slices of 6 mm bends everywhere; of lines between slices all bends would be at the slices."""
    read = []

    class Keeps(Bright):
        def forward(self, image: Tensor) -> Tensor:
            read.append(image[0, 0, 32, 32])
            return super().forward(image)

    like = phantoms.grid((24, 24, 13), (4.0, 4.0, 6.0))
    dome = np.broadcast_to(1 - np.linspace(-1, 1, 13) ** 2, like.GetSize())
    brain_probability(from_array(dome.astype(np.float32), like), Networks(Keeps()), SMALL)
    bends = np.abs(np.diff(read[0].numpy(), 2))[20:-20]
    assert np.median(bends) > 0.3 * bends.max()


def test_image_without_a_brain_is_refused() -> None:
    class Nothing(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.zeros_like(image)

    networks = Networks(Bright())
    networks.finder = Nothing()  # type: ignore[assignment]
    with pytest.raises(ImageError, match="no brain is found"):
        brain_probability(head(phantoms.frame("RAS")), networks, SMALL)


def test_cube_over_an_image_s_whole_box_has_its_corners() -> None:
    image = phantoms.frame("anisotropic")
    cube = stretched(image, np.zeros(3), np.array(image.GetSize(), float), 64)
    for ends in (-0.5, 1.0):
        corner = [n - 0.5 if ends > 0 else -0.5 for n in image.GetSize()]
        same = [63.5 if ends > 0 else -0.5] * 3
        assert image.TransformContinuousIndexToPhysicalPoint(corner) == pytest.approx(
            cube.TransformContinuousIndexToPhysicalPoint(same)
        )


# The file


def test_networks_come_back_as_they_were_stored(tmp_path: Path) -> None:
    torch.manual_seed(1)
    networks = SMALL.build()
    path = write_brain(networks, SMALL, tmp_path / "brain.safetensors")
    found, settings = load_brain(path)
    assert settings == SMALL
    assert not found.training
    for name, tensor in networks.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_another_network_s_file_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"student-T1w\.safetensors: "):
        load_brain(SHIPPED_BRAIN.with_name("student-T1w.safetensors"))


def test_shipped_networks_have_their_card_and_their_notice() -> None:
    networks, settings = load_brain(SHIPPED_BRAIN)
    card = card_of(SHIPPED_BRAIN)
    assert card is not None, "a card of these very weights is required, by their sha256"
    assert card["weights"]["file"] == SHIPPED_BRAIN.name
    assert card["network"] == attrs.asdict(settings)
    assert card["parameters"] == sum(parameter.numel() for parameter in networks.parameters())
    assert SHIPPED_BRAIN.stat().st_size <= LARGEST_FILE
    notice = SHIPPED_BRAIN.with_name(card["source"]["notice"]).read_text(encoding="utf-8")
    assert card["source"]["copyright"] in notice
    assert "Permission is hereby granted, free of charge" in notice


def test_shipped_networks_compute_what_the_original_does() -> None:
    try:
        files = metadata.files("deepbet") or []
    except metadata.PackageNotFoundError:
        pytest.skip("deepbet is not installed: pip install --no-deps deepbet")
    networks, _ = load_brain(SHIPPED_BRAIN)
    image = torch.rand(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    for name, network in (("bbox_model", networks.finder), ("model", networks.outliner)):
        path = next(file for file in files if file.name == f"{name}.pt").locate()
        with torch.inference_mode():
            original = torch.jit.load(str(path), map_location="cpu").eval()(image)[:, 1:]
            assert torch.equal(network(image), original)


def test_a_real_head_s_brain_is_found_by_coarse_cubes(shared_data: Path) -> None:
    """A third of the voxels that the networks are used with, for speed: the outline is rougher, its place the same."""
    folder = shared_data / "real" / "heads-native"
    name = "sub-TCGADU7298"
    paths = (
        folder / name / "anat" / f"{name}_T1w.nii.gz",
        folder / "derivatives" / "masks" / name / "anat" / f"{name}_label-tumor_mask.nii.gz",
    )
    if not all(path.is_file() for path in paths):
        pytest.skip(f"{folder}: no such heads")
    image, tumor = (read_image(path) for path in paths)
    networks, settings = load_brain(SHIPPED_BRAIN)
    coarse = attrs.evolve(settings, finder_voxels=64, outliner_voxels=96)
    found = to_array(brain_probability(image, networks, coarse)) > 0.5
    inside = to_array(tumor) > 0
    assert found[inside].mean() > 0.9
    assert 0.1 < found.mean() < 0.35
