"""Sequences of a tumour scan, regions of the tumour, and the values of their labels: made once, for all others."""

MODALITIES = ("T1w", "T1ce", "T2w", "FLAIR")
"""Input channels of a teacher, in this order; a student has one of them."""
AUTO = "auto"
"""In place of a modality: the first of them that a session has."""
LABELS = {"NCR": 1, "ED": 2, "ET": 4}
"""Parts that exclude each other, in the order of a network's classes; ET is 4, as in BraTS until the 2022 edition."""
CAVITY = 5
"""Label of a resection cavity, RC, in what is written: carried along, but no part of the tumour."""
_EDITIONS = (LABELS, LABELS | {"ET": 3}, LABELS | {"ET": 3, "RC": 4})
CONVENTIONS = {frozenset(labels.values()): labels for labels in _EDITIONS}
"""BraTS label maps: ET is 4 until the 2022 edition and 3 since; 4 is the resection cavity of treated patients since
2024."""
EITHER = {index: part for labels in _EDITIONS[:2] for part, index in labels.items()} | {CAVITY: "RC"}
"""The part of each label of untreated patients, in whichever of the conventions, and what is written as cavity."""
REGIONS = {"WT": ("NCR", "ED", "ET"), "TC": ("NCR", "ET"), "ET": ("ET",), "NCR": ("NCR",), "ED": ("ED",)}
"""Regions as unions of parts: their counts are sums of counts."""
NESTED = ("WT", "TC", "ET")
"""Regions whose probabilities are passed on, in this order."""
NAMES = {"NCR": "NCR", "NET": "NCR", "NCR/NET": "NCR", "NETC": "NCR", "ED": "ED", "SNFH": "ED", "ET": "ET", "RC": "RC",
    "CAVITY": "RC", "RESECTION CAVITY": "RC"}  # fmt: skip
"""What label tables call the parts and the cavity; BraTS counts non-enhancing tumour with necrosis."""
_TEXTS = ("whole tumour", "tumour core", "enhancing tumour", "necrotic core", "oedema")
TEXTS = dict(zip(REGIONS, _TEXTS, strict=True))
"""What pages call the regions."""


def part_named(text: str) -> str:
    """The part, or the cavity, that a label table calls so, in capitals or not; empty for any other text.

    Examples
    --------
    >>> part_named("SNFH"), part_named("resection_cavity"), part_named("CSF")
    ('ED', 'RC', '')
    """
    return NAMES.get(" ".join(text.upper().replace("_", " ").replace("-", " ").split()), "")
