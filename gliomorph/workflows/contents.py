"""The content of input files, read again only where a file has changed since: a cohort may be 100 GB."""

from __future__ import annotations

import json
import time
from pathlib import Path

import attrs

from ..interfaces.files.checksums import content_hash
from ..interfaces.files.images import write_text

SETTLED_SECONDS = 2.0
"""A file that changed later than this before it was read may change once more without its time showing it."""

Change = tuple[int, int, int, int]
"""A file's size, inode, and times (ns) of its modification and of its last change of any kind: the former can be put
back, as ``rsync -t`` does, the latter cannot."""


@attrs.define
class Contents:
    """sha256 of files, remembered from run to run in a file."""

    file: Path
    """JSON. Runs that write it at one time lose each other's news, and read some files once more."""
    _known: dict[str, tuple[Change, str]] = attrs.field(factory=dict, init=False)
    _changed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        try:
            stored = json.loads(self.file.read_text(encoding="utf-8"))
            self._known = {path: ((a, b, c, d), text) for path, (a, b, c, d, text) in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged: read everything
            self._known = {}

    def hash_of(self, path: Path | None) -> str:
        """As :func:`~.state.content_hash`.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        if path is None:
            return ""
        stat = path.stat()
        change = (stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)
        known = self._known.get(str(path))
        if known and known[0] == change:
            return known[1]
        settled = time.time() - max(stat.st_mtime, stat.st_ctime) > SETTLED_SECONDS
        found = content_hash(path)
        if settled:
            self._known[str(path)] = (change, found)
            self._changed = True
        return found

    def save(self) -> None:
        """Write what was learned, if anything was."""
        if self._changed:
            rows = {path: [*change, text] for path, (change, text) in self._known.items()}
            write_text(json.dumps(rows), self.file)
            self._changed = False
