"""What a fault is: what was done to the world, and what gliomorph has to answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from random import Random

import attrs

from .world import BOTH, World

Disturb = Callable[[World, "subprocess.Popen[bytes]"], bool]
"""Does something to a run that goes on; whether it came in time."""


RIGHT = r"(?!)"
"""No text: the answer has to be right."""


@attrs.frozen(kw_only=True)
class Fault:
    """One fault, injected.

    Attributes
    ----------
    detail : str
        What was drawn, for whoever has to repeat it.
    failed : mapping of str to str
        Scans that have to fail, with the pattern that their cause has to match.
    may_fail : tuple of str
        Scans that may be done or may fail with a cause.
    answered : mapping of str to str
        Scans whose tumour has to be where it is without the fault, with the pattern that cause, flag or doubt has to
        match otherwise.
    codes : tuple of int
        Exit codes that are right; empty: 1 where a scan has failed, else 0.
    said : str
        Pattern that the terminal has to show.
    changed : tuple of str
        Outputs that have to be made anew, and may not be as before.
    options : tuple of str
        Of the command, beside the common ones.
    before : tuple of str
        Words before the command.
    environment : mapping of str to str
    levels : tuple of str
    disturb : callable or None
        Called while the run goes on.
    check : callable or None
        Called when the run has ended: what more did not hold.
    repeats : int
        How often the run is disturbed, one fault each, before the one that has to complete.
    undo : callable or None
        Called before the next run, where bringing the dataset back is not enough.
    moved : bool
        The output folder is not where it was: it is looked at after the next run only.
    no_summary : bool
        The fault may keep the summary itself from being written.
    unread : tuple of str
        What was put into the output folder as part of the fault, by the beginnings of the names.
    """

    detail: str = ""
    failed: Mapping[str, str] = attrs.field(factory=dict)
    may_fail: tuple[str, ...] = ()
    answered: Mapping[str, str] = attrs.field(factory=dict)
    codes: tuple[int, ...] = ()
    said: str = ""
    changed: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict)
    levels: tuple[str, ...] = BOTH
    disturb: Disturb | None = None
    check: Callable[[], list[str]] | None = None
    repeats: int = 1
    undo: Callable[[], None] | None = None
    moved: bool = False
    no_summary: bool = False
    unread: tuple[str, ...] = ()


Inject = Callable[[World, str, Random], Fault]
"""Into one subject's files; of the whole run the subject is without meaning."""


@attrs.frozen(kw_only=True)
class Kind:
    """A row of the table.

    Attributes
    ----------
    name : str
        ``group: what``.
    inject : callable
    share : int
        How many of these there are beside those of other kinds.
    single : bool
        It concerns one scan.
    together : str
        Faults of kinds with the same word, which do not meet, are injected into one run; empty: each has its own.
    start : str
        State of the world before: ``done``, all outputs are there, or ``half``, two scans have not run yet.
    repeats : int
        Of its faults, which come one after the other in one round.
    missing : callable
        Why this system cannot have such a fault; empty if it can.
    """

    name: str
    inject: Inject
    share: int = 1
    single: bool = False
    together: str = ""
    start: str = "done"
    repeats: int = 1
    missing: Callable[[], str] = attrs.field(default=lambda: "")
