"""Linear interpolation by gathering, where no derivative is wanted."""

import pytest
import torch
from torch.nn import functional

from gliomorph.models import geometry, trilinear

SHAPE = (7, 5, 6)


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def places(*shape: int) -> list[torch.Tensor]:
    """Voxel coordinates inside :data:`SHAPE` and up to three voxels outside."""
    return [drawn(1, *shape) * (size + 6) - 3 for size in SHAPE]


def read_by_torch(image: torch.Tensor, positions: list[torch.Tensor]) -> torch.Tensor:
    scaled = [2 * place / (size - 1) - 1 for place, size in zip(positions, SHAPE, strict=True)]
    grid = torch.stack(scaled[::-1], -1)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_those_of_grid_sample_beyond_the_border_too(channels):
    image, positions = drawn(1, channels, *SHAPE), places(4, 3, 9)
    got = trilinear.read(image, positions)
    assert got.shape == (1, channels, 4, 3, 9)
    torch.testing.assert_close(got, read_by_torch(image, positions), atol=1e-5, rtol=0)


def test_slabs_change_nothing(monkeypatch):
    image, positions = drawn(1, 2, *SHAPE), places(4, 3, 9)
    whole = trilinear.read(image, positions)
    monkeypatch.setattr(trilinear, "SLAB", 25)  # the last slab is a part of one
    assert torch.equal(trilinear.read(image, positions), whole)


def test_voxels_are_read_exactly():
    image = drawn(1, 1, *SHAPE)
    assert torch.equal(geometry.warp(image, torch.zeros(1, 3, *SHAPE)), image)


def test_a_place_that_is_no_number_spoils_no_other():
    image, positions = drawn(1, 1, *SHAPE), places(4)
    wanted = trilinear.read(image, positions)
    positions[1][0, 2] = float("nan")
    got = trilinear.read(image, positions)
    assert torch.equal(got[..., [0, 1, 3]], wanted[..., [0, 1, 3]])


def test_what_has_to_be_differentiated_batches_and_flat_grids_are_left_to_torch():
    image, positions = drawn(1, 1, *SHAPE), places(4)
    assert trilinear.serves(image, positions)
    asked = image.clone().requires_grad_()
    assert not trilinear.serves(asked, positions)
    with torch.no_grad():
        assert trilinear.serves(asked, positions)
    assert not trilinear.serves(image.expand(2, -1, -1, -1, -1), positions)
    assert not trilinear.serves(image[:, :, :1], positions)
    assert not trilinear.serves(image[..., 0], positions[:2])
