"""Which of a participant's scans counts: binomial intervals and small cells are about participants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import attrs

from ..files.tables import read_tsv
from .records import participant_of

BY_TIME, BY_LABEL = "the earliest by sessions.tsv", "the first by its label"


@attrs.frozen(kw_only=True)
class Choice:
    """One scan of each participant."""

    chosen: dict[str, str] = attrs.field(factory=dict)
    """Participant without ``sub-`` to its scan."""
    left_out: dict[str, str] = attrs.field(factory=dict)
    """Every other scan, sorted, and why."""
    unasked: dict[str, str] = attrs.field(factory=dict)
    """Scans that were chosen of several without anybody's word, and by what: :data:`BY_TIME` or :data:`BY_LABEL`."""


def session_of(scan: str) -> str:
    """The session of a scan without ``ses-``, empty where it has none.

    Examples
    --------
    >>> session_of("sub-2_ses-post"), session_of("sub-1")
    ('post', '')
    """
    return scan.partition("_ses-")[2]


def one_scan_each(
    scans: Iterable[str], wanted: Sequence[str] = (), times: Mapping[str, datetime] | None = None
) -> Choice:
    """Choose one scan of every participant.

    Parameters
    ----------
    scans : iterable of str
        Labels ``sub-X`` or ``sub-X_ses-Y``.
    wanted : sequence of str
        Sessions without ``ses-``, by preference, and after them a scan without a session; who has none is left out.
    times : mapping of str to datetime, optional
        When scans were made: without ``wanted`` the earliest counts where all of the participant's are known and it is
        the only one of that time, else the first by its label.

    Returns
    -------
    choice : Choice

    Examples
    --------
    >>> one_scan_each(["sub-2_ses-post", "sub-1", "sub-2_ses-pre"], ["pre"]).chosen
    {'1': 'sub-1', '2': 'sub-2_ses-pre'}
    """
    people: dict[str, list[str]] = {}
    for scan in sorted(scans):
        people.setdefault(participant_of(scan), []).append(scan)
    choice, known = Choice(), times or {}
    for participant, own in people.items():
        fit = [scan for scan in own if session_of(scan) in ("", *wanted)] if wanted else own
        if not fit:
            cause = f"no scan of {' or '.join(f'ses-{label}' for label in wanted)} (--atlas-session)"
            choice.left_out.update(dict.fromkeys(own, cause))
            continue
        if wanted:
            first = min(fit, key=lambda scan: [*wanted, ""].index(session_of(scan)))
            how = "--atlas-session"
        else:
            made = sorted(known[scan] for scan in own if scan in known)
            # dates that were taken away are often one for all
            how = BY_TIME if len(made) == len(own) and made[:1] != made[1:2] else BY_LABEL
            first = min(own, key=lambda scan: known[scan]) if how == BY_TIME else own[0]
            if len(own) > 1:
                choice.unasked[first] = how
        choice.chosen[participant] = first
        cause = f"one scan of each participant counts, and {first} does ({how})"
        choice.left_out.update({scan: cause for scan in own if scan != first})
    return choice


def acquisition_times(bids_dir: Path, scans: Iterable[str]) -> dict[str, datetime]:
    """When sessions took place, from ``acq_time`` of each participant's ``sessions.tsv``; what it lacks is left out.

    Parameters
    ----------
    bids_dir : Path
    scans : iterable of str
        Labels ``sub-X_ses-Y``; others have no time.

    Returns
    -------
    times : dict of str to datetime
    """
    wanted, found = {scan for scan in scans if session_of(scan)}, {}
    for subject in sorted({f"sub-{participant_of(scan)}" for scan in wanted}):
        try:
            _, rows = read_tsv(bids_dir / subject / f"{subject}_sessions.tsv")
        except (OSError, ValueError):
            continue
        for cells in (row.cells for row in rows):
            scan = f"{subject}_ses-{cells.get('session_id', '').strip().removeprefix('ses-')}"
            try:
                time = datetime.fromisoformat(cells.get("acq_time", "").strip())
            except ValueError:
                continue
            if scan in wanted:
                found[scan] = time.replace(tzinfo=None)
    return found
