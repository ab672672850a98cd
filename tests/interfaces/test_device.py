"""A GPU that was asked for is used or missed aloud."""

import pytest
import torch

from gliomorph.interfaces.device import GPU_CHOICES, DeviceError, choose_device


@pytest.mark.parametrize(
    ("gpu", "present", "device"),
    [
        ("none", True, "cpu"),
        ("none", False, "cpu"),
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("all", True, "cuda"),
    ],
)
def test_device(monkeypatch, gpu, present, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert choose_device(gpu) == device


def test_missing_gpu_is_refused_when_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        DeviceError, match="--gpu all: torch sees no CUDA device here; use --gpu auto or --gpu none"
    ):
        choose_device("all")


def test_choices_are_those_of_the_settings():
    from gliomorph.settings import Settings

    validator = next(field.validator for field in Settings.__attrs_attrs__ if field.name == "gpu")
    assert tuple(validator.options) == GPU_CHOICES
