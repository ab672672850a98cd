"""Names of the tests' outputs: those of nilearn and FitLins, which ``.bidsignore`` lists."""

from __future__ import annotations

from pathlib import PurePosixPath

from .names import ATLAS

STATISTICS = (
    "z", "t", "count", "difference", "oddsratio", "hazardratio", "hazardratiolow", "hazardratiohigh", "tfce"
)  # fmt: skip


def association_names(
    template: str, resolution: int, region: str, label: str, correction: str
) -> dict[str, str]:
    """Outputs of one test by key, relative to the output folder.

    Parameters
    ----------
    template : str
    resolution : int
        mm.
    region : str
        What the masks show, for instance ``WT``.
    label : str
        Of the test, ASCII letters and digits.
    correction : str
        ``fwer`` or ``fdr``.

    Returns
    -------
    names : dict of str to str
        Maps, not all of which a test has, and ``clusters``.
    """
    folder = PurePosixPath(f"tpl-{template}", "anat")
    stem = f"tpl-{template}_atlas-{ATLAS}_res-{resolution}_contrast-{label}"
    tails = {key: f"stat-{key}_label-{region}_statmap.nii.gz" for key in STATISTICS}
    tails["logp"] = f"stat-logp_label-{region}_desc-{correction}_statmap.nii.gz"
    tails["clusters"] = f"label-{region}_desc-{correction}clusters_stats.tsv"
    return {key: str(folder / f"{stem}_{tail}") for key, tail in tails.items()}
