"""A network stays in the process that read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_networks

from gliomorph.interfaces.networks import loaded as loaded_networks
from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import write_unet
from gliomorph.models.unet import SegmentationSettings

SETTINGS = SegmentationSettings(modalities=("T1w",), width=2, voxel_mm=4.0)


def test_network_is_read_once_a_process_until_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    first = loaded_networks.loaded_network(path, "metamorph-r")
    assert loaded_networks.loaded_network(path, "metamorph-r") is first
    tiny_networks.write_tiny(tmp_path, "metamorph-r")
    assert loaded_networks.loaded_network(path, "metamorph-r") is not first
    weights = write_unet(SETTINGS.build(), SETTINGS, tmp_path / "student.safetensors")
    assert loaded_networks.loaded_student(weights, "T1w") is loaded_networks.loaded_student(weights, "T1w")
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        loaded_networks.loaded_student(tmp_path / "none.safetensors", "T1w")
