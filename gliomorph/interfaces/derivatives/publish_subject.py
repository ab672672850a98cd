"""What a patient's sessions give together, at its final names; the record last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.images import from_array, read_image, to_array, write_image, write_text
from ..files.labels import tumor_only
from ..files.sidecars import beside, copy, read_object, write_sidecar
from ..files.tables import BRATS_ROWS, CAVITY_ROW, label_table, table
from ..pairs.follow import COLUMNS, Followed, Visit
from ..records import Ports, Record
from ..task import task

DESCRIPTIONS = {
    "warped": "The n4 image on the reference session's grid, resampled once (linear)",
    "inconsistency": "How far, in mm, a point comes back from its place by the maps of both directions",
    "no_counterpart": "Where that is more than the threshold, or the later session does not reach",
}


@attrs.frozen(kw_only=True)
class SubjectPlan(Record):
    """Where the outputs of a patient's sessions go."""

    subject: str
    """``sub-X``."""
    out_dir: str
    key: str
    """Hash of what they are made of."""
    names: dict[str, str]
    """As :func:`~.follow_up_names.subject_names` has them."""
    sessions: dict[str, dict[str, str]]
    """By later session, as :func:`~.follow_up_names.follow_up_names` has them."""
    sources: dict[str, str]
    """By session, the reference too, the image that its outputs are made of, relative to the output folder."""
    notices: list[str]
    generated_by: str


@attrs.frozen(kw_only=True)
class SubjectResults(Ports):
    """What was made of a patient's sessions."""

    followed: list[Followed]
    """Of the later sessions, in their order."""
    change: Path
    """The table's rows, as :func:`~gliomorph.interfaces.pairs.follow.follow` writes them."""
    page: Path
    figures: list[Path]
    """``page``, ``figures``: HTML and PNG."""


def publish_subject(
    plan: SubjectPlan, reference: Visit, later: list[Visit], results: SubjectResults, run: str
) -> int:
    """Put everything in place.

    Parameters
    ----------
    plan : SubjectPlan
    reference : Visit
    later : list of Visit
    results : SubjectResults
    run : str
        The run's id: makes this node run anew whenever the graph does.

    Returns
    -------
    published : int
        Number of files.
    """
    out, rows = Path(plan.out_dir), json.loads(results.change.read_text())
    followed = list(zip(later, results.followed, strict=True))
    written = [
        path for visit, each in followed for path in _publish_session(out, plan, visit, each, reference)
    ]
    figures = out / plan.names["figures"]
    written += [copy(png, figures / png.name) for png in results.figures]
    written.append(copy(results.page, out / plan.names["page"]))
    cells = [["n/a" if row[name] is None else row[name] for name in COLUMNS] for row in rows]
    head = ("participant_id", *COLUMNS)
    written.append(
        write_text(table(head, [[plan.subject, *row] for row in cells]), out / plan.names["table"])
    )
    record = out / plan.names["record"]
    outputs = sorted({path.relative_to(out).as_posix() for path in written})
    for name in {*read_object(record).get("outputs", [])} - {*outputs}:
        (out / name).unlink(missing_ok=True)
    content = {
        "GeneratedBy": plan.generated_by,
        "key": plan.key,
        "reference": f"ses-{reference.session}",
        "registrations": {f"ses-{visit.session}": each.pair.registration() for visit, each in followed},
        "change": rows,
        "notices": plan.notices,
        "outputs": outputs,
    }
    write_text(json.dumps(content, indent=1) + "\n", record)
    return len(written) + 1


PublishSubject = task(publish_subject, "published")


def _publish_session(
    out: Path, plan: SubjectPlan, visit: Visit, followed: Followed, reference: Visit
) -> list[Path]:
    names, pair = plan.sessions[visit.session], followed.pair
    labels = read_image(followed.labels, sitk.sitkUInt8)
    tumor = from_array((tumor_only(to_array(labels)) > 0).astype(np.uint8), labels)
    written = [
        copy(pair.forward_xfm, out / names["forward_xfm"]),
        copy(pair.inverse_xfm, out / names["inverse_xfm"]),
        copy(followed.to_template, out / names["to_template"]),
        copy(followed.from_template, out / names["from_template"]),
    ]
    images = {
        key: copy(getattr(pair, key), out / names[key])
        for key in ("warped", "inconsistency", "no_counterpart")
    }
    images["mask"] = write_image(tumor, out / names["mask"])
    if visit.sub_regions:
        images["dseg"] = copy(followed.labels, out / names["dseg"])
        written.append(
            write_text(label_table((*BRATS_ROWS, CAVITY_ROW)), beside(out / names["dseg"], ".tsv"))
        )
    for key, path in images.items():
        written += [path, write_sidecar(path, _sidecar(plan, visit, reference, key))]
    return written


def _sidecar(plan: SubjectPlan, visit: Visit, reference: Visit, key: str) -> dict[str, Any]:
    """What the JSON beside an image says (BIDS derivatives)."""
    content: dict[str, Any] = {
        "GeneratedBy": plan.generated_by,
        "SpatialReference": f"bids::{plan.sources[reference.session]}",
        "Sources": [
            f"bids::{plan.sources[visit.session]}",
            f"bids::{plan.sessions[visit.session]['forward_xfm']}",
        ],
    }
    if key in DESCRIPTIONS:
        content["Description"] = DESCRIPTIONS[key]
    if key in ("mask", "no_counterpart"):
        content["Type"] = "Lesion"
    if key == "dseg":
        content["Manual"] = False
    if key == "warped":
        content["SkullStripped"] = True
    return content
