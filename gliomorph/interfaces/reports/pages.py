"""What the HTML pages share: pictures that are embedded, the words for measures, flags, and the rendering.

A page is one file that loads nothing from elsewhere; the cohort's alone shows a viewer that lies beside it. Whatever
comes from file names, tables or settings is escaped by jinja2.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import jinja2
import numpy as np

from ..files.images import replacing, write_text
from ..scan.records import SHRINKAGE
from . import figures
from .cuts import CONVENTION


@attrs.frozen
class Measure:
    """How a column of ``group_quality.tsv`` is called and read; ``better`` is lower, higher or empty."""

    label: str
    unit: str = ""
    better: str = ""


MEASURES = {
    "participant_id": Measure("Participant"),
    "session_id": Measure("Session"),
    "method": Measure("Method"),
    "status": Measure("Status"),
    "reason": Measure("Reason"),
    "flag": Measure("Flag"),
    "mask_source": Measure("Tumour mask from"),
    "tumor_volume_native_ml": Measure("Tumour volume, native", "ml"),
    "tumor_volume_affine_ml": Measure("Tumour volume, aligned", "ml"),
    "tumor_volume_template_ml": Measure("Tumour volume, in template space", "ml"),
    "tumor_volume_ratio": Measure("Tumour volume, after / before the warp"),
    "ncc_outside": Measure("Correlation outside the tumour", "", "higher"),
    "ncc_outside_before": Measure("Correlation outside, before"),
    "ncc_inside": Measure("Correlation inside the tumour"),
    "l2_outside": Measure("Squared difference outside the tumour", "", "lower"),
    "l2_outside_before": Measure("Squared difference outside, before"),
    "l2_inside": Measure("Squared difference inside the tumour"),
    "jacobian_min": Measure("det J, minimum"),
    "jacobian_max": Measure("det J, maximum"),
    "folds": Measure("Folded voxels", "", "lower"),
    "jacobian_tumor_mean": Measure("det J inside the tumour, mean"),
    "inverse_consistency_mm": Measure("Inverse consistency error", "mm", "lower"),
    "brain_dice": Measure("Dice of the brain", "", "higher"),
    "dice_ventricles": Measure("Dice of the ventricles", "", "higher"),
    "seconds": Measure("Time", "s", "lower"),
    "peak_memory_gb": Measure("Peak memory", "GB", "lower"),
    "device": Measure("Device"),
}


@attrs.frozen
class Picture:
    """An embedded picture; a button blinks it with the picture whose key and name are ``versus``."""

    key: str
    uri: str
    caption: str
    alt: str
    versus: tuple[str, str] | None = None


@attrs.frozen
class Album:
    """Embeds pictures in a page and writes each to ``folder`` as ``<scan>_desc-<what>_T1w.png``."""

    scan: str
    folder: Path

    def add(self, what: str, caption: str, png: bytes, versus: tuple[str, str] | None = None) -> Picture:
        """The picture ``png``, written and embedded; ``caption`` says what is seen."""
        stem = re.sub(r"[^A-Za-z0-9._-]", "-", self.scan.removesuffix("_T1w"))
        with replacing(self.folder / f"{stem}_desc-{what}_T1w.png") as temporary:
            temporary.write_bytes(png)
        alt = f"{caption} Axial, coronal and sagittal slices, {CONVENTION}."
        return Picture(what, embedded(png), caption, alt, versus)


def render(name: str, out_file: Path, **context: object) -> Path:
    """Fill the template file ``name`` (autoescaped) and write the page whole or not at all."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gliomorph.interfaces.reports", "html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(
        lesion_colour=figures.LESION, edge_colour=figures.EDGES, fold_colour=figures.FOLD
    )
    return write_text(environment.get_template(name).render(context), out_file)


def embedded(picture: bytes, kind: str = "png") -> str:
    """A picture as a data URI."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def shown(value: Any) -> str:
    """A table cell's text: four significant digits, a dash for what is missing (None, NaN, empty)."""
    if value is None or value == "" or (isinstance(value, float | np.floating) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.4g}" if abs(number) < 1e4 else f"{number:.0f}"
    return str(value)


def as_number(value: Any) -> float | None:
    """``value`` as a finite float, None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def flag(column: str, value: object) -> str:
    """Why a value deserves a look; empty if it does not."""
    number = as_number(value)
    if column == "tumor_volume_ratio" and number is not None and number < SHRINKAGE:
        return f"the tumour shrinks by {100 * (1 - number):.0f} %"
    if column == "folds" and number:
        return "the deformation folds"
    if column == "status" and str(value).lower() in ("excluded", "failed", "doubtful"):
        return "not in the atlas"
    if column == "flag" and shown(value) != "–":
        return "look at this scan"
    return ""


def as_json(settings: Mapping[str, object]) -> str:
    """Settings as readable JSON (paths and other objects by their text)."""
    return json.dumps(dict(settings), indent=2, default=str, ensure_ascii=False)
