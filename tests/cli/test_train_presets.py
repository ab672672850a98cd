"""The presets of gliomorph-train: the thesis' values, where a command gives none of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_lines import one_line

from gliomorph.cli import train as cli_train
from gliomorph.cli.train_presets import PRESETS
from gliomorph.cli.train_registration_options import registration_options
from gliomorph.cli.train_segmentation_options import parse
from gliomorph.models.registration import metamorphosis, networks
from gliomorph.models.registration.metamorphosis import objective_of
from gliomorph.models.registration.pair import Pair
from gliomorph.models.registration.shooting import Path as GeodesicPath
from gliomorph.models.segmentation.distillation.methods import settings_of
from gliomorph.training.registration.options import RegistrationOptions
from gliomorph.training.segmentation import train as train_segmentation
from gliomorph.training.segmentation.options import TrainingOptions


def registration(role: str, *words: str) -> RegistrationOptions:
    return registration_options(parse([role, "out", "--simulated", "2", *words]))


def thesis(role: str, *words: str) -> RegistrationOptions:
    return registration(role, "--preset", "thesis", *words)


def segmentation(monkeypatch: pytest.MonkeyPatch, *words: str) -> TrainingOptions:
    """What the command would train; nothing is computed."""
    asked: list[TrainingOptions] = []

    def record(options: TrainingOptions, folder: Any, **_: Any) -> Path:
        asked.append(options)
        return Path("network.safetensors")

    monkeypatch.setattr(train_segmentation, "train", record)
    monkeypatch.setattr(cli_train, "_engine", lambda *_: SimpleNamespace(brain_ml=1883))
    assert cli_train.main([words[0], "out", "--simulated", "2", *words[1:]]) == 0
    return asked[0]


def test_metamorph_r_is_that_of_the_thesis() -> None:
    """§5.3.4: T = 15, λ = 1e-7, σ = 8, μ = 0.1, SSD, full resolution, without the mask as an input."""
    options = thesis("metamorph-r")
    assert options.network == networks.THESIS
    assert (options.lam, options.similarity, options.margin_mm) == (1e-7, "ssd", 0.0)
    assert (options.voxel_mm, options.templates) == (1, ("SRI24",))
    assert (options.network.steps, options.network.sigma_mm, options.network.width) == (15, 8.0, 60)


def test_the_network_minimises_the_energy_of_the_thesis_metamorphosis() -> None:
    asked, expected = thesis("metamorph-r").metamorphosis, metamorphosis.THESIS
    for name in ("lam", "similarity", "masking", "margin_mm", "inverse_consistency"):
        assert getattr(asked, name) == getattr(expected, name)


def test_this_energy_is_that_of_the_formula() -> None:
    """E = ½ ‖I_1 − J‖² + λ/T Σ_t e_t (Eq. 5.3, 5.7), of a path that moves nothing, in double precision."""
    generator = torch.Generator().manual_seed(0)
    moving, fixed = torch.rand(2, 1, 1, 6, 7, 8, dtype=torch.float64, generator=generator)
    mask = torch.zeros_like(moving)
    mask[..., 2:4, 2:5, 3:6] = 1
    pair = Pair(
        moving=moving, fixed=fixed, mask=mask, brain=torch.ones_like(moving), spacing_mm=(1.0, 1.0, 1.0)
    )
    still = torch.zeros(1, 3, 6, 7, 8, dtype=torch.float64)
    added = torch.rand(moving.shape, dtype=torch.float64, generator=generator)
    costs = torch.tensor([3e6, 5e6, 1e6], dtype=torch.float64)
    path = GeodesicPath(backward=still, forward=still, change=added, energy=costs)
    objective = objective_of(thesis("metamorph-r").metamorphosis, pair)
    data = 0.5 * (moving + mask * added - fixed).square().sum()
    assert float(objective.similarity(path, pair)) == pytest.approx(float(data), rel=1e-6)
    assert float(objective.regularisation(path, pair)) == pytest.approx(1e-7 * 3e6, rel=1e-6)


def test_metamorph_g_and_voxelmorph_have_its_weights() -> None:
    g, vm = thesis("metamorph-g"), thesis("voxelmorph")
    assert (g.network.mu, g.network.sigma_mm, g.network.steps, g.lam) == (networks.THESIS.mu, 8.0, 15, 1e-7)
    assert (g.network.sees_mask, g.network.voxel_mm) == (False, 1.0)
    assert (vm.lam, vm.similarity, vm.network.masking, vm.network.voxel_mm) == (0.1, "ssd", "none", 1.0)
    assert thesis("voxelmorph", "--masking", "cfm").method == "voxelmorph-cfm"


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_command_gives_goes_before_the_preset(order: int) -> None:
    """Also where it stands before it, and where it is what goes without saying otherwise."""
    words = [["--preset", "thesis"], ["--margin", "4", "--measure", "lncc", "--template", "MNI152"]][::order]
    options = registration("metamorph-r", *words[0], *words[1])
    assert (options.margin_mm, options.similarity, options.templates) == (4.0, "lncc", ("MNI152",))
    assert options.lam == 1e-7


def test_a_student_is_kd_net_of_t1ce(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """§3.5.4 and Eq. 3.8: λ = 0.5, α = 10, T = 5."""
    teacher = tmp_path / "teacher.safetensors"
    teacher.write_bytes(b"")
    options = segmentation(monkeypatch, "student", "--preset", "thesis", "--teacher", str(teacher))
    assert (options.method, options.network.modalities, options.network.width) == ("kl+kd", ("T1ce",), 30)
    method = settings_of(options.method)
    assert (method.kd, method.kl, method.temperature, method.margin) == (0.5, 10.0, 5.0, 1.0)
    found = options.optimisation
    assert (found.epochs, found.learning_rate, found.weight_decay, found.schedule) == (
        1000,
        1e-4,
        1e-5,
        "plateau",
    )
    assert (found.factor, found.patience, found.lowest_rate) == (0.2, 50, 1e-8)
    assert (options.batch_size, options.dice_weight, options.network.voxel_mm) == (4, 1.0, 1)


def test_teachers_and_students_have_the_thesis_settings_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    assert segmentation(monkeypatch, "teacher", "--preset", "thesis") == segmentation(monkeypatch, "teacher")


def test_another_preset_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["metamorph-r", "out", "--preset", "paper"])
    assert "--preset" in capsys.readouterr().err


def test_a_contradiction_with_the_preset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With cfm there is no appearance, whose weight the preset has."""
    words = ["metamorph-r", "out", "--simulated", "2", "--preset", "thesis", "--masking", "cfm"]
    assert cli_train.main(words) == 1
    assert "set mu=0" in one_line(capsys)


def test_every_value_is_one_of_the_command_or_of_the_network() -> None:
    for role, values in PRESETS["thesis"].items():
        known = vars(parse([role, "out"]))
        assert not values.keys() - known.keys() - {"sees_mask"}
