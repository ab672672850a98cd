"""A GPU whose memory does not suffice; none is at hand, and errors are injected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def short_of_memory(real: Any, times: int, seen: list[Any], told: Callable[..., Any]) -> Any:
    """A function that runs out of memory some times, and what each call ``told``."""

    def call(*args: Any, **options: Any) -> Any:
        seen.append(told(*args, **options))
        if len(seen) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*args, **options)

    return call
