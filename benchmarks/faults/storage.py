"""Disks that are full, folders that cannot be written, limits of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from .cohort import SUBJECTS
from .fault import Fault, Inject, Kind
from .signals import Process, until_moment
from .world import World, permissions_hold

LATE = (f"sub-{SUBJECTS[-1]}",)
"""Scans that have not run yet."""


def _mounted(folder: Path, spare_mb: int) -> None:
    """Put a folder on a file system of its own, with so much room left."""
    used = int(
        subprocess.run(["du", "-sm", str(folder)], capture_output=True, text=True, check=True).stdout.split()[
            0
        ]
    )
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    # an empty file takes a page, too
    size = f"size={used + spare_mb}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
    shutil.rmtree(aside)


def _unmounted(folder: Path) -> None:
    """Bring what is there now back to the disk."""
    aside = folder.with_name(f"{folder.name}.aside")
    (folder / "filler").unlink(missing_ok=True)
    subprocess.run(["cp", "-a", str(folder), str(aside)], check=True)
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
    aside.rename(folder)


def release(root: Path) -> None:
    """Unmount what a campaign that was killed in such a fault has left mounted in a world."""
    for folder in root.glob("*"):
        if folder.is_mount():
            subprocess.run(["umount", str(folder)], check=True)


def _no_mounts() -> str:
    if os.geteuid():
        return "a file system of its own takes root"
    probe = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return "this system does not let root mount a tmpfs" if probe.returncode else ""


def _too_small(name: str) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        folder, spare = world.root / name, rng.randint(1, 8)
        _mounted(folder, spare)
        undo = lambda: _unmounted(folder)  # noqa: E731 (a name for two lines)
        return Fault(detail=f"{name}: {spare} MB free", codes=(2,), said="GB are needed", undo=undo)

    return inject


def _fills(name: str) -> Inject:
    """There is room at the start; then another program takes all of it."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        folder = world.root / name
        _mounted(folder, 60)

        def disturb(running: World, process: Process) -> bool:
            in_time = until_moment(running, process, rng)
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={folder}/filler", "bs=4096"], capture_output=True, check=False
            )
            return in_time and process.poll() is None

        return Fault(
            detail=f"{name} fills up while the run goes on",
            may_fail=LATE,
            codes=(0, 1, 2),
            disturb=disturb,
            no_summary=True,
            undo=lambda: _unmounted(folder),
        )

    return inject


def _limited(option: str, low: int, high: int) -> Inject:
    """A limit of the system that holds for every process of the run."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        limit = int(low * (high / low) ** rng.random())
        before = ("prlimit", f"--{option}={limit}:{limit}")
        return Fault(
            detail=f"{option} {limit}", may_fail=LATE, codes=(0, 1, 2), before=before, no_summary=True
        )

    return inject


def _read_only(name: str, codes: tuple[int, ...], failed: dict[str, str], said: str) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        folder = world.root / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o555)
        undo = lambda: folder.chmod(0o755)  # noqa: E731 (a name for two lines)
        return Fault(detail=f"{name} is read-only", codes=codes, failed=failed, said=said, undo=undo)

    return inject


def _file_instead(name: str) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        folder, aside = world.root / name, world.root / f"{name}.aside"
        folder.rename(aside)
        folder.write_text("no folder")

        def undo() -> None:
            folder.unlink()
            aside.rename(folder)

        return Fault(detail=f"{name} is a file", codes=(2,), said="cannot be written", undo=undo, moved=True)

    return inject


def _no_permissions() -> str:
    return "" if permissions_hold() else "root writes everywhere, and setpriv is not installed"


def _no_limits() -> str:
    return "" if shutil.which("prlimit") else "prlimit is not installed"


def kinds() -> list[Kind]:
    """All of them."""

    def kind(name: str, inject: Inject, missing: Callable[[], str], share: int = 1) -> Kind:
        return Kind(name=name, inject=inject, start="half", missing=missing, share=share)

    denied = "Permission denied|cannot be written"
    found = []
    for name, called in (("out", "output"), ("work", "work")):
        found.append(kind(f"disk: {called} too small", _too_small(name), _no_mounts))
        found.append(kind(f"disk: {called} fills up", _fills(name), _no_mounts, 2))
        found.append(kind(f"folder: {called} read-only", _read_only(name, (2,), {}, denied), _no_permissions))
        found.append(kind(f"folder: {called} is a file", _file_instead(name), lambda: ""))
    late = {LATE[0]: "Permission denied|cannot be written"}
    found.append(
        kind("folder: of one scan read-only", _read_only(f"out/{LATE[0]}", (1,), late, ""), _no_permissions)
    )
    found.append(kind("folder: logs read-only", _read_only("out/logs", (2,), {}, denied), _no_permissions))
    found.append(kind("limit: size of a file", _limited("fsize", 300, 300000), _no_limits, 2))
    found.append(kind("limit: open files", _limited("nofile", 12, 60), _no_limits, 2))
    return found
