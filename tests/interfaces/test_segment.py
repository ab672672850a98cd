"""Segmentation by stored weights: labels on the native grid, or a refusal that says what the file is."""

import hashlib
import pickle

import numpy as np
import phantoms
import pytest
import torch
from safetensors.torch import save_file

from gliomorph.interfaces import segment as module
from gliomorph.interfaces.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.segment import WeightsError, load_unet, segment
from gliomorph.interfaces.transforms import write_transform
from gliomorph.models.unet import UNet

METADATA = {"architecture": "unet", "modality": "T1w", "width": "2"}


@pytest.fixture
def weights(tmp_path):
    """Writes a tiny random network."""

    def write(name="student.safetensors", bias=None, **changed):
        torch.manual_seed(0)
        network = UNet(modalities=1, width=2)
        if bias is not None:
            with torch.no_grad():
                network.head.bias.copy_(torch.tensor(bias))
        metadata = {key: value for key, value in (METADATA | changed).items() if value is not None}
        save_file(network.state_dict(), tmp_path / name, metadata=metadata)
        return tmp_path / name

    return write


@pytest.fixture
def working(heads):
    """The head on a grid whose sides are multiples of 8."""
    return heads["LPS"]["image"]


def test_labels_lie_on_the_native_grid(heads, frame, weights, working, identity_xfm, here):
    native = heads[frame]["image"]
    path = weights(bias=[-1.0, 0.0, 0.5, 0.0])
    labels, info = segment(working, native, identity_xfm, path, "T1w", "none")
    image = read_image(labels)
    assert labels.parent == here
    assert phantoms.same_grid(image, read_image(native))
    assert set(np.unique(to_array(image))) <= {0, 1, 2, 4}
    assert info["labels"] == np.unique(to_array(image)).tolist()
    assert info["device"] == "cpu"
    assert info["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info["volume_ml"] > 0


class Oracle(torch.nn.Module):
    """Knows the tumour of the working grid."""

    def __init__(self, labels):
        super().__init__()
        index = torch.from_numpy(np.searchsorted([0, 1, 2, 4], labels))
        self.scores = torch.nn.functional.one_hot(index, 4).movedim(-1, 0)[None].float()

    def forward(self, image):
        return self.scores


def test_labels_go_back_through_the_affine(heads, frame, working, monkeypatch, tmp_path, here):
    """What the network sees at a template point lies at ``affine(point)`` of the native image."""
    known = phantoms.labels_at(phantoms.positions(phantoms.frame("LPS")))
    monkeypatch.setattr(module, "load_unet", lambda *_: Oracle(known))
    affine = write_transform(phantoms.some_affine(), tmp_path / "affine.h5")
    (tmp_path / "w").touch()
    labels, _ = segment(working, heads[frame]["image"], affine, tmp_path / "w", "T1w", "none")
    image = read_image(labels)
    back = phantoms.mapped(phantoms.some_affine().GetInverse(), phantoms.positions(image))
    # a sphere of 24 mm drawn with voxels of 4 mm, interpolated to voxels of 3 to 5 mm
    assert phantoms.dice(to_array(image) > 0, phantoms.labels_at(back) > 0) > 0.93


@pytest.mark.parametrize(("voxels", "label"), [(module.SMALL_ET_VOXELS - 1, 1), (module.SMALL_ET_VOXELS, 4)])
def test_few_enhancing_voxels_are_necrosis(
    heads, working, monkeypatch, identity_xfm, tmp_path, here, voxels, label
):
    known = np.zeros((40, 48, 40), np.uint8)
    known[10:30, 10:30, 10:30] = 2
    known[20, 15:20, 18:22] = 4  # 20 voxels
    known[20, 15, 18] = 4 if voxels == 20 else 2
    monkeypatch.setattr(module, "load_unet", lambda *_: Oracle(known))
    (tmp_path / "w").touch()
    _, info = segment(working, working, identity_xfm, tmp_path / "w", "T1w", "none")
    assert info["labels"] == [0, *sorted({2, label})]


def test_no_tumor_is_an_error_with_the_way_out(weights, working, identity_xfm, here):
    with pytest.raises(ImageError, match="found no tumour; give a mask with -d NAME=PATH"):
        segment(working, working, identity_xfm, weights(bias=[99.0, 0, 0, 0]), "T1w", "none")


def test_sides_that_do_not_fit_are_refused(weights, identity_xfm, tmp_path, here):
    odd = phantoms.grid((20, 20, 20))
    path = write_image(from_array(np.ones((20, 20, 20), np.float32), odd), tmp_path / "odd.nii.gz")
    with pytest.raises(ValueError, match="sides divisible by 8"):
        segment(path, path, identity_xfm, weights(), "T1w", "none")


def test_stored_network_is_loaded_as_it_was(weights):
    torch.manual_seed(0)
    expected = UNet(modalities=1, width=2).state_dict()
    loaded = load_unet(weights(), "T1w").state_dict()
    assert expected.keys() == loaded.keys()
    assert all(torch.equal(expected[name], loaded[name]) for name in expected)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"architecture": "vit"}, r"architecture='vit', modality='T1w'"),
        ({"architecture": None, "modality": None}, "architecture=None, modality=None"),
        ({"modality": "FLAIR"}, r"a U-Net for T1w are required; .*modality='FLAIR'"),
        ({"width": "3"}, r"not the U-Net it says \(width 3\): \d+ tensors expected"),
        ({"width": None}, r"not the U-Net it says \(width None\)"),
    ],
)
def test_weights_of_something_else_are_refused(weights, changed, said):
    with pytest.raises(WeightsError, match=rf"student\.safetensors: .*{said}"):
        load_unet(weights(**changed), "T1w")


def test_missing_tensor_is_refused(tmp_path):
    state = UNet(modalities=1, width=2).state_dict()
    state.pop("head.bias")
    save_file(state, tmp_path / "part.safetensors", metadata=METADATA)
    with pytest.raises(WeightsError, match=r"part\.safetensors: not the U-Net it says"):
        load_unet(tmp_path / "part.safetensors", "T1w")


class Trap:
    """Would write a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_pickle_is_refused_and_never_run(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    with pytest.raises(WeightsError, match=r"model\.pt: not a safetensors file"):
        load_unet(path, "T1w")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, None])
def test_damaged_or_missing_weights_are_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    said = "cannot be read" if content is None else "not a safetensors file"
    with pytest.raises(WeightsError, match=rf"bad\.safetensors: {said}"):
        load_unet(path, "T1w")
