"""The session's further images in template space, by the transforms of the primary one."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..files.images import read_image, write_image
from ..files.transforms import read_transform
from ..task import task
from .records import CarriedImage, FurtherImage, MethodFiles


def carry(further: list[FurtherImage], results: list[MethodFiles], template: Path) -> list[CarriedImage]:
    """Bring the further images of a session to the template, each as the primary image was brought there.

    Parameters
    ----------
    further : list of FurtherImage
        On the primary's grid; those that are left out have no part.
    results : list of MethodFiles
        One a registration method.
    template : Path
        Carries the template's full grid.

    Returns
    -------
    carried : list of CarriedImage
        One for each image and method, linearly interpolated from the primary's grid, 0 outside the brain; in the
        current folder.
    """
    grid, carried = read_image(template), []
    for files in results:
        method, transform = files.registration()["method"], read_transform(files.forward_xfm)
        for each in further:
            if each.image is not None:
                moved = sitk.Resample(read_image(each.image), grid, transform, sitk.sitkLinear)
                path = write_image(moved, Path.cwd() / f"{each.name}_{method}.nii.gz")
                carried.append(CarriedImage(name=each.name, method=method, image=path))
    return carried


Carry = task(carry, "carried")
