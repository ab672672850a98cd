"""The command line: options, their precedence, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cohorts
import pytest
from safetensors.numpy import save_file

import gliomorph
from gliomorph.cli import run as cli
from gliomorph.config.cluster import Cluster
from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """bids_dir and output_dir."""
    (tmp_path / "bids").mkdir()
    return [str(tmp_path / "bids"), str(tmp_path / "out")]


def config(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "options.toml"
    path.write_text(text)
    return ["--config-file", str(path)]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == f"gliomorph {gliomorph.__version__}"


@pytest.mark.parametrize(
    "order",
    [
        "{io} participant group {options}",
        "{options} {io} participant group",
        "{io} {options} -v participant group",
    ],
)
def test_levels_may_stand_in_the_middle_or_at_the_end(folders: list[str], order: str) -> None:
    words = order.format(
        io=" ".join(folders), options="--resolution 2 --registration affine syn --nprocs 3"
    ).split()
    settings = cli.parse(words)
    chosen = settings.processing
    assert settings.levels == ("participant", "group")
    assert (chosen.resolution, chosen.registration, settings.resources.nprocs) == (
        2,
        ("affine", "syn"),
        3,
    )


@pytest.mark.parametrize(("modality", "method"), [("T1w", "metamorph-r"), ("FLAIR", "metamorphosis")])
def test_default_registration_goes_by_the_modality(
    folders: list[str], tmp_path: Path, modality: str, method: str
) -> None:
    words = [*folders, "participant", "--modality", modality]
    assert cli.parse(words).processing.registration == (method,)
    configured = cli.parse([*words, *config(tmp_path, 'registration = "syn"')])
    assert configured.processing.registration == ("syn",)


def test_defaults(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIOMORPH_TEMPLATES", raising=False)
    settings = cli.parse([*folders, "participant"])
    assert settings.resources.work_dir == settings.output_dir / "work"
    assert settings.processing.registration == ("metamorph-r",)
    assert settings.processing.refine is None
    assert (settings.processing.template, settings.processing.resolution, settings.resources.gpu) == (
        "MNI152",
        1,
        ("auto",),
    )
    assert settings.processing.template_dirs == ()
    assert (settings.atlas.strata, settings.atlas.min_cell, settings.atlas.min_coverage) == ((), None, 0.5)
    assert (settings.verbose, settings.dry_run) == (0, False)


def test_options_of_the_atlas(folders: list[str], tmp_path: Path) -> None:
    words = [*folders, "group", "--registration", "affine"]
    settings = cli.parse(
        [*words, "--strata", "sex", "age:40,60", "--min-cell", "10", "--min-coverage", "0.8"]
    )
    assert [variable.column for variable in settings.atlas.variables] == ["sex", "age"]
    assert settings.atlas.variables[1].edges == (40.0, 60.0)
    assert (settings.atlas.min_cell, settings.atlas.min_coverage) == (10, 0.8)
    text = 'strata = ["sex"]\nmin-cell = 7'
    configured = cli.parse([*words, *config(tmp_path, text)])
    assert (configured.atlas.strata, configured.atlas.min_cell) == (("sex",), 7)


def test_options_of_the_tests(folders: list[str], tmp_path: Path) -> None:
    words = [*folders, "group", "--registration", "affine"]
    settings = cli.parse(words)
    assert (settings.testing.tests, settings.testing.permutations, settings.testing.correction) == (
        (),
        1000,
        "fwer",
    )
    assert (settings.testing.tfce, settings.testing.min_lesions) == (False, 5)
    asked = ["--tests", "glm:age", "adiffi:sex=F", "--tfce", "--permutations", "99", "--min-lesions", "7"]
    settings = cli.parse([*words, *asked])
    assert settings.testing.tests == ("glm:age", "adiffi:sex=F")
    assert (settings.testing.tfce, settings.testing.permutations, settings.testing.min_lesions) == (
        True,
        99,
        7,
    )
    text = 'tests = ["glm:age"]\ncorrection = "fdr"'
    configured = cli.parse([*words, *config(tmp_path, text)])
    assert (configured.testing.tests, configured.testing.correction) == (("glm:age",), "fdr")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_tests_that_cannot_be_made_are_one_line_with_all_faults_and_exit_two(
    folders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    monkeypatch.setattr(cli, "prepare_environment", lambda *_: None)
    (Path(folders[0]) / "sub-1").mkdir()
    (Path(folders[0]) / "participants.tsv").write_text(TABLE)
    words = ["--tests", "glm:weight", "cox:days,dead", "--strata", "gender"]
    assert cli.main([*folders, "group", "--skip-bids-validation", *words, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gliomorph: --strata: participants.tsv has no column 'gender'")
    assert "; --tests: glm:weight: participants.tsv has no column 'weight'; it has 'age', 'sex'" in line
    assert "cox:days,dead: participants.tsv has no column 'days'" in line


@pytest.fixture
def scan_words(folders: list[str], template_home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A dry run on one subject of two runs, the second of which has a mask; files are empty, names are looked at."""
    monkeypatch.setattr(cli, "prepare_environment", lambda *_: None)
    bids = Path(folders[0])
    for name in (
        "sub-1_run-1_T1w",
        "sub-1_run-2_T1w",
        "masks/sub-1_run-02_label-tumor_mask",
        "masks/sub-1_x_mask",
    ):
        path = bids / Path(name).parent / "sub-1" / "anat" / f"{Path(name).name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    template = ["--template", "Tiny", "--template-dir", str(template_home), "--resolution", "4"]
    words = [
        *folders,
        "participant",
        "--dry-run",
        "--skip-bids-validation",
        "--registration",
        "affine",
        *template,
    ]
    return [*words, "-d", f"masks={bids / 'masks'}"]


@pytest.mark.parametrize("verbose", [False, True])
def test_dry_run_says_what_was_found_and_with_v_which_files(
    scan_words: list[str], capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    assert cli.main([*scan_words, *["-v"] * verbose]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "images: T1w of 1, of 1 scans; passed over 1: sub-1_run-1_T1w.nii.gz (another comes before it)"
        in lines
    )
    (masks,) = (line for line in lines if line.startswith("-d masks: "))
    assert masks.startswith(
        "-d masks: tumour masks of 1 scans, brain masks of 0; passed over 1: sub-1_x_mask.nii.gz (not"
    )
    assert ("  image: sub-1_run-2_T1w.nii.gz (T1w)" in lines) == verbose
    assert ("  tumour: sub-1_run-02_label-tumor_mask.nii.gz (-d masks)" in lines) == verbose


@pytest.mark.parametrize("verbose", [False, True])
def test_folder_of_masks_that_serves_nobody_is_one_line_and_exit_two(
    scan_words: list[str], capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    (Path(scan_words[0]) / "masks" / "sub-1" / "anat" / "sub-1_run-02_label-tumor_mask.nii.gz").unlink()
    assert cli.main([*scan_words, *["-v"] * verbose]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no mask of any of the 1 scans is recognised in it; it has sub-1_x_mask.nii.gz" in line


def test_options_of_the_workers(folders: list[str], tmp_path: Path) -> None:
    words = ["--worker", "slurm", "--slurm-args=--time=1 --gres=gpu:1"]
    settings = cli.parse([*folders, "participant", *words])
    assert settings.cluster == Cluster(worker="slurm", slurm_args="--time=1 --gres=gpu:1")
    assert settings.cluster.requeue
    text = 'worker = "slurm"\nslurm-args = "--time=2"\nno-requeue = true\n'
    settings = cli.parse([*folders, "participant", *config(tmp_path, text)])
    assert (settings.cluster.worker, settings.cluster.slurm_args, settings.cluster.requeue) == (
        "slurm",
        "--time=2",
        False,
    )


def test_labels_with_and_without_prefix_and_underscores(folders: list[str]) -> None:
    settings = cli.parse(
        [*folders, "participant", "--participant_label", "sub-01", "02", "--session-label", "ses-a"]
    )
    assert (settings.inputs.participants, settings.inputs.sessions) == (("01", "02"), ("a",))


def test_derivatives_may_be_given_several_times_and_without_a_name(
    folders: list[str], tmp_path: Path
) -> None:
    for name in ("one", "t-w_o", "three"):
        (tmp_path / name).mkdir()
    words = [
        "-d",
        f"first={tmp_path / 'one'}",
        str(tmp_path / "t-w_o"),
        "--derivatives",
        str(tmp_path / "three"),
    ]
    settings = cli.parse([*folders, "participant", *words])
    assert settings.inputs.derivatives == {
        "first": tmp_path / "one",
        "two": tmp_path / "t-w_o",
        "three": tmp_path / "three",
    }


def test_templates_of_the_environment_come_after_those_given(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "known"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GLIOMORPH_TEMPLATES", f"{tmp_path / 'known'}{os.pathsep}{tmp_path / 'missing'}")
    settings = cli.parse([*folders, "participant", "--template-dir", str(tmp_path / "given")])
    assert settings.processing.template_dirs == (tmp_path / "given", tmp_path / "known")


def test_command_line_wins_over_the_config_file(folders: list[str], tmp_path: Path) -> None:
    text = """
    resolution = 2
    registration = ["affine", "syn-cfm"]
    participant-label = ["01", "sub-02"]
    nprocs = 3
    mem = 5.5
    dry-run = true
    random_seed = 4
    work-dir = "elsewhere"
    """
    from_file = cli.parse([*folders, "participant", *config(tmp_path, text)])
    assert (from_file.processing.resolution, from_file.processing.registration) == (2, ("affine", "syn-cfm"))
    assert (from_file.inputs.participants, from_file.resources.nprocs, from_file.resources.mem_gb) == (
        ("01", "02"),
        3,
        5.5,
    )
    assert (from_file.processing.random_seed, from_file.resources.work_dir) == (
        4,
        Path("elsewhere").resolve(),
    )
    assert from_file.dry_run
    both = cli.parse(
        [*folders, "participant", *config(tmp_path, text), "--resolution", "3", "--registration", "syn"]
    )
    assert (both.processing.resolution, both.processing.registration, both.resources.nprocs) == (
        3,
        ("syn",),
        3,
    )


def test_weights_of_networks_reach_the_settings(folders: list[str], tmp_path: Path) -> None:
    files = []
    for method in ("metamorph-r", "metamorph-g"):
        header = {"method": method, "masking": "local", "dimension": 3, "modalities": 1}
        files.append(tmp_path / method)
        save_file({}, files[-1], metadata={"network": json.dumps(header)})
    methods = ["--registration", "metamorph-r", "syn", "metamorph-g"]
    given = cli.parse([*methods, "--registration-weights", *map(str, files), "-v", *folders, "participant"])
    assert given.processing.registration_weights == tuple(files)
    assert given.processing.refine is None
    refined = cli.parse(
        [*methods, "--registration-weights", *map(str, files), "--refine", "6", *folders, "participant"]
    )
    assert [refined.processing.refinement(method) for method in refined.processing.registration] == [6, 0, 6]
    text = f"registration-weights = {json.dumps([str(path) for path in files])}"
    configured = cli.parse([*folders, "participant", *methods, *config(tmp_path, text)])
    assert configured.processing.registration_weights == tuple(files)


def test_one_run_leaves_no_option_for_the_next(folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    words = [*folders, "participant"]
    cli.parse([*words, "-d", f"m={tmp_path / 'masks'}", *config(tmp_path, "resolution = 2")])
    settings = cli.parse(words)
    assert (settings.inputs.derivatives, settings.processing.resolution) == ({}, 1)


def test_filter_file_reaches_the_settings(folders: list[str], tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps({"t1w": {"acquisition": "MPRAGE"}}))
    settings = cli.parse([*folders, "participant", "--bids-filter-file", str(path)])
    assert settings.inputs.bids_filters == {"t1w": {"acquisition": "MPRAGE"}}


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the run will do: an exit code or an exception; nothing is computed."""
    todo: list[Any] = []

    def run(settings: Settings, argv: list[str], console: Any, **_: Any) -> int:
        if isinstance(todo[0], BaseException):
            raise todo[0]
        return int(todo[0])

    monkeypatch.setattr("gliomorph.workflows.run.run", run)
    monkeypatch.setattr(cli, "prepare_environment", lambda *_: None)
    return todo


@pytest.mark.parametrize("code", [0, 1])
def test_exit_code_is_that_of_the_run(folders: list[str], outcome: list[Any], code: int) -> None:
    outcome.append(code)
    assert cli.main([*folders, "participant"]) == code


@pytest.mark.parametrize("error", [SettingsError("no room"), OSError(28, "No space left"), ValueError("odd")])
def test_run_that_cannot_start_is_one_line_and_exit_two(
    folders: list[str], outcome: list[Any], error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome.append(error)
    assert cli.main([*folders, "participant"]) == 2
    text = capsys.readouterr().err
    assert text == f"gliomorph: {error}\n"


@pytest.mark.parametrize(("error", "traced"), [(OSError(5, "odd"), True), (SettingsError("no room"), False)])
def test_verbose_shows_the_whole_error_where_it_is_not_one_of_ours(
    folders: list[str],
    outcome: list[Any],
    error: Exception,
    traced: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome.append(error)
    assert cli.main([*folders, "participant", "-v"]) == 2
    text = capsys.readouterr().err
    assert text.endswith(f"gliomorph: {error}\n")
    assert ("Traceback" in text) == traced


def test_interruption_is_exit_130_and_says_how_to_go_on(
    folders: list[str], outcome: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome.append(KeyboardInterrupt())
    assert cli.main([*folders, "participant"]) == 130
    assert "run the same command again" in capsys.readouterr().out


@pytest.fixture
def hangup_counts() -> Iterator[None]:
    """As in a terminal, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_counts")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_signal_ends_the_run_as_an_interruption_and_those_after_it_are_ignored(
    folders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    def interrupted(*_: Any, **__: Any) -> int:
        try:
            os.kill(os.getpid(), number)
            return 0
        finally:
            os.kill(os.getpid(), number)

    monkeypatch.setattr("gliomorph.workflows.run.run", interrupted)
    before = [signal.getsignal(each) for each in cli.ENDINGS]
    assert cli.main([*folders, "participant"]) == code
    assert "run the same command again" in capsys.readouterr().out
    assert [signal.getsignal(each) for each in cli.ENDINGS] == before


def test_hangup_stays_ignored_under_nohup(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gliomorph.workflows.run.run", lambda *_, **__: os.kill(os.getpid(), signal.SIGHUP) or 0
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main([*folders, "participant"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_unusable_settings_do_not_reach_the_run(
    folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*folders, "participant", "--mem", "-1"]) == 2
    assert "--mem: a positive number" in capsys.readouterr().err
    assert not Path(folders[1]).exists()


@pytest.mark.parametrize("words", [[], ["participants"], ["participant", "--registration", "elastix"]])
def test_words_that_are_no_options_exit_with_two(
    folders: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*folders, *words])
    assert "usage: gliomorph" in capsys.readouterr().err


TABLE = "participant_id\tsex\tage\nsub-1\tF\t30\nsub-2\tM\tn/a\nsub-3\tF\t70\n"


@pytest.mark.parametrize(
    ("table", "word", "said"),
    [
        (None, "sex", "there is no such file"),
        (TABLE, "gender", "participants.tsv has no column 'gender'; it has 'age', 'sex'"),
        (TABLE + "sub-3\tM\t71\n", "sex", "participants.tsv has more than one row of '3': leave one of each"),
        (
            TABLE.replace("30", "").replace("70", "n/a"),
            "age:50",
            "no participant with a scan has a number of 'age'",
        ),
    ],
)
def test_strata_that_cannot_be_made_are_one_line_and_exit_two(
    folders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str | None,
    word: str,
    said: str,
) -> None:
    monkeypatch.setattr(cli, "prepare_environment", lambda *_: None)
    for name in ("sub-1", "sub-2", "sub-3"):
        (Path(folders[0]) / name).mkdir()
    if table is not None:
        (Path(folders[0]) / "participants.tsv").write_text(table)
    assert cli.main([*folders, "group", "--skip-bids-validation", "--strata", word]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gliomorph: --strata: ")
    assert said in line


def test_module_runs_without_a_traceback_where_there_is_nothing_to_run(
    folders: list[str], tmp_path: Path
) -> None:
    templates = str(cohorts.write_template(tmp_path / "templates"))
    options = [
        "--skip-bids-validation",
        "--template",
        "Tiny",
        "--template-dir",
        templates,
        "--resolution",
        "4",
    ]
    command = [sys.executable, "-m", "gliomorph", *folders, "participant", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("gliomorph: no sub-* folder in")
    assert "mounted" in line
