"""Where a GPU's memory does not suffice: smaller batches, half the resolution, the CPU, and it is told.

No GPU is at hand: ``cpu:0``, which torch computes on as on ``cpu``, stands in for one, and errors are injected.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
import tiny_networks
import torch

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.transforms import read_transform, write_transform
from gliomorph.interfaces.machine import device
from gliomorph.interfaces.networks import loaded as loaded_networks
from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import write_unet
from gliomorph.interfaces.registration import torch_methods as torch_bridge
from gliomorph.interfaces.scan import segment
from gliomorph.interfaces.scan.register import Register
from gliomorph.models.registration import catalogue, metamorphosis
from gliomorph.models.registration.pair import Registration
from gliomorph.models.segmentation import inference as segmentation
from gliomorph.models.unet import SegmentationSettings

register = Register.stage

SETTINGS = SegmentationSettings(modalities=("T1w",), width=2, voxel_mm=4.0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is ``cpu:0``."""

    @contextlib.contextmanager
    def borrowed(word: str) -> Iterator[str]:
        assert word == "auto"
        yield "cpu:0"

    monkeypatch.setattr(device, "borrowed", borrowed)
    monkeypatch.setattr(segment, "free_gb", lambda _: 100.0)


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


def short_of_memory(real: Any, times: int, seen: list[Any], told: Callable[..., Any]) -> Any:
    """A function that runs out of memory some times, and what each call ``told``."""

    def call(*args: Any, **options: Any) -> Any:
        seen.append(told(*args, **options))
        if len(seen) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*args, **options)

    return call


@pytest.fixture
def segmented(
    gpu: None, files: dict[str, Path], tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], tuple[list[Any], dict[str, Any]]]:
    torch.manual_seed(0)
    weights = write_unet(SETTINGS.build(), SETTINGS, tmp_path / "student.safetensors")
    real = segment._probabilities

    def run(times: int) -> tuple[list[Any], dict[str, Any]]:
        seen: list[Any] = []

        def told(_network: Any, _settings: Any, voxels: np.ndarray, pass_: segment.Pass) -> Any:
            return pass_.device, pass_.batch, pass_.window, voxels.shape

        monkeypatch.setattr(segment, "_probabilities", short_of_memory(real, times, seen, told))
        _, _, info = segment.segment(
            image=files["head"],
            native=files["head"],
            brain_mask=files["brain"],
            affine=files["affine"],
            weights=weights,
            modality="T1w",
            gpu="auto",
        )
        return seen, info

    return run


def test_segmentation_takes_smaller_batches_then_half_the_resolution_then_the_cpu(segmented: Any) -> None:
    seen, info = segmented(4)
    devices, batches, windows, shapes = zip(*seen, strict=True)
    assert devices == ("cpu:0",) * 4 + ("cpu",)
    assert batches == (segment.BATCH, 1, 1, 1, 1)
    assert windows == (None, None, segment.WINDOW, segment.WINDOW, None)
    assert all(np.prod(shape) > 4 * np.prod(shapes[3]) for shape in shapes[:3])
    assert shapes[4] == shapes[0]
    assert info.device == "cpu" and info.notices[1:] == [segment.CPU]


@pytest.mark.parametrize(("times", "notices"), [(0, []), (1, []), (2, []), (3, [segment.HALF])])
def test_segmentation_tells_what_changes_its_result(segmented: Any, times: int, notices: list[str]) -> None:
    seen, info = segmented(times)
    assert len(seen) == times + 1
    assert info.notices[1:] == notices


def test_heads_in_one_batch_are_segmented_as_one_by_one() -> None:
    torch.manual_seed(0)
    network, images = SETTINGS.build().eval(), torch.randn(1, 32, 24, 16)
    for window in (None, (16, 16, 16)):
        alone = segmentation.probabilities(network, images, window, mirrored=True)
        together = segmentation.probabilities(network, images, window, mirrored=True, batch=4)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.fixture
def registered(
    gpu: None, files: dict[str, Path], here: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], tuple[list[Any], dict[str, Any], Path]]:
    """Registration by an optimisation that moves everything by one voxel of its grid."""

    def shifted(moving: np.ndarray, *_: Any, **options: Any) -> Registration:
        step = np.zeros((3, *moving.shape), np.float32)
        step[0] = 1
        return Registration(
            displacement=step, inverse_displacement=-step, appearance=np.ones_like(moving), energy=[]
        )

    def run(times: int) -> tuple[list[Any], dict[str, Any], Path]:
        seen: list[Any] = []

        def told(moving: np.ndarray, *_: Any, device: str, **options: Any) -> Any:
            return device, moving.shape

        monkeypatch.setattr(metamorphosis, "register", short_of_memory(shifted, times, seen, told))
        forward, _, appearance, used = register(
            moving=files["head"],
            fixed=files["head"],
            tumor=files["tumor"],
            fixed_brain=files["brain"],
            rigid=files["affine"],
            affine=files["affine"],
            weights=None,
            method="metamorphosis",
            seed=1,
            gpu="auto",
        )
        assert appearance is not None
        assert phantoms.same_grid(sitk.ReadImage(str(appearance)), sitk.ReadImage(str(files["head"])))
        return seen, json.loads(used.read_text()), forward

    return run


@pytest.mark.parametrize(
    ("times", "device_told", "notices", "millimetres"),
    [(0, "cpu", None, 4.0), (1, "cpu", [torch_bridge.HALF], 8.0), (2, "cpu", [torch_bridge.CPU], 4.0)],
)
def test_registration_takes_half_the_resolution_then_the_cpu(
    registered: Any,
    files: dict[str, Path],
    times: int,
    device_told: str,
    notices: list[str] | None,
    millimetres: float,
) -> None:
    seen, used, forward = registered(times)
    whole, half = (40, 48, 32), (20, 24, 16)
    assert seen == [("cpu:0", whole), ("cpu:0", half), ("cpu", whole)][: times + 1]
    assert (used["device"], used.get("notices")) == (device_told, notices)
    assert used.get("voxels") == ("half" if times == 1 else None)
    grid = sitk.ReadImage(str(files["head"]))
    start = np.array(grid.TransformIndexToPhysicalPoint((20, 20, 16)))
    moved = np.array(read_transform(forward).TransformPoint(start.tolist())) - start
    assert np.linalg.norm(moved) == pytest.approx(millimetres, abs=1e-3)


def test_network_leaves_the_gpu_whatever_happens(
    gpu: None, files: dict[str, Path], here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    seen: list[Any] = []
    real = catalogue.predict
    monkeypatch.setattr(
        catalogue, "predict", short_of_memory(real, 0, seen, lambda network, *_, **__: id(network))
    )
    moved: list[str] = []
    network = loaded_networks.loaded_network(path, "metamorph-r")
    monkeypatch.setattr(type(network), "cpu", lambda self: moved.append("cpu") or self)
    pair = {"moving": files["head"], "fixed": files["head"], "tumor": files["tumor"]}
    pair |= {"fixed_brain": files["brain"], "rigid": files["affine"], "affine": files["affine"]}
    for _ in range(2):
        register(**pair, weights=path, method="metamorph-r", seed=1, gpu="auto")
    assert seen == [id(network)] * 2 and moved == ["cpu"] * 2


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
