"""Memory of this process."""

from gliomorph.interfaces.machine import limits as module


def test_memory_that_is_free_on_the_cpu_is_what_this_process_may_use(monkeypatch):
    monkeypatch.setattr(module, "available_memory_gb", lambda: 1.5)
    assert module.free_gb("cpu") == 1.5


def test_peak_is_that_of_what_follows():
    module.reset_peak()
    before = module.peak_gb()
    held = bytearray(200_000_000)
    assert module.peak_gb() >= before + 0.15
    assert len(held) == 200_000_000
