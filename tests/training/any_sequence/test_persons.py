"""Who is one person, and folds that hold as many of every dataset as the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gliomorph.training.any_sequence.persons import deal, parts_of, read_persons
from gliomorph.training.scans import TrainingDataError

SOURCES = {f"a{n}": "brats" for n in range(10)} | {f"b{n}": "heads" for n in range(7)}


def test_folds_hold_as_many_of_every_dataset_give_or_take_one() -> None:
    fold_of = deal(SOURCES, 3, 0)
    assert fold_of.keys() == SOURCES.keys()
    for source in ("brats", "heads"):
        sizes = Counter(fold for person, fold in fold_of.items() if SOURCES[person] == source)
        assert max(sizes.values()) - min(sizes.values()) <= 1


def test_the_seed_alone_decides_and_not_the_order() -> None:
    backwards = dict(reversed(SOURCES.items()))
    assert deal(SOURCES, 3, 0) == deal(backwards, 3, 0)
    assert deal(SOURCES, 3, 0) != deal(SOURCES, 3, 1)


def test_everybody_is_held_out_once() -> None:
    fold_of = deal(SOURCES, 3, 0)
    held = [person for fold in range(3) for person in parts_of(fold_of, fold)["test"]]
    assert sorted(held) == sorted(SOURCES)
    parts = parts_of(fold_of, 1)
    assert not set(parts["train"]) & set(parts["test"])
    assert parts_of(fold_of, None) == {"train": sorted(SOURCES), "test": []}


def test_a_table_says_who_is_one_person(tmp_path: Path) -> None:
    table = tmp_path / "persons.tsv"
    table.write_text("participant_id\tperson_id\nsub-A\tone\nB\tone\n")
    assert read_persons(table) == {"A": "one", "B": "one"}
    assert read_persons(None) == {}


def test_a_table_without_these_columns_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "persons.tsv"
    table.write_text("participant_id\tage\nsub-A\t50\n")
    with pytest.raises(TrainingDataError, match="columns participant_id and person_id are required, found"):
        read_persons(table)
