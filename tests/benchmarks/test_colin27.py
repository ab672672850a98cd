"""From one brain-extracted image to a template that the data engine can use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms

from benchmarks.colin27 import main
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import from_array, to_array, write_image


def test_tissues_are_told_apart_by_their_brightness(tmp_path: Path) -> None:
    like = phantoms.frame("LAS")
    radius = phantoms.radius_at(phantoms.positions(like))
    layers = {
        "WM": radius < 0.7,
        "GM": (radius >= 0.7) & (radius < 0.9),
        "CSF": (radius >= 0.9) & (radius < 1),
    }
    noise = np.random.default_rng(0).normal(0, 2, radius.shape)
    voxels = 90.0 * layers["WM"] + 60.0 * layers["GM"] + 25.0 * layers["CSF"] + noise * (radius < 1)
    image = write_image(from_array(voxels.astype(np.float32), like), tmp_path / "ch2bet.nii.gz")
    main([str(image), str(tmp_path)])
    template = load_template("Colin27", 4, [tmp_path])
    for name, layer in layers.items():
        deep = layer & np.all([np.roll(layer, by, axis) for axis in range(3) for by in (-1, 1)], axis=0)
        assert to_array(template.tissues[name])[deep].mean() > 0.9, name
    assert phantoms.dice(to_array(template.brain_mask) > 0, radius < 1) > 0.98
