"""The cause of a failure is one line, whatever was raised."""

from __future__ import annotations

import errno

import pytest

from gliomorph.workflows.engine.failures import cause_of


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("sub-01_T1w.nii.gz: damaged\nand more"), "sub-01_T1w.nii.gz: damaged"),
        (RuntimeError("\n  first \nsecond"), "RuntimeError: first"),
        (KeyError(), "KeyError: no message"),
        (ValueError("sub-\x1b[2J\udcff: damaged"), "sub-\\x1b[2J\\udcff: damaged"),
        (MemoryError("tried 3 GB"), "out of memory: tried 3 GB"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full: [Errno 28] No space left on device"),
        (OSError(errno.EACCES, "Permission denied"), "PermissionError: [Errno 13] Permission denied"),
    ],
)
def test_cause_is_one_line(error: BaseException, cause: str) -> None:
    assert cause_of(error) == cause
