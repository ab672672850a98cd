"""Every kind of fault."""

from __future__ import annotations

from . import images, meanings, networks, signals, state, storage, texts
from .fault import Kind

KINDS: tuple[Kind, ...] = (
    *images.kinds(),
    *meanings.kinds(),
    *texts.kinds(),
    *networks.kinds(),
    *storage.kinds(),
    *signals.kinds(),
    *state.kinds(),
)
