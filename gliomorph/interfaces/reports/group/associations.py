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
from ...group.associations.facts import sentence
from ..pages import shown
from .pictures import statistic_picture

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
    template: sitk.Image, told: Sequence[Mapping[str, Any]], files: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The tests of a run, for the page.

    Parameters
    ----------
    template : SimpleITK.Image
    told : sequence of mappings
        Of every test: ``label``; ``facts`` of its corrected p; ``names``, final names of its files by key, relative
        and not yet percent-encoded.
    files : mapping of str to path
        By ``<label>/<key>``.

    Returns
    -------
    sections : list of dict
        Texts, a picture, rows of clusters and links.
    """
    return [_section(template, test["label"], test["facts"], test["names"], files) for test in told]


def _section(
    template: sitk.Image,
    label: str,
    facts: Mapping[str, Any],
    names: Mapping[str, str],
    files: Mapping[str, Any],
) -> dict[str, Any]:
    scale = "z" if f"{label}/z" in files else "t"
    corrected = read_image(Path(files[f"{label}/logp"]))
    # the map is in single precision
    significant = to_array(corrected) >= np.float32(-np.log10(facts["Threshold"])) - 1e-6
    title = facts["Word"] if facts["Region"] == "WT" else f"{facts['Word']}, {facts['Region']}"
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
        "warning": facts.get("Warning", ""),
        "picture": picture,
        "columns": list(columns.values()),
        "clusters": [
            [shown(row[name]) for name in columns] for row in clusters.head(MOST_CLUSTERS).to_dict("records")
        ],
        "links": [(text, quote(names[key], safe="/")) for key, text in LINKS.items() if key in names],
        "methods": sentence(facts),
        "references": facts["References"],
    }


def _rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    sizes = "; ".join(f"{name}: {count}" for name, count in facts["GroupSizes"].items())
    left_out = "; ".join(f"{people(count)}: {reason}" for reason, count in facts["LeftOut"].items())
    uncovered = facts["UncoveredVoxels"]
    return [
        ("Test", facts["Test"]),
        ("A positive statistic", facts["PositiveStatistic"]),
        ("Participants", f"{facts['SampleSize']}{f' ({sizes})' * bool(sizes)}"),
        ("Left out", left_out or "nobody"),
        ("Lesion", "whole tumour (WT)" if facts["Region"] == "WT" else f"sub-region {facts['Region']}"),
        *([("Covariates", "; ".join(facts["Covariates"]))] if facts["Covariates"] else []),
        ("Voxels tested", f"{facts['TestedVoxels']}{f'; {uncovered} seen by too few' * bool(uncovered)}"),
        ("Correction", facts["Correction"]),
        ("Significant", f"corrected p ≤ {facts['Threshold']:g}"),
        ("Clusters", str(facts["SignificantClusters"])),
    ]
