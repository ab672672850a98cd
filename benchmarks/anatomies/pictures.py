"""Pictures to look at: the mean of all warped images, and one person's, of each method."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.datasets.templates import Template, load_template
from gliomorph.interfaces.derivatives.registrations import Registration
from gliomorph.interfaces.files.images import from_array, read_image, replacing, to_array
from gliomorph.interfaces.files.transforms import read_transform
from gliomorph.interfaces.reports.cuts import Cut, choose_cuts
from gliomorph.interfaces.reports.figures import anatomy

from .measures import Found
from .options import Options


def draw_all(found: Found, options: Options) -> None:
    """``mean_<method>.png`` and ``first_<method>.png``, and the template's ``template.png``, on the same slices."""
    template = load_template(options.template, options.resolution, options.template_folders)
    cuts = choose_cuts(template.image)
    _draw("template", template.image, cuts, f"{template.name}", options)
    for label, scans in found.items():
        name = "".join(letter if letter.isalnum() else "-" for letter in label)
        warped = {scan: _warped(one, template, options) for scan, one in scans.items()}
        mean = from_array(np.mean(list(warped.values()), axis=0), template.image)
        _draw(f"mean_{name}", mean, cuts, f"Mean of {len(warped)} people, {label}", options)
        scan, voxels = next(iter(warped.items()))
        _draw(f"first_{name}", from_array(voxels, template.image), cuts, f"{scan}, {label}", options)


def _warped(one: Registration, template: Template, options: Options) -> np.ndarray:
    """A person's painted image in the template, mean 1 in the brain."""
    image = read_image(options.bids / one.where / f"{one.where.split('/')[0]}_T1w.nii.gz", sitk.sitkFloat32)
    transform = read_transform(one.native_from_template)
    voxels = to_array(sitk.Resample(image, template.image, transform, sitk.sitkLinear, 0.0))
    return (voxels / voxels[voxels > 0].mean()).astype(np.float32)


def _draw(name: str, image: sitk.Image, cuts: tuple[Cut, ...], title: str, options: Options) -> None:
    with replacing(options.out / f"{name}.png") as temporary:
        temporary.write_bytes(anatomy(image, cuts, title=title))
