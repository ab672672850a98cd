"""Further images come to the template as the primary image does."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.files.images import read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.scan.carry import carry
from gliomorph.interfaces.scan.records import FurtherImage, MethodFiles


def by(method: str, transform: sitk.Transform, folder: Path) -> MethodFiles:
    used = folder / f"{method}.json"
    used.write_text(json.dumps({"method": method}))
    others = {field.name for field in attrs.fields(MethodFiles) if field.default is attrs.NOTHING}
    names = others - {"used", "forward_xfm"}
    path = write_transform(transform, folder / f"{method}.h5")
    return MethodFiles(used=used, forward_xfm=path, **dict.fromkeys(names, folder / "none"))


def test_every_method_carries_every_image_by_its_own_transform(tmp_path: Path, here: Path) -> None:
    like, template = (
        phantoms.grid((20, 24, 16), (8.0, 8.0, 8.0)),
        phantoms.grid((16, 20, 14), (8.0, 8.0, 8.0)),
    )
    image = write_image(phantoms.brain_image(like), tmp_path / "flair.nii.gz")
    flair = FurtherImage(name="FLAIR", file="x", image=image)
    broken = FurtherImage(name="T2w", file="y", flags=["T2w is left out: damaged"])
    shift = sitk.AffineTransform(3)
    shift.SetTranslation((8.0, 0.0, 0.0))
    results = [by("affine", sitk.AffineTransform(3), tmp_path), by("syn", shift, tmp_path)]
    still, moved = carry([flair, broken], results, write_image(template, tmp_path / "template.nii.gz"))
    assert [(each.name, each.method) for each in (still, moved)] == [("FLAIR", "affine"), ("FLAIR", "syn")]
    assert still.image.parent == here
    assert phantoms.same_grid(read_image(still.image), template)
    expected = sitk.Resample(read_image(image), template, shift, sitk.sitkLinear)
    assert np.array_equal(to_array(read_image(moved.image)), to_array(expected))
    assert not np.array_equal(to_array(read_image(still.image)), to_array(expected))
