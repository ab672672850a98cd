"""Words of --tests: parsed strictly, with labels that are labels whatever the words say."""

from __future__ import annotations

import pytest

from gliomorph.interfaces.group.associations.words import (
    LONGEST_LABEL,
    Association,
    AssociationError,
    association_labels,
    parse_associations,
)

HOSTILE = [
    "adiffi:../../etc", "adiffi:sex=../x", "adiffi:s=ex", "adiffi:sex", "adiffi:Sex", "glm:a/b", "glm:女", "glm:男",
    "glm:" + "x" * 3000, "glm:a\u0000", "glm:ab", "logrank:a,b", "logrank:ab", "cox:=1",
]  # fmt: skip


def test_words_are_tests_of_columns() -> None:
    assert parse_associations(
        ["adiffi:sex", "liebermeister:idh=mutant ", "glm:a=b", "logrank:t", "cox:t,e"]
    ) == (
        Association(kind="adiffi", column="sex"),
        Association(kind="liebermeister", column="idh", value="mutant"),
        Association(kind="glm", column="a=b"),
        Association(kind="logrank", column="t"),
        Association(kind="cox", column="t", event="e"),
    )
    assert parse_associations([]) == ()


def test_a_word_is_told_as_it_was_asked_for() -> None:
    words = ["adiffi:sex=F", "glm:age", "logrank:t", "cox:t,e"]
    assert [association.word for association in parse_associations(words)] == words


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sex", "one of adiffi, liebermeister, glm, logrank, cox, got 'sex'"),
        ("fisher:sex", "got 'fisher:sex'"),
        ("glm:", "requires glm:COLUMN, got 'glm:'"),
        ("adiffi", "requires adiffi:COLUMN"),
        ("adiffi:=F", r"requires adiffi:COLUMN\[=VALUE\]"),
        ("adiffi:sex=", r"requires adiffi:COLUMN\[=VALUE\]"),
        ("cox:t,", r"requires cox:TIME\[,EVENT\]"),
        ("cox:t,e,x", r"requires cox:TIME\[,EVENT\]"),
        ("cox:,e", r"requires cox:TIME\[,EVENT\]"),
        ("cox:t,t", "have to be two columns"),
        ("glm:participant_id", "participant_id"),
        ("logrank:t,participant_id", "participant_id"),
    ],
)
def test_other_words_are_refused(word: str, message: str) -> None:
    with pytest.raises(AssociationError, match=message):
        parse_associations([word])


def test_a_test_is_asked_for_once() -> None:
    with pytest.raises(AssociationError, match="'glm:age' more than once"):
        parse_associations(["glm:age", "glm:age"])


def test_labels_are_alphanumeric_and_unique_whatever_the_words_say() -> None:
    labels = association_labels(parse_associations(HOSTILE))
    assert len({label.casefold() for label in labels}) == len(HOSTILE)
    assert all(label.isascii() and label.isalnum() and len(label) <= LONGEST_LABEL for label in labels)
    assert association_labels(parse_associations(["cox:days,dead"])) == ("coxdaysdead",)
