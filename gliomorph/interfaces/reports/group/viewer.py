"""An interactive viewer of a frequency map over the template: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ...files.images import write_text
from .. import figures

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
    return write_text(_offline(page), out_file)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask, shape (X, Y, Z), and :data:`MARGIN`."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(max(0, int(inside[0]) - MARGIN), int(inside[-1]) + 1 + MARGIN))
    return tuple(box)


def _page(values: Any, background: Any, position: list[float], top: float) -> str:
    """nilearn's HTML in order; ``position`` is in RAS millimetres."""
    from nilearn import image, plotting  # takes seconds

    background = image.reorder_img(background, resample="nearest", copy_header=True)
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
    return _in_order(str(view.get_standalone()), background.affine, position)


def _in_order(page: str, world_from_voxel: np.ndarray, position: list[float]) -> str:
    """The page with ids that are the same every time, its slices and positions those of the picture."""
    found = re.search(r'brainsprite\((\{"canvas".*?\})\);', page)
    if found is None:
        raise ValueError(
            "nilearn's viewer has no settings of brainsprite: this version of nilearn is not known"
        )
    settings = json.loads(found[1])
    if page.count(".radiological") == LETTERS:
        settings |= _placed(settings["nbSlice"]["X"], world_from_voxel, position)
    page = page.replace(found[1], json.dumps(settings))
    return re.sub(r"(?<=[a-zA-Z])-[0-9a-f]{32}\b", "", page)


def _placed(count: int, world_from_voxel: np.ndarray, position: list[float]) -> dict[str, Any]:
    """What brainsprite is told of a picture whose ``count`` sagittal slices go from the patient's right to the left.

    nilearn reverses the picture for the radiological convention but neither slice nor positions, so that the other
    hemisphere would be shown and named: https://github.com/nilearn/nilearn/issues/6134. Before 0.14 the slice beside
    the one that is named was shown: https://github.com/nilearn/nilearn/issues/6504. To be removed with both.
    """
    reversed_x = np.diag([-1.0, 1.0, 1.0, 1.0])
    reversed_x[0, 3] = count - 1
    from_one = np.eye(4)
    from_one[:3, 3] = -1  # where it multiplies, brainsprite counts from 1
    world_from_slice = world_from_voxel @ reversed_x
    slices = nib.affines.apply_affine(np.linalg.inv(world_from_slice), position).round().astype(int)
    return {
        "affine": (world_from_slice @ from_one).tolist(),
        "numSlice": dict(zip("XYZ", slices.tolist(), strict=True)),
    }


def _offline(page: str) -> str:
    """The page without the icon that nilearn links to."""
    return re.sub(r"<link\b[^>]*>", "", page).replace("</head>", HEAD, 1)
