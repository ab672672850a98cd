"""The ventricles: the template's, and where the true map puts them in a patient."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt

from gliomorph.interfaces.datasets.simulate import anatomy_of
from gliomorph.interfaces.datasets.templates import Template
from gliomorph.interfaces.derivatives.registrations import Registration
from gliomorph.interfaces.files.images import from_array, to_array
from gliomorph.interfaces.files.transforms import read_transform

LABEL = "ventricles"
DEEP_MM = 20.0
"""Fluid that lies less deep below the brain's surface is a sulcus or a cistern."""


def template_ventricles(template: Template) -> tuple[np.ndarray, str]:
    """The template's ventricles and where they are known from.

    Returns
    -------
    ventricles : ndarray of bool, (X, Y, Z)
        The ``label-ventricles`` mask beside the template's image; where it has none, the fluid of the simulation's
        anatomy that lies :data:`DEEP_MM` or more below the brain's surface.
    source : str
        Which of both, for readers.
    """
    if LABEL in template.labels:
        return to_array(template.labels[LABEL]) > 0, f"the label-{LABEL} mask of the template"
    depth_mm = distance_transform_edt(
        to_array(template.brain_mask) > 0, sampling=template.brain_mask.GetSpacing()
    )
    deep = (anatomy_of(template).fluid > 0.5) & (depth_mm >= DEEP_MM)
    return deep, f"fluid of the template's tissues at least {DEEP_MM:g} mm below the brain's surface"


def native_ventricles(
    ventricles: np.ndarray, template: Template, true: Registration, native: sitk.Image
) -> sitk.Image:
    """The template's ventricles in the patient, carried by the true map and decided at one half.

    Parameters
    ----------
    ventricles : ndarray of bool, (X, Y, Z)
        On the template's grid.
    template : Template
    true : Registration
        The truth's transforms.
    native : SimpleITK.Image
        Carries the patient's grid.

    Returns
    -------
    mask : SimpleITK.Image
        float32, 0 or 1.
    """
    shares = from_array(ventricles.astype(np.float32), template.image)
    moved = sitk.Resample(shares, native, read_transform(true.template_from_native), sitk.sitkLinear, 0.0)
    return sitk.Cast(moved >= 0.5, sitk.sitkFloat32)
