"""An interactive viewer of a frequency map over the template: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from . import figures
from .images import write_text

MARGIN = 4
"""Voxels that are kept around the brain."""
HEAD = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: dark; }
body { margin: 0; background: #000; color: #fff; font: 14px system-ui, sans-serif; }
canvas { display: block; cursor: crosshair; }
p { margin: .5rem; }
</style>
</head>"""
"""Ends the viewer's head. The browser is told to ask the network for nothing; black on light and dark pages alike."""
LETTERS = 2
"""How often brainsprite looks at ``radiological``, where that changes nothing but the letters of two panels."""


def write_viewer(frequency: Path, template: Path, out_file: Path) -> Path | None:
    """Slices of three planes that follow the pointer, in radiological convention, at first through the highest value.

    Parameters
    ----------
    frequency : Path
        Map in [0, 1]; what is 0 is not drawn.
    template : Path
        On the same grid.
    out_file : Path
        The same bytes for the same images.

    Returns
    -------
    out_file : Path or None
        None, and nothing is written, where the map is 0 everywhere.
    """
    values, background = (nib.Nifti1Image.from_filename(path) for path in (frequency, template))
    array = np.asarray(values.dataobj)
    if not array.max() > 0:
        return None
    box = _box((array > 0) | (np.asarray(background.dataobj) > 0))
    peak = np.unravel_index(int(array.argmax()), array.shape)
    page = _page(
        values.slicer[box],
        background.slicer[box],
        nib.affines.apply_affine(values.affine, peak).tolist(),
        float(array.max()),
    )
    return write_text(_offline(_in_order(page)), out_file)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask, shape (X, Y, Z), and :data:`MARGIN`."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(max(0, int(inside[0]) - MARGIN), int(inside[-1]) + 1 + MARGIN))
    return tuple(box)


def _page(values: Any, background: Any, position: list[float], top: float) -> str:
    """nilearn's HTML; ``position`` is in RAS millimetres."""
    from nilearn import plotting  # takes seconds

    view = plotting.view_img(
        values,
        bg_img=background,
        cut_coords=position,
        threshold=0,
        vmin=0,
        vmax=top,
        symmetric_cmap=False,
        cmap=figures.HEAT,
        black_bg=True,
        resampling_interpolation="nearest",
        radiological=True,
    )
    return str(view.get_standalone())


def _in_order(page: str) -> str:
    """The page with ids that are the same every time, its slice and positions those of the mirrored picture."""
    found = re.search(r'brainsprite\((\{"canvas".*?\})\);', page)
    if found is None:
        raise ValueError(
            "nilearn's viewer has no settings of brainsprite: this version of nilearn is not known"
        )
    settings = json.loads(found[1])
    if page.count(".radiological") == LETTERS:
        settings = _mirrored(settings)
    page = page.replace(found[1], json.dumps(settings))
    return re.sub(r"(?<=[a-zA-Z])-[0-9a-f]{32}\b", "", page)


def _mirrored(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of brainsprite that count sagittal slices from the patient's right, as the picture does.

    nilearn reverses the picture for the radiological convention but neither the slice nor the positions, so that the
    other hemisphere is shown and named: https://github.com/nilearn/nilearn/issues/6134. To be removed with that.
    """
    (step, _, _, start), *rows = settings["affine"]
    count = settings["nbSlice"]["X"]
    if step < 0:
        return settings
    # brainsprite counts from 1 where it multiplies
    affine = [[-step, 0.0, 0.0, start + step * (count + 1)], *rows]
    slices = settings["numSlice"]
    return settings | {"affine": affine, "numSlice": slices | {"X": count - 1 - slices["X"]}}


def _offline(page: str) -> str:
    """The page without the icon that nilearn links to."""
    return re.sub(r"<link\b[^>]*>", "", page).replace("</head>", HEAD, 1)
