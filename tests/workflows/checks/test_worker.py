"""A run by a scheduler that is not there is refused."""

from __future__ import annotations

import pytest

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.workflows.checks.worker import check_worker


def test_without_slurm_nothing_runs(slurm_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="--worker slurm: sbatch, squeue, scontrol, scancel not found"):
        check_worker(slurm_settings.cluster)
