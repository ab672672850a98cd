"""Text of others' making that goes to terminals, tables and pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST_TEXT = 40
"""Most characters of a cell that a message quotes."""


def printable(text: str) -> str:
    """The text on one line: what would drive a terminal, end a line or is no Unicode, is escaped.

    Parameters
    ----------
    text : str
        A name of a file, say, which may hold any byte but ``/`` and NUL.

    Returns
    -------
    printable : str
        Equal to the text where all of it can be printed.

    Examples
    --------
    >>> printable("sub-01_T1w.nii.gz"), printable("sub-\\x1b[2J\\udcff")
    ('sub-01_T1w.nii.gz', 'sub-\\\\x1b[2J\\\\udcff')
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def plain(text: str) -> str:
    """ASCII letters and digits of a text, as a BIDS label requires; accents go, other signs too.

    Examples
    --------
    >>> plain("../Größe (cm)")
    'Grosecm'
    """
    # ß has no decomposition and would vanish
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "s"))
    return re.sub(r"[^A-Za-z0-9]", "", decomposed)


def alike(text: str) -> str:
    """The same text for all scans and numbers, by which messages are counted.

    Examples
    --------
    >>> alike("sub-01_T1w.nii.gz: 11% of the tumour mask lies outside the brain")
    'sub-…_T1w.nii.gz: … of the tumour mask lies outside the brain'
    """
    return re.sub(
        r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", "sub-…", re.sub(r"(?<![\w-])\d+(\.\d+)?( ?%)?", "…", text)
    )


def people(count: int) -> str:
    return f"{count} participant{'s' * (count != 1)}"


def some(texts: Sequence[str], between: str = ", ", most: int = 5) -> str:
    """The first of several labels, as they are."""
    return between.join([*texts[:most], *(["…"] if len(texts) > most else [])])


def quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…")


def listed(texts: Iterable[str], most: int = 10) -> str:
    found = [quoted(text) for text in texts]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(found[:most]) or "none") + more


AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""The axis of the world, of (x, y, z), along which each direction lies."""


def is_orientation(text: str) -> bool:
    """Whether three letters name three axes: one each of R or L, A or P, and S or I, in any case."""
    return len(text) == 3 and sorted(AXES.get(letter, -1) for letter in text.upper()) == [0, 1, 2]


SIMPLEITK = re.compile(
    r"Exception thrown in SimpleITK (?P<function>\w+):.*?(?:ITK|sitk::) ?ERROR: (?:\w+\(0x\w+\): )?(?P<reason>.*)",
    re.DOTALL,
)
"""A message of SimpleITK: the place in its sources comes first, the reason last."""


def simpleitk_reason(message: str) -> str:
    """What SimpleITK's exceptions are about, on one line; empty for messages of others.

    Examples
    --------
    >>> simpleitk_reason("Exception thrown in SimpleITK Add: /x.cxx:9:\\nsitk::ERROR: Sizes differ.")
    "SimpleITK's Add: Sizes differ."
    """
    found = SIMPLEITK.search(message)
    return f"SimpleITK's {found['function']}: {' '.join(found['reason'].split())}" if found else ""
