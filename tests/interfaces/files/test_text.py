"""Text of others' making on one line."""

import pytest

from gliomorph.interfaces.files.text import is_orientation, printable


@pytest.mark.parametrize("text", ["sub-01", "größer – 脳", "[red]", "<b>", ""])
def test_what_can_be_printed_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x1b[2J", "\udcff", "\u202e", "\0"])
def test_what_cannot_is_escaped_and_can_be_written(text):
    assert printable(text).isprintable()
    assert printable(text).encode()
    assert printable(text) != text


@pytest.mark.parametrize(
    ("text", "fits"), [("RAS", True), ("pil", True), ("RLS", False), ("RA", False), ("xyz", False)]
)
def test_orientations_are_three_axes(text, fits):
    assert is_orientation(text) is fits
