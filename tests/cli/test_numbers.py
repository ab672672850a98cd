"""Numbers on the command line: what is read, and what is refused with what was required."""

from __future__ import annotations

import argparse

import pytest

from gliomorph.cli.numbers import not_negative, positive, rate, share


def test_numbers_in_range_are_read() -> None:
    assert (positive("1"), not_negative("0"), rate("1e-3"), rate("1")) == (1, 0, 1e-3, 1.0)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_counts_start_at_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 1 is required, got"):
        positive(text)


@pytest.mark.parametrize("text", ["-1", "0.5", "none"])
def test_seeds_are_not_negative(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 0 is required, got"):
        not_negative(text)


@pytest.mark.parametrize("text", ["0", "-0.1", "1.01", "nan", "inf", "fast"])
def test_rates_are_above_zero_and_at_most_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="above 0 and up to 1 is required, got"):
        rate(text)


def test_shares_are_between_zero_and_one() -> None:
    assert (share("0"), share("0.25"), share("1")) == (0.0, 0.25, 1.0)


@pytest.mark.parametrize("text", ["-0.1", "1.01", "nan", "inf", "half"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number from 0 to 1 is required"):
        share(text)
