"""Dockerfile, apptainer.def and rootfs.sh make the same image, by the steps of install.sh and by nothing else."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import gliomorph

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "containers"
ROOTFS = FOLDER / "rootfs.sh"
STEPS = {"tools", "venv", "templates", "system", "tests"}


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, each with its words on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, " ".join(words.split())) for name, words in pairs]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions after each FROM: builder, runtime, test, the image."""
    found: list[list[tuple[str, str]]] = []
    for name, words in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, words))
    return found


def words_of(stage: int, name: str) -> list[str]:
    return [words for found, words in stages()[stage] if found == name]


def sections() -> list[dict[str, list[str]]]:
    """Sections of apptainer.def, a stage each: lines by section, the header's under ``""``."""
    found: list[dict[str, list[str]]] = []
    text = re.sub(r"^#.*\n", "", (ROOT / "apptainer.def").read_text(), flags=re.MULTILINE)
    for line in text.splitlines():
        if line.startswith("Bootstrap:"):
            found.append({"": []})
            section = ""
        if line.startswith("%"):
            section = line[1:]
            found[-1][section] = []
        elif line.strip():
            found[-1][section].append(line.strip())
    return found


def variables(words: str) -> dict[str, str]:
    """``NAME=VALUE …``, as in ENV and LABEL."""
    return dict(word.split("=", 1) for word in shlex.split(words))


def shared_environment() -> dict[str, str]:
    return variables((FOLDER / "environment").read_text())


def shell_value(script: str, name: str) -> str:
    """What a script sets a name to, in its first line that does."""
    match = re.search(rf"^{name}=\(?([^)#\n]*)", (FOLDER / script).read_text(), re.MULTILINE)
    assert match, f"{script} does not set {name}"
    return match[1].strip().strip('"')


def steps(text: str) -> list[str]:
    """Steps of install.sh that a text asks for, in its order."""
    called = " ".join(re.findall(r"(?:install\.sh|steps \S+) ([a-z ]+)$", text, re.MULTILINE)).split()
    assert set(called) <= STEPS
    return called


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_base_is_one_pinned_release() -> None:
    base = dict(words.split("=", 1) for name, words in instructions() if name == "ARG" and "=" in words)[
        "BASE"
    ]
    assert re.fullmatch(
        rf"debian:{shell_value('install.sh', 'RELEASE')}-\d{{8}}-slim@sha256:[0-9a-f]{{64}}", base
    )
    by_digest = (
        base.split(":")[0] + "@" + base.split("@")[1]
    )  # a tag beside the digest is an error for Apptainer
    assert [stage[""][1] for stage in sections()] == [f"From: {by_digest}"] * 2
    built_on = [words for stage in stages() for name, words in stage if name == "FROM"]
    assert built_on == ["${BASE} AS builder", "${BASE} AS runtime", "runtime AS test", "runtime"]


def test_environment_is_the_same_in_all_three() -> None:
    expected = shared_environment()
    assert expected["PYTHONNOUSERSITE"] == "1"
    assert "HOME" not in expected
    assert variables(words_of(1, "ENV")[0]) == expected
    own = {"GLIOMORPH_CONTAINER", "GLIOMORPH_CONTAINER_TYPE"}
    exported = variables(" ".join(line.removeprefix("export ").replace("{{ ", "{{").replace(" }}", "}}")
                                  for line in sections()[1]["environment"]))  # fmt: skip
    assert {name: value for name, value in exported.items() if name not in own} == expected
    assert variables(words_of(3, "ENV")[0]).keys() == own
    assert own <= exported.keys()


def test_image_names_itself_by_version_and_variant() -> None:
    tag = f"gliomorph:{gliomorph.__version__}-"
    assert variables(words_of(3, "ENV")[0])["GLIOMORPH_CONTAINER"] == tag + "${VARIANT}"
    assert f"export GLIOMORPH_CONTAINER={tag}{{{{ VARIANT }}}}" in sections()[1]["environment"]


def test_labels_are_the_same() -> None:
    labels = variables(words_of(3, "LABEL")[0])
    assert labels == dict(line.split(maxsplit=1) for line in sections()[1]["labels"])
    assert labels["org.opencontainers.image.version"] == gliomorph.__version__
    assert all(name.startswith("org.opencontainers.image.") for name in labels)


def test_same_sources_are_copied() -> None:
    sources = set(shell_value("rootfs.sh", "SOURCES").split())
    copied = {Path(word).name for words in words_of(0, "COPY") for word in words.split()[:-1]}
    assert copied == sources
    assert {line.split()[0] for line in sections()[0]["files"]} == sources
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)


def test_stages_are_made_by_the_same_steps() -> None:
    build, image = ["tools", "venv", "templates"], ["system"]
    docker = [steps("\n".join(words_of(stage, "RUN"))) for stage in range(4)]
    assert docker == [build, image, ["tests"], []]
    assert [steps("\n".join(stage["post"])) for stage in sections()] == [build, image]
    script = steps(ROOTFS.read_text())
    assert script == [*build, *image, "tests"]


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def", "containers/rootfs.sh"])
def test_packages_are_named_in_one_place(name: str) -> None:
    text = (ROOT / name).read_text()
    commands = [
        line for line in text.splitlines() if not line.lstrip().startswith("#") and " fail " not in line
    ]
    assert not re.search(r"apt-get|apt install|pip3? install|-m pip", "\n".join(commands))


def test_build_arguments_are_known_to_the_steps() -> None:
    known = (FOLDER / "install.sh").read_text()
    arguments = {words.split("=")[0] for stage in range(4) for words in words_of(stage, "ARG")}
    assert arguments == {line.split("=")[0] for stage in sections() for line in stage["arguments"]}
    assert arguments <= set(shell_value("rootfs.sh", "PASSED").split())
    assert all(f"${{{name}" in known for name in arguments - {"PIP_INDEX_URL"})  # pip reads that one itself


def test_entry_point_check_and_user() -> None:
    (entry,), (check,), (user,) = (words_of(3, name) for name in ("ENTRYPOINT", "HEALTHCHECK", "USER"))
    assert json.loads(entry)[-1] == "gliomorph"
    assert json.loads(entry)[0] in shell_value("install.sh", "SYSTEM_PACKAGES").split()
    assert check.endswith('CMD ["gliomorph-check"]')
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number: Kubernetes takes no name for non-root"
    assert sections()[1]["runscript"] == ['exec gliomorph "$@"']
    assert sections()[1]["test"] == ["gliomorph-check"]


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_read_by_their_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    shell = script.read_text().splitlines()[0].split("/")[-1].split()[-1]
    assert run(shell, "-n", str(script)).stderr == ""


@pytest.mark.parametrize(
    ("words", "variant", "expected"),
    [
        (("venv",), "rocm", "VARIANT must be cpu or cuda, not rocm"),
        (("vnv",), "cpu", "no such step: vnv"),
        ((), "cpu", "no step given"),
    ],
)
def test_steps_refuse_what_they_do_not_know(words: tuple[str, ...], variant: str, expected: str) -> None:
    done = run(str(FOLDER / "install.sh"), *words, VARIANT=variant)
    assert (done.returncode, done.stderr.strip()) == (2, f"install.sh: {expected}")


def stand_in(folder: Path, name: str, body: str = "true") -> None:
    """A command of that name which does next to nothing."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {name} was here\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("broken", [None, "N4BiasFieldCorrection", "gliomorph-simulate", "gliomorph"])
def test_check_wants_every_command_to_do_its_work(tmp_path: Path, broken: str | None) -> None:
    commands, scratch = tmp_path / "bin", tmp_path / "scratch"
    for folder in (commands, scratch):
        folder.mkdir()
    for name in ("N4BiasFieldCorrection", "antsRegistration", "antsApplyTransforms", "gliomorph-simulate"):
        stand_in(commands, name)
    stand_in(commands, "gliomorph", "mkdir out && echo page > out/sub-01.html")
    if broken:
        stand_in(commands, broken, "exit 3")
    done = run(str(FOLDER / "check.sh"), TMPDIR=str(scratch), PATH=f"{commands}:/usr/bin:/bin")
    if broken:
        assert (done.returncode, done.stdout) == (3, "")
        assert f"{broken} was here" in done.stderr
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, "gliomorph-check: whole\n", "")
    assert list(scratch.iterdir()) == []


PROBE = """
import json, os, socket
def refused(function, *words):
    try:
        function(*words)
    except OSError:
        return True
    return False
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), *os.getgroups()],
    "environment": dict(os.environ),
    "closed": [path for path in ("/x", "/given/x", "/out/x", "/tmp/x", "/dev/shm/x") if refused(open, path, "w")],
    "offline": refused(socket.create_connection, ("192.0.2.1", 80), 1),
}))
"""


def may_mount() -> bool:
    """Root, and not in a container that keeps namespaces from it."""
    return os.geteuid() == 0 and run("unshare", "--mount", "--net", "--pid", "--fork", "true").returncode == 0


@pytest.mark.skipif(not may_mount(), reason="rootfs.sh makes namespaces and mounts, as root")
def test_command_is_alone_in_the_file_system(tmp_path: Path) -> None:
    """On this machine's own, in place of an image's."""
    given, out = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    binds = ["--bind", f"{given}:/given", "--bind", f"{out}:/out:rw", "--set", "MORE=two words"]
    done = run(str(ROOTFS), "run", "/", *binds, "--", "/usr/bin/python3", "-c", PROBE)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert set(seen["ids"]) == {12345}
    assert seen["environment"] == shared_environment() | {"MORE": "two words"}
    assert seen["closed"] == ["/x", "/given/x"]
    assert seen["offline"]
    assert [path.name for path in out.iterdir()] == ["x"]
    assert run(str(ROOTFS), "run", "/", "--", "sh", "-c", "exit 7").returncode == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="rootfs.sh is for root and says so before all else")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["build"], "build: DIR is missing"),
        (["build", "/"], "build: / is there already"),
        (["run", "/nowhere", "--", "true"], "run: /nowhere is not a folder"),
        (["run", "/", "--gpu", "all", "--", "true"], "run: no such option: --gpu"),
        (["run", "/", "--"], "run: COMMAND is missing after --"),
        (["layer", "/"], "layer: LAYER is missing"),
        (["ship"], "build, layer or run, not 'ship'"),
    ],
)
def test_rootfs_says_what_is_wrong(words: list[str], expected: str) -> None:
    done = run(str(ROOTFS), *words)
    assert (done.returncode, done.stderr.strip()) == (2, f"rootfs.sh: {expected}")
