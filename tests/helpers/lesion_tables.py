"""A cohort of small lesion masks in which some variables go with lesions at one place, and others do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.tables import table
from gliomorph.interfaces.group.associations.facts import TestFacts
from gliomorph.interfaces.group.associations.options import TestOptions
from gliomorph.interfaces.group.associations.words import Association
from gliomorph.interfaces.group.records import GroupScan
from gliomorph.models.statistics import Kind

SIZE = (12, 14, 10)
SUBJECTS = 40
PLANTED = (slice(2, 5), slice(8, 11), slice(3, 6))
"""Lesioned in every second participant."""
COLUMNS = ("participant_id", "group", "mood", "age", "days", "dead", "chance", "number")


@attrs.frozen(kw_only=True)
class LesionTable:
    """Files of the cohort; scans in sorted order."""

    table: Path
    scans: list[str]
    tumors: list[Path]
    coverages: list[Path]
    template: Path
    grid: sitk.Image

    def group_scans(self, kinds: Sequence[str] = ()) -> tuple[GroupScan, ...]:
        """The scans as stages take them: plain masks unless other kinds are given, without fields of view where none
        are known."""
        kinds, seen = kinds or ["mask"] * len(self.scans), self.coverages or [None] * len(self.scans)
        return tuple(
            GroupScan(
                label=scan,
                kind=kind,
                key=scan,
                files={"tumor": tumor} | ({"coverage": coverage} if coverage else {}),
            )
            for scan, tumor, kind, coverage in zip(self.scans, self.tumors, kinds, seen, strict=True)
        )


def lesions(numbers: np.random.Generator) -> np.ndarray:
    """(N, X, Y, Z) bool: the planted lesion in every second participant, as large a one elsewhere in the others, and
    one of any length anywhere in all."""
    found = np.zeros((SUBJECTS, *SIZE), bool)
    for number, inside in enumerate(found):
        x, y, z = (int(numbers.integers(0, size - 3)) for size in SIZE)
        inside[x : x + 3, y : y + 3, z : z + int(numbers.integers(3, 7))] = True
        x, y, z = (
            int(numbers.integers(least, size - 3)) for least, size in zip((6, 0, 0), SIZE, strict=True)
        )
        inside[PLANTED if number % 2 == 0 else (slice(x, x + 3), slice(y, y + 3), slice(z, z + 3))] = True
    return found


def variables(numbers: np.random.Generator) -> list[list[str]]:
    """Rows: ``group`` to ``dead`` go with the planted lesion, ``chance`` and ``number`` with nothing."""
    rows = []
    for number in range(SUBJECTS):
        lesioned = number % 2 == 0
        told = lesioned if numbers.random() < 0.95 else not lesioned
        days = numbers.exponential(100 if lesioned else 1500) + 1
        rows.append(
            [
                f"sub-{number:02}",
                "mutant" if told else "wildtype",
                "yes" if told else "no",
                f"{50 + 25 * lesioned + numbers.normal(0, 8):.1f}",
                f"{min(days, 4000):.0f}",
                str(int(days < 4000)),
                "AB"[int(numbers.random() < 0.5)],
                f"{numbers.normal():.3f}",
            ]
        )
    return rows


def write_lesion_table(folder: Path, seed: int = 0) -> LesionTable:
    """The cohort on an oblique grid of 4 mm; everybody is covered everywhere."""
    numbers = np.random.default_rng(seed)
    grid = phantoms.grid(SIZE, (4.0, 4.0, 4.0), phantoms.turned())
    scans = [f"sub-{number:02}" for number in range(SUBJECTS)]
    everywhere = write_image(from_array(np.ones(SIZE, np.uint8), grid), folder / "everywhere.nii.gz")
    tumors = [
        write_image(from_array(inside.astype(np.uint8), grid), folder / f"{scan}_mask.nii.gz")
        for scan, inside in zip(scans, lesions(numbers), strict=True)
    ]
    path = folder / "participants.tsv"
    path.write_text(table(COLUMNS, variables(numbers)))
    return LesionTable(
        table=path,
        scans=scans,
        tumors=tumors,
        coverages=[everywhere] * SUBJECTS,
        template=everywhere,
        grid=grid,
    )


def made_test(kind: Kind, column: str = "age", event: str = "", **changes: Any) -> TestFacts:
    """What a test of some participants says that has found nothing; options and facts may be changed."""
    facts = {"participants": 30, "sizes": {}, "covariates": ()}
    known = {name: changes.pop(name, value) for name, value in facts.items()}
    return TestFacts(
        association=Association(kind=kind, column=column, event=event),
        options=TestOptions(**changes),
        positive="more in the lesioned",
        left_out={},
        voxels=1,
        patterns=1,
        uncovered=0,
        clusters=0,
        **known,
    )
