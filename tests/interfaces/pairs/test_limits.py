"""What pages say of methods that leave something undone."""

from __future__ import annotations

import pytest

from gliomorph.interfaces.methods import PAIR_METHOD
from gliomorph.interfaces.pairs.limits import limits_of


@pytest.mark.parametrize(
    ("method", "masked", "said"),
    [(PAIR_METHOD, True, []), ("", True, []), ("lddmm", False, []), ("lddmm", True, ["compares the lesions"]),
     ("syn-cfm", True, ["is symmetric"]), ("syn", True, ["compares the lesions", "is symmetric"])],
)  # fmt: skip
def test_a_method_that_leaves_something_undone_says_so(method: str, masked: bool, said: list[str]) -> None:
    notices = limits_of(method, masked)
    assert len(notices) == len(said)
    assert all(text in notice for text, notice in zip(said, notices, strict=True))
