"""What a patient's sessions give to their graph."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gliomorph

from ...config.processing import Processing
from ...interfaces.derivatives.follow_up_names import follow_up_names
from ...interfaces.derivatives.names import ScanNames
from ...interfaces.derivatives.publish_subject import SubjectPlan
from ...interfaces.derivatives.scan_record import read_scan_record
from ...interfaces.pairs.follow import TemplateMaps, Visit
from ...interfaces.pairs.limits import limits_of
from ..engine.submission import Graph
from ..scan.plan import PlannedScan
from .graph import STAGES, SubjectGraph
from .plan import PlannedSubject


def stages_of(subject: PlannedSubject) -> int:
    """How many stages a patient's graph has: the first one for each later session."""
    return len(subject.later) + len(STAGES) - 1


def graph_of(subject: PlannedSubject, processing: Processing, out: Path, run: str) -> Graph:
    """What makes a patient's graph when its turn comes.

    Parameters
    ----------
    subject : PlannedSubject
        With outputs of all of its scans.
    processing : Processing
    out : Path
        The output folder.
    run : str
        Id of the run.
    """
    names = _names(subject.reference).registered(processing.registration[0])
    return partial(
        SubjectGraph,
        reference=visit_of(subject.reference, out),
        later=[visit_of(scan, out) for scan in subject.later],
        template=TemplateMaps(forward=out / names["forward_xfm"], inverse=out / names["inverse_xfm"]),
        method=processing.longitudinal_method,
        voxel_mm=float(processing.resolution),
        seed=processing.random_seed,
        plan=subject_plan(subject, out, processing.registration[0], processing.longitudinal_method),
        run=run,
    )


def visit_of(scan: PlannedScan, out: Path) -> Visit:
    """A session's files, as its scan was published."""
    names = _names(scan).native()
    sub_regions = (out / names["native_dseg"]).exists()
    return Visit(
        session=scan.scan.session,
        image=out / names["n4"],
        labels=out / names["native_dseg" if sub_regions else "native_mask"],
        sub_regions=sub_regions,
    )


def subject_plan(subject: PlannedSubject, out: Path, method: str, between: str) -> SubjectPlan:
    """Names and metadata of what a patient's sessions give.

    ``method`` took the reference to the template, ``between`` takes the other sessions to the reference.
    """
    scans = {scan.scan.session: scan for scan in (subject.reference, *subject.later)}
    reference = subject.reference.scan.session
    notices = limits_of(between, masked=True)
    for session, scan in scans.items():
        record = read_scan_record(out / _names(scan).registration(method))
        if record and (flag := record.quality.get("flag")):
            notices.append(f"⚠ ses-{session}: {flag}")
    return SubjectPlan(
        subject=f"sub-{subject.subject}",
        out_dir=str(out),
        key=subject.key,
        names=dict(subject.names),
        sessions={
            session: follow_up_names(_names(scan), session, reference, method, between)
            for session, scan in scans.items()
            if session != reference
        },
        sources={session: _names(scan).native()["n4"] for session, scan in scans.items()},
        notices=notices,
        generated_by=f"gliomorph {gliomorph.__version__}",
    )


def _names(scan: PlannedScan) -> ScanNames:
    assert scan.names is not None
    return scan.names
