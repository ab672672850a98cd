"""What a scan takes, as measured: memory of each stage, room in the work directory and for the outputs.

``python -m benchmarks.stages`` measures it on a patient with voxels of 1 mm (docs/scale.md). Working grids coarser
than 2 mm are counted as those of 2 mm.
"""

from __future__ import annotations

from collections.abc import Sequence

RESERVE = 1.5
"""Times what was measured: heads and images differ in size."""

STAGE_GB = {
    "brain": (0.6, 0.6),
    "n4": (0.9, 0.9),
    "tumor": (0.9, 0.9),
    "align": (1.2, 1.2),
    "match": (0.9, 0.9),
    "segment": (1.3, 1.3),
    "warp": (1.5, 0.9),
    "measure": (1.5, 0.9),
    "report": (1.2, 0.9),
    "publish": (0.7, 0.7),
}
"""Peak of the process at 1 and at 2 mm; those that are not here take less."""
METHOD_GB = {
    "rigid": (1.3, 1.02),
    "rigid-cfm": (1.3, 1.02),
    "affine": (1.3, 1.02),
    "syn": (1.56, 1.03),
    "syn-cfm": (1.6, 1.03),
    "syn-cc": (1.6, 1.03),
    "voxelmorph": (1.86, 0.97),
    "voxelmorph-cfm": (1.86, 0.97),
    "lddmm": (1.57, 1.14),
    "metamorphosis": (1.71, 1.2),
    "metamorph-g": (1.86, 0.97),
    "metamorph-r": (1.86, 0.97),
}
"""Likewise of the registration."""

WORK_GB, WORK_METHOD_GB = (0.25, 0.2), (0.25, 0.04)
"""Intermediate results of a scan, and what each registration method adds."""
OUTPUT_GB, OUTPUT_METHOD_GB = (0.06, 0.02), (0.09, 0.012)
WORK_FILES, WORK_METHOD_FILES = 70, 35
OUTPUT_FILES, OUTPUT_METHOD_FILES = 35, 20


def stage_memory_gb(resolution: int, methods: Sequence[str]) -> dict[str, float]:
    """Peak memory of every stage, ``register METHOD`` for each method, as it was measured."""
    at = _at(resolution)
    stages = {stage: sizes[at] for stage, sizes in STAGE_GB.items()}
    return stages | {f"register {method}": METHOD_GB[method][at] for method in methods}


def process_memory_gb(resolution: int, methods: Sequence[str]) -> float:
    """Memory set aside for one worker process, which meets every stage: the largest and a reserve."""
    return RESERVE * max(stage_memory_gb(resolution, methods).values())


def work_gb(resolution: int, methods: int) -> float:
    """Room that one scan's intermediate results take."""
    return WORK_GB[_at(resolution)] + methods * WORK_METHOD_GB[_at(resolution)]


def output_gb(resolution: int, methods: int) -> float:
    """Room that one scan's outputs take."""
    return OUTPUT_GB[_at(resolution)] + methods * OUTPUT_METHOD_GB[_at(resolution)]


def work_files(methods: int) -> int:
    """Files and folders among one scan's intermediate results."""
    return WORK_FILES + methods * WORK_METHOD_FILES


def output_files(methods: int) -> int:
    """Files among one scan's outputs."""
    return OUTPUT_FILES + methods * OUTPUT_METHOD_FILES


def _at(resolution: int) -> int:
    return 0 if resolution == 1 else 1
