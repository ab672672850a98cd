"""Determinants are linear algebra's, and the same with NumPy and with torch, bit for bit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from gliomorph.models import geometry
from gliomorph.models.jacobians import determinant, jacobian_determinant


@pytest.mark.parametrize("size", [2, 3])
def test_determinants_are_those_of_linear_algebra(size: int) -> None:
    matrices = np.random.default_rng(1).normal(size=(size, size, 50))
    expected = np.linalg.det(np.moveaxis(matrices, -1, 0))
    np.testing.assert_allclose(determinant([list(row) for row in matrices]), expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, 9, 8), (2, 5, 3)])
def test_numpy_and_torch_give_the_same_bits(dtype: type, shape: tuple[int, ...]) -> None:
    displacement = np.random.default_rng(2).normal(size=(3, *shape)).astype(dtype)
    ours = jacobian_determinant(displacement)
    theirs = geometry.jacobian_determinant(torch.from_numpy(displacement)[None])[0, 0].numpy()
    assert ours.dtype == theirs.dtype == dtype
    assert ours.tobytes() == theirs.tobytes()


def test_identity_keeps_every_volume_and_a_reflection_turns_it_over() -> None:
    still = np.zeros((3, 4, 5, 6), np.float32)
    assert (jacobian_determinant(still) == 1).all()
    still[1] = -2 * np.arange(5, dtype=np.float32)[:, None]
    assert (jacobian_determinant(still) == -1).all()


def test_stages_on_files_do_not_import_torch_for_it() -> None:
    code = "import sys, gliomorph.models.jacobians; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
