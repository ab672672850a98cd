"""Tables like the thesis' 3.7 and 3.8: every model of every training set, beside the baseline of the same set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gliomorph.models.segmentation.metrics import REGIONS
from gliomorph.models.statistics.paired import compare

from ..tables import markdown
from .study import BASELINE
from .train import figures_path

FIGURES = ("dice", "hausdorff95", "hausdorff")
SHOWN = ("dice", "hausdorff95")
"""In the Markdown; the TSV has all."""

KEYS = ["training", "model", "region", "figure"]


def per_patient(out: Path, sizes: Sequence[int], models: Sequence[str]) -> pd.DataFrame:
    """Figures of every test patient by every model that is done."""
    parts = [
        pd.read_csv(path, sep="\t").assign(training=training, model=model)
        for training in sizes
        for model in models
        if (path := figures_path(out, training, model)).exists()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["training", "model", "patient", *table.columns.drop(["training", "model", "patient"])]]


def compared(patients: pd.DataFrame) -> pd.DataFrame:
    """Means and paired tests.

    Parameters
    ----------
    patients : DataFrame
        Of :func:`per_patient`; with the baseline of every training set.

    Returns
    -------
    table : DataFrame
        A row for each of :data:`KEYS`. ``mean`` and ``sd`` run over the ``finite`` values of the model's own;
        ``difference``, ``t_p``, ``wilcoxon_p`` and ``mark`` over the ``pairs`` that the baseline has, too (empty
        for itself).
    """
    rows = []
    for (training, model), group in patients.groupby(["training", "model"], sort=False):
        baseline = patients[(patients.training == training) & (patients.model == BASELINE)]
        for region in REGIONS:
            for figure in FIGURES:
                name = f"{region}_{figure}"
                values = group.sort_values("patient")[name].to_numpy()
                row = dict(zip(KEYS, (training, model, region, figure), strict=True)) | _moments(values)
                if model != BASELINE:
                    row |= _tests(values, baseline.sort_values("patient")[name].to_numpy(), figure == "dice")
                rows.append(row)
    return pd.DataFrame(rows)


def _moments(values: np.ndarray) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    mean, sd = (finite.mean(), finite.std(ddof=1)) if len(finite) > 1 else (np.nan, np.nan)
    return {"mean": mean, "sd": sd, "finite": len(finite)}


def _tests(values: np.ndarray, baseline: np.ndarray, higher_is_better: bool) -> dict[str, object]:
    found = compare(values, baseline)
    return {
        "difference": found.difference,
        "t_p": found.t_p,
        "wilcoxon_p": found.wilcoxon_p,
        "pairs": found.n,
        "mark": found.mark(higher_is_better),
    }


def main_table(table: pd.DataFrame, patients: int) -> str:
    """Markdown: Dice in percent and Hausdorff 95 % in mm, with marks; in brackets the patients without a distance."""
    columns = [(figure, region) for figure in SHOWN for region in REGIONS]
    names = {"dice": "Dice", "hausdorff95": "HD95"}
    rows = []
    for (training, model), group in table.groupby(["training", "model"], sort=False):
        cells = group.set_index(["figure", "region"])
        rows.append([f"N = {training}", model, *(_cell(cells.loc[key], key[0], patients) for key in columns)])
    return markdown(
        ["training set", "model", *(f"{names[figure]} {region}" for figure, region in columns)], rows
    )


def _cell(row: pd.Series, figure: str, patients: int) -> str:
    scale, digits = (100, 2) if figure == "dice" else (1, 2)
    mark = row["mark"] if isinstance(row.get("mark"), str) else ""
    missing = patients - int(row["finite"])
    return f"{scale * row['mean']:.{digits}f}{mark}" + (f" ({missing})" if missing else "")


def differences_table(table: pd.DataFrame) -> str:
    """Markdown: differences of the Dice to the baseline (percent), with both tests."""
    rows = []
    dice = table[(table.figure == "dice") & (table.model != BASELINE)]
    for (training, model), group in dice.groupby(["training", "model"], sort=False):
        cells = group.set_index("region")
        texts = [
            f"{100 * row.difference:+.2f} ({_p(row.t_p)}; {_p(row.wilcoxon_p)})"
            for row in (cells.loc[region] for region in REGIONS)
        ]
        rows.append([f"N = {training}", model, *texts])
    return markdown(["training set", "model", *REGIONS], rows)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
