"""The command line of gliomorph-simulate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gliomorph.cli import simulate as cli_simulate
from gliomorph.interfaces.datasets import simulate_people
from gliomorph.interfaces.datasets.simulate import Cohort, SimulationError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the command would simulate; nothing is computed."""
    calls: list[tuple] = []
    monkeypatch.setattr(cli_simulate, "load_template", lambda *arguments: arguments)

    def record(out_dir: Path, subjects: int, cohort: Cohort, report: object) -> None:
        calls.append((out_dir, subjects, cohort))
        report("sub-01 (1 of 2): tumour 3.0 ml")  # type: ignore[operator]

    monkeypatch.setattr(cli_simulate, "simulate_cohort", record)
    return calls


def test_arguments_reach_the_simulation(
    asked: list[tuple], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIOMORPH_TEMPLATES", raising=False)
    arguments = ["--subjects", "2", "--seed", "5", "--resolution", "2", "--grid", "mixed"]
    code = cli_simulate.main([str(tmp_path / "out"), *arguments, "--template-dir", "here", "there"])
    assert code == 0
    out_dir, subjects, cohort = asked[0]
    assert (out_dir, subjects, cohort.seed, cohort.grid) == (tmp_path / "out", 2, 5, "mixed")
    assert cohort.template == ("MNI152", 2, [Path("here"), Path("there")])
    printed = capsys.readouterr().out
    assert "sub-01 (1 of 2): tumour 3.0 ml" in printed
    assert "2 subjects in" in printed


def test_heads_of_people_take_the_templates_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    calls: list[tuple] = []
    monkeypatch.setattr(simulate_people, "simulate_people", lambda *arguments: calls.append(arguments))
    words = [str(tmp_path / "out"), "--subjects", "2", "--resolution", "3", "--seed", "7"]
    assert cli_simulate.main([*words, "--anatomies", "HEADS", "--shapes", "TUMOURS"]) == 0
    out_dir, subjects, cohort, _ = calls[0]
    assert (out_dir, subjects) == (tmp_path / "out", 2)
    assert cohort == simulate_people.PeopleCohort(
        anatomies=Path("HEADS"), shapes=Path("TUMOURS"), resolution=3, seed=7
    )
    for arguments, message in (
        (["--anatomies", "HEADS", "--template", "SRI24"], "--template: without effect with --anatomies"),
        (["--anatomies", "HEADS", "--grid", "las"], "--grid: without effect with --anatomies"),
        (["--shapes", "TUMOURS"], "--shapes TUMOURS: only with --anatomies DIR"),
    ):
        assert cli_simulate.main([*words, *arguments]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subjects", "0"], "whole number of at least 1 is required, got '0'"),
        (["--subjects", "many"], "whole number of at least 1 is required, got 'many'"),
        (["--subjects", "1", "--seed", "-1"], "whole number of at least 0 is required, got '-1'"),
        (["--subjects", "1", "--grid", "round"], "invalid choice: 'round'"),
        ([], "the following arguments are required: --subjects"),
    ],
)
def test_wrong_arguments_exit_with_two_and_say_why(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli_simulate.main([str(tmp_path / "out"), *arguments])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_unusable_folder_is_one_line_and_exit_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    template = SimpleNamespace(name="MNI152", resolution=2)
    monkeypatch.setattr(cli_simulate, "load_template", lambda *arguments: template)
    (tmp_path / "notes.txt").write_text("mine")
    arguments = [str(tmp_path), "--subjects", "1", "--resolution", "2"]
    assert cli_simulate.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("gliomorph-simulate: ")
    assert len(error.splitlines()) == 1
    with pytest.raises(SimulationError, match="is not empty"):
        cli_simulate.main([*arguments, "--verbose"])


def test_unknown_template_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli_simulate.main([str(tmp_path / "out"), "--subjects", "1", "--template", "Nowhere"]) == 1
    assert "tpl-Nowhere" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_simulate, "load_template", interrupted)
    assert cli_simulate.main([str(tmp_path / "out"), "--subjects", "1"]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_help_reads_well(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli_simulate.main(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert "OUT_DIR" in text
    assert "--grid {isotropic,anisotropic,las,mixed}" in text
