"""The table of regions and labels."""

from __future__ import annotations

import numpy as np

from gliomorph.interfaces.files.labels import class_indices
from gliomorph.models.regions import CAVITY, CONVENTIONS, EITHER, LABELS, NAMES, NESTED, REGIONS, TEXTS
from gliomorph.models.segmentation.inference import ED, ET, NCR
from gliomorph.models.segmentation.metrics import REGIONS as CLASSES_OF


def test_labels_are_those_of_brats_in_its_editions() -> None:
    assert {
        frozenset({1, 2, 4}): {"NCR": 1, "ED": 2, "ET": 4},
        frozenset({1, 2, 3}): {"NCR": 1, "ED": 2, "ET": 3},
        frozenset({1, 2, 3, 4}): {"NCR": 1, "ED": 2, "ET": 3, "RC": 4},
    } == CONVENTIONS
    assert EITHER == {1: "NCR", 2: "ED", 3: "ET", 4: "ET", CAVITY: "RC"}
    assert CAVITY not in LABELS.values()


def test_regions_are_nested_unions_of_parts() -> None:
    assert {name: set(parts) for name, parts in REGIONS.items()} == {
        "WT": {"NCR", "ED", "ET"}, "TC": {"NCR", "ET"}, "ET": {"ET"}, "NCR": {"NCR"}, "ED": {"ED"},
    }  # fmt: skip
    whole, core, enhancing = (set(REGIONS[region]) for region in NESTED)
    assert whole > core > enhancing
    assert set(NAMES.values()) == {*LABELS, "RC"} and set(TEXTS) == set(REGIONS)


def test_classes_of_a_network_are_the_places_of_the_labels() -> None:
    assert class_indices(np.array([0, 1, 2, 4, CAVITY])).tolist() == [0, NCR, ED, ET, 0] == [0, 1, 2, 3, 0]
    assert CLASSES_OF == {"ET": (ET,), "TC": (NCR, ET), "WT": (NCR, ED, ET)}
