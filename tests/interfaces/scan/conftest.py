"""A GPU that is none: ``cpu:0``, which torch computes on as on ``cpu``; and files for it to work on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.machine import device


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is ``cpu:0``."""

    @contextlib.contextmanager
    def borrowed(word: str) -> Iterator[str]:
        assert word == "auto"
        yield "cpu:0"

    monkeypatch.setattr(device, "borrowed", borrowed)
    monkeypatch.setattr("gliomorph.interfaces.scan.segment.free_gb", lambda _: 100.0)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A head, its brain, and a tumour."""
    like = phantoms.grid((40, 48, 32), (4.0, 4.0, 4.0))
    labels = (phantoms.labels_at(phantoms.positions(like)) > 0).astype(np.uint8)
    return {
        "head": write_image(phantoms.brain_image(like), tmp_path / "head.nii.gz"),
        "brain": write_image(phantoms.brain_mask(like), tmp_path / "brain.nii.gz"),
        "tumor": write_image(from_array(labels, like), tmp_path / "tumor.nii.gz"),
        "affine": write_transform(sitk.AffineTransform(3), tmp_path / "affine.h5"),
    }
