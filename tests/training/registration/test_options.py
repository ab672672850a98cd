"""Options of a registration network's training: what they imply, and what contradicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import tiny_networks
from registration_trainings import SETTINGS, options_of

from gliomorph.interfaces.networks.files import WeightsError, weights_sha256
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings
from gliomorph.models.registration.networks import DEFAULTS
from gliomorph.training.registration.options import default_lam, network_settings


@pytest.mark.parametrize("method", ["metamorph-r", "metamorph-g", "voxelmorph"])
def test_without_a_word_a_network_is_the_default_one(method: str) -> None:
    assert network_settings(method, None, {}) == DEFAULTS[method]


@pytest.mark.parametrize(
    ("method", "asked", "implied"),
    [
        ("voxelmorph", {"masking": "cfm"}, {"masking": "cfm", "sees_mask": True, "mu": 0.0}),
        ("metamorph-r", {"masking": "cfm"}, {"masking": "cfm", "sees_mask": True, "mu": 0.0}),
        ("metamorph-g", {"masking": "none"}, {"masking": "none", "sees_mask": False, "mu": 0.05}),
        ("metamorph-r", {"mu": 0.02, "width": 7}, {"masking": "local", "mu": 0.02, "width": 7}),
    ],
)
def test_masking_says_whether_the_mask_is_seen_and_appearance_changes(
    method: str, asked: dict[str, Any], implied: dict[str, Any]
) -> None:
    settings = network_settings(method, None, asked)
    assert {name: getattr(settings, name) for name in implied} == implied
    assert (settings.method, settings.steps) == (method, DEFAULTS[method].steps)


def test_appearance_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="metamorph-r with masking cfm has no appearance: set mu=0"):
        network_settings("metamorph-r", None, {"masking": "cfm", "mu": 0.1})
    with pytest.raises(ValueError, match="masking local needs a method with appearance"):
        network_settings("metamorph-r", None, {"mu": 0.0})


def test_settings_are_those_of_the_weights_to_start_from(tmp_path: Path) -> None:
    start = tiny_networks.write_tiny(tmp_path, "metamorph-r", apart=True)
    expected = attrs.evolve(tiny_networks.SETTINGS["metamorph-r"], apart=True)
    assert network_settings("metamorph-r", start, {}) == expected
    assert network_settings("metamorph-r", start, {"width": 2, "masking": "local"}) == expected


@pytest.mark.parametrize(
    ("method", "asked", "message"),
    [
        ("metamorph-r", {"width": 9, "mu": 0.05}, r"settings \(width 9 asked for, 2 there\): leave these"),
        ("metamorph-r", {"masking": "cfm"}, "masking cfm asked for, local there"),
        ("metamorph-g", {}, "weights of a metamorph-g network are required, they are of a metamorph-r"),
    ],
)
def test_weights_to_start_from_do_not_change_their_settings(
    method: str, asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    start = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    with pytest.raises(WeightsError, match=message):
        network_settings(method, start, asked)


def test_weights_for_other_images_are_refused(tmp_path: Path) -> None:
    start = tiny_networks.write_tiny(tmp_path, "metamorph-r", dimension=2)
    with pytest.raises(
        WeightsError, match="3-D images of one modality is required, it takes 2-D images of 1"
    ):
        network_settings("metamorph-r", start, {})


def test_lambda_is_that_of_the_metamorphosis() -> None:
    assert default_lam("metamorph-r", "lncc") == MetamorphosisSettings().lam
    assert options_of().metamorphosis == MetamorphosisSettings(lam=options_of().lam)
    assert default_lam("voxelmorph", "lncc") > 100 * default_lam("metamorph-g", "lncc")
    with pytest.raises(ValueError, match="--measure ssd: its λ is of another order"):
        default_lam("metamorph-r", "ssd")


def test_the_energy_has_the_masking_and_the_measure_that_were_asked_for() -> None:
    settings = options_of(method="voxelmorph-cfm", similarity="mi", lam=0.5).metamorphosis
    assert (settings.masking, settings.similarity, settings.lam) == ("cfm", "mi", 0.5)


@pytest.mark.parametrize("method", SETTINGS)
def test_a_network_serves_the_method_of_its_settings(method: str) -> None:
    assert options_of(method=method).method == method


def test_either_scans_or_simulated_patients_are_required(tmp_path: Path) -> None:
    for changed in ({"simulated": 0}, {"derivatives_dir": tmp_path}):
        with pytest.raises(ValueError, match="--derivatives-dir DIR or --simulated N"):
            options_of(**changed)


def test_the_record_knows_weights_by_their_content_and_the_public_one_no_folders(tmp_path: Path) -> None:
    start = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    options = options_of(tmp_path / "deriv", start=start)
    record, public = options.record(), options.public_record()
    assert record["start_sha256"] == public["start_sha256"] == weights_sha256(start)
    assert (record["start"], record["derivatives_dir"]) == (str(start), str(tmp_path / "deriv"))
    assert (public["start"], public["derivatives_dir"]) == ("metamorph-r.safetensors", "deriv")
    assert record["network"]["width"] == 2
    assert str(tmp_path) not in str(public)
