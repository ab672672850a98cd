"""Registration networks on disk: as they were, a refusal that says what the file is, and those that are shipped."""

import hashlib
import json
import pickle

import attrs
import numpy as np
import pytest
import tiny_networks
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors

from gliomorph.interfaces.methods import NEEDED, Header
from gliomorph.interfaces.networks import registration as weights
from gliomorph.interfaces.networks.files import LARGEST, SHIPPED, WeightsError, card_of, weights_sha256
from gliomorph.interfaces.networks.registration import (
    fitting,
    load_network,
    read_header,
    read_settings,
    shipped_network,
    write_weights,
)
from gliomorph.models.registration.networks import NETWORKS, NetworkSettings
from gliomorph.models.unet import UNet

NETWORKS_SHIPPED = sorted(
    p for p in SHIPPED.glob("*.safetensors") if not p.stem.startswith(("student-", "any", "brain"))
)
LARGEST_FILE = 12e6
"""Bytes of a network that is shipped: it goes with every installation."""


@pytest.fixture
def stored(tmp_path):
    """Writes a file of no tensors whose metadata are those given, its settings as JSON."""

    def write(settings, name="net.safetensors"):
        text = settings if isinstance(settings, str) else json.dumps(settings)
        save_file({}, tmp_path / name, metadata={"network": text})
        return tmp_path / name

    return write


def plain(of="metamorph-r", **changed):
    """Settings as JSON has them."""
    return attrs.asdict(tiny_networks.SETTINGS[of]) | changed


@pytest.mark.parametrize("method", NEEDED)
def test_stored_network_is_loaded_as_it_was(tmp_path, method):
    network = tiny_networks.tiny(tiny_networks.SETTINGS[method])
    path = write_weights(network, tmp_path / "net.safetensors")
    loaded = load_network(path, network.settings.method)
    assert loaded.settings == network.settings == read_settings(path)
    assert type(loaded) is type(network)
    assert not loaded.training
    before, after = network.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_file_says_what_it_is_and_no_other_is_left(tmp_path):
    path = tiny_networks.write_tiny(tmp_path / "new folder", "voxelmorph-cfm")
    assert read_header(path) == Header(method="voxelmorph", masking="cfm") == NEEDED["voxelmorph-cfm"]
    assert weights_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(path.parent.iterdir()) == [path]


def test_every_setting_travels(tmp_path):
    """One value of each type that is not the default."""
    settings = NetworkSettings(
        method="metamorph-r",
        dimension=2,
        modalities=2,
        width=3,
        voxel_mm=1,
        steps=1,
        sigma_mm=5,
        mu=0.25,
        sees_mask=False,
        sharp=True,
        apart=True,
        dropout=0.5,
    )
    path = write_weights(tiny_networks.tiny(settings), tmp_path / "net.safetensors")
    assert read_settings(path) == settings


def test_every_learned_method_takes_a_network_that_can_be_built():
    assert {needed.method for needed in NEEDED.values()} == set(NETWORKS)
    for method, needed in NEEDED.items():
        settings = attrs.asdict(tiny_networks.SETTINGS[method])
        assert Header(**{name: settings[name] for name in attrs.asdict(needed)}) == needed


def test_setting_that_a_file_does_not_name_has_its_default(stored):
    settings = plain()
    del settings["dropout"]
    assert read_settings(stored(settings)) == tiny_networks.SETTINGS["metamorph-r"]


class Trap:
    """Would write a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("read", [read_header, read_settings, lambda path: load_network(path, "voxelmorph")])
def test_pickle_is_refused_and_never_run(tmp_path, read):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    with pytest.raises(WeightsError, match=r"model\.pt: not a safetensors file"):
        read(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\xff" * 64, None])
def test_damaged_or_missing_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    said = "cannot be read" if content is None else "not a safetensors file"
    with pytest.raises(WeightsError, match=rf"bad\.safetensors: {said}"):
        read_header(path)


def test_folder_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_header(tmp_path)


def test_file_that_was_cut_short_is_refused(tmp_path):
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_network(path, "metamorph-r")


def test_segmentation_network_is_refused_with_its_option(tmp_path):
    path = tmp_path / "student.safetensors"
    save_tensors(UNet(width=2).state_dict(), path, metadata={"architecture": "unet", "modality": "T1w"})
    with pytest.raises(WeightsError, match=r"no registration network .* is given with --weights .*'unet'"):
        read_header(path)


def test_file_without_metadata_is_refused(tmp_path):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "plain.safetensors")
    with pytest.raises(WeightsError, match=r"plain\.safetensors: no registration network of gliomorph in it"):
        read_settings(tmp_path / "plain.safetensors")


@pytest.mark.parametrize("text", ["{", "", "[]", "3", "null", "[" * 100_000])
def test_settings_that_are_no_object_are_refused(stored, text):
    with pytest.raises(WeightsError, match=r"net\.safetensors: the settings .* have to be a JSON object"):
        read_header(stored(text))


@pytest.mark.parametrize(
    "settings",
    [{}, {"method": "voxelmorph"}, plain(method=3), plain(masking=None), plain(dimension="3")],
)
def test_header_that_does_not_tell_the_method_is_refused(stored, settings):
    with pytest.raises(WeightsError, match=r"its settings have to give method and masking .*, they are \{"):
        read_header(stored(settings))


def test_settings_of_a_newer_version_are_refused(stored):
    with pytest.raises(WeightsError, match=r"does not know: \['attention', 'heads'\]; .* newer gliomorph"):
        read_settings(stored(plain(attention=True, heads=3)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"width": "4"}, "setting width of its network: an integer up to 4096 is required, got '4'"),
        ({"width": 4.0}, "an integer up to 4096 is required, got 4.0"),
        ({"steps": True}, "an integer up to 4096 is required, got True"),
        ({"steps": LARGEST + 1}, "an integer up to 4096 is required, got 4097"),
        ({"width": 10**400}, "an integer up to 4096 is required, got 1000"),
        ({"sigma_mm": "8"}, "setting sigma_mm .* a number up to 4096 is required, got '8'"),
        ({"sigma_mm": [8.0]}, r"a number up to 4096 is required, got \[8\.0\]"),
        ({"mu": float("nan")}, "a number up to 4096 is required, got nan"),
        ({"mu": float("inf")}, "a number up to 4096 is required, got inf"),
        ({"mu": None}, "a number up to 4096 is required, got None"),
        ({"sees_mask": 1}, "setting sees_mask .* true or false is required, got 1"),
        ({"masking": 3}, "setting masking .* a word is required, got 3"),
        ({"method": "transmorph"}, "'method' must be in .*transmorph"),
        ({"width": 0}, "'width' must be >= 1: 0"),
        ({"sigma_mm": -1}, "'sigma_mm' must be > 0: -1"),
        ({"mu": 0}, "masking local needs a method with appearance"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(stored, changed, said):
    with pytest.raises(WeightsError, match=rf"net\.safetensors: .*{said}"):
        read_settings(stored(plain(**changed)))


def test_network_of_another_method_is_refused(tmp_path):
    path = tiny_networks.write_tiny(tmp_path, "voxelmorph")
    with pytest.raises(WeightsError, match=r"of a metamorph-r network are required, .*method='voxelmorph'"):
        load_network(path, "metamorph-r")


def test_tensors_that_do_not_fit_are_named(tmp_path):
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    state = load_file(path)
    metadata = {"network": json.dumps(plain(steps=3))}
    save_tensors(state, path, metadata=metadata)
    said = r"10 tensors expected, 7 found; 'blocks\.2\.layers\.0\.weight': expected \[2, .*\], found no such tensor"
    with pytest.raises(WeightsError, match=rf"not the metamorph-r network of its settings: {said}"):
        load_network(path, "metamorph-r")
    save_tensors(state | {"trojan": torch.zeros(2)}, path, metadata={"network": json.dumps(plain())})
    said = r"7 tensors expected, 8 found; 'trojan': expected no such tensor, found \[2\]"
    with pytest.raises(WeightsError, match=said):
        load_network(path, "metamorph-r")


def test_network_that_would_fill_the_memory_is_refused_before_it_is_made(tmp_path):
    path = tiny_networks.write_tiny(tmp_path, "metamorph-g")
    save_tensors(load_file(path), path, metadata={"network": json.dumps(plain("metamorph-g", width=LARGEST))})
    with pytest.raises(WeightsError, match=r"expected \[32768\], found \[16\]"):
        load_network(path, "metamorph-g")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = tiny_networks.tiny(tiny_networks.SETTINGS["metamorph-r"])
    with torch.no_grad():
        network.start[0, 0, 3] = torch.nan
    path = write_weights(network, tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match=r"finite weights are required, those of start are not"):
        load_network(path, "metamorph-r")


def test_weights_of_half_precision_are_used_in_single(tmp_path):
    network = tiny_networks.tiny(tiny_networks.SETTINGS["metamorph-r"]).half()
    path = write_weights(network, tmp_path / "net.safetensors")
    loaded = load_network(path, "metamorph-r")
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}


def test_method_finds_its_file_by_what_it_holds(tmp_path):
    names = dict(zip(NEEDED, ("d", "c", "b", "a"), strict=True))
    files = [tiny_networks.write_tiny(tmp_path, method, name) for method, name in names.items()]
    assert {method: fitting(method, files).name for method in NEEDED} == names


def test_shipped_network_is_taken_where_no_file_fits(tmp_path):
    given = [
        tiny_networks.write_tiny(tmp_path, method, f"own {method}")
        for method in ("voxelmorph", "metamorph-g")
    ]
    shipped = tmp_path / "metamorph-g.safetensors"
    assert fitting("metamorph-g", given, shipped) == given[1]
    assert fitting("metamorph-g", given[:1], shipped) == shipped
    assert fitting("metamorph-g", [], shipped) == shipped


def test_method_without_a_fitting_file_is_told_what_the_files_hold(tmp_path, monkeypatch):
    flat = tiny_networks.write_tiny(tmp_path, "metamorph-r", "flat", dimension=2)
    plain = tiny_networks.write_tiny(tmp_path, "metamorph-r", "plain", masking="none", sees_mask=False)
    message = (
        r"^metamorph-r takes one file .* method='metamorph-r', masking='local', dimension=3, modalities=1: "
        r"0 of those given fit \(flat holds .*dimension=2.*; plain holds .*masking='none'.*\); "
        r"name it with --registration-weights FILE \[FILE \.\.\.\], or give none for the one that comes with gliomorph$"
    )
    with pytest.raises(WeightsError, match=message):
        fitting("metamorph-r", [flat, plain])
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    message = r"0 of those given fit \(no file was given\), and none comes with gliomorph; .*gliomorph-train"
    with pytest.raises(WeightsError, match=message):
        fitting("metamorph-r", [])


def test_two_files_for_one_method_are_refused(tmp_path):
    files = [tiny_networks.write_tiny(tmp_path, "voxelmorph", name) for name in ("old", "new")]
    with pytest.raises(WeightsError, match=r"2 of those given fit \(old holds .*; new holds"):
        fitting("voxelmorph", files)


def test_words_of_a_file_cannot_drive_the_terminal(stored):
    path = stored(plain(method="\x1b[2J" + "x" * 1000))
    with pytest.raises(WeightsError, match=r"'\\x1b\[2Jx+\.\.\.x+'") as caught:
        fitting("voxelmorph", [path])
    assert "\x1b" not in str(caught.value)


# What is shipped


def test_the_network_of_the_default_is_shipped_and_of_no_method_none():
    assert shipped_network("metamorph-r") in NETWORKS_SHIPPED
    assert shipped_network("metamorphosis") is None


@pytest.mark.parametrize("path", NETWORKS_SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_network_is_what_its_name_and_its_card_say(path):
    assert shipped_network(path.stem) == path
    assert read_header(path) == NEEDED[path.stem]
    network = load_network(path, NEEDED[path.stem].method)
    card = card_of(path)
    assert card is not None, "a card of these very weights is required, by their sha256"
    assert card["weights"]["file"] == path.name
    assert {template["name"] for template in card["templates"]} >= {"SRI24", "MNI152"}
    assert card["input"]["modalities"] == ["T1w"]
    assert card["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert path.stat().st_size <= LARGEST_FILE


def test_every_shipped_card_has_its_weights():
    assert {path.stem for path in SHIPPED.glob("*.json")} == {
        path.stem for path in SHIPPED.glob("*.safetensors")
    }
