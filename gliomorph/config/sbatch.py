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
"""Those that would keep jobs from being followed."""


def check_sbatch(text: str, *, by_stage: bool) -> None:
    """Whether arguments can be split into words, and leave alone what gliomorph itself sets.

    Parameters
    ----------
    text : str
        The arguments; ``STAGE=ARGUMENTS`` where they are for some stages.
    by_stage : bool

    Raises
    ------
    ValueError
        The message has what is wrong, without the option's name.
    """
    if by_stage:
        pattern, equals, arguments = text.partition("=")
        if not equals or not pattern or pattern.startswith("-"):
            raise ValueError(f"{text}: STAGE=ARGUMENTS is required, as in 'segment=-p gpu --gres=gpu:1'")
        text = arguments
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
