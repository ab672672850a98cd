"""Two sessions as a scan's outputs have them, the later one 4 mm further to the left and grown."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image, write_text
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.pairs.follow import TemplateMaps, Visit
from gliomorph.interfaces.pairs.records import PairFiles
from gliomorph.interfaces.reports.pair.report import MEASURES

SHIFT_MM = (4.0, 0.0, 0.0)
"""Reference points to points of the later session."""
RADII_MM = {"pre": 16.0, "post": 20.0}


@attrs.frozen(kw_only=True)
class Sessions:
    """What the stage after the registration takes."""

    reference: Visit
    later: Visit
    pair: PairFiles
    template: TemplateMaps


def write_sessions(folder: Path, label: int = 4, sub_regions: bool = True) -> Sessions:
    """Both sessions, registered by the truth; the template lies 10 mm away, too."""
    like = phantoms.grid()
    image, none = phantoms.brain_image(like), from_array(np.zeros(like.GetSize(), np.uint8), like)
    visits = {
        name: Visit(
            session=name,
            image=write_image(image, folder / f"{name}.nii.gz"),
            labels=write_image(
                from_array(
                    phantoms.ball(like, phantoms.TUMOR_AT + np.array(SHIFT_MM) * (name == "post"), radius)
                    .astype(np.uint8) * label,
                    like,
                ),
                folder / f"{name}_labels.nii.gz",
            ),
            sub_regions=sub_regions,
        )
        for name, radius in RADII_MM.items()
    }  # fmt: skip
    ways = {
        name: write_transform(sitk.TranslationTransform(3, way), folder / f"{name}.h5")
        for name, way in {
            "forward": SHIFT_MM,
            "inverse": tuple(-step for step in SHIFT_MM),
            "there": (0.0, 10.0, 0.0),
            "back": (0.0, -10.0, 0.0),
        }.items()
    }
    record = {
        "linear": "rigid",
        "deformable": "greedy-cfm",
        "voxel_mm": 2.0,
        "threshold_mm": 3.0,
    } | dict.fromkeys(MEASURES, 1.0)
    pair = PairFiles(
        warped=visits["post"].image,
        forward_xfm=ways["forward"],
        inverse_xfm=ways["inverse"],
        inconsistency=write_image(sitk.Cast(none, sitk.sitkFloat32), folder / "trip.nii.gz"),
        no_counterpart=write_image(none, folder / "lacking.nii.gz"),
        lesion=visits["pre"].labels,
        used=write_text(json.dumps(record), folder / "used.json"),
    )
    template = TemplateMaps(forward=ways["there"], inverse=ways["back"])
    return Sessions(reference=visits["pre"], later=visits["post"], pair=pair, template=template)
