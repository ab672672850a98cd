"""A Slurm of one node, started and stopped by the tests: no systemd, no accounting daemon, everything in one folder.

On Debian: ``apt-get install --no-install-recommends slurm-wlm munge``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import attrs
import psutil
import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIGURATION = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_interval=2,batch_sched_delay=0,defer
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=1000
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP DefMemPerCPU=1000
"""


@attrs.frozen
class Cluster:
    """A running Slurm.

    Attributes
    ----------
    folder : Path
        Of its configuration, state and logs; the partitions are ``cpu`` and ``gpu``, which has a GPU in name only.
    """

    folder: Path

    def environment(self) -> dict[str, str]:
        """Variables that lead Slurm's commands to it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        """Standard output of one of Slurm's commands."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment()}, capture_output=True, text=True, check=True
        )
        return done.stdout

    def jobs(self) -> list[tuple[str, str, str]]:
        """Id, state and name of every job."""
        answer = self.call(
            "squeue", "--noheader", "--states=all", "--sort=i", "--format=%A|%T|%j"
        )  # %i of an array has an underscore
        return [(job, state, name) for job, state, name in (line.split("|") for line in answer.splitlines())]

    def start(self) -> Cluster:
        """Write the configuration and start the daemons; they are up when this returns."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        (self.folder / "gpu0").touch()
        host = socket.gethostname().split(".")[0]
        controller_port, node_port = _free_ports(2)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 9 // 10 // 1024**2
        text = CONFIGURATION.format(
            host=host, folder=self.folder, controller_port=controller_port, node_port=node_port,
            cpus=os.cpu_count(), memory=memory,
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={self.folder}/gpu0\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        names = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid", "log-file": "munged.log",
            "seed-file": "munge.seed"}  # fmt: skip
        self.call(
            "munged",
            "--force",
            "--num-threads=2",
            *(f"--{option}={self.folder / name}" for option, name in names.items()),
        )
        self.call("slurmctld", "-c")
        self.call("slurmd", "-c")
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            done = subprocess.run(
                ["sinfo", "--noheader", "--format=%T"],
                env={**os.environ, **self.environment()}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if "idle" in done.stdout:
                return
            time.sleep(0.2)
        raise TimeoutError(f"Slurm did not start within a minute: see the logs in {self.folder}")

    def stop(self) -> None:
        """End all jobs and the daemons."""
        subprocess.run(
            ["scancel", "--user=root", "--quiet"],
            env={**os.environ, **self.environment()},
            check=False,
        )
        for name in reversed(DAEMONS):
            path = self.folder / f"{name}.pid"
            if path.exists():
                _end(int(path.read_text()))


def _end(pid: int) -> None:
    """End a daemon, which writes its state before it goes."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        daemon = psutil.Process(pid)
        daemon.terminate()
        daemon.wait(20)


def why_not() -> str:
    """Why no Slurm can be started here; empty if it can."""
    missing = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: slurm-wlm and munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started by root only"


def started(folder: Path) -> Cluster:
    """A cluster in an empty folder, whose name is short: sockets have names of at most 107 characters."""
    if reason := why_not():
        pytest.skip(reason)
    return Cluster(folder).start()


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
