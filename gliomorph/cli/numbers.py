"""Numbers on the command line, checked as they are read."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def rate(text: str) -> float:
    """A number above 0, up to 1."""
    number = _real(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"a number above 0 and up to 1 is required, got {text!r}")
    return number


def above_zero(text: str) -> float:
    """A finite number above 0."""
    number = _real(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is required, got {text!r}")
    return number


def from_zero(text: str) -> float:
    """A finite number of at least 0."""
    number = _real(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"a number of at least 0 is required, got {text!r}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = _real(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 is required, got {text!r}")
    return number


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _whole(text: str, lowest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(f"a whole number of at least {lowest} is required, got {text!r}")
    return number
