"""Every kind of fault."""

from __future__ import annotations

from . import images, networks, signals, state, storage, texts
from .fault import Kind

KINDS: tuple[Kind, ...] = (
    *images.kinds(),
    *texts.kinds(),
    *networks.kinds(),
    *storage.kinds(),
    *signals.kinds(),
    *state.kinds(),
)
