"""Is there room for a run: memory for its largest stage, disk for its work and outputs. Found before it starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs

from ...config.estimates import output_files, output_gb, stage_memory_gb, work_files, work_gb
from ...config.option import SettingsError
from ...config.processing import Processing
from ...config.resources import Resources

WAY_OUT = "make room, put the work directory elsewhere with -w, or keep it small with --clean-workdir"


@attrs.frozen(kw_only=True)
class Need:
    """What a folder has to hold."""

    name: str
    """What the folder is."""
    folder: Path
    gigabytes: float
    files: int


@attrs.frozen(kw_only=True)
class FileSystem:
    """What a file system has left."""

    device: int
    """Tells one from another."""
    free_gb: float
    free_files: int | None
    """None where they are not counted."""


def check_memory(processing: Processing, resources: Resources, scans: int) -> str:
    """How many processes the memory allows, and the stage that decides it.

    Raises
    ------
    SettingsError
        Less memory than the largest stage took when it was measured.
    """
    stages = stage_memory_gb(processing.resolution, processing.methods, processing.further_count)
    largest = max(stages, key=lambda stage: stages[stage])
    if resources.mem_gb < stages[largest]:
        raise SettingsError(
            f"--mem {resources.mem_gb:.1f}: stage {largest} takes about {stages[largest]:.1f} GB at "
            f"{processing.resolution} mm{_with(processing.further_count)}: give it more memory, or take a coarser "
            "--resolution"
        )
    text = (
        f"memory: {resources.process_gb:.1f} GB a process (largest stage: {largest}, {stages[largest]:.1f} GB "
        f"measured), {resources.mem_gb:.1f} GB in all"
    )
    if resources.mem_gb < resources.process_gb:
        return f"{text}; one process, and too little where images are larger than usual"
    if resources.processes(scans) < resources.nprocs // resources.threads(scans):
        return f"{text}, which allows {resources.processes(scans)} at once"
    return text


def _with(further: int) -> str:
    return f" with {1 + further} modalities" if further else ""


def check_disk(needs: tuple[Need, Need], clean_workdir: bool) -> str:
    """The room that a run takes, by its :func:`needs_of`.

    Raises
    ------
    SettingsError
        More than is free. What lies on one file system counts together.
    """
    systems: dict[int, FileSystem] = {}
    together: dict[int, list[Need]] = {}
    for need in needs:
        system = file_system_of(need.folder)
        systems[system.device] = system
        together.setdefault(system.device, []).append(need)
    for device, system in systems.items():
        _check_room(system, together[device])
    work, output = needs
    when = " at a time" if clean_workdir else ""
    return (
        f"disk: about {work.gigabytes:.1f} GB of work files{when} in {work.folder}, "
        f"{output.gigabytes:.1f} GB of outputs"
    )


def needs_of(
    processing: Processing, resources: Resources, output_dir: Path, scans: int, at_once: int, further: int = 0
) -> tuple[Need, Need]:
    """What the work directory and the outputs have to hold; only scans that are open count where the former is
    cleaned. ``further`` is the most further images that a scan has."""
    methods = processing.methods
    kept = min(scans, at_once) if resources.clean_workdir else scans
    work = Need(
        name="work files",
        folder=resources.work_dir,
        gigabytes=kept * work_gb(processing.resolution, methods, further),
        files=kept * work_files(methods, further),
    )
    output = Need(
        name="outputs",
        folder=output_dir,
        gigabytes=scans * output_gb(processing.resolution, methods, further),
        files=scans * output_files(methods, further),
    )
    return work, output


def file_system_of(folder: Path) -> FileSystem:
    """The file system that a folder is on."""
    system = os.statvfs(folder)
    return FileSystem(
        device=folder.stat().st_dev,
        free_gb=shutil.disk_usage(folder).free / 1e9,
        free_files=system.f_favail if system.f_files else None,
    )


def _check_room(system: FileSystem, needs: list[Need]) -> None:
    listed = " and ".join(f"{need.gigabytes:.1f} GB of {need.name} in {need.folder}" for need in needs)
    gigabytes, files = sum(need.gigabytes for need in needs), sum(need.files for need in needs)
    if system.free_gb < gigabytes:
        raise SettingsError(
            f"about {gigabytes:.1f} GB are needed and {system.free_gb:.1f} GB are free: {listed}; {WAY_OUT}"
        )
    if system.free_files is not None and system.free_files < files:
        raise SettingsError(
            f"{needs[0].folder}: about {files} files will be made and its file system has room for "
            f"{system.free_files} (inodes); {WAY_OUT}"
        )
