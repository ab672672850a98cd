"""What the sidecars of a test's maps say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....models.statistics import PARTIAL_COVERAGE, Kind
from .options import TestOptions
from .samples import Sample

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
"""Of the table of clusters; positions are RAS."""
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


def facts_of(
    sample: Sample, options: TestOptions, maps: Sequence[str], known: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The sidecar of each map.

    Parameters
    ----------
    sample : Sample
    options : TestOptions
    maps : sequence of str
        Keys of the maps.
    known : mapping
        What was found while testing.

    Returns
    -------
    facts : dict of str to dict
        Who was left out is counted there and not named.
    """
    association, permuted = sample.association, options.correction == "fwer"
    used = [association.kind, options.correction, *(["tfce"] if options.tfce else [])]
    shared = {
        "Test": TESTS[association.kind],
        "Word": association.word,
        "Region": options.region,
        "Column": association.column,
        **({"Event": association.event} if association.event else {}),
        "PositiveStatistic": sample.positive,
        "SampleSize": len(sample.participants),
        "GroupSizes": dict(sample.sizes),
        "LeftOut": {reason: len(names) for reason, names in sample.left_out.items()},
        "Correction": CORRECTIONS[options.correction],
        "Threshold": options.alpha,
        **({"Permutations": options.permutations, "Seed": options.seed} if permuted else {}),
        "TFCE": options.tfce,
        "MinimumLesions": options.min_lesions,
        "MinimumCoverage": options.min_coverage if association.kind in PARTIAL_COVERAGE else 1.0,
        "MinimumCell": options.min_cell,
        **known,
        "References": [REFERENCES[name] for name in used],
    }
    return {key: {"Description": _description(key, sample, options)} | shared for key in maps}


def _description(key: str, sample: Sample, options: TestOptions) -> str:
    if key in HAZARDS:
        return f"{HAZARDS[key]}; NaN where nothing was fitted: only significant voxels are"
    enhanced = "the enhanced statistic" if options.tfce else "the statistic"
    p = f"p of {enhanced}, corrected by permutations" if options.correction == "fwer" else "adjusted p (q)"
    text = {
        "z": f"z of the test: positive where {sample.positive}",
        "t": f"t of the test: positive where {sample.positive}",
        "tfce": f"The statistic after threshold-free cluster enhancement: positive where {sample.positive}",
        "logp": f"-log10 of the {p}",
        "count": "Participants of the test with a lesion in the voxel",
        "difference": f"Difference of lesion frequencies: {' minus '.join(sample.sizes)}",
        "oddsratio": f"Odds of a lesion: {' over '.join(sample.sizes)}; half a participant is added to each cell of "
        "a table with an empty one (Haldane, Anscombe)",
    }[key]
    if key not in EFFECTS:
        return f"{text}; 0 where nothing was tested"
    fewer = f" or fewer than {options.min_cell} of either group are lesioned" * (options.min_cell > 1)
    return f"{text}; NaN where nothing was tested{fewer}"


def cluster_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The sidecar of the table of clusters.

    Parameters
    ----------
    facts : mapping
        Of the test's corrected p.

    Returns
    -------
    facts : dict
        What is known of the test, and the columns.
    """
    text = "Significant voxels of one sign that share a side, an edge or a corner, by the statistic of their peak"
    return {**facts, "Description": text} | dict(CLUSTER_COLUMNS)


def sentence(facts: Mapping[str, Any]) -> str:
    """How a test was made, for the methods section of a paper; references are those of the facts."""
    enhanced = " after threshold-free cluster enhancement" * bool(facts["TFCE"])
    permuted = f", {facts['Permutations']} permutations" if "Permutations" in facts else ""
    covariates = _as_covariates(facts["Covariates"])
    region = f" and {facts['Region']}" * (facts["Region"] != "WT")
    what = f"{facts['Column']} and {facts['Event']}" if "Event" in facts else facts["Column"]
    sizes = ", ".join(f"{count} {name}" for name, count in facts["GroupSizes"].items())
    people = f"{facts['SampleSize']} participants{f' ({sizes})' * bool(sizes)}"
    return (
        f"{facts['Test']}, of {what}{region} at every voxel with at least {facts['MinimumLesions']} lesioned and as "
        f"many spared of {people}{covariates}; {facts['Correction']}{enhanced}"
        f"{permuted}, p ≤ {facts['Threshold']:g}."
    )


def _as_covariates(names: Sequence[str]) -> str:
    """Of a sentence, without units and codes; empty without covariates."""
    short = [name.removesuffix(" in template space (ml)").split(" (1: ")[0] for name in names]
    if len(short) > 1:
        return f"; {', '.join(short[:-1])} and {short[-1]} as covariates"
    return f"; {short[0]} as a covariate" if short else ""
