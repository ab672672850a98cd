"""Scans of any training: all are read and checked before it starts, and kept as tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file

from .. import __version__
from ..interfaces.files.images import ImageError, replacing

LEAST_WITHIN = 0.5
"""Least share of a tumour that lies in the brain, and of a brain in that of another modality: with less it is another
subject's, or in another frame."""


PARTS = ("train", "validation", "test")


class TrainingDataError(ValueError):
    """A dataset that cannot be trained on: every file that is in the way, and why."""


class Named(Protocol):
    """A scan that has a name."""

    @property
    def label(self) -> str:
        """For the reader."""
        ...

    @property
    def subject(self) -> str:
        """The subject that the scan is of."""
        ...


AnyScan = TypeVar("AnyScan", bound=Named)


def prepare_all(
    scans: Sequence[AnyScan],
    prepared: Callable[[AnyScan], tuple[Path, list[str]]],
    report: Callable[[str], None],
) -> dict[str, list[Path]]:
    """Files by subject: of every scan the one that ``prepared`` makes, with its notices.

    Raises
    ------
    TrainingDataError
        Naming every scan for which it raised :class:`~.images.ImageError` or :class:`OSError`.
    """
    files: dict[str, list[Path]] = {}
    problems = []
    for number, scan in enumerate(scans, start=1):
        try:
            path, notices = prepared(scan)
        except (ImageError, OSError) as error:
            problems.append(f"{scan.label}: {error}")
            continue
        files.setdefault(scan.subject, []).append(path)
        report("; ".join([f"{scan.label} ({number} of {len(scans)}) is ready", *notices]))
    if problems:
        raise TrainingDataError(
            f"{len(problems)} of {len(scans)} scans cannot be trained on; mend or remove them:\n  "
            + "\n  ".join(problems)
        )
    return files


def stored(
    label: str,
    sources: Sequence[Path],
    settings: Sequence[Any],
    folder: Path,
    read: Callable[[], Mapping[str, np.ndarray]],
) -> Path:
    """What is read of a scan, as tensors on disk; what is there and still fits is not made again.

    Parameters
    ----------
    label : str
        The file's name begins with it.
    sources : sequence of Path
        Files that are read: the result holds for their size and date.
    settings : sequence
        What else it depends on, ready for JSON.
    folder : Path
    read : callable
        Gives arrays by name.
    """
    stamp = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in sources]
    text = json.dumps([__version__, *settings, stamp])
    path = folder / f"{label}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.safetensors"
    if not path.exists():
        arrays = read()
        # arrays from ITK have their axes in reverse
        tensors = {name: torch.from_numpy(array).contiguous() for name, array in arrays.items()}
        with replacing(path) as temporary:
            save_file(tensors, temporary)
    return path


def require_within(share: float, problem: str) -> None:
    """Raise unless a share is at least :data:`LEAST_WITHIN`."""
    if share < LEAST_WITHIN:
        raise ImageError(f"{problem}; do both come from the same subject and frame?")


def example_seed(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def split(subjects: Sequence[str], seed: int, fraction: float = 1.0) -> dict[str, list[str]]:
    """Subjects for training (two thirds, or a fraction of them), validation and test (one sixth each).

    Parameters
    ----------
    subjects : sequence of str
        At least 3, each once.
    seed : int
        Of the shuffle.
    fraction : float
        Part of the training subjects that are used: the first ones, so that smaller sets lie in larger ones.

    Returns
    -------
    parts : dict
        By :data:`PARTS`; validation and test do not depend on ``fraction``.

    Raises
    ------
    TrainingDataError
        Fewer than 3 subjects.
    """
    if len(subjects) < len(PARTS):
        raise TrainingDataError(
            f"at least {len(PARTS)} subjects are required (training, validation, test), got {len(subjects)} "
            f"({', '.join(sorted(subjects))})"
        )
    shuffled = [sorted(subjects)[i] for i in np.random.default_rng(seed).permutation(len(subjects))]
    held = max(1, round(len(subjects) / 6))
    train = shuffled[2 * held :]
    return {
        "train": train[: max(1, round(len(train) * fraction))],
        "validation": shuffled[:held],
        "test": shuffled[held : 2 * held],
    }
