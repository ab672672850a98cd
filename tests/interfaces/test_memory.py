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


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.current": "400000"}, 600_000),
        ({"memory.current": "400000", "memory.stat": "anon 100000\nactive_file 9\n"}, 600_000),
        ({"memory.current": "400000", "memory.stat": "anon 9\ninactive_file 300000\n"}, 900_000),
        ({"memory.current": "1000001"}, 0),
        ({"memory.current": "unknown"}, 1_000_000),
    ],
)
def test_what_the_group_uses_is_not_available(cgroup, files, left):
    (cgroup / "memory.max").write_text("1000000\n")
    for name, text in ({"memory.stat": ""} | files).items():
        (cgroup / name).write_text(text)
    assert module.available_memory_gb() == pytest.approx(left / 1e9)


def test_peak_is_that_of_what_follows():
    module.reset_peak()
    before = module.peak_gb()
    held = bytearray(200_000_000)
    assert module.peak_gb() >= before + 0.15
    assert len(held) == 200_000_000
