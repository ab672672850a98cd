"""``gliomorph-evaluate compare``: from a derivatives folder to tables and a page."""

from __future__ import annotations

from pathlib import Path

from ..interfaces.derivatives.registrations import Registrations
from .page import comparison_page
from .study import Study, compare_methods, extra_values, scan_rows, summary_rows
from .tables import check_out_dir, write_rows


def evaluate_compare(
    registrations: Registrations, out_dir: Path, baseline: str = ""
) -> tuple[Study, list[Path]]:
    """Compare the methods, and write tables and page.

    Parameters
    ----------
    registrations : Registrations
    out_dir : Path
        Where ``comparison.tsv``, ``comparison_scans.tsv`` and ``comparison.html`` go, and where ``labels.tsv``,
        ``landmarks.tsv`` and ``truth.tsv`` are looked for.
    baseline : str
        The method that the others are tested against; empty: the first there is of
        :data:`~gliomorph.evaluation.study.BASELINES`, or of all.

    Returns
    -------
    study : Study
    written : list of Path

    Raises
    ------
    EvaluationError
        Fewer than two methods, a baseline that is not among them, no scan that has all of them, or a table
        of labels, landmarks or truth that cannot be read.
    """
    check_out_dir(out_dir, registrations.folder)
    study = compare_methods(registrations, baseline, extra_values(out_dir, registrations))
    written = [
        write_rows(summary_rows(study), out_dir / "comparison.tsv"),
        write_rows(scan_rows(study), out_dir / "comparison_scans.tsv"),
        comparison_page(study, out_dir / "comparison.html"),
    ]
    return study, written
