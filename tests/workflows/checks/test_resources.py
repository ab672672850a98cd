"""Memory and room that a run needs are looked at before it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from changed_settings import changed

from gliomorph.config import estimates
from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.interfaces.methods import REGISTRY
from gliomorph.workflows.checks import resources
from gliomorph.workflows.checks.resources import (
    FileSystem,
    Need,
    check_disk,
    check_memory,
    file_system_of,
    needs_of,
)
from gliomorph.workflows.scan.graph import STAGES

Machine = Callable[..., None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = {name: tmp_path / name for name in ("bids", "out", "work")}
    for folder in folders.values():
        folder.mkdir()
    return Settings.of(
        bids_dir=folders["bids"],
        output_dir=folders["out"],
        work_dir=folders["work"],
        registration=("affine",),
        nprocs=8,
        omp_nthreads=1,
        mem_gb=100,
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Free room in GB and free files of every file system; outputs and work on one, or on two."""

    def give(gigabytes: float, files: int | None = 10**9, apart: bool = False) -> None:
        def found(folder: Path) -> FileSystem:
            device = hash(folder) if apart else 1
            return FileSystem(device=device, free_gb=gigabytes, free_files=files)

        monkeypatch.setattr(resources, "file_system_of", found)

    return give


def test_every_method_and_known_stages_have_an_estimate() -> None:
    assert set(estimates.STAGE_GB) <= set(STAGES)
    for resolution in (1, 2, 3, 4):
        stages = estimates.stage_memory_gb(resolution, ("syn", "affine"))
        assert stages["register syn"] == REGISTRY["syn"].memory_gb[min(resolution, 2) - 1]
        assert estimates.process_memory_gb(resolution, ("syn",)) > max(stages.values())


def test_further_modalities_count_for_methods_of_several() -> None:
    one, four = (estimates.stage_memory_gb(1, ("metamorphosis", "syn"), further) for further in (0, 3))
    added = {stage: round(four[stage] - one[stage], 6) for stage in one if four[stage] != one[stage]}
    assert added == {"register metamorphosis": round(3 * REGISTRY["metamorphosis"].modality_gb[0], 6)}


def room_of(settings: Settings, scans: int) -> tuple[Need, Need]:
    at_once = settings.cluster.scans_at_once(scans, settings.resources.processes(scans))
    return needs_of(settings.processing, settings.resources, settings.output_dir, scans, at_once)


def disk_of(settings: Settings, scans: int) -> str:
    return check_disk(room_of(settings, scans), settings.resources.clean_workdir)


def memory_of(settings: Settings, scans: int) -> str:
    return check_memory(settings.processing, settings.resources, scans)


def test_room_grows_with_scans_and_methods(settings: Settings, machine: Machine) -> None:
    machine(1000)
    one, ten = (room_of(settings, scans) for scans in (1, 10))
    assert [need.gigabytes * 10 for need in one] == pytest.approx([need.gigabytes for need in ten])
    assert [need.files * 10 for need in one] == [need.files for need in ten]
    two = room_of(changed(settings, registration=("affine", "syn")), 1)
    assert all(more.gigabytes > less.gigabytes for more, less in zip(two, one, strict=True))
    assert f"{ten[0].gigabytes:.1f} GB of work files in {settings.resources.work_dir}" in disk_of(
        settings, 10
    )


def test_room_grows_with_the_further_images_of_a_session(settings: Settings) -> None:
    given = (settings.processing, settings.resources, settings.output_dir, 4, 2)
    none, one, three = (needs_of(*given, further) for further in (0, 1, 3))
    for without, single, several in zip(none, one, three, strict=True):
        assert several.gigabytes - without.gigabytes == pytest.approx(
            3 * (single.gigabytes - without.gigabytes)
        )
        assert several.files - without.files == 3 * (single.files - without.files) > 0


def test_work_directory_that_is_cleaned_holds_the_scans_at_once(settings: Settings, machine: Machine) -> None:
    machine(1000)
    clean = changed(settings, clean_workdir=True, nprocs=2)
    work, output = room_of(clean, 100)
    assert work.gigabytes == pytest.approx(
        room_of(settings, clean.cluster.scans_at_once(100, 2))[0].gigabytes
    )
    assert output == room_of(settings, 100)[1]
    assert "GB of work files at a time in" in disk_of(clean, 100)


def test_what_lies_on_one_file_system_counts_together(settings: Settings, machine: Machine) -> None:
    work, output = room_of(settings, 10)
    between = max(work.gigabytes, output.gigabytes) + 0.1
    machine(between, apart=True)
    disk_of(settings, 10)
    machine(between)
    with pytest.raises(
        SettingsError, match=r"GB are needed and .* GB are free: .* and .*outputs in .*--clean-workdir"
    ):
        disk_of(settings, 10)
    machine(work.gigabytes + output.gigabytes + 0.1)
    disk_of(settings, 10)


def test_this_file_system_has_room_for_something(tmp_path: Path) -> None:
    system = file_system_of(tmp_path)
    assert system.free_gb > 0 and system.device == file_system_of(tmp_path.parent).device


def test_too_few_inodes_are_told_unless_the_file_system_has_none(
    settings: Settings, machine: Machine
) -> None:
    machine(1000, files=100)
    with pytest.raises(
        SettingsError, match=r"files will be made and its file system has room for 100 \(inodes\)"
    ):
        disk_of(settings, 10)
    machine(1000, files=None)
    disk_of(settings, 10)


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.99, "too little where images are larger than usual"),
        (2.5, "which allows 2 at once"),
        (100, "GB in all"),
    ],
)
def test_memory_says_how_many_processes_it_allows(settings: Settings, share: float, told: str) -> None:
    need = estimates.process_memory_gb(1, ("affine",))
    text = memory_of(changed(settings, mem_gb=share * need), 8)
    assert text.startswith(f"memory: {need:.1f} GB a process") and text.endswith(told)


def test_modalities_that_do_not_fit_are_counted(settings: Settings) -> None:
    alone = estimates.stage_memory_gb(1, ("metamorphosis",))["register metamorphosis"]
    asked = {"registration": ("metamorphosis",), "mem_gb": alone + 0.01}
    memory_of(changed(settings, **asked), 1)
    with pytest.raises(
        SettingsError, match=r"stage register metamorphosis takes about .* 1 mm with 4 modalities"
    ):
        memory_of(changed(settings, **asked, registration_modalities=("T1w", "T1ce", "T2w", "FLAIR")), 1)


def test_stage_that_cannot_fit_is_named(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setitem(REGISTRY, "affine", attrs.evolve(REGISTRY["affine"], memory_gb=(9.0, 9.0)))
    with pytest.raises(
        SettingsError, match=r"--mem 8.0: stage register affine takes about 9.0 GB at 1 mm: give it"
    ):
        memory_of(changed(settings, mem_gb=8), 1)
