"""The atlas' sums on disk, so that participants who are added do not make the others be read again.

The file tells about single participants: it belongs into the work directory, not among what is given away.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....models.atlas import AtlasSums, Participant, of_arrays, to_arrays
from ...files.images import replacing

Rows = dict[str, dict[str, Any]]
UNREADABLE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile, zlib.error)


def updated_sums(
    path: Path | None,
    code: str,
    empty: Callable[[], AtlasSums],
    wanted: Mapping[str, tuple[str, Sequence[str]]],
    read: Callable[[str], tuple[Participant, dict[str, Any]]],
) -> tuple[AtlasSums, Rows]:
    """The sums over the participants that are wanted, read from disk as far as they are there.

    Parameters
    ----------
    path : Path, optional
        Where the sums are kept; nothing is kept without it.
    code : str
        Of what makes the sums: those of other code are not taken.
    empty : callable
        Sums over nobody, of the right grid, strata and means; others are not taken.
    wanted : mapping of str to (str, sequence of str)
        Key and strata of every participant.
    read : callable
        What a participant adds, and its row of the patients' table.

    Returns
    -------
    sums : AtlasSums
        Made anew if a participant has changed or is gone.
    rows : dict of str to dict
        By participant, sorted.
    """
    sums, rows = empty(), {}
    kept = _load(path, code) if path is not None else None
    if kept is not None and _include(sums, kept[0], wanted):
        rows = kept[1]
    todo = sorted(set(wanted) - set(sums.members))
    for label in todo:
        participant, rows[label] = read(label)
        sums.add(participant)
    rows = {label: rows[label] for label in sorted(wanted)}
    if path is not None and todo:
        save_sums(path, code, sums, rows)
    return sums, rows


def _include(sums: AtlasSums, kept: AtlasSums, wanted: Mapping[str, tuple[str, Sequence[str]]]) -> bool:
    """Add kept sums if they are of the same kind and nobody in them has changed or is gone."""
    _, changed, removed = kept.differences(wanted)
    if changed or removed:
        return False
    try:
        sums.include(kept)
    except ValueError:
        return False
    return True


def save_sums(path: Path, code: str, sums: AtlasSums, rows: Mapping[str, dict[str, Any]]) -> Path:
    """Write sums under a temporary name, then rename: the same bytes for the same participants in any order."""
    texts = [json.dumps(rows[label], sort_keys=False) for label in sorted(sums.members)]
    arrays = to_arrays(sums) | {"code": np.array(code), "rows": np.array(texts, str)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path


def _load(path: Path, code: str) -> tuple[AtlasSums, Rows] | None:
    """Kept sums and rows; None where there are none, of other code, or damaged."""
    if not path.is_file():
        return None
    try:
        # numpy leaves a damaged file open that it opened itself
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if file["code"].item() != code:
                return None
            arrays = {name: file[name] for name in file.files}
        sums = of_arrays(arrays)
        texts = arrays["rows"].tolist()
        rows = {label: json.loads(text) for label, text in zip(sorted(sums.members), texts, strict=True)}
    except UNREADABLE:
        return None
    return sums, rows
