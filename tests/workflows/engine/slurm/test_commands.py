"""Slurm's commands: what is asked, and what is made of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_slurm import FakeSlurm

from gliomorph.workflows.engine.slurm import commands as slurm


def script(folder: Path, text: str = "echo done\n") -> Path:
    path = folder / "job.sh"
    path.write_text("#!/bin/sh\n" + text)
    return path


def test_states_are_asked_for_in_one_call_and_unknown_jobs_left_out(
    fake_slurm: FakeSlurm, tmp_path: Path
) -> None:
    fake_slurm.next_jobs("TIMEOUT", "NODE_FAIL")
    jobs = [slurm.submit(script(tmp_path), f"job-{n}", tmp_path, []) for n in (1, 2)]
    assert slurm.states([*jobs, "99"]) == {"1": "TIMEOUT", "2": "NODE_FAIL"}
    assert len(fake_slurm.calls("squeue")) == 1


def test_single_unknown_job_is_no_error_and_none_is_no_question(fake_slurm: FakeSlurm) -> None:
    assert slurm.states(["99"]) == {}
    assert slurm.states([]) == {}
    assert len(fake_slurm.calls("squeue")) == 1


def test_silent_controller_is_an_error_and_not_the_end_of_all_jobs(fake_slurm: FakeSlurm) -> None:
    fake_slurm.break_down(answers_after=1)
    with pytest.raises(slurm.SlurmError, match="squeue: slurm_load_jobs error: Unable to contact"):
        slurm.states(["1"])


def test_live_jobs_are_found_by_name(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    fake_slurm.next_jobs("COMPLETED", "RUN")
    slurm.submit(script(tmp_path), "over", tmp_path, [])
    running = slurm.submit(script(tmp_path, "sleep 60\n"), "running", tmp_path, [])
    assert slurm.live_jobs_by_name() == {"running": running}
    slurm.cancel([running])
    assert slurm.live_jobs_by_name() == {}
    assert slurm.ending(running).state == "CANCELLED"


def test_ending_of_a_forgotten_job_is_told_as_such(fake_slurm: FakeSlurm) -> None:
    assert slurm.ending("99") == slurm.Ending(slurm.FORGOTTEN)


def test_refusal_has_the_words_of_sbatch(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    with pytest.raises(slurm.SlurmError, match="sbatch: sbatch: error: invalid partition"):
        slurm.submit(script(tmp_path), "job", tmp_path, ["--refuse"])


def test_names_hold_what_slurm_takes_and_no_more() -> None:
    assert slurm.job_name("preproc mask@sub-01; rm -rf $HOME") == "preproc-mask-sub-01-rm-rf-HOME"


def test_percent_signs_in_folders_are_no_patterns(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    folder = tmp_path / "50%j"
    folder.mkdir()
    slurm.submit(script(tmp_path), "job", folder, [])
    (call,) = fake_slurm.calls("sbatch")
    assert f"--output={tmp_path}/50%%j/slurm-%j.log" in call


def test_a_driver_in_a_job_of_its_own_does_not_hand_that_down(
    fake_slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/other.conf")
    command = fake_slurm.folder / "bin" / "sbatch"
    command.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\necho 7\n")
    assert slurm.submit(script(tmp_path), "job", tmp_path, []) == "7"
    seen = (tmp_path / "seen").read_text()
    assert "SLURM_MEM_PER_NODE" not in seen
    assert "SLURM_CONF=/etc/slurm/other.conf" in seen


@pytest.mark.parametrize(
    "state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING", "REQUEUED"]
)
def test_jobs_that_are_not_over_are_live(state: str) -> None:
    assert slurm.is_live(state)


@pytest.mark.parametrize("state", [*sorted(slurm.ENDED), slurm.FORGOTTEN])
def test_jobs_that_are_over_are_not_live(state: str) -> None:
    assert not slurm.is_live(state)
