"""Who enters a test: read strictly, refused with what is missing, nobody is left out silently."""

from __future__ import annotations

import numpy as np
import pytest

from gliomorph.interfaces.group.associations.samples import Sample, read_sample
from gliomorph.interfaces.group.associations.words import AssociationError, parse_associations


def sample(
    word: str,
    min_cell: int = 1,
    names: list[str] | None = None,
    covariates: tuple[str, ...] = (),
    **columns: list[str],
) -> Sample:
    count = len(next(iter(columns.values())))
    rows = [
        {"participant_id": f"sub-{i:02}"} | {column: texts[i] for column, texts in columns.items()}
        for i in range(count)
    ]
    (association,) = parse_associations([word])
    people = names or [f"sub-{i:02}" for i in range(count)]
    return read_sample(association, rows, people, min_cell, covariates)


def test_two_values_are_two_groups() -> None:
    found = sample("adiffi:dead", dead=["no", "yes", "yes ", "n/a", ""])
    assert found.participants == ("00", "01", "02")
    np.testing.assert_array_equal(found.values, [0, 1, 1])
    assert found.sizes == {"dead = 'yes'": 2, "dead = 'no'": 1}
    assert found.positive == "lesioned more often with dead = 'yes' than with dead = 'no'"
    assert found.left_out == {"'dead' is missing": ("03", "04")}
    assert found.notices == ("adiffi:dead: 2 participants left out, 'dead' is missing: '03', '04'",)


def test_unknown_is_no_group_of_its_own() -> None:
    found = sample("adiffi:idh", idh=["mutant", "Unknown", "wildtype", "mutant"])
    assert found.participants == ("00", "02", "03")
    (notice,) = found.notices
    assert "'idh' is missing (written 'Unknown', which counts as no value): '01'" in notice


def test_a_value_stands_against_all_others() -> None:
    found = sample("liebermeister:site=b", site=["a", "b", "c", "b"])
    np.testing.assert_array_equal(found.values, [0, 1, 0, 1])
    assert found.sizes == {"site = 'b'": 2, "site ≠ 'b'": 2}


def test_numbers_are_read_and_other_text_is_left_out() -> None:
    found = sample("glm:age", age=["1e2", "40", "old", "-3.5", "inf", "1_0"])
    np.testing.assert_array_equal(found.values, [100, 40, -3.5])
    assert found.left_out == {"'age' is not a number": ("02", "04", "05")}
    assert found.sizes == {} and found.events is None


def test_events_are_read_in_all_their_spellings() -> None:
    texts = ["1", "0", "Yes", "no", "TRUE", "False", "dead", "n/a"]
    found = sample("cox:days,event", days=list("12345678"), event=texts)
    np.testing.assert_array_equal(found.events, [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(found.values, [1, 2, 3, 4, 5, 6])
    assert found.left_out == {"'event' is missing": ("07",), "'event' is neither 0 nor 1": ("06",)}
    assert found.sizes == {"the event": 3, "no event seen": 3}


def test_without_events_every_time_ends_with_one() -> None:
    found = sample("logrank:days", days=["3", "1", "2"])
    np.testing.assert_array_equal(found.events, [1, 1, 1])


def test_order_does_not_matter_and_rows_may_be_missing() -> None:
    found = sample("glm:age", names=["sub-01", "00", "sub-x"], age=["5", "6", "7"])
    assert found.participants == ("00", "01")
    assert found.left_out == {"not in the table": ("x",)}


@pytest.mark.parametrize(
    ("word", "columns", "message"),
    [
        ("glm:size", {"age": ["1", "2"]}, "glm:size: participants.tsv has no column 'size'; it has 'age'"),
        ("cox:t,e", {"t": ["1", "2"]}, "no column 'e'; it has 't'"),
        ("adiffi:sex", {"sex": ["F", "F", "F"]}, r"divide the participants in two, it holds 'F': .*=VALUE"),
        (
            "adiffi:sex",
            {"sex": ["F", "M", "D"]},
            r"it holds 'D', 'F', 'M': name one against the rest, adiffi:sex=",
        ),
        ("adiffi:sex=F", {"sex": ["F", "F"]}, "divide the participants in two"),
        ("adiffi:sex=X", {"sex": ["F", "M"]}, "nobody has 'X' in 'sex'; it holds 'F', 'M'"),
        ("glm:age", {"age": ["40", "40.0", "4e1"]}, "differ between participants, got 40 for all 3"),
        ("cox:t", {"t": ["1", "-2", "3"]}, r"0 or more, got -2; mend '01', or write n/a"),
        (
            "glm:sex",
            {"sex": ["F", "M", "n/a"]},
            r"at least 2 participants with a mask and a usable 'sex', got 0; 1 participant: 'sex' is "
            r"missing, 2 participants: 'sex' is not a number; those hold 'F', 'M', 'n/a': complete participants.tsv",
        ),
        (
            "logrank:t,e",
            {"t": ["1", "2", "3"], "e": ["0", "0", "0"]},
            "at least 1 participant with the event, got 0",
        ),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    word: str, columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(AssociationError, match=message):
        sample(word, **columns)


def test_small_cells_are_refused() -> None:
    sexes = ["F"] * 9 + ["M"]
    with pytest.raises(AssociationError, match=r"at least 5 participants with sex = 'M', got 1: merge"):
        sample("adiffi:sex", 5, sex=sexes)
    with pytest.raises(AssociationError, match=r"at least 10 participants with a mask .* got 9"):
        sample("glm:age", 5, age=[str(i) for i in range(9)])
    with pytest.raises(AssociationError, match="at least 5 participants with the event, got 4"):
        sample("cox:t,e", 5, t=[str(i) for i in range(12)], e=["1"] * 4 + ["0"] * 8)
    assert (
        sample("cox:t,e", 5, t=[str(i) for i in range(12)], e=["1"] * 11 + ["0"]).sizes["no event seen"] == 1
    )


def test_a_participant_in_two_rows_is_refused() -> None:
    (association,) = parse_associations(["glm:age"])
    rows = [{"participant_id": name, "age": "1"} for name in ("sub-1", "1", "sub-2")]
    with pytest.raises(AssociationError, match="more than one row of '1': leave one of each"):
        read_sample(association, rows, ["1", "2"], 1)


def test_covariates_are_those_of_the_participants_that_have_all() -> None:
    columns = {
        "days": ["1", "2", "n/a", "4", "5"],
        "age": ["30", "n/a", "50", "60", "70"],
        "sex": list("FMFMF"),
    }
    found = sample("cox:days", covariates=("sex", "age"), **columns)
    assert found.participants == ("00", "03", "04")
    np.testing.assert_array_equal(found.values, [1, 4, 5])
    np.testing.assert_array_equal(found.covariates.values, [[0, 30], [1, 60], [0, 70]])
    assert found.covariates.names == ("sex (1: 'M', 0: 'F')", "age")
    assert found.left_out == {"'days' is missing": ("02",), "covariate 'age' is missing": ("01",)}


def test_tests_that_take_no_covariates_leave_nobody_out_for_one() -> None:
    found = sample("adiffi:sex", covariates=("age",), sex=list("FMFM"), age=["n/a", "1", "2", "3"])
    assert len(found.participants) == 4 and found.covariates.names == () and found.left_out == {}


@pytest.mark.parametrize(
    ("covariate", "message"),
    [
        ("size", "glm:age: participants.tsv has no column 'size'; it has 'age', 'one', 'void'"),
        ("age", "glm:age: 'age' cannot be its own covariate: make this test in a run without it"),
        ("one", "glm:age: covariate one has to differ between participants, it is the same for all 4"),
        (
            "void",
            r"at least 2 participants with a mask and a usable 'age' and 'void', got 0; 4 participants: covariate "
            "'void' is missing; those hold '', '1', '2', '3', '4', 'n/a': complete participants.tsv",
        ),
    ],
)
def test_covariates_that_cannot_be_are_refused(covariate: str, message: str) -> None:
    columns = {"age": list("1234"), "one": ["7", "7.0", "7", "7"], "void": ["n/a", "", "n/a", ""]}
    with pytest.raises(AssociationError, match=message):
        sample("glm:age", covariates=(covariate,), **columns)
