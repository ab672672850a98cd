"""Caches, temporary files and threads of a run, set in one place."""

from __future__ import annotations

import atexit
import gc
import getpass
import logging
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gliomorph.environment import THREADS, collect_rarely, name_user, prepare_environment, template_folders


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The variables of this process, as a copy that may be changed."""
    copy = dict(os.environ)
    monkeypatch.setattr(os, "environ", copy)
    level = logging.getLogger("pydra").level
    yield copy
    logging.getLogger("pydra").setLevel(level)


def test_caches_and_temporary_files_lie_in_the_work_directory(
    variables: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "new" / "work"
    prepare_environment(work, 3)
    assert (work / "tmp").is_dir()
    for name in ("TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "PYDRA_HASH_CACHE"):
        assert Path(variables[name]).is_relative_to(work)
    assert {variables[name] for name in THREADS} == {"3"}
    assert variables["NO_ET"] == "1"


def test_later_thread_number_replaces_the_earlier(variables: dict[str, str], tmp_path: Path) -> None:
    prepare_environment(tmp_path, 4)
    prepare_environment(tmp_path, 1)
    assert {variables[name] for name in THREADS} == {"1"}


def test_warnings_of_the_user_are_kept(variables: dict[str, str], tmp_path: Path) -> None:
    variables["PYTHONWARNINGS"] = "error"
    prepare_environment(tmp_path, 1)
    assert variables["PYTHONWARNINGS"] == "error"


def test_home_is_replaced_only_where_it_cannot_be_written(variables: dict[str, str], tmp_path: Path) -> None:
    variables["HOME"] = str(tmp_path)
    prepare_environment(tmp_path / "work", 1)
    assert variables["HOME"] == str(tmp_path)
    variables["HOME"] = str(tmp_path / "nowhere")
    prepare_environment(tmp_path / "work", 1)
    assert variables["HOME"] == str(tmp_path / "work" / "tmp")


@pytest.fixture
def unknown_user(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Neither ``HOME`` nor a name, and no entry of the user in the system's list, as in a container."""
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        variables.pop(name, None)

    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    return variables


def test_user_that_nobody_knows_gets_a_name_and_a_home(unknown_user: dict[str, str], tmp_path: Path) -> None:
    name_user()
    assert unknown_user["HOME"] == os.path.expanduser("~") == "/nonexistent"
    assert unknown_user["LOGNAME"] == getpass.getuser() == f"uid{os.getuid()}"
    prepare_environment(tmp_path, 1)
    assert unknown_user["HOME"] == str(tmp_path / "tmp"), "runs need one that can be written"


def test_what_is_known_of_the_user_is_kept(unknown_user: dict[str, str]) -> None:
    unknown_user |= {"HOME": "/somewhere", "USER": "someone"}
    before = dict(unknown_user)
    name_user()
    assert unknown_user == before


def test_template_folders_are_separated_as_in_path(variables: dict[str, str]) -> None:
    variables.pop("GLIOMORPH_TEMPLATES", None)
    assert template_folders() == ()
    variables["GLIOMORPH_TEMPLATES"] = os.pathsep.join(["/a", "", "/b c"])
    assert template_folders() == (Path("/a"), Path("/b c"))


def test_garbage_is_searched_for_rarely_and_not_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_end: list[object] = []
    monkeypatch.setattr(atexit, "register", at_the_end.append)
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        collect_rarely()
        assert gc.get_threshold() == (10_000, 10, 10)
    finally:
        gc.set_threshold(*before)
    assert at_the_end == [gc.freeze]


def test_command_line_imports_nothing_heavy() -> None:
    """The environment must be set before; and ``--help`` is quick."""
    heavy = ("torch", "ants", "pydra", "matplotlib", "pandas", "nilearn")
    code = f"import sys, gliomorph.cli.run; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_log_is_written_where_the_environment_asks_for_it(monkeypatch, capfd):
    """In a process of its own: logging is configured once."""
    script = (
        "from gliomorph.environment import start_logging; import logging; start_logging(); "
        "logging.getLogger('gliomorph.register').info('iteration %d', 10)"
    )
    for level, expected in (("", False), ("INFO", True)):
        monkeypatch.setenv("GLIOMORPH_LOG_LEVEL", level)
        subprocess.run([sys.executable, "-c", script], check=True)
        assert ("gliomorph.register iteration 10" in capfd.readouterr().err) is expected
