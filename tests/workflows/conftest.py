"""The engine's tests keep pydra's caches to themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from changed_settings import changed
from fake_slurm import FakeSlurm
from one_process import in_this_process

from gliomorph.config.settings import Settings
from gliomorph.workflows.engine.pool import PoolWorker


@pytest.fixture(autouse=True)
def own_hash_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one under ``$HOME``."""
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(tmp_path_factory.mktemp("hashes")))
    monkeypatch.setenv("NO_ET", "1")


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages run in this process, for tests of what they give and not of where."""
    monkeypatch.setattr(PoolWorker, "run", in_this_process)


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    """Slurm's commands, first on the ``PATH``; its jobs import what the tests do."""
    fake = FakeSlurm(tmp_path / "slurm").install()
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    yield fake
    fake.stop()


@pytest.fixture
def any_settings(tmp_path: Path) -> Settings:
    """Settings of a run on nothing, for workers with trivial graphs; :func:`attrs.evolve` makes others of them."""
    (tmp_path / "bids").mkdir()
    return Settings.of(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        registration=["affine"],
        nprocs=1,
        mem_gb=2,
    )


@pytest.fixture
def slurm_settings(any_settings: Settings) -> Settings:
    return changed(any_settings, worker="slurm")
