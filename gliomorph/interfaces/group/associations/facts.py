"""What the sidecars of a test's maps say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .... import __version__
from ....models.atlas.records import kinds_of
from ....models.statistics import PARTIAL_COVERAGE, Kind
from ...records import Record
from ..records import MapFacts
from .options import TestOptions
from .words import Association

TESTS: Mapping[Kind, str] = {
    "adiffi": "Fisher's exact test, two-sided (analysis of differential involvement)",
    "liebermeister": "Liebermeister's quasi-exact test, two-sided",
    "glm": "Linear model, t of the lesion, two-sided",
    "logrank": "Log-rank test, two-sided",
    "cox": "Score test of the lesion in a Cox model, two-sided",
}

REFERENCES: Mapping[str, str] = {
    "adiffi": "Ellingson BM et al. Probabilistic radiographic atlas of glioblastoma phenotypes. AJNR 34:533-540, 2013.",
    "liebermeister": "Rorden C, Karnath HO, Bonilha L. Improving lesion-symptom mapping. J Cogn Neurosci "
    "19:1081-1088, 2007.",
    "glm": "Winkler AM et al. Permutation inference for the general linear model. NeuroImage 92:381-397, 2014.",
    "logrank": "Mantel N. Evaluation of survival data and two new rank order statistics arising in its consideration. "
    "Cancer Chemother Rep 50:163-170, 1966.",
    "cox": "Cox DR. Regression models and life-tables. J R Stat Soc B 34:187-220, 1972.",
    "fwer": "Nichols TE, Holmes AP. Nonparametric permutation tests for functional neuroimaging: a primer with "
    "examples. Hum Brain Mapp 15:1-25, 2002.",
    "fdr": "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to "
    "multiple testing. J R Stat Soc B 57:289-300, 1995.",
    "tfce": "Smith SM, Nichols TE. Threshold-free cluster enhancement: addressing problems of smoothing, threshold "
    "dependence and localisation in cluster inference. NeuroImage 44:83-98, 2009.",
}

CLUSTER_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "cluster": {"Description": "Number, by descending absolute statistic of the peak"},
    "peak_x_mm": {"Description": "Position of the peak, to the right", "Units": "mm"},
    "peak_y_mm": {"Description": "Position of the peak, to the front", "Units": "mm"},
    "peak_z_mm": {"Description": "Position of the peak, upwards", "Units": "mm"},
    "volume_ml": {"Description": "Volume in template space", "Units": "ml"},
    "statistic": {"Description": "Which statistic the next column has"},
    "peak_statistic": {"Description": "The statistic of the peak"},
    "peak_p_corrected": {"Description": "The corrected p of the peak"},
    "peak_lesions": {"Description": "Participants of the test with a lesion at the peak"},
    "peak_hazard_ratio": {
        "Description": "Hazard of the lesioned over that of the spared at the peak, covariates given"
    },
    "peak_hazard_ratio_low": {"Description": "Lower limit of its 95 % interval"},
    "peak_hazard_ratio_high": {"Description": "Upper limit of its 95 % interval"},
}
"""Columns of the table of clusters; positions are RAS."""
CLUSTERS_TEXT = (
    "Significant voxels of one sign that share a side, an edge or a corner, by the statistic of their peak"
)
EFFECTS = ("difference", "oddsratio")
HAZARDS: Mapping[str, str] = {
    "hazardratio": "Hazard of the lesioned over that of the spared, covariates given (Cox model, Efron's ties)",
    "hazardratiolow": "Lower limit of the hazard ratio's 95 % interval (Wald)",
    "hazardratiohigh": "Upper limit of the hazard ratio's 95 % interval (Wald)",
}
CORRECTIONS = {
    "fwer": "family-wise error, by the largest absolute statistic of each permutation",
    "fdr": "false discovery rate, Benjamini and Hochberg",
}


@attrs.frozen(kw_only=True)
class TestFacts(Record):
    """How a test was made and what it has found."""

    __test__ = False  # pytest would take the class for a test

    association: Association
    options: TestOptions
    positive: str
    """What a positive statistic says."""
    participants: int
    sizes: Mapping[str, int]
    """Participants of either group, or with the event and without; empty of numbers."""
    left_out: Mapping[str, int]
    """How many participants by the reason: who they are stays with the run."""
    covariates: tuple[str, ...]
    voxels: int
    patterns: int
    uncovered: int
    clusters: int
    """``voxels``, ``patterns``, ``uncovered``, ``clusters``: Voxels tested, their different sets of lesioned
    participants, voxels not tested for lack of coverage, and significant clusters."""
    effects: Mapping[str, Any] = attrs.field(factory=dict)
    """Further entries of the sidecars."""
    warning: str = ""
    """Empty as a rule."""

    @property
    def test(self) -> str:
        """The name of the test."""
        return TESTS[self.association.kind]

    @property
    def correction(self) -> str:
        """What is corrected for, and how."""
        return CORRECTIONS[self.options.correction]

    @property
    def references(self) -> list[str]:
        """Whom to cite."""
        options = self.options
        used = [self.association.kind, options.correction, *(["tfce"] if options.tfce else [])]
        return [REFERENCES[name] for name in used]

    def of_map(self, key: str) -> MapFacts:
        """What the sidecar of a map says, or that of the table, ``clusters``."""
        columns = CLUSTER_COLUMNS if key == "clusters" else {}
        return MapFacts(
            content={"Description": self._description(key), **self._shared(), **columns},
            files=("tumor", "coverage"),
            kinds=kinds_of(self.options.region),
        )

    def _shared(self) -> dict[str, Any]:
        association, options = self.association, self.options
        permuted = options.correction == "fwer"
        return {
            "Test": self.test,
            "Word": association.word,
            "Region": options.region,
            "Column": association.column,
            **({"Event": association.event} if association.event else {}),
            "PositiveStatistic": self.positive,
            "SampleSize": self.participants,
            "GroupSizes": dict(self.sizes),
            "LeftOut": dict(self.left_out),
            "Correction": self.correction,
            "Threshold": options.alpha,
            **({"Permutations": options.permutations, "Seed": options.seed} if permuted else {}),
            "TFCE": options.tfce,
            "MinimumLesions": options.min_lesions,
            "MinimumCoverage": options.min_coverage if association.kind in PARTIAL_COVERAGE else 1.0,
            "MinimumCell": options.min_cell,
            "TestedVoxels": self.voxels,
            "TestedPatterns": self.patterns,
            "UncoveredVoxels": self.uncovered,
            "Covariates": list(self.covariates),
            "SignificantClusters": self.clusters,
            **self.effects,
            **({"Warning": self.warning} if self.warning else {}),
            "SoftwareVersion": __version__,
            "References": self.references,
        }

    def _description(self, key: str) -> str:
        options = self.options
        if key == "clusters":
            return CLUSTERS_TEXT
        if key in HAZARDS:
            return f"{HAZARDS[key]}; NaN where nothing was fitted: only significant voxels are"
        enhanced = "the enhanced statistic" if options.tfce else "the statistic"
        p = (
            f"p of {enhanced}, corrected by permutations"
            if options.correction == "fwer"
            else "adjusted p (q)"
        )
        text = {
            "z": f"z of the test: positive where {self.positive}",
            "t": f"t of the test: positive where {self.positive}",
            "tfce": f"The statistic after threshold-free cluster enhancement: positive where {self.positive}",
            "logp": f"-log10 of the {p}",
            "count": "Participants of the test with a lesion in the voxel",
            "difference": f"Difference of lesion frequencies: {' minus '.join(self.sizes)}",
            "oddsratio": f"Odds of a lesion: {' over '.join(self.sizes)}; half a participant is added to each cell of "
            "a table with an empty one (Haldane, Anscombe)",
        }[key]
        if key not in EFFECTS:
            return f"{text}; 0 where nothing was tested"
        fewer = f" or fewer than {options.min_cell} of either group are lesioned" * (options.min_cell > 1)
        return f"{text}; NaN where nothing was tested{fewer}"

    def sentence(self) -> str:
        """How the test was made, for the methods section of a paper."""
        association, options = self.association, self.options
        enhanced = " after threshold-free cluster enhancement" * options.tfce
        permuted = f", {options.permutations} permutations" * (options.correction == "fwer")
        region = f" and {options.region}" * (options.region != "WT")
        sizes = ", ".join(f"{count} {name}" for name, count in self.sizes.items())
        people = f"{self.participants} participants{f' ({sizes})' * bool(sizes)}"
        return (
            f"{self.test}, of {' and '.join(association.columns)}{region} at every voxel with at least "
            f"{options.min_lesions} lesioned and as many spared of {people}{_as_covariates(self.covariates)}; "
            f"{self.correction}{enhanced}{permuted}, p ≤ {options.alpha:g}."
        )


@attrs.frozen(kw_only=True)
class TestResults(Record):
    """What the tests have given."""

    __test__ = False  # pytest would take the class for a test

    files: Mapping[str, Path] = attrs.field(factory=dict)
    """Maps and tables of clusters by ``<label>_<region>/<key>``, the keys of
    :func:`~gliomorph.interfaces.derivatives.names.association_names`."""
    facts: Mapping[str, TestFacts] = attrs.field(factory=dict)
    """By ``<label>_<region>``."""


def _as_covariates(names: Sequence[str]) -> str:
    """The covariates' part of a sentence, without units and codes; empty without covariates."""
    short = [name.removesuffix(" in template space (ml)").split(" (1: ")[0] for name in names]
    if len(short) > 1:
        return f"; {', '.join(short[:-1])} and {short[-1]} as covariates"
    return f"; {short[0]} as a covariate" if short else ""
