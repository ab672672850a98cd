"""One simulated patient: parameters are sampled first, then everything follows from them."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from scipy.ndimage import gaussian_filter

from ..jacobians import jacobian_determinant
from ..regions import LABELS
from .anatomy import Anatomy, center_weights, ventricle_distance
from .contrast import MEANS, render, sample_contrast
from .deformation import (
    coarse_shape,
    compose,
    exponential,
    invert,
    radial_velocity,
    random_velocity,
    sample,
    smoothstep,
    upsample,
)
from .scanner import GRIDS, acquire, anatomy_at, apply_matrix, native_grid, position, sample_spacing
from .tumor import Tumor, fit_volume, label_regions, nominal_radius, shape_noise

CONTRASTS = tuple(MEANS)
SCALES_MM = (12.0, 25.0)


class FoldingError(ArithmeticError):
    """A deformation whose Jacobian determinant is not positive everywhere."""


@attrs.frozen(kw_only=True)
class Patient:
    """Images and truth of one patient."""

    images: dict[str, np.ndarray] = attrs.field(repr=False)
    """An image of every one of :data:`CONTRASTS`; int16, native grid, 0 outside the brain."""
    regions: np.ndarray = attrs.field(repr=False)
    tissues: np.ndarray = attrs.field(repr=False)
    brain: np.ndarray = attrs.field(repr=False)
    """``regions``, ``tissues``, ``brain``: uint8, native grid: BraTS labels of the tumour that is seen; 1 CSF, 2 GM,
    3 WM of the healthy anatomy; brain mask."""
    native_to_world: np.ndarray = attrs.field(repr=False)
    """(4, 4): Native voxel indices to world (LPS, mm)."""
    template_regions: np.ndarray = attrs.field(repr=False)
    """uint8 BraTS labels on the template's grid: what the true map carries into the tumour."""
    forward: np.ndarray = attrs.field(repr=False)
    inverse: np.ndarray = attrs.field(repr=False)
    """``forward``, ``inverse``: (3, X, Y, Z) float32 displacements in template voxels on the template's grid:
    template to patient, and back. The patient's frame is the template's; the head's position is in
    ``native_from_patient``."""
    native_from_patient: np.ndarray = attrs.field(repr=False)
    """(4, 4): Rigid, world (LPS, mm)."""
    parameters: dict[str, Any] = attrs.field(repr=False)
    """What made this patient; :func:`simulate_patient` replays it."""
    measured: dict[str, Any]
    """Figures of the result: volumes (ml) of the tumour, seen or not; displacement (mm), determinants, round-trip
    error (mm)."""


def sample_parameters(anatomy: Anatomy, rng: np.random.Generator, grid: str = "isotropic") -> dict[str, Any]:
    """Random settings of one patient, ready for JSON; fields of noise are held by their seeds.

    Parameters
    ----------
    anatomy : Anatomy
    rng : numpy.random.Generator
    grid : str
        One of :data:`GRIDS`. Every grid is slightly oblique; ``anisotropic`` has thick slices along a
        random axis, ``las`` has the first axis reversed.

    Returns
    -------
    parameters : dict
    """
    if grid not in GRIDS:
        raise ValueError(f"grid must be one of {', '.join(GRIDS)}, got {grid!r}")
    volume_ml = float(np.exp(rng.uniform(np.log(1), np.log(60))))
    edema = float(rng.uniform(0.3, 1.2))
    radius_mm = nominal_radius(volume_ml, edema)
    weights = center_weights(anatomy, depth_mm=0.6 * radius_mm)
    chosen = np.unravel_index(rng.choice(weights.size, p=weights.ravel()), weights.shape)
    voxel = anatomy.step * np.array(chosen)
    distance = float(ventricle_distance(anatomy)[chosen])
    return {
        "grid": {
            "kind": grid,
            "spacing_mm": sample_spacing(anatomy.voxel_mm, grid, rng),
            "angles_deg": _rounded(rng.uniform(-6, 6, 3)),
        },
        "position": {
            "angles_deg": _rounded(rng.uniform(-5, 5, 3)),
            "translation_mm": _rounded(rng.uniform(-6, 6, 3)),
        },
        "deformation": {
            "mean_displacement_mm": round(float(rng.uniform(3, 5)), 4),
            "seed": int(rng.integers(2**31)),
        },
        "tumor": {
            "template_center_mm": _rounded(apply_matrix(anatomy.voxel_to_world, voxel)),
            "ventricle_distance_mm": round(distance, 4) if np.isfinite(distance) else None,
            "volume_ml": round(volume_ml, 4),
            "rim": round(float(rng.uniform(0.15, 0.35)), 4),
            "edema": round(edema, 4),
            "roughness": round(float(rng.uniform(0.12, 0.25)), 4),
            "push": round(float(rng.uniform(0.15, 0.4)), 4),
            "seed": int(rng.integers(2**31)),
        },
        "contrast": {name: sample_contrast(name, rng) for name in CONTRASTS},
    }


def simulate_patient(anatomy: Anatomy, parameters: dict[str, Any], *, visible: bool = True) -> Patient:
    """Images and truth that follow from ``parameters``; the same ones always give the same patient.

    Parameters
    ----------
    anatomy : Anatomy
        From :func:`~.anatomy.prepare_anatomy`.
    parameters : dict
        From :func:`sample_parameters`, or read back from JSON.
    visible : bool
        False: the patient's twin. Maps, mass effect, tissues, bias field and noise are the same; where the tumour is,
        the healthy tissue shows, and both label maps are empty.

    Returns
    -------
    patient : Patient

    Raises
    ------
    FoldingError
        The deformation folds.

    Notes
    -----
    Native voxels are carried to the template by the rigid position and the inverse displacement, and the
    template's tissues are interpolated there, once. Voxels larger than the template's are averages over
    points at the template's spacing.
    """
    forward, inverse = _deformation(anatomy, parameters)
    tumor = _tumor(anatomy, parameters["tumor"], forward, inverse)
    native_from_patient = position(anatomy, **parameters["position"])
    patient_to_world = native_from_patient @ anatomy.voxel_to_world
    shape, native_to_world = native_grid(anatomy, parameters["grid"], forward, patient_to_world)
    patient_from_native = np.linalg.inv(patient_to_world) @ native_to_world
    healthy, regions, texture = acquire(anatomy, tumor, inverse, patient_from_native, shape)
    inside = healthy.sum(axis=0) >= 0.5
    healthy *= inside / np.maximum(healthy.sum(axis=0), 1e-6)
    regions *= inside
    seen = regions if visible else np.zeros_like(regions)
    shares = np.concatenate([healthy * (1 - seen.sum(axis=0)), seen])
    spacing_mm = np.array(parameters["grid"]["spacing_mm"])
    images = {
        name: render(name, settings, shares, texture, inside, spacing_mm)
        for name, settings in parameters["contrast"].items()
    }
    labels = label_regions(regions)
    brain = anatomy.tissues.sum(axis=0)
    points = forward + np.indices(anatomy.shape, dtype=np.float32)
    template_regions = label_regions(tumor.memberships(points, brain, anatomy.white, anatomy.fluid))
    return Patient(
        images=images,
        regions=labels if visible else np.zeros_like(labels),
        tissues=np.where(inside, healthy.argmax(axis=0) + 1, 0).astype(np.uint8),
        brain=inside.astype(np.uint8),
        native_to_world=native_to_world,
        template_regions=template_regions if visible else np.zeros_like(template_regions),
        forward=forward,
        inverse=inverse,
        native_from_patient=native_from_patient,
        parameters=parameters,
        measured={
            "regions_ml": _volumes(labels, float(np.prod(spacing_mm))),
            "template_regions_ml": _volumes(template_regions, anatomy.voxel_mm**3),
            "core_radius_mm": round(tumor.radius_mm, 4),
            **_map_figures(forward, inverse, brain > 0.5, anatomy.voxel_mm),
        },
    )


def _deformation(anatomy: Anatomy, parameters: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Template to patient and back, in template voxels: random shape, then the tumour's push."""
    shape, step, unit = coarse_shape(anatomy.shape, anatomy.step), anatomy.step, anatomy.coarse_mm
    settings, tumor = parameters["deformation"], parameters["tumor"]
    brain = anatomy.tissues[(slice(None), *(slice(None, None, step),) * 3)].sum(axis=0)
    brain = np.pad(brain, [(0, full - size) for full, size in zip(shape, brain.shape, strict=True)])
    rng = np.random.default_rng(settings["seed"])
    velocity = random_velocity(shape, [scale / unit for scale in SCALES_MM], rng)
    mean = np.linalg.norm(velocity, axis=0)[brain > 0.5].mean()
    velocity *= settings["mean_displacement_mm"] / unit / mean
    variation, variation_inverse = exponential(velocity), exponential(-velocity)

    center = _center_voxel(anatomy, tumor) / step
    center = center + sample(variation, center[:, None])[:, 0]
    patient_brain = _seen_through(brain, variation_inverse)
    room = smoothstep(2 * gaussian_filter(patient_brain, 6 / unit) - 1)
    radius = nominal_radius(tumor["volume_ml"], tumor["edema"]) / unit
    push = radial_velocity(shape, center, max(1.4 * radius, 10 / unit), tumor["push"] * radius, room)

    forward = compose(exponential(push), variation)
    inverse = compose(variation_inverse, exponential(-push))
    forward = invert(inverse, start=forward, iterations=4, order=3)
    inverse = step * upsample(inverse, step, anatomy.shape)
    forward = invert(inverse, start=step * upsample(forward, step, anatomy.shape), iterations=2)
    return forward, inverse


def _seen_through(image: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """``image`` (X, Y, Z) seen through the map x + u(x), linear interpolation."""
    return sample(image[None], displacement + np.indices(image.shape), outside=0.0)[0]


def _tumor(anatomy: Anatomy, settings: dict[str, Any], forward: np.ndarray, inverse: np.ndarray) -> Tumor:
    """The tumour with its volume, centred where the map carries its place in the template."""
    center = _center_voxel(anatomy, settings)
    tumor = Tumor(
        center=center + sample(forward, center[:, None])[:, 0],
        voxel_mm=anatomy.voxel_mm,
        radius_mm=nominal_radius(settings["volume_ml"], settings["edema"]),
        rim=settings["rim"],
        edema=settings["edema"],
        roughness=settings["roughness"],
        noise=shape_noise(np.random.default_rng(settings["seed"])),
    )

    def tissue_at(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tissues, white, fluid, _ = anatomy_at(anatomy, inverse, points)
        return tissues.sum(axis=0), white, fluid

    return fit_volume(tumor, settings["volume_ml"], tissue_at)


def _map_figures(
    forward: np.ndarray, inverse: np.ndarray, brain: np.ndarray, voxel_mm: float
) -> dict[str, Any]:
    determinants = [float(jacobian_determinant(field).min()) for field in (forward, inverse)]
    if min(determinants) <= 0:
        raise FoldingError(f"the deformation folds: smallest Jacobian determinants {determinants}")
    length = np.linalg.norm(forward[:, brain], axis=0) * voxel_mm
    starts = np.argwhere(brain).T.astype(np.float32)
    ends = starts + forward[:, brain]
    error = np.linalg.norm(ends + sample(inverse, ends) - starts, axis=0) * voxel_mm
    return {
        "displacement_mm": {"mean": round(float(length.mean()), 4), "max": round(float(length.max()), 4)},
        "smallest_jacobian": {"forward": round(determinants[0], 4), "inverse": round(determinants[1], 4)},
        "round_trip_mm": {"mean": round(float(error.mean()), 6), "max": round(float(error.max()), 6)},
    }


def _volumes(labels: np.ndarray, voxel_mm3: float) -> dict[str, float]:
    volumes = {name: np.count_nonzero(labels == value) * voxel_mm3 / 1000 for name, value in LABELS.items()}
    return {name: round(volume, 4) for name, volume in (volumes | {"WT": sum(volumes.values())}).items()}


def _center_voxel(anatomy: Anatomy, settings: dict[str, Any]) -> np.ndarray:
    return apply_matrix(np.linalg.inv(anatomy.voxel_to_world), np.array(settings["template_center_mm"]))


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
