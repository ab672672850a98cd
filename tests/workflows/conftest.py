"""The engine's tests keep pydra's caches to themselves."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_hash_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one under ``$HOME``."""
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(tmp_path_factory.mktemp("hashes")))
    monkeypatch.setenv("NO_ET", "1")
