"""The page of a patient's sessions: how each fits the reference session, and what has changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ....models.regions import CAVITY
from ...files.images import from_array, read_image, to_array
from ...pairs.follow import COLUMNS, Followed, Visit
from ...task import task
from .. import figures
from ..cuts import choose_cuts
from ..pages import Album, Measure, Picture, as_json, render, shown
from .pictures import PairNames, pair_pictures
from .report import measures_of, methods_of

CHANGE = {
    "session_id": Measure("Session"),
    "region": Measure("Region"),
    "volume_ml": Measure("Volume", "ml"),
    "change_ml": Measure("Change", "ml"),
    "change_percent": Measure("Change", "%"),
    "reference_space_ml": Measure("Volume in the reference’s space", "ml"),
    "overlap_ml": Measure("In both", "ml"),
    "growth_ml": Measure("Growth", "ml"),
    "shrinkage_ml": Measure("Shrinkage", "ml"),
}
"""Columns of the table of change, as the page calls them."""


def subject_page(
    subject: str,
    reference: Visit,
    later: list[Visit],
    followed: list[Followed],
    change: Path,
    notices: list[str],
) -> tuple[Path, list[Path]]:
    """One HTML page, and its pictures as PNG.

    Parameters
    ----------
    subject : str
        ``sub-X``.
    reference : Visit
    later : list of Visit
    followed : list of Followed
        Of the later sessions, in their order.
    change : Path
        Rows of :func:`~gliomorph.interfaces.pairs.follow.follow`.
    notices : list of str

    Returns
    -------
    page : Path
        HTML.
    figures : list of Path
        PNG.
    """
    folder, records = Path.cwd(), [each.pair.registration() for each in followed]
    page = render(
        "subject.html.j2",
        folder / "page.html",
        title=f"{subject}, {len(later) + 1} sessions",
        notices=list(notices),
        summary=[
            ("Reference session", f"ses-{reference.session}"),
            ("Sessions", ", ".join(f"ses-{visit.session}" for visit in (reference, *later))),
            *methods_of(records[0]),
        ],
        columns=[CHANGE[name] for name in COLUMNS],
        rows=[[shown(row[name]) for name in COLUMNS] for row in json.loads(change.read_text())],
        sessions=[
            (f"ses-{visit.session}", _pictures(subject, reference, visit, each, folder), measures_of(record))
            for visit, each, record in zip(later, followed, records, strict=True)
        ],
        used=[
            (f"ses-{visit.session}", as_json(record)) for visit, record in zip(later, records, strict=True)
        ],
    )
    return page, sorted((folder / "figures").glob("*.png"))


SubjectPage = task(subject_page, "page", "figures")


def _pictures(
    subject: str, reference: Visit, visit: Visit, followed: Followed, folder: Path
) -> list[Picture]:
    album = Album(f"{subject}_ses-{visit.session}", folder / "figures")
    key = f"longitudinal{visit.session}"
    names = PairNames(moving=f"ses-{visit.session}", fixed=f"ses-{reference.session}", key=key)
    pictures = pair_pictures(album, visit.image, reference.image, reference.labels, followed.pair, names)
    image = read_image(reference.image)
    before, after = (_tumor(path) for path in (reference.labels, followed.labels))
    png = figures.signed_map(
        from_array(to_array(after).astype(np.float32) - to_array(before), image),
        image,
        choose_cuts(image, [before, after]),
        title=f"Growth and shrinkage to ses-{visit.session}",
        label="growth 1, shrinkage -1",
        outlined=before,
    )
    caption = f"Red: tumour of ses-{visit.session} alone; blue: of ses-{reference.session}, outlined, alone."
    return [album.add(f"{key}change", caption, png), *pictures]


def _tumor(path: Path) -> sitk.Image:
    """The tumour without a cavity (uint8)."""
    labels = read_image(path, sitk.sitkUInt8)
    voxels = to_array(labels)
    return from_array(((voxels > 0) & (voxels != CAVITY)).astype(np.uint8), labels)
