"""Graphs through dask.distributed: on this machine, by a scheduler that runs already, and with workers that die."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trivial

pytest.importorskip("distributed", reason="dask is an optional extra: pip install 'gliomorph[dask]'")

from changed_settings import changed
from distributed import LocalCluster

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.workflows.engine.dask_worker import DaskWorker, check_dask
from gliomorph.workflows.engine.failures import StageKilled
from gliomorph.workflows.engine.progress import StageEvent
from gliomorph.workflows.engine.submission import submitting
from gliomorph.workflows.engine.sweep import swept

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",  # event loops that pydra leaves open
    "ignore::pytest.PytestUnraisableExceptionWarning",  # and sockets that distributed leaves
)


@pytest.fixture
def settings(any_settings: Settings) -> Settings:
    return changed(any_settings, worker="dask")


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a scheduler with two workers, whose losses it bears once."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=None) as cluster,
    ):
        yield cluster.scheduler_address


def run(settings: Settings, graph: Any) -> tuple[Any, dict[str, BaseException], list[str]]:
    errors: dict[str, BaseException] = {}
    done: list[str] = []

    def watch(event: StageEvent) -> None:
        name = f"{event.stage}@{event.scan}"
        if event.error is not None:
            errors[name] = event.error
        if event.kind == "done":
            done.append(name)

    cache = settings.resources.work_dir / "cache"
    worker = DaskWorker(
        scheduler=settings.cluster.dask_scheduler, resources=settings.resources, processes=2, watch=watch
    )
    with swept(cache), submitting(cache, worker) as submit:
        result = submit(graph, raise_errors=False)
    return result, errors, sorted(done)


def test_workers_of_this_machine_run_a_graph_and_failures_keep_to_their_scan(settings: Settings) -> None:
    graph = trivial.Chains(bad={"sub-1": "no", "sub-2": "fails"}, marker="")
    result, errors, done = run(settings, graph)
    assert result.errored
    assert done == ["again@sub-1", "double@sub-1", "double@sub-2"]
    assert set(errors) == {"fail@sub-2"}
    assert "no 6 today" in str(errors["fail@sub-2"])
    again, _, computed = run(settings, trivial.Chains(bad={"sub-1": "no"}, marker=""))
    assert not again.errored
    assert computed == []


def test_stage_whose_worker_is_lost_is_run_by_another(settings: Settings, scheduler: str) -> None:
    """Its lock is that of the dead worker, whose half-made folder goes."""
    found = changed(settings, dask_scheduler=scheduler)
    marker = str(settings.resources.work_dir / "marker")
    Path(marker).parent.mkdir(parents=True)
    result, errors, _ = run(found, trivial.Chains(bad={"sub-1": "dies once"}, marker=marker))
    assert errors == {}
    assert not result.errored
    assert list((settings.resources.work_dir / "cache").glob("*.dask")) == []


def test_stage_that_kills_every_worker_is_given_up_by_name(settings: Settings, scheduler: str) -> None:
    found = changed(settings, dask_scheduler=scheduler)
    _, errors, done = run(found, trivial.Chains(bad={"sub-1": "dies", "sub-2": "no"}, marker=""))
    assert set(errors) == {"die@sub-1"}
    assert "again@sub-2" in done
    with pytest.raises(
        StageKilled, match="die@sub-1: the dask workers that ran it were lost, the last one at tcp"
    ):
        raise errors["die@sub-1"]


def test_workers_of_several_threads_are_refused(settings: Settings) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, memory_limit=None, dashboard_address=None
    ) as cluster:
        found = changed(settings, dask_scheduler=cluster.scheduler_address)
        _, errors, _ = run(found, trivial.Chains(bad={"sub-1": "no"}, marker=""))
    with pytest.raises(SettingsError, match=r"workers of one thread are required, .* has 2"):
        raise errors["double@sub-1"]


def test_scheduler_that_does_not_answer_is_told_before_anything_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gliomorph.workflows.engine.dask_worker.CONNECT_SECONDS", 1)
    with pytest.raises(SettingsError, match=r"--dask-scheduler tcp://127.0.0.1:9: no answer"):
        check_dask("tcp://127.0.0.1:9")
