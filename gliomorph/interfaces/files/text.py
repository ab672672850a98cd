"""Text of others' making that goes to terminals, tables and pages."""

from __future__ import annotations


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
