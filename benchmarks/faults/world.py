"""The folders that faults are injected into, the command that is run on them, and states to go back to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from .cohort import SUBJECTS, TEMPLATE, write_cohort, write_template

LIMIT_S = 600.0
"""A run that takes longer hangs."""

ROOT = Path(__file__).parents[2]
"""Where ``gliomorph`` is imported from."""

LOG = "terminal.txt"
BOTH = ("participant", "group")


@attrs.frozen(kw_only=True)
class Answer:
    """What a run left behind.

    Attributes
    ----------
    code : int
        Exit code; negative for a signal.
    text : str
        Standard output and error together.
    hung : bool
        It had to be killed, by default after :data:`LIMIT_S`.
    seconds : float
    orphans : int
        Processes of its own that lived on after it had ended.
    """

    code: int
    text: str
    hung: bool = False
    seconds: float = 0.0
    orphans: int = 0


@attrs.frozen
class World:
    """Folders of one cohort below ``root``: ``bids``, ``templates``, ``out``, ``work``, and some that stay empty."""

    root: Path

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def masks(self) -> Path:
        return self.bids / "derivatives" / "masks"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def log(self) -> Path:
        """What the run that goes on has said so far."""
        return self.root / LOG

    def image(self, subject: str) -> Path:
        return self.bids / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii.gz"

    def labels(self, subject: str) -> Path:
        return self.masks / f"sub-{subject}" / "anat" / f"sub-{subject}_seg-brats_dseg.nii.gz"

    def table(self, subject: str) -> Path:
        return self.labels(subject).with_name(f"sub-{subject}_seg-brats_dseg.tsv")

    def make(self, subjects: Sequence[str] = SUBJECTS) -> None:
        """Write the dataset and the template into empty folders."""
        write_cohort(self.bids, subjects)
        write_template(self.root / "templates")
        for name in ("home", "tmp", "cwd"):
            (self.root / name).mkdir()

    def keep(self, name: str) -> None:
        """Keep all folders as they are, under a name, beside ``root``."""
        _copy(self.root, self.kept(name))

    def restore(
        self, name: str, only: Iterable[str] = ("bids", "templates", "out", "work", "home", "tmp", "cwd")
    ) -> None:
        """Bring folders back to a kept state, times included."""
        for folder in only:
            _remove(self.root / folder)
            if (kept := self.kept(name) / folder).exists():
                _copy(kept, self.root / folder)

    def kept(self, name: str) -> Path:
        """Where a state is kept."""
        return self.root.with_name(f"{self.root.name}-{name}")

    def forget(self, subject: str) -> None:
        """Remove the outputs of one scan."""
        shutil.rmtree(self.out / f"sub-{subject}", ignore_errors=True)
        (self.out / f"sub-{subject}.html").unlink(missing_ok=True)

    def logs(self) -> set[str]:
        """Names of all runs' log folders."""
        return {path.name for path in self.out.glob("logs/*")}

    def command(self, *options: str, levels: Iterable[str] = BOTH) -> list[str]:
        """The command line; one thread, so that sums have one order and runs can be compared byte by byte."""
        words = [sys.executable, "-m", "gliomorph", str(self.bids), str(self.out), *levels]
        words += ["-d", f"masks={self.masks}", "--template", TEMPLATE]
        words += ["--template-dir", str(self.root / "templates"), "--resolution", "4", "-w", str(self.work)]
        words += [
            "--nprocs",
            "2",
            "--omp-nthreads",
            "1",
            "--mem",
            "4",
            "--gpu",
            "none",
            "--skip-bids-validation",
        ]
        registration = [] if "--registration" in options else ["--registration", "rigid"]
        return [*words, *registration, *options]

    def run(
        self,
        *options: str,
        levels: Iterable[str] = BOTH,
        before: Iterable[str] = (),
        disturb: Callable[[subprocess.Popen[bytes]], None] | None = None,
        limit_s: float = LIMIT_S,
        **changes: str,
    ) -> Answer:
        """Run the command, ``limit_s`` at most; ``disturb`` is called with the process as soon as it has started."""
        started = time.monotonic()
        process = self.start(*options, levels=levels, before=before, **changes)
        hung = False
        try:
            if disturb is not None:
                disturb(process)
            code = process.wait(timeout=max(1.0, limit_s - (time.monotonic() - started)))
        except subprocess.TimeoutExpired:
            hung, code = True, -signal.SIGKILL
        seconds = time.monotonic() - started
        orphans = end_group(process.pid)
        process.wait()
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return Answer(code=code, text=text, hung=hung, seconds=seconds, orphans=orphans)

    def start(
        self,
        *options: str,
        levels: Iterable[str] = BOTH,
        before: Iterable[str] = (),
        log: str = LOG,
        **changes: str,
    ) -> subprocess.Popen[bytes]:
        """Start the command as the leader of a process group."""
        command = [*before, *_without_privileges(), *self.command(*options, levels=levels)]
        with (self.root / log).open("wb") as text:
            return subprocess.Popen(
                command,
                cwd=self.root / "cwd",
                env=self.environment(changes),
                stdin=subprocess.DEVNULL,
                stdout=text,
                stderr=text,
                start_new_session=True,
            )

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Variables of the run: its own home, and this checkout's code."""
        known = {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "GLIOMORPH_TEMPLATES": "",
            "COLUMNS": "400",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": str(ROOT),
        }
        return {**os.environ, **known, **changes}

    def stages(self) -> int:
        """How many results of stages lie in the work directory."""
        return sum(1 for _ in self.work.glob("cache-*/*/_result.pklz"))


def end_group(group: int, patience_s: float = 15.0) -> int:
    """How many processes of a group live ``patience_s`` after its leader has ended; they are killed."""
    end = time.monotonic() + patience_s
    while (members := _members(group)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(members)


def children(group: int) -> list[int]:
    """Living processes of a group but its leader, without multiprocessing's resource tracker."""
    return [pid for pid in _members(group) if pid != group and b"resource_tracker" not in _command(pid)]


def _members(group: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(folder.name))
    return found


def _command(pid: int) -> bytes:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return b""


def _without_privileges() -> list[str]:
    """What to put before a command of root's, so that permissions hold for it, too."""
    tool = shutil.which("setpriv")
    if os.geteuid() or tool is None:
        return []
    return [tool, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


def permissions_hold() -> bool:
    """Whether a file without permissions is unreadable for the runs of this campaign."""
    return bool(os.geteuid() or _without_privileges())


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=True)
        shutil.rmtree(path)
