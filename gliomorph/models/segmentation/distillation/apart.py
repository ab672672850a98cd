"""A network that goes along with a module without being trained or kept as part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Apart(nn.Module, Generic[Network]):
    """Holds a network beside others: moved with them, but none of their parameters and none of their state.

    Its training or evaluation mode stays what it is, too.

    Parameters
    ----------
    network : nn.Module
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._hidden = (network,)  # inside a tuple it is not registered

    @property
    def network(self) -> Network:
        """The network itself."""
        return self._hidden[0]

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Apart[Network]:
        """The hook behind ``.to``, ``.cuda`` and ``.double``, which would pass by what is not registered."""
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch does not annotate it
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
