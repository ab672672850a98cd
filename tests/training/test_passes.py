"""The course of a training: every example once a pass, in a seeded order, figures as they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gliomorph.training.passes import Passes, pictured, row_of


def passes(batches: list[tuple[int, list[int]]], **changed: Any) -> Passes[list[int]]:
    """Five examples in batches of two, each of which is written down as it is used."""

    def batch(group: Sequence[int], epoch: int) -> list[int]:
        return [epoch, *group]

    def step(made: list[int]) -> Mapping[str, float]:
        batches.append((made[0], made[1:]))
        return {"total": sum(made[1:]) / len(made[1:])}

    known: dict[str, Any] = {
        "count": 5,
        "batch_size": 2,
        "epochs": 3,
        "seed": 7,
        "batch": batch,
        "step": step,
    }
    return Passes(**{**known, **changed})


def test_every_example_is_used_once_in_an_order_of_the_epochs_own() -> None:
    orders = []
    for epoch in (0, 1, 1):
        batches: list[tuple[int, list[int]]] = []
        losses = passes(batches).carry_out(epoch, {}, lambda *_: None)
        assert [len(group) for _, group in batches] == [2, 2, 1]
        assert {number for number, _ in batches} == {epoch}
        orders.append([index for _, group in batches for index in group])
        assert sorted(orders[-1]) == [0, 1, 2, 3, 4]
        assert losses == {"total": pytest.approx(2.0)}  # a mean over examples, not over batches
    assert orders[0] != orders[1] == orders[2]


def test_the_order_follows_from_the_seed() -> None:
    batches: dict[int, list[tuple[int, list[int]]]] = {1: [], 2: []}
    for seed, made in batches.items():
        passes(made, seed=seed, count=20).carry_out(0, {}, lambda *_: None)
    assert batches[1] != batches[2]


def test_progress_counts_steps_of_the_whole_training_and_knows_the_last_validation() -> None:
    calls: list[tuple[int, int, Mapping[str, float]]] = []
    latest = {"epoch": 1.0, "train_total": 9.0, "validation_loss": 0.5}
    passes([]).carry_out(1, latest, lambda *call: calls.append(call))
    assert [(done, total) for done, total, _ in calls] == [(4, 9), (5, 9), (6, 9)]
    assert all(figures["validation_loss"] == 0.5 and figures["epoch"] == 2 for *_, figures in calls)
    assert all("train_total" not in figures for *_, figures in calls)


def test_an_error_while_a_batch_is_made_is_raised() -> None:
    def fail(group: Sequence[int], epoch: int) -> list[int]:
        raise OSError("no such scan")

    with pytest.raises(OSError, match="no such scan"):
        passes([], batch=fail).carry_out(0, {}, lambda *_: None)


def test_pictures_are_drawn_every_epoch_of_a_short_training_and_twenty_times_in_a_long_one() -> None:
    assert all(pictured(epoch, 5) for epoch in range(1, 6))
    assert sum(pictured(epoch, 1000) for epoch in range(1, 1001)) == 20


def test_a_row_names_what_is_of_the_training_and_what_of_the_validation() -> None:
    row = row_of(3, 0.1, {"total": 1.0}, {"loss": 2.0})
    assert list(row.items()) == [
        ("epoch", 3),
        ("learning_rate", 0.1),
        ("train_total", 1.0),
        ("validation_loss", 2.0),
    ]
