"""Options of the tests: refused where they cannot be."""

from typing import Any

import pytest

from gliomorph.interfaces.group.associations.options import TestOptions
from gliomorph.interfaces.group.associations.words import AssociationError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 0}, "permutations: at least 1 is required, got 0"),
        ({"min_lesions": 0}, "min_lesions: at least 1"),
        ({"min_cell": 0}, "min_cell: at least 1"),
        ({"threads": 0}, "threads: at least 1"),
        ({"seed": -1}, "seed: at least 0 is required, got -1"),
        ({"correction": "bonferroni"}, "correction: fwer or fdr is required, got 'bonferroni'"),
        ({"alpha": 1.0}, "alpha: a p between 0 and 1"),
        ({"min_coverage": 1.5}, "min_coverage: a share, 0 to 1, is required, got 1.5"),
        ({"region": "tumour"}, "region: one of WT, TC, ET, NCR, ED is required, got 'tumour'"),
        ({"covariates": ["age", "age"]}, "covariates: a column counts once, got 'age' more than once"),
        ({"covariates": ["participant_id"]}, "numbers or two values are required, got 'participant_id'"),
        ({"covariates": [" "]}, "numbers or two values are required, got ' '"),
        ({"tfce": True, "correction": "fdr"}, "tfce is corrected by permutations"),
        ({"permutations": 18}, r"no p below 0.0526, and 0.05 is required: take at least 19"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AssociationError, match=message):
        TestOptions(**options)


def test_the_fewest_permutations_that_can_be_significant_are_enough() -> None:
    assert TestOptions(permutations=19).alpha == 0.05
    assert TestOptions(permutations=1, correction="fdr").correction == "fdr"
