"""Statistics of a population atlas: arrays in, arrays out.

Lesions are a matrix subjects × voxels. ``select_voxels`` says which to test, ``find_patterns`` leaves each lesion
pattern once, a test (``logrank_test``, ``cox_score_test``, ``linear_model``, ``fisher_statistic``,
``liebermeister_statistic``) turns patterns and variables into a function of permutations, ``permutation_test`` gives
its corrected p, and ``Patterns.expand`` brings values back to voxels. ``LesionBits`` are patterns of cohorts whose
matrix is too large, and ``voxel_test`` is one face of all tests.
"""

from .clusters import Cluster, find_clusters
from .cox import HazardRatios, adjusted_cox
from .fdr import FalseDiscovery, false_discovery_rate
from .fisher import fisher_p
from .glm import LinearModel, linear_model
from .group_tests import GroupEffect, adiffi, fisher_statistic, liebermeister_statistic
from .intervals import binomial_interval
from .lesion_bits import LesionBits
from .liebermeister import liebermeister_p
from .patterns import Patterns, find_patterns
from .permutation import PermutationTest, permutation_test
from .selection import select_voxels
from .survival import ScoreTest, cox_score_test, logrank_test
from .tfce import tfce, tfce_of_patterns
from .two_by_two import Tables, count_tables
from .voxel_tests import COVARIATES, PARTIAL_COVERAGE, Kind, VoxelTest, voxel_test

__all__ = [
    "COVARIATES",
    "PARTIAL_COVERAGE",
    "Cluster",
    "FalseDiscovery",
    "GroupEffect",
    "HazardRatios",
    "Kind",
    "LesionBits",
    "LinearModel",
    "Patterns",
    "PermutationTest",
    "ScoreTest",
    "Tables",
    "VoxelTest",
    "adiffi",
    "adjusted_cox",
    "binomial_interval",
    "count_tables",
    "cox_score_test",
    "false_discovery_rate",
    "find_clusters",
    "find_patterns",
    "fisher_p",
    "fisher_statistic",
    "liebermeister_p",
    "liebermeister_statistic",
    "linear_model",
    "logrank_test",
    "permutation_test",
    "select_voxels",
    "tfce",
    "tfce_of_patterns",
    "voxel_test",
]
