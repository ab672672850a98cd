"""Whether two runs have left the same: ``python -m benchmarks.same_outputs BEFORE AFTER``.

For changes of the code that must not change a result: run the same command (``make demo``) with both versions, then
compare the output folders. Images and transforms are compared by their bytes (after decompression, whose header holds
a time), tables, metadata and pages by their text. What differs between two runs of one version is left out: seconds,
peak memory, hashes of code, ids of runs, the folders' own names.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import h5py

MEASURED = ("seconds", "cpu_seconds", "peak_memory_gb")
VOLATILE = {*MEASURED, "key", "inputs_key", "page_key", "version", "InputsKey", "GeneratedBy", "Version"}
"""Keys of JSON files and columns of tables that two runs of one version may write differently."""
LOGS = "logs"
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")


def main(argv: Sequence[str] | None = None) -> int:
    """Print every difference; 0 if there is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args(argv)
    differences = compare(args.before.resolve(), args.after.resolve())
    for line in differences:
        print(line)
    count = len(files_of(args.before))
    print(f"{count} files before, {len(files_of(args.after))} after, {len(differences)} differences")
    return int(bool(differences) or not count)


def compare(before: Path, after: Path) -> list[str]:
    """One line for each file that is missing on one side or has another content."""
    ours, theirs = files_of(before), files_of(after)
    lines = [f"only before: {name}" for name in sorted(ours - theirs)]
    lines += [f"only after: {name}" for name in sorted(theirs - ours)]
    for name in sorted(ours & theirs):
        if content(before / name, before) != content(after / name, after):
            lines.append(f"differs: {name}")
    return lines


def files_of(folder: Path) -> set[str]:
    """Relative paths of all files, without the logs, whose folders are named by time."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] != LOGS}


def content(path: Path, root: Path) -> Any:
    """What must be equal of a file."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".h5":
        return _datasets(path)
    if path.suffix == ".json":
        return _steady(json.loads(_text(path, root)))
    if path.suffix == ".tsv":
        return _steady_table(_text(path, root))
    if path.suffix == ".html":
        return _measured(root).sub("", _text(path, root))
    if path.suffix == ".md":
        return _text(path, root)
    return path.read_bytes()


@cache
def _measured(root: Path) -> re.Pattern[str]:
    """Seconds and memory as the folder's records have them, which pages round to four digits."""
    numbers = set()
    for record in root.rglob("*_registration.json"):
        content = json.loads(record.read_text(encoding="utf-8"))
        for value in (content[key] for key in MEASURED if key in content):
            numbers |= {str(value), f"{value:.4g}"}
    return re.compile(rf"(?<![\d.])(?:{'|'.join(map(re.escape, sorted(numbers))) or '$^'})(?![\d.])")


def _text(path: Path, root: Path) -> str:
    """The text, without the folder's own name and the ids of runs."""
    return RUN.sub("RUN", path.read_text(encoding="utf-8").replace(str(root.parent), "FOLDER"))


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _steady(part)) for key, part in value.items() if key not in VOLATILE]
    if isinstance(value, list):
        return [_steady(part) for part in value]
    return value


def _steady_table(text: str) -> list[list[str]]:
    rows = [line.split("\t") for line in text.splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name not in VOLATILE] if rows else []
    return [[row[i] for i in kept if i < len(row)] for row in rows]


def _datasets(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: bytes(item[()].tobytes())})
                if isinstance(item, h5py.Dataset) and item.dtype.kind != "O"
                else None
            )
        )
    return found


if __name__ == "__main__":
    raise SystemExit(main())
