"""Arguments for Slurm's ``sbatch`` that a user gives: checked before anything is submitted."""

from __future__ import annotations

import shlex

TAKEN = frozenset(
    (
        "--array",
        "-a",
        "--error",
        "-e",
        "--output",
        "-o",
        "--parsable",
        "--test-only",
        "--wait",
        "-W",
        "--wrap",
    )
)
"""Options that would keep jobs from being followed."""


def check_sbatch(text: str) -> None:
    """Whether arguments can be split into words, and leave alone what gliomorph itself sets.

    Parameters
    ----------
    text : str
        The arguments.

    Raises
    ------
    ValueError
        The message has what is wrong, without the option's name.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: quotes do not match ({error})") from error
    if words and not words[0].startswith("-"):
        raise ValueError(f"{text!r}: options of sbatch are required, which start with a dash")
    if taken := [word for word in words if word.split("=")[0] in TAKEN]:
        raise ValueError(
            f"{', '.join(taken)}: set by gliomorph itself, which follows every job: leave it out"
        )
