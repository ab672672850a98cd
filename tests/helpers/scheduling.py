"""In which order, and which files of tests together, the processes of ``pytest -n`` get."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

PLUGIN = re.compile(r'^pytest_plugins = \["(\w+)"\]$', re.MULTILINE)


class SharedFixtures(LoadFileScheduling):
    """A file's tests stay together, and so do files that ask for the same module of fixtures: they are made once.

    Files come in the order of their names. By the number of tests, as is usual, those of a few minute-long tests
    would come last, one process idle meanwhile.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._root = config.rootpath

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return fixtures_of(self._root / file) or file


@cache
def fixtures_of(file: Path) -> str:
    """The module of fixtures that a file of tests asks for as a plugin of pytest; empty for none."""
    found = PLUGIN.search(file.read_text(encoding="utf-8"))
    return found[1] if found else ""
