"""What the records of registrations say of them, for the tables of benchmarks."""

from __future__ import annotations

import attrs

from gliomorph.interfaces.derivatives.registrations import Registration
from gliomorph.interfaces.files.sidecars import read_object
from gliomorph.interfaces.reports.pages import MEASURES as QUALITY
from gliomorph.interfaces.reports.pages import Measure, as_number

RECORDED = {
    "brain_dice": attrs.evolve(QUALITY["brain_dice"], label="Dice of the brain with the template's"),
    "folds_percent": Measure("Folds", "% of the brain", "lower"),
    "inverse_consistency_mm": QUALITY["inverse_consistency_mm"],
    "seconds": QUALITY["seconds"],
    "cpu_seconds": Measure("CPU time", "s", "lower"),
    "peak_memory_gb": QUALITY["peak_memory_gb"],
}


def recorded(one: Registration, brain_voxels: int) -> dict[str, float | None]:
    """The measures of :data:`RECORDED`; folds count by the voxels of the template's brain."""
    figures = {name: as_number(one.quality.get(name)) for name in (*RECORDED, "folds")}
    folds = figures.pop("folds")
    return figures | {
        "folds_percent": None if folds is None else 100 * folds / brain_voxels,
        "cpu_seconds": as_number(read_object(one.record).get("cpu_seconds")),
    }
