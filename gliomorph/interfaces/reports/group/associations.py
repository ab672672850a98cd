"""What the cohort's page shows of a test: who was in it, a picture, the clusters, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import SimpleITK as sitk

from ...files.images import from_array, read_image, to_array
from ...files.text import people
from ...group.associations.facts import TestFacts
from ..pages import shown
from .pictures import statistic_picture
from .story import Test

MOST_CLUSTERS = 20
"""Rows of the page's table; the file has all."""
COLUMNS = {
    "cluster": "Cluster",
    "volume_ml": "Volume (ml)",
    "peak_x_mm": "x (mm)",
    "peak_y_mm": "y (mm)",
    "peak_z_mm": "z (mm)",
    "peak_statistic": "Statistic",
    "peak_p_corrected": "Corrected p",
    "peak_lesions": "Lesions at the peak",
}
HAZARDS = {
    "peak_hazard_ratio": "Hazard ratio",
    "peak_hazard_ratio_low": "lower",
    "peak_hazard_ratio_high": "upper limit",
}
"""Columns of tests that have them."""
LINKS = {
    "clusters": "clusters",
    "z": "z",
    "t": "t",
    "logp": "corrected p",
    "count": "lesions",
    "difference": "difference",
    "oddsratio": "odds ratio",
    "hazardratio": "hazard ratio",
    "hazardratiolow": "its lower limit",
    "hazardratiohigh": "its upper limit",
    "tfce": "enhanced statistic",
}


def sections_of_tests(
    template: sitk.Image, tests: Sequence[Test], files: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The tests of a run, for the page.

    Parameters
    ----------
    template : SimpleITK.Image
    tests : sequence of Test
    files : mapping of str to path
        By ``<label>/<key>``.

    Returns
    -------
    sections : list of dict
        Texts, a picture, rows of clusters and links.
    """
    return [_section(template, test, files) for test in tests]


def _section(template: sitk.Image, test: Test, files: Mapping[str, Any]) -> dict[str, Any]:
    label, facts, names = test.label, test.facts, test.names
    scale = "z" if f"{label}/z" in files else "t"
    corrected = read_image(Path(files[f"{label}/logp"]))
    # the map is in single precision
    significant = to_array(corrected) >= np.float32(-np.log10(facts.options.alpha)) - 1e-6
    word, region = facts.association.word, facts.options.region
    title = word if region == "WT" else f"{word}, {region}"
    picture = statistic_picture(
        template,
        label,
        title,
        scale,
        Path(files[f"{label}/{scale}"]),
        from_array(significant.astype(np.uint8), corrected),
    )
    clusters = pd.read_csv(Path(files[f"{label}/clusters"]), sep="\t")
    columns = COLUMNS | (HAZARDS if f"{label}/hazardratio" in files else {})
    return {
        "title": title,
        "rows": _rows(facts),
        "warning": facts.warning,
        "picture": picture,
        "columns": list(columns.values()),
        "clusters": [
            [shown(row[name]) for name in columns] for row in clusters.head(MOST_CLUSTERS).to_dict("records")
        ],
        "links": [(text, quote(names[key], safe="/")) for key, text in LINKS.items() if key in names],
        "methods": facts.sentence(),
        "references": facts.references,
    }


def _rows(facts: TestFacts) -> list[tuple[str, str]]:
    sizes = "; ".join(f"{name}: {count}" for name, count in facts.sizes.items())
    left_out = "; ".join(f"{people(count)}: {reason}" for reason, count in facts.left_out.items())
    uncovered, region = facts.uncovered, facts.options.region
    return [
        ("Test", facts.test),
        ("A positive statistic", facts.positive),
        ("Participants", f"{facts.participants}{f' ({sizes})' * bool(sizes)}"),
        ("Left out", left_out or "nobody"),
        ("Lesion", "whole tumour (WT)" if region == "WT" else f"sub-region {region}"),
        *([("Covariates", "; ".join(facts.covariates))] if facts.covariates else []),
        ("Voxels tested", f"{facts.voxels}{f'; {uncovered} seen by too few' * bool(uncovered)}"),
        ("Correction", facts.correction),
        ("Significant", f"corrected p ≤ {facts.options.alpha:g}"),
        ("Clusters", str(facts.clusters)),
    ]
