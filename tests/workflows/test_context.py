"""What the levels share is found once, when a run starts, and only what it needs."""

from __future__ import annotations

import io
from pathlib import Path

import cohorts
import pytest
from changed_settings import changed
from rich.console import Console

from gliomorph.config.option import SettingsError
from gliomorph.config.settings import Settings
from gliomorph.workflows import context as module
from gliomorph.workflows.context import new_run_id, notice, resolve


@pytest.fixture
def asked(any_settings: Settings, tmp_path: Path) -> Settings:
    """A run of the group level on the smallest template."""
    templates = cohorts.write_template(tmp_path / "templates")
    return changed(any_settings, levels=("group",), template="Tiny", template_dirs=[templates], resolution=4)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_template_is_prepared_in_the_cache(asked: Settings, console: Console) -> None:
    context = resolve(asked, console)
    assert Path(context.template.fixed).is_relative_to(context.cache)
    assert context.cache.parent == asked.resources.work_dir
    assert context.parcellation is None


def test_parcellation_is_found_for_the_group_level_alone(
    asked: Settings, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[str] = []
    monkeypatch.setattr(module, "prepare_parcellation", lambda word, *_: words.append(word))
    resolve(changed(asked, parcellation="hemispheres", levels=("participant",)), console)
    assert words == []
    resolve(changed(asked, parcellation="hemispheres"), console)
    assert words == ["hemispheres"]


def test_parcellation_that_cannot_be_used_is_refused(asked: Settings, console: Console) -> None:
    with pytest.raises(SettingsError, match="No lobes come with the templates: give hemispheres"):
        resolve(changed(asked, parcellation="lobes"), console)


def test_notices_are_printed_as_they_are(console: Console) -> None:
    notice(console, ["[odd] word"])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "notice [odd] word\n"


def test_run_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(len(run) == len("20260101T000000Z-aaaaaaaa") for run in ids)
