"""Slurm's commands as one small program that runs jobs at once on this machine; it needs nothing but Python."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = "FAKE_SLURM"
"""The variable that holds the folder of :class:`fake_slurm.FakeSlurm`."""


def kill(job: dict[str, Any]) -> None:
    """End a job and what it has started."""
    if job.get("pid"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job["pid"], signal.SIGKILL)


def _write(job: dict[str, Any]) -> None:
    path = Path(os.environ[HOME], f"job-{job['id']}.json")
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(job))
    temporary.replace(path)


def _read(number: str) -> dict[str, Any] | None:
    path = Path(os.environ[HOME], f"job-{number}.json")
    return json.loads(path.read_text()) if path.exists() else None


def _option(words: list[str], name: str) -> str:
    found = [word.split("=", 1)[1] for word in words if word.startswith(f"{name}=")]
    return found[-1] if found else ""


def _next_ending(home: Path) -> str:
    planned = (home / "next").read_text().split() if (home / "next").exists() else []
    (home / "next").write_text("\n".join(planned[1:]))
    return planned[0] if planned else "RUN"


def sbatch(words: list[str]) -> int:
    home = Path(os.environ[HOME])
    number = str(len(list(home.glob("job-*.json"))) + 1)
    script = words[-1]
    if "--refuse" in words:
        print("sbatch: error: invalid partition specified: nowhere", file=sys.stderr)
        return 1
    log = _option(words, "--output").replace("%j", number).replace("%%", "%")
    ending = _next_ending(home)
    job = {"id": number, "name": _option(words, "--job-name"), "state": "RUNNING", "code": "0:0"}
    if ending != "RUN":
        Path(log).write_text(f"this job was told to end as {ending}\n")
        _write(job | {"state": ending, "code": "0:15"})
    else:
        _write(job)
        command = [sys.executable, "-I", "-S", __file__, "run", number, script, log]
        subprocess.Popen(
            command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(f"{number};cluster")
    return 0


def run(words: list[str]) -> int:
    number, script, log = words
    _write((_read(number) or {}) | {"pid": os.getpid()})
    variables = {**os.environ, "SLURM_JOB_ID": number, "SLURM_CPUS_ON_NODE": "1"}
    with open(log, "a") as file:
        code = subprocess.run(["sh", script], stdout=file, stderr=file, env=variables, check=False).returncode
    _write((_read(number) or {}) | {"state": "FAILED" if code else "COMPLETED", "code": f"{code}:0"})
    return 0


def squeue(words: list[str]) -> int:
    broken = Path(os.environ[HOME], "broken")
    if broken.exists() and (left := int(broken.read_text())):
        broken.write_text(str(left - 1))
        print("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", file=sys.stderr)
        return 1
    wanted = [number for number in _option(words, "--jobs").split(",") if number]
    known = [_read(path.stem.removeprefix("job-")) for path in Path(os.environ[HOME]).glob("job-*.json")]
    jobs = [job for job in known if job and (not wanted or job["id"] in wanted)]
    if len(wanted) == 1 and not jobs:
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    everything = "--states=all" in words
    for job in jobs:
        if everything or job["state"] in ("RUNNING", "PENDING"):
            line = _option(words, "--format").replace("%i", job["id"]).replace("%T", job["state"])
            print(line.replace("%j", job["name"]))
    return 0


def scontrol(words: list[str]) -> int:
    job = _read(words[-1])
    if job is None:
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    print(
        f"JobId={job['id']} JobName={job['name']} JobState={job['state']} Reason=None ExitCode={job['code']}"
    )
    return 0


def scancel(words: list[str]) -> int:
    for number in (word for word in words if word.isdecimal()):
        job = _read(number)
        if job and job["state"] == "RUNNING" and "--state=PENDING" not in words:
            _write(job | {"state": "CANCELLED", "code": "0:15"})
            kill(job)
    return 0


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    if name != "run":
        with Path(os.environ[HOME], "calls").open("a") as file:
            file.write(json.dumps([name, *rest]) + "\n")
    sys.exit(
        {"sbatch": sbatch, "run": run, "squeue": squeue, "scontrol": scontrol, "scancel": scancel}[name](rest)
    )
