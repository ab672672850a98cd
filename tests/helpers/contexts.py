"""Runs whose options are resolved already."""

from __future__ import annotations

import io

from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.workflows.context import RunContext, find_parcellation
from gliomorph.workflows.keys import cache_folder


def context_of(settings: Settings, template: TemplateFiles, console: Console | None = None) -> RunContext:
    """The context of a run on a prepared template, with its parcellation."""
    cache = cache_folder(settings.resources.work_dir)
    return RunContext(
        settings=settings,
        template=template,
        parcellation=find_parcellation(settings, template, cache),
        run_id="run",
        console=console or Console(file=io.StringIO()),
        cache=cache,
    )
