"""What the numbers of a head's label map mean: FreeSurfer's inside the skull, those of SimNIBS' charm outside it."""

from __future__ import annotations

import attrs


@attrs.frozen
class Structure:
    """One tissue of a head, on both sides."""

    name: str
    numbers: tuple[int, ...]
    """Of the labels; left before right where there are two sides."""
    kind: str
    """``tissue``, ``fluid`` or ``outside`` (beyond the membranes of the brain)."""
    t1: float
    """Typical signal in T1w. Tissue: 0 is that of grey, 1 of white matter; fluid and outside: the share of fluid's
    or of white matter's signal."""
    white: bool = False
    """Whether oedema spreads in it as in white matter."""


STRUCTURES = (
    Structure("cerebral white matter", (2, 41, 251, 252, 253, 254, 255), "tissue", 1.0, white=True),
    Structure("white-matter hypointensities", (25, 57, 77, 78, 79), "tissue", 0.45, white=True),
    Structure("cerebral cortex", (3, 42), "tissue", 0.0),
    Structure("lateral ventricles", (4, 43, 5, 44), "fluid", 1.0),
    Structure("choroid plexus", (136, 163, 137, 164, 31, 63), "tissue", -0.9),
    Structure("cerebellar white matter", (7, 46), "tissue", 0.95, white=True),
    Structure("cerebellar cortex", (8, 47), "tissue", 0.0),
    Structure("thalamus", (10, 49), "tissue", 0.6),
    Structure("caudate", (11, 50), "tissue", 0.15),
    Structure("putamen", (12, 51), "tissue", 0.25),
    Structure("pallidum", (13, 52), "tissue", 0.75),
    Structure("third and fourth ventricle", (14, 15, 72), "fluid", 1.0),
    Structure("brainstem", (16,), "tissue", 0.85, white=True),
    Structure("hippocampus", (17, 53), "tissue", 0.05),
    Structure("amygdala", (18, 54), "tissue", 0.0),
    Structure("cerebrospinal fluid", (24,), "fluid", 1.0),
    Structure("accumbens", (26, 58), "tissue", 0.1),
    Structure("ventral diencephalon", (28, 60), "tissue", 0.75),
    Structure("vessels in the brain", (30, 62), "fluid", 1.1),
    Structure("optic chiasm", (85,), "tissue", 0.7),
    Structure("air and background", (0,), "outside", 0.0),
    Structure("arteries", (502,), "outside", 0.3),
    Structure("eyeballs", (506,), "outside", 0.25),
    Structure("other soft tissue", (507,), "outside", 0.6),
    Structure("muscles of the eyes", (508,), "outside", 0.6),
    Structure("mucosa", (509,), "outside", 0.55),
    Structure("skin", (511,), "outside", 0.8),
    Structure("spinal cord", (512,), "outside", 0.85),
    Structure("veins", (514,), "outside", 0.4),
    Structure("cortical bone", (515,), "outside", 0.1),
    Structure("marrow", (516,), "outside", 0.9),
    Structure("optic nerves", (530,), "outside", 0.7),
)
BY_NUMBER = {number: structure for structure in STRUCTURES for number in structure.numbers}
"""The structure of every number that is known."""
MERGED = {
    "cerebral white matter": ("cerebral white matter", "white-matter hypointensities"),
    "lateral ventricles": ("lateral ventricles", "choroid plexus"),
}
"""What is one structure where anatomies are compared: how the brain looks there does not matter."""
COMPARED = {
    name: tuple(number for one in STRUCTURES if one.name in MERGED.get(name, (name,)) for number in one.numbers)
    for name in (
        "cerebral white matter", "cerebral cortex", "lateral ventricles", "thalamus", "caudate", "putamen", "pallidum",
        "hippocampus", "amygdala", "brainstem", "cerebellar white matter", "cerebellar cortex",
        "third and fourth ventricle",
    )
}  # fmt: skip
"""Thirteen structures that everybody has, and their numbers: what registration is judged by."""
