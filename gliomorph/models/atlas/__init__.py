"""A population atlas: sums over participants that are read one at a time, and the maps that are made of them.

``AtlasSums.empty``, ``add`` for every participant, ``release`` to decide what may be shown, then ``frequency_map`` and
the others; ``to_arrays`` and ``of_arrays`` keep the sums for participants to come.
"""

from ..small_cells import EVERYBODY
from .contrasts import Contrast, contrast
from .maps import (
    FrequencyMap,
    ShapeMap,
    centroid_density,
    coverage_map,
    deviation_map,
    frequency_map,
    laterality,
    log_jacobian,
    mean_map,
    midline,
    mirror,
    shape_map,
    surroundings,
)
from .moments import FRACTION_BITS, LIMIT, Moments
from .places import Place, hemispheres, place_of
from .privacy import Release, near, release
from .records import Grid, Member, Participant
from .storage import of_arrays, to_arrays
from .sums import AtlasSums, Cell
from .tumors import count_components, laterality_index

__all__ = [
    "EVERYBODY",
    "FRACTION_BITS",
    "LIMIT",
    "AtlasSums",
    "Cell",
    "Contrast",
    "FrequencyMap",
    "Grid",
    "Member",
    "Moments",
    "Participant",
    "Place",
    "Release",
    "ShapeMap",
    "centroid_density",
    "contrast",
    "count_components",
    "coverage_map",
    "deviation_map",
    "frequency_map",
    "hemispheres",
    "laterality",
    "laterality_index",
    "log_jacobian",
    "mean_map",
    "midline",
    "mirror",
    "near",
    "of_arrays",
    "place_of",
    "release",
    "shape_map",
    "surroundings",
    "to_arrays",
]
