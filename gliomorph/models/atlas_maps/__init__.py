"""A population atlas: sums over participants that are read one at a time, and the maps that are made of them.

``AtlasSums.empty``, ``add`` for every participant, ``release`` to decide what may be shown, then ``frequency_map`` and
the others; ``to_arrays`` and ``of_arrays`` keep the sums for participants to come.
"""

from .contrasts import Contrast, contrast
from .maps import (
    FrequencyMap,
    centroid_density,
    coverage_map,
    deviation_map,
    frequency_map,
    laterality,
    log_jacobian,
    mean_map,
    midline,
    mirror,
    surroundings,
)
from .moments import FRACTION_BITS, LIMIT, Moments
from .privacy import Release, near, release
from .records import EVERYBODY, PARTS, REGIONS, Grid, Member, Participant
from .storage import of_arrays, to_arrays
from .sums import AtlasSums, Cell
from .tumors import count_components, laterality_index

__all__ = [
    "EVERYBODY",
    "FRACTION_BITS",
    "LIMIT",
    "PARTS",
    "REGIONS",
    "AtlasSums",
    "Cell",
    "Contrast",
    "FrequencyMap",
    "Grid",
    "Member",
    "Moments",
    "Participant",
    "Release",
    "centroid_density",
    "contrast",
    "count_components",
    "coverage_map",
    "deviation_map",
    "frequency_map",
    "laterality",
    "laterality_index",
    "log_jacobian",
    "mean_map",
    "midline",
    "mirror",
    "near",
    "of_arrays",
    "release",
    "surroundings",
    "to_arrays",
]
