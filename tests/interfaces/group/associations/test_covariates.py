"""Covariates of tests: numbers as they are, two values as 0 and 1; who misses one is left out by name."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.interfaces.group.associations.covariates import joined, read_covariates
from gliomorph.interfaces.group.associations.words import AssociationError

TABLE = {
    "a": {"age": "50", "sex": "M", "site": "x", "arm": "1", "odd": "5"},
    "b": {"age": "6e1", "sex": "F", "site": "y", "arm": "0", "odd": "many"},
    "c": {"age": "n/a", "sex": "F", "site": "z", "arm": "1", "odd": ""},
    "d": {"age": "-1", "sex": "", "site": "x", "arm": "1", "odd": "5"},
}


def test_numbers_stay_numbers_and_two_values_become_0_and_1():
    found, lost, names = read_covariates(("age", "sex", "arm"), TABLE, "ba", "glm:score")
    assert list(found.items()) == [("b", (60.0, 0.0, 0.0)), ("a", (50.0, 1.0, 1.0))] and lost == {}
    assert names == ("age", "sex (1: 'M', 0: 'F')", "arm")
    table = joined(found, names, "glm:score")
    assert table.names == names
    np.testing.assert_array_equal(table.values, [[60, 0, 0], [50, 1, 1]])


def test_who_misses_a_covariate_is_left_out_for_the_first_reason():
    found, lost, _ = read_covariates(("age", "sex", "odd"), TABLE, "abcd", "glm:score")
    assert list(found) == ["a"]
    assert lost == {
        "covariate 'odd' is not a number": ["b"],
        "covariate 'age' is missing": ["c"],
        "covariate 'sex' is missing": ["d"],
    }


def test_without_columns_everybody_stays():
    found, lost, names = read_covariates((), TABLE, "abcd", "glm:score")
    assert list(found) == list("abcd") and lost == {}
    assert joined(found, names, "glm:score").values.shape == (4, 0)


def test_categories_are_refused_with_what_they_are():
    with pytest.raises(
        AssociationError, match=r"glm:score: covariate 'site' has .* two values, it holds 'x', 'y', 'z': make"
    ):
        read_covariates(("site",), TABLE, "abcd", "glm:score")


@pytest.mark.parametrize(("people", "column"), [("acd", "arm"), ("bc", "sex"), ("ad", "odd")])
def test_a_constant_column_is_refused(people, column):
    found, _, names = read_covariates((column,), TABLE, people, "cox:days")
    with pytest.raises(
        AssociationError, match=rf"cox:days: covariate {column}.* has to differ .* for all {len(found)}"
    ):
        joined(found, names, "cox:days")


def test_a_column_without_any_value_leaves_nobody():
    empty = {name: {"age": "n/a"} for name in "ab"}
    found, lost, names = read_covariates(("age",), empty, "ab", "glm:score")
    assert found == {} and lost == {"covariate 'age' is missing": ["a", "b"]} and names == ("age",)
