"""Which patients have sessions to follow, and what a run will do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ...config.processing import Processing
from ...interfaces.derivatives.follow_up_names import subject_names
from ...interfaces.derivatives.scan_record import all_outputs_exist
from ...interfaces.files.sidecars import read_object
from ...interfaces.group.sessions import acquisition_times, one_scan_each, session_of
from ..keys import key_of, subject_code
from ..scan.plan import PlannedScan


@attrs.frozen(kw_only=True)
class PlannedSubject:
    """A patient of a run."""

    subject: str
    """Without ``sub-``."""
    reference: PlannedScan
    later: tuple[PlannedScan, ...]
    """``reference``, ``later``: The session that the others are registered to, and these, by label."""
    key: str
    """Hash of what the outputs are made of."""

    @property
    def names(self) -> Mapping[str, str]:
        """What belongs to all sessions."""
        return subject_names(self.subject)

    def is_published(self, out_dir: Path) -> bool:
        """Whether every output is on disk, made from these scans by this code."""
        record = read_object(out_dir / self.names["record"])
        return record.get("key") == self.key and all_outputs_exist(out_dir, record.get("outputs", []))

    def without_outputs(self, out_dir: Path) -> list[str]:
        """Scans whose own outputs are not there."""
        return [scan.scan.label for scan in (self.reference, *self.later) if not scan.is_published(out_dir)]


def plan_subjects(
    processing: Processing, bids_dir: Path, planned: Sequence[PlannedScan]
) -> tuple[list[PlannedSubject], list[str]]:
    """Patients with several sessions, sorted, and what is to be said of others.

    Parameters
    ----------
    processing : Processing
    bids_dir : Path
        Its ``sessions.tsv`` say which session was the first.
    planned : sequence of PlannedScan
        All of the run; those that cannot be run have no part.
    """
    known = {scan.scan.label: scan for scan in planned if scan.status != "impossible" and scan.scan.session}
    people: dict[str, list[str]] = {}
    for label, scan in sorted(known.items()):
        people.setdefault(scan.scan.subject, []).append(label)
    several = [label for labels in people.values() if len(labels) > 1 for label in labels]
    wanted = processing.reference_session
    if wanted:
        chosen = {known[label].scan.subject: label for label in several if session_of(label) == wanted}
    else:
        chosen = one_scan_each(several, times=acquisition_times(bids_dir, several)).chosen
    options = {
        "method": processing.registration[0],
        "between": processing.longitudinal_method,
        "seed": processing.random_seed,
        "code": subject_code(),
    }
    subjects = []
    for subject, first in sorted(chosen.items()):
        later = tuple(known[label] for label in people[subject] if label != first)
        keys = {scan.scan.label: scan.keys[processing.registration[0]] for scan in (known[first], *later)}
        key = key_of(reference=first, scans=keys, resolution=processing.resolution, **options)
        subjects.append(PlannedSubject(subject=subject, reference=known[first], later=later, key=key))
    left = [
        f"sub-{subject}" for subject, labels in people.items() if len(labels) > 1 and subject not in chosen
    ]
    notices = (
        [f"--reference-session {wanted}: {', '.join(left)} have none, and are not followed"] if left else []
    )
    if not several:
        notices.append("--longitudinal: no subject has several sessions")
    return subjects, notices


def announced(subjects: Sequence[PlannedSubject], out_dir: Path) -> list[str]:
    """Lines on what will be done."""
    if not subjects:
        return []
    done = sum(subject.is_published(out_dir) for subject in subjects)
    lines = [f"sessions of {len(subjects)} subjects: {len(subjects) - done} to register, {done} done"]
    for subject in subjects:
        names = ", ".join(f"ses-{scan.scan.session}" for scan in subject.later)
        lines.append(f"  sub-{subject.subject}: {names} to ses-{subject.reference.scan.session}")
    return lines
