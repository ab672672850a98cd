"""The cohort in groups that tests of 2 × 2 tables look at."""

import numpy as np
import pytest
from random_lesions import coverage_matrix, lesion_matrix


@pytest.fixture(scope="module")
def cohort():
    lesions = lesion_matrix()
    groups = np.random.default_rng(5).random((3, len(lesions))) < 0.4
    return lesions, coverage_matrix(lesions), groups
