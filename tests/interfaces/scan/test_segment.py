"""Segmentation of one image by a network: labels and probabilities on its own grid, wherever that lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import pytest
import torch
from little_memory import short_of_memory

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.labels import by_region
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.networks.files import WeightsError
from gliomorph.interfaces.networks.segmentation import write_unet
from gliomorph.interfaces.scan import segment as module
from gliomorph.interfaces.scan.records import FurtherImage
from gliomorph.interfaces.scan.segment import segment
from gliomorph.models.regions import MODALITIES, NESTED
from gliomorph.models.segmentation import inference
from gliomorph.models.unet import SegmentationSettings

SETTINGS = SegmentationSettings(modalities=("T1w",), width=2, voxel_mm=4.0)
SIGNAL = {2: 3.0, 1: 5.0, 4: 7.0}
"""Signal of the tumour's parts in :func:`write_patient`; tissue is below 1."""


class Oracle(torch.nn.Module):
    """Knows the parts of the tumour by their signal, however an image was standardised."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image):
        tissue = image[image != 0].median()
        share = (image - tissue) / (image.max() - tissue)
        classes = torch.bucketize(share[:, 0].contiguous(), torch.tensor([0.18, 0.52, 0.85]))
        classes = torch.tensor([0, 2, 1, 3])[classes]
        return 20 * torch.nn.functional.one_hot(classes, 4).movedim(-1, 1).float() + self.nothing


class Blind(torch.nn.Module):
    """Gives every class the same share."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image):
        return self.nothing.expand(len(image), 4, *image.shape[2:])


def write_patient(like, folder, transform=None):
    """``native`` and its ``brain_mask``: the phantom with a tumour, seen through ``transform`` (to its places)."""
    points = phantoms.positions(like)
    points = points if transform is None else phantoms.mapped(transform, points)
    labels = phantoms.labels_at(points)
    inside = phantoms.radius_at(points) < 1
    voxels = np.where(inside, phantoms.tissue_at(points), 0)
    for label, signal in SIGNAL.items():
        voxels[(labels == label) & inside] = signal
    return {
        "native": write_image(from_array(voxels.astype(np.float32), like), folder / "native.nii.gz"),
        "brain_mask": write_image(from_array(inside.astype(np.uint8), like), folder / "native_brain.nii.gz"),
    }, labels


@pytest.fixture
def oracle(monkeypatch, tmp_path):
    """Weights whose network is the oracle."""
    monkeypatch.setattr(module, "loaded_student", lambda *_: [(Oracle(), SETTINGS)])
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    return tmp_path / "w.safetensors"


@pytest.fixture
def student(tmp_path):
    """Writes a tiny random network."""

    def write(bias=(0.0, 0.0, 0.0, 0.0)):
        torch.manual_seed(0)
        network = SETTINGS.build()
        with torch.no_grad():
            network.head.bias.copy_(torch.tensor(bias))
        return write_unet(network, SETTINGS, tmp_path / "student.safetensors")

    return write


def run(patient, image, affine, weights, modality="T1w", further=None):
    return segment(
        image=image, **patient, affine=affine, weights=weights, modality=modality, gpu="none", further=further
    )


def test_labels_and_probabilities_lie_on_the_native_grid(heads, frame, oracle, identity_xfm, tmp_path, here):
    patient, known = write_patient(phantoms.frame(frame), tmp_path)
    labels, probabilities, info = run(patient, heads["LPS"]["image"], identity_xfm, oracle)
    found = read_image(labels)
    assert labels.parent == here
    assert phantoms.same_grid(found, phantoms.frame(frame))
    # a tumour of 48 mm, its borders interpolated between voxels of 3 to 5 mm
    assert phantoms.dice(to_array(found) > 0, known > 0) > 0.93
    assert phantoms.dice(np.isin(to_array(found), (1, 4)), np.isin(known, (1, 4))) > 0.85
    files = by_region(probabilities)
    assert tuple(files) == NESTED
    assert all(path.name.startswith(region) for region, path in files.items())
    whole, core, enhancing = (to_array(read_image(files[region])) for region in ("WT", "TC", "ET"))
    assert whole.max() <= 1
    assert enhancing.min() >= 0
    assert (whole >= core - 2e-3).all()  # written with three decimals
    assert (core >= enhancing - 2e-3).all()
    clear = np.abs(whole - 0.5) > 1e-3
    assert np.array_equal((whole > 0.5)[clear], (to_array(found) > 0)[clear])
    assert info.volume_ml == pytest.approx(
        (to_array(found) > 0).sum() * np.prod(found.GetSpacing()) / 1000, abs=1e-3
    )
    assert info.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (info.device, info.kind, info.labels) == ("cpu", "dseg", [0, 1, 2, 4])
    assert "look at it" in info.flags[0]


def test_probabilities_are_of_every_region_or_of_none(tmp_path):
    assert by_region([]) == {}
    for count in (1, 2, 4):
        with pytest.raises(
            ValueError, match=f"probabilities of WT, TC, ET are required, .* got {count} files"
        ):
            by_region([tmp_path] * count)


def test_labels_go_back_through_the_affine(heads, frame, oracle, tmp_path, here):
    """What the network sees at a template point lies at ``affine(point)`` of the native image."""
    affine = phantoms.some_affine()
    patient, known = write_patient(phantoms.frame(frame), tmp_path, affine.GetInverse())
    file = write_transform(affine, tmp_path / "affine.h5")
    labels, _, _ = run(patient, heads["LPS"]["image"], file, oracle)
    assert phantoms.dice(to_array(read_image(labels)) > 0, known > 0) > 0.92


@pytest.mark.parametrize("share", [0.8, 1.0, 1.3])
def test_brains_are_brought_to_the_size_that_the_network_knows(
    share, heads, oracle, identity_xfm, monkeypatch, tmp_path, here
):
    seen = []

    class Watched(Oracle):
        def forward(self, image):
            seen.append(int((image != 0).sum()) * SETTINGS.voxel_mm**3 / 1000)
            return super().forward(image)

    patient, known = write_patient(phantoms.frame("LPS"), tmp_path)
    brain = read_image(patient["brain_mask"])
    brain_ml = share * float((to_array(brain) > 0).sum() * np.prod(brain.GetSpacing())) / 1000
    settings = attrs.evolve(SETTINGS, brain_ml=brain_ml)
    monkeypatch.setattr(module, "loaded_student", lambda *_: [(Watched(), settings)])
    labels, _, _ = run(patient, heads["LPS"]["image"], identity_xfm, oracle)
    assert seen[0] == pytest.approx(brain_ml, rel=0.06)
    assert phantoms.dice(to_array(read_image(labels)) > 0, known > 0) > 0.9


def test_probabilities_of_several_networks_are_their_mean(
    heads, oracle, identity_xfm, monkeypatch, tmp_path, here
):
    def whole(*networks):
        members = [(network, attrs.evolve(SETTINGS, voxel_mm=mm)) for network, mm in networks]
        monkeypatch.setattr(module, "loaded_student", lambda *_: members)
        _, files, _ = run(patient, heads["LPS"]["image"], identity_xfm, oracle)
        return to_array(read_image(by_region(files)["WT"]))

    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    coarse, fine, nothing = (Oracle(), 4.0), (Oracle(), 3.0), (Blind(), 4.0)
    apart = [whole(coarse), whole(fine), whole(nothing)]
    # written with three decimals
    assert np.abs(whole(coarse, fine, nothing) - np.mean(apart, axis=0)).max() < 2e-3
    assert np.abs(apart[0] - apart[1]).max() > 0.1


def test_tumor_stays_in_the_brain(heads, student, identity_xfm, tmp_path, here):
    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    labels, _, info = run(patient, heads["LPS"]["image"], identity_xfm, student((-99.0, 0.0, 0.0, 0.0)))
    outside = to_array(read_image(patient["brain_mask"])) == 0
    assert not to_array(read_image(labels))[outside].any()
    assert info.share_of_brain > 0.9


def test_windows_are_used_where_memory_is_short(heads, oracle, identity_xfm, monkeypatch, tmp_path, here):
    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    whole, *_ = run(patient, heads["LPS"]["image"], identity_xfm, oracle)
    expected = to_array(read_image(whole))
    monkeypatch.setattr(module, "free_gb", lambda device: 1e-4)
    monkeypatch.setattr(module, "WINDOW", (40, 40, 32))
    windowed, *_ = run(patient, heads["LPS"]["image"], identity_xfm, oracle)
    # the oracle judges by a window's own median and maximum, which differ a little
    assert phantoms.dice(to_array(read_image(windowed)) > 0, expected > 0) > 0.8


def test_a_head_without_a_tumor_has_empty_labels_and_a_flag_with_the_way_out(
    heads, student, identity_xfm, tmp_path, here
):
    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    labels, _, info = run(patient, heads["LPS"]["image"], identity_xfm, student((99.0, 0.0, 0.0, 0.0)))
    assert not to_array(read_image(labels)).any()
    assert (info.volume_ml, info.labels) == (0, [0])
    assert "student.safetensors found no tumour in T1w: kept out of the atlas" in info.flags[0]
    assert "give its mask with -d NAME=PATH" in info.flags[0]


def test_network_for_another_modality_is_refused(heads, student, identity_xfm, tmp_path, here):
    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    with pytest.raises(
        WeightsError, match=r"student\.safetensors: .* reads FLAIR is required, this one reads T1w"
    ):
        run(patient, heads["LPS"]["image"], identity_xfm, student(), "FLAIR")


def test_a_network_for_any_subset_finds_the_image_in_its_channel_and_nothing_in_the_others(
    heads, oracle, identity_xfm, monkeypatch, tmp_path, here
):
    seen = []

    class Watched(Oracle):
        def forward(self, image):
            seen.append(image.abs().amax(dim=(0, 2, 3, 4)))
            return super().forward(image[:, 2:3])

    patient, known = write_patient(phantoms.frame("LPS"), tmp_path)
    settings = attrs.evolve(SETTINGS, modalities=MODALITIES, subsets=True)
    monkeypatch.setattr(module, "loaded_student", lambda *_: [(Watched(), settings)])
    labels, _, info = run(patient, heads["LPS"]["image"], identity_xfm, oracle, "T2w")
    assert [bool(largest > 0) for largest in seen[0]] == [False, False, True, False]
    assert phantoms.dice(to_array(read_image(labels)) > 0, known > 0) > 0.9
    assert "segmented from T2w" in info.flags[0]


@pytest.mark.parametrize("subsets", [True, False])
def test_further_images_of_the_session_are_read_by_networks_for_any_subset_alone(
    subsets, heads, oracle, identity_xfm, monkeypatch, tmp_path, here
):
    """FLAIR shows a part of the brain, and T1ce is left out."""
    seen = []

    class Watched(Oracle):
        def forward(self, image):
            seen.append((image != 0).sum(dim=(0, 2, 3, 4)).tolist())
            return super().forward(image[:, :1])

    patient, known = write_patient(phantoms.frame("LPS"), tmp_path)
    picture = read_image(patient["native"])
    voxels = to_array(picture).copy()
    voxels[:, :, 20:] = 0
    half = write_image(from_array(voxels, picture), tmp_path / "half.nii.gz")
    further = [
        FurtherImage(name="FLAIR", file="flair.nii.gz", image=half),
        FurtherImage(name="T1ce", file="t1ce.nii.gz", image=None),
    ]
    settings = attrs.evolve(SETTINGS, modalities=MODALITIES, subsets=subsets)
    monkeypatch.setattr(module, "loaded_student", lambda *_: [(Watched(), settings)])
    labels, _, info = run(patient, heads["LPS"]["image"], identity_xfm, oracle, further=further)
    t1w, t1ce, t2w, flair = seen[0]
    assert t1w > 0
    assert (t1ce, t2w) == (0, 0)
    assert 0.3 * t1w < flair < 0.7 * t1w if subsets else flair == 0
    assert f"segmented from {'T1w, FLAIR' if subsets else 'T1w'} by" in info.flags[0]
    assert phantoms.dice(to_array(read_image(labels)) > 0, known > 0) > 0.9


def test_the_threshold_that_networks_bring_decides(heads, oracle, identity_xfm, monkeypatch, tmp_path, here):
    """Networks for which everything is as likely see tumour with a probability of 0.75 everywhere."""

    def share(*thresholds):
        members = [(Blind(), attrs.evolve(SETTINGS, threshold=threshold)) for threshold in thresholds]
        monkeypatch.setattr(module, "loaded_student", lambda *_: members)
        return run(patient, heads["LPS"]["image"], identity_xfm, oracle)[2].share_of_brain

    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    assert share(0.7) > 0.9
    assert share(0.6, 0.8) > 0.9
    assert share(0.7, 0.9) == 0


@pytest.mark.parametrize(("sure", "found"), [(0.7, True), (0.8, False)])
def test_where_too_little_is_beyond_doubt_there_is_no_tumour(
    sure, found, heads, oracle, identity_xfm, monkeypatch, tmp_path, here
):
    """Blind networks see tumour with a probability of 0.75 everywhere."""
    patient, _ = write_patient(phantoms.frame("LPS"), tmp_path)
    settings = attrs.evolve(SETTINGS, least_sure_ml=5.0)
    monkeypatch.setattr(inference, "SURE", sure)
    monkeypatch.setattr(module, "loaded_student", lambda *_: [(Blind(), settings)])
    assert (run(patient, heads["LPS"]["image"], identity_xfm, oracle)[2].volume_ml > 0) is found


@pytest.fixture
def segmented(
    gpu: None, files: dict[str, Path], tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], tuple[list[Any], dict[str, Any]]]:
    torch.manual_seed(0)
    weights = write_unet(SETTINGS.build(), SETTINGS, tmp_path / "student.safetensors")
    real = module._probabilities

    def run(times: int) -> tuple[list[Any], dict[str, Any]]:
        seen: list[Any] = []

        def told(_network: Any, _settings: Any, voxels: np.ndarray, pass_: module.Pass) -> Any:
            return pass_.device, pass_.batch, pass_.window, voxels.shape

        monkeypatch.setattr(module, "_probabilities", short_of_memory(real, times, seen, told))
        _, _, info = segment(
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
    assert batches == (module.BATCH, 1, 1, 1, 1)
    assert windows == (None, None, module.WINDOW, module.WINDOW, None)
    assert all(np.prod(shape) > 4 * np.prod(shapes[3]) for shape in shapes[:3])
    assert shapes[4] == shapes[0]
    assert info.device == "cpu" and info.flags[1:] == [module.CPU]


@pytest.mark.parametrize(("times", "notices"), [(0, []), (1, []), (2, []), (3, [module.HALF])])
def test_segmentation_tells_what_changes_its_result(segmented: Any, times: int, notices: list[str]) -> None:
    seen, info = segmented(times)
    assert len(seen) == times + 1
    assert info.flags[1:] == notices
