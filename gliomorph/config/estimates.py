"""What a scan takes, as measured: memory of each stage, room in the work directory and for the outputs.

``python -m benchmarks.stages`` measures it on a patient with voxels of 1 mm (docs/scale.md). Working grids coarser
than 2 mm are counted as those of 2 mm.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..interfaces.methods import REGISTRY

RESERVE = 1.3
"""Times what a stage takes in a process of its own: one that has met other stages holds more, and heads differ."""

STAGE_GB = {
    "brain": (0.5, 0.5),
    "n4": (0.5, 0.5),
    "further": (0.6, 0.6),
    "tumor": (0.5, 0.5),
    "align": (0.9, 0.7),
    "match": (0.5, 0.5),
    "segment": (1.3, 1.2),
}
"""Peak of the process at 1 and at 2 mm; those that are not here take less than every registration."""
WORK_GB = (0.035, 0.012)
"""Intermediate results of a scan without those of its registrations."""
OUTPUT_GB, OUTPUT_METHOD_GB = (0.02, 0.008), (0.052, 0.009)
WORK_FILES, WORK_METHOD_FILES = 70, 35
OUTPUT_FILES, OUTPUT_METHOD_FILES = 35, 25
FURTHER_WORK_GB, FURTHER_OUTPUT_GB, CARRIED_GB = 0.012, 0.007, (0.006, 0.001)
"""A further image of the session on its grid; and in template space, by each method."""
FURTHER_WORK_FILES, FURTHER_OUTPUT_FILES, CARRIED_FILES = 12, 7, 2


def stage_memory_gb(resolution: int, methods: Sequence[str], further: int = 0) -> dict[str, float]:
    """Peak memory of every stage as it was measured, ``register METHOD`` for each method.

    ``further`` is the number of modalities beside the primary one, of which methods of several hold more.
    """
    at = _at(resolution)
    stages = {stage: sizes[at] for stage, sizes in STAGE_GB.items()}
    for name in methods:
        method = REGISTRY[name]
        more = further * method.modality_gb[at] if method.modality_gb else 0.0
        stages[f"register {name}"] = method.memory_gb[at] + more
    return stages


def process_memory_gb(resolution: int, methods: Sequence[str], further: int = 0) -> float:
    """Memory set aside for one worker process, which meets every stage: the largest and a reserve."""
    return RESERVE * max(stage_memory_gb(resolution, methods, further).values())


def work_gb(resolution: int, methods: Sequence[str], further: int = 0) -> float:
    """Room that one scan's intermediate results take, with those of so many further images."""
    at = _at(resolution)
    more = further * (FURTHER_WORK_GB + len(methods) * CARRIED_GB[at])
    return WORK_GB[at] + sum(REGISTRY[method].work_gb[at] for method in methods) + more


def output_gb(resolution: int, methods: Sequence[str], further: int = 0) -> float:
    """Room that one scan's outputs take, likewise."""
    at = _at(resolution)
    more = further * (FURTHER_OUTPUT_GB + len(methods) * CARRIED_GB[at])
    return OUTPUT_GB[at] + len(methods) * OUTPUT_METHOD_GB[at] + more


def work_files(methods: Sequence[str], further: int = 0) -> int:
    """Files and folders among one scan's intermediate results."""
    more = further * (FURTHER_WORK_FILES + len(methods))
    return WORK_FILES + len(methods) * WORK_METHOD_FILES + more


def output_files(methods: Sequence[str], further: int = 0) -> int:
    """Files among one scan's outputs."""
    more = further * (FURTHER_OUTPUT_FILES + len(methods) * CARRIED_FILES)
    return OUTPUT_FILES + len(methods) * OUTPUT_METHOD_FILES + more


def _at(resolution: int) -> int:
    return 0 if resolution == 1 else 1
