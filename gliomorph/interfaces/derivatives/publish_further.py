"""The session's further images at their final names, with sidecars and rigid transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from ..files.sidecars import copy, write_sidecar
from ..records import Record
from ..scan.records import CarriedImage, FurtherImage
from .names import FurtherNames

NATIVE = (
    "Rigidly co-registered to the primary image, bias field removed (N4), in the primary image's brain mask"
)
CARRIED = (
    "The further image on the primary's grid, resampled once (linear) by the primary's from-native transform"
)


@attrs.frozen(kw_only=True)
class FurtherPlan(Record):
    """What is published of a session's further images."""

    names: dict[str, FurtherNames] = attrs.field(factory=dict)
    """By modality."""
    key: str = ""
    """Hash of the images; empty where there are none. Results of the primary image do not depend on them."""

    def record(self, further: list[FurtherImage]) -> dict[str, Any]:
        """What the scan's record says of them; nothing where there are none."""
        return {"key": self.key, "images": [each.record() for each in further]} if self.key else {}


def publish_further(
    out: Path, plan: FurtherPlan, further: list[FurtherImage], generated_by: str
) -> list[Path]:
    """Copy the images on the primary's grid and their transforms; those that are left out have none.

    Returns
    -------
    written : list of Path
        All files.
    """
    written = []
    for each in further:
        if each.image is None or each.transform is None or each.inverse is None:
            continue
        names = plan.names[each.name]
        native = names.native()
        files = {"image": each.image, "transform": each.transform, "inverse": each.inverse}
        written += [copy(source, out / native[key]) for key, source in files.items()]
        content = {
            "GeneratedBy": generated_by,
            "SpatialReference": f"bids::{names.scan.native()['n4']}",
            "SkullStripped": True,
            "Sources": [names.raw, f"bids::{native['transform']}"],
            "Description": NATIVE,
        }
        written.append(write_sidecar(out / native["image"], content))
    return written


def publish_carried(
    out: Path, plan: FurtherPlan, carried: list[CarriedImage], method: str, shared: dict[str, Any]
) -> list[Path]:
    """Copy the images that a registration method carried to the template.

    Parameters
    ----------
    out : Path
        The output folder.
    plan : FurtherPlan
    carried : list of CarriedImage
        Those of other methods are passed over.
    method : str
        As on the command line.
    shared : dict
        What the sidecars of all images in the template's space say.

    Returns
    -------
    written : list of Path
        All files.
    """
    written = []
    for each in carried:
        if each.method != method:
            continue
        names = plan.names[each.name]
        path = copy(each.image, out / names.carried(method))
        transform = names.scan.registered(method)["forward_xfm"]
        content = shared | {
            "SkullStripped": True,
            "Sources": [f"bids::{names.native()['image']}", f"bids::{transform}"],
            "Registration": method,
            "Description": CARRIED,
        }
        written += [path, write_sidecar(path, content)]
    return written
