"""Three subjects, two of which have two sessions; nothing is read."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.query import Scan
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder
from gliomorph.workflows.scan.plan import PlannedScan


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "bids").mkdir()
    return Settings.of(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        registration=("affine",),
        longitudinal=True,
    )


@pytest.fixture
def planned() -> list[PlannedScan]:
    return [scan(subject, session) for subject, session in SESSIONS]


SESSIONS = (("1", ""), ("2", "post"), ("2", "pre"), ("3", "a"), ("3", "b"), ("3", "pre"))


def scan(subject: str, session: str) -> PlannedScan:
    label = f"sub-{subject}" + f"_ses-{session}" * bool(session)
    names = ScanNames(
        label=label,
        folder=anat_folder(subject, session),
        stem=label,
        template="MNI152",
        resolution=1,
        source="masks",
    )
    found = Scan(label=label, subject=subject, session=session, stem=label)
    return attrs.evolve(PlannedScan(scan=found, names=names), input_keys={"affine": f"key of {label}"})
