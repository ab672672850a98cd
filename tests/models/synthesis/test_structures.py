"""What the numbers of a label map mean."""

from __future__ import annotations

from gliomorph.models.synthesis.structures import BY_NUMBER, COMPARED, STRUCTURES


def test_every_number_is_of_one_structure() -> None:
    assert len(BY_NUMBER) == sum(len(one.numbers) for one in STRUCTURES)
    assert {one.kind for one in STRUCTURES} == {"tissue", "fluid", "outside"}


def test_structures_that_are_compared_are_known_and_apart() -> None:
    numbers = [number for of_one in COMPARED.values() for number in of_one]
    assert len(COMPARED) == 13
    assert len(set(numbers)) == len(numbers)
    assert all(BY_NUMBER[number].kind != "outside" for number in numbers)
    assert set(COMPARED["lateral ventricles"]) > {4, 43, 5, 44}
    assert COMPARED["brainstem"] == (16,)
