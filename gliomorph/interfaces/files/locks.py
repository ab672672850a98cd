"""Locks of the file system (``flock``): they end with their process, and all machines that share the files see them."""

from __future__ import annotations

import fcntl
from typing import IO, Literal


def lock(file: IO[str], *, shared: bool = False, wait: bool = True) -> Literal["held", "busy", "unsupported"]:
    """Lock an open file until it is closed; a lock that it has already is changed.

    Parameters
    ----------
    file : file
    shared : bool
        Others may share the lock; otherwise nobody else has any.
    wait : bool
        Wait until it can be had.

    Returns
    -------
    state : str
        ``busy`` if another has it, ``unsupported`` where the file system has no such locks and nobody can know.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return "busy"
    except OSError:
        return "unsupported"
    return "held"
