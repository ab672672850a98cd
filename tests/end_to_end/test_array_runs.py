"""Many runs over one output folder and one work directory, each on its own subjects: they do not collide."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import subprocess
from pathlib import Path

import array_tasks
import pytest
from cohorts import Place
from runs import comparable, ran, relocated

ROUNDS = 20
SCRIPT = Path(__file__).parents[2] / "docs" / "scripts" / "gliomorph-array.sbatch"


def test_two_tasks_that_start_together_do_not_collide(tmp_path: Path) -> None:
    """Everything but the computation: templates, hashes, caches, logs, dataset-level files; the work directory is
    removed at the end of every second round, by whoever is last."""
    place = Place(tmp_path).prepare(["01", "02"])
    context = mp.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    tasks = [
        context.Process(target=array_tasks.task, args=(place.root, subject, ROUNDS, barrier, answers))
        for subject in ("01", "02")
    ]
    for task in tasks:
        task.start()
    got = [answers.get(timeout=120) for _ in range(2 * ROUNDS)]
    for task in tasks:
        task.join(60)
    assert [text for _, _, code, text in got if code] == []
    for number in range(ROUNDS):
        out = tmp_path / f"out-{number}"
        json.loads((out / "dataset_description.json").read_text())
        assert {path.name for path in out.glob("*.html")} == {"sub-01.html", "sub-02.html"}
        assert len(list((out / "logs").glob("*/summary.tsv"))) == 2
        assert list(out.rglob(".tmp-*")) == []
        work = tmp_path / f"work-{number}"
        assert len(list(work.glob("cache-*"))) == int(number % 2 == 0)
        assert list(work.rglob("*.lock")) == []


@pytest.mark.slow
def test_two_real_tasks_that_start_together_leave_what_one_run_leaves(tmp_path: Path) -> None:
    together = ran(
        Place(tmp_path / "one").prepare(["01", "02"]), "--registration", "affine", levels=["participant"]
    )
    assert together.answer.code == 0, together.answer.text
    expected = comparable(together.place)
    for number in range(ROUNDS):
        place = relocated(together, tmp_path / f"round-{number}")
        tasks = [
            subprocess.Popen(
                place.command("--registration", "affine", "--participant-label", subject, levels=["participant"]),
                cwd=place.cwd, env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for subject in ("01", "02")
        ]  # fmt: skip
        texts = [task.communicate(timeout=600)[0] for task in tasks]
        assert [task.returncode for task in tasks] == [0, 0], "\n".join(texts)
        assert comparable(place) == expected


def in_array(place: Place, number: int, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script of the documents as Slurm would start it."""
    (place.root / "subjects.txt").write_text("01\nsub-02\n")
    words = ["bash", str(SCRIPT), str(place.root / "subjects.txt"), "BIDS with a space", "OUT", *more]
    variables = {**os.environ, "SLURM_ARRAY_TASK_ID": str(number), **environment}
    return subprocess.run(words, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("number", "label"), [(0, "01"), (1, "sub-02")])
def test_array_script_runs_the_subject_of_its_task(tmp_path: Path, number: int, label: str) -> None:
    """By a container's command; ``apptainer`` here says what it is asked to run."""
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n')
    program.chmod(0o755)
    done = in_array(
        Place(tmp_path), number, "-w", "WORK",
        GLIOMORPH="apptainer run --bind /data gliomorph.sif", PATH=f"{program.parent}:{os.environ['PATH']}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line[1:-1] for line in done.stdout.splitlines()]
    assert said == [
        "run", "--bind", "/data", "gliomorph.sif", "BIDS with a space", "OUT", "participant",
        "--participant-label", label, "--skip-bids-validation", "-w", "WORK",
    ]  # fmt: skip


def test_array_task_beyond_the_subjects_fails(tmp_path: Path) -> None:
    done = in_array(Place(tmp_path), 2, GLIOMORPH="echo")
    assert done.returncode != 0
    assert "unbound variable" in done.stderr
