"""A continuous variable against lesions, with covariates: the general linear model at every voxel."""

from __future__ import annotations

import attrs
import numpy as np

from .checks import continuous, design
from .patterns import Patterns, require_full_coverage, require_testable

EXPLAINED = 1e-10
"""A lesion or variable with a smaller share of its variance left is a function of the covariates."""


@attrs.frozen(kw_only=True, eq=False)
class LinearModel:
    """t of the lesion in y = x β + Z γ + ε, for permutations by Freedman and Lane.

    Residuals of the reduced model y = Z γ + ε are permuted, the whole model is fitted again (Freedman & Lane, J Bus
    Econ Stat 1:292-298, 1983; Winkler et al., NeuroImage 92:381-397, 2014). The fitted values H y that the method adds
    back lie in the span of Z and change no t. t is the same if the lesion is the outcome and y the predictor.
    """

    patterns: Patterns
    """x: U patterns of N subjects."""
    basis: np.ndarray
    """(N, r) orthonormal, spans the intercept and the covariates."""
    residuals: np.ndarray
    """(N,) of y given the covariates."""
    variation: np.ndarray
    """(U,) sum of squares of x given the covariates; 0 where these determine the lesion."""

    @property
    def degrees_of_freedom(self) -> int:
        """N − r − 1."""
        return self.patterns.subjects - self.basis.shape[1] - 1

    def __call__(self, permutations: np.ndarray) -> np.ndarray:
        """t of permuted residuals: (P, N) → (P, U); 0 where the covariates determine the lesion."""
        shuffled = self.residuals[permutations].T
        shuffled = shuffled - self.basis @ (self.basis.T @ shuffled)
        size = (shuffled**2).sum(axis=0)
        product = self.patterns.sums(shuffled).T
        scale = np.sqrt(size[:, None] * self.variation)
        r = np.divide(product, scale, out=np.zeros(product.shape), where=scale > 0)
        left = np.maximum(1 - r**2, np.finfo(float).eps)
        t: np.ndarray = r * np.sqrt(self.degrees_of_freedom / left)
        return t


def linear_model(
    patterns: Patterns, outcome: np.ndarray, covariates: np.ndarray | None = None
) -> LinearModel:
    """The model of a continuous variable: its call with ``arange(N)[None]`` gives the observed t.

    Parameters
    ----------
    patterns : Patterns
        Of N subjects, all covered, with lesioned and spared ones in every pattern.
    outcome : ndarray
        (N,) continuous.
    covariates : ndarray, optional
        (N, q), for instance lesion volume, age and sex; an intercept is always in the model.

    Returns
    -------
    model : LinearModel

    Raises
    ------
    ValueError
        If the outcome is constant, incomplete or a function of the covariates, if covariates are incomplete, constant
        or dependent, if there are too few subjects, or if a pattern cannot be tested.
    """
    require_full_coverage(patterns)
    require_testable(patterns)
    n = patterns.subjects
    values, columns = continuous(outcome, n, "the outcome"), design(covariates, n)
    basis = np.linalg.qr(np.column_stack([np.ones(n), columns]))[0]
    if n - basis.shape[1] - 1 < 1:
        raise ValueError(
            f"{columns.shape[1]} covariates require at least {basis.shape[1] + 2} subjects, got {n}"
        )
    centred = values - values.mean()
    residuals = centred - basis @ (basis.T @ centred)
    if residuals @ residuals <= EXPLAINED * (centred @ centred):
        raise ValueError(
            "the outcome must not be a linear function of the covariates: nothing is left to explain"
        )
    lesions = patterns.lesions.astype(float)
    variation = lesions - (patterns.sums(basis) ** 2).sum(axis=1)
    variation[variation <= EXPLAINED * lesions] = 0.0
    return LinearModel(patterns=patterns, basis=basis, residuals=residuals, variation=variation)
