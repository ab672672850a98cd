"""Simulated patients with known truth, from a template's tissues; arrays in, arrays out.

``prepare_anatomy`` once, then for every patient ``sample_parameters`` (random) and ``simulate_patient``
(deterministic, so that recorded parameters can be replayed).
"""

from .anatomy import TISSUES, Anatomy, prepare_anatomy
from .outcome import LOG_HAZARD, sample_demographics, sample_survival
from .patient import CONTRASTS, FoldingError, Patient, sample_parameters, simulate_patient
from .scanner import GRIDS

__all__ = [
    "CONTRASTS",
    "GRIDS",
    "LOG_HAZARD",
    "TISSUES",
    "Anatomy",
    "FoldingError",
    "Patient",
    "prepare_anatomy",
    "sample_demographics",
    "sample_parameters",
    "sample_survival",
    "simulate_patient",
]
