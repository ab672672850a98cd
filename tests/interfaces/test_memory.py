"""Memory within the container's limit."""

from pathlib import Path

import pytest

from gliomorph.interfaces import memory as module


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Stands in for ``/sys/fs/cgroup``."""

    class Redirected(type(tmp_path)):
        def __new__(cls, *parts):
            return Path(str(parts[0]).replace("/sys/fs/cgroup", str(tmp_path)))

    monkeypatch.setattr(module, "Path", Redirected)
    return tmp_path


def test_memory_limit_is_honoured(cgroup):
    (cgroup / "memory.max").write_text("1000000")
    assert module.available_memory_gb() == pytest.approx(0.001)
    assert module.free_gb("cpu") == pytest.approx(0.001)
    (cgroup / "memory.max").write_text("max")
    assert module.available_memory_gb() > 0.001
    (cgroup / "memory.max").unlink()
    assert module.available_memory_gb() > 0.001


def test_peak_is_that_of_what_follows():
    module.reset_peak()
    before = module.peak_gb()
    held = bytearray(200_000_000)
    assert module.peak_gb() >= before + 0.15
    assert len(held) == 200_000_000
