"""Two sessions of one patient, painted from the label map of one head, with landmarks in both.

The undisplaced head is the label map. Each session has a map from displaced to undisplaced places, made of the tumour's
mass effect and of the shift of a brain that was operated on; landmarks are places of the undisplaced head, and where a
session puts them follows by inverting its map, not by any registration.
"""

from __future__ import annotations

import attrs
import numpy as np
import SimpleITK as sitk
import torch
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.spatial.transform import Rotation
from torch import Tensor

from gliomorph.interfaces.files.frames import LPS, affine_of
from gliomorph.interfaces.files.images import to_array
from gliomorph.models import geometry
from gliomorph.models.synthesis import artefacts, lesions, palette, people
from gliomorph.models.synthesis.chance import Chance
from gliomorph.models.synthesis.deformation import smoothstep

KINDS = ("growth", "resection")
"""What happens between the sessions; subjects take turns."""
LANDMARKS = 50
FREE_MM = 15.0
"""Depth below the brain's surface from which tissue moves freely; at the surface, at the skull, it does not."""
SMALLEST_JACOBIAN = 0.05
VOXELS = {"pre": 1.0, "post": 1.2}
"""Voxel sizes of the scans, in voxels of the label map."""
WANDER_MM, SCALE_MM = (1.5, 3.0), 25.0
"""What else has moved, of swelling, posture and atrophy: mean length, and the smoothness of a random field."""
TILT_DEG = 8.0
TURN_DEG, MOVE_MM = 10.0, 8.0
"""How far the head lies from where it lay before, at most."""
FLUID = 4
"""The label whose signal a cavity has: that of a ventricle."""
CONVERGED_MM = 0.01


class FoldingError(ArithmeticError):
    """A session's map folds."""


@attrs.frozen(kw_only=True, eq=False)
class Session:
    """What is seen at one session, and where its landmarks are."""

    image: sitk.Image
    """int16, 0 outside the brain."""
    brain: sitk.Image
    lesion: sitk.Image
    """``brain``, ``lesion``: uint8; the lesion is the tumour, or the cavity and the oedema around it."""
    points: np.ndarray
    """(N, 3): LPS, mm."""


@attrs.frozen(kw_only=True, eq=False)
class Course:
    """What one session is to show."""

    growth: lesions.Growth
    shift_mm: np.ndarray
    """(3,): How far the brain beside the tumour has sunk."""
    reach_mm: float
    """Standard deviation of that shift around the tumour's centre."""
    wander_mm: float
    """Mean length of a random displacement of the whole brain."""
    resected: bool


def sample_courses(person: people.Individual, kind: str, chance: Chance) -> dict[str, Course]:
    """Both sessions of a random patient.

    Parameters
    ----------
    person : Individual
    kind : str
        ``growth``: the tumour becomes larger and pushes more. ``resection``: its core becomes a cavity, what it pushed
        away comes back in part, and the brain around sinks.
    chance : Chance

    Returns
    -------
    courses : dict of str to Course
        By session: pre, post.
    """
    still = torch.zeros(1, 3, *person.labels.shape)
    growth = people.sample_growth(person, geometry.identity_grid(still), person.voxel_mm, chance)
    radius = chance.uniform(12.0, 20.0)
    growth = attrs.evolve(
        growth,
        radius=radius,
        rim=min(growth.rim, 0.6 * radius),
        reach=min(growth.reach, radius),
        push=chance.uniform(0.25, 0.4) * radius,
    )
    still_mm, reach_mm = np.zeros(3), chance.uniform(25.0, 40.0)
    if kind == "growth":
        larger = chance.uniform(1.2, 1.45)
        later = attrs.evolve(growth, radius=larger * radius, push=chance.uniform(1.3, 1.6) * growth.push)
        shift_mm = still_mm
    else:
        later = attrs.evolve(growth, push=chance.uniform(0.0, 0.4) * growth.push)
        direction = np.array([chance.uniform(-1.0, 1.0) for _ in range(3)])
        shift_mm = chance.uniform(5.0, 10.0) * direction / max(np.linalg.norm(direction), 1e-3)
    return {
        "pre": Course(growth=growth, shift_mm=still_mm, reach_mm=reach_mm, wander_mm=0.0, resected=False),
        "post": Course(
            growth=later,
            shift_mm=shift_mm,
            reach_mm=reach_mm,
            wander_mm=chance.uniform(*WANDER_MM),
            resected=kind == "resection",
        ),
    }


@torch.no_grad()
def simulate(labels: sitk.Image, kind: str, seed: int) -> dict[str, Session]:
    """Both sessions of a patient.

    Parameters
    ----------
    labels : SimpleITK.Image
        The head's label map, isotropic; scans have its voxel size, or nearly.
    kind : str
        One of :data:`KINDS`.
    seed : int
        All follows from it.

    Returns
    -------
    sessions : dict of str to Session
        By session: pre, post. Landmarks correspond by their order.

    Raises
    ------
    FoldingError
        The map of a session folds.
    """
    chance = Chance(seed)
    person = people.individual_of(to_array(labels).astype(int), labels.GetSpacing()[0])
    states = {
        name: displaced(person, course, Chance(seed + 1))
        for name, course in sample_courses(person, kind, chance).items()
    }
    places = sample_places(person, states, np.random.default_rng(seed))
    sessions = {}
    for name, state in states.items():
        world = LPS @ affine_of(labels)
        if name == "post":
            world = _turn(world, person, chance) @ world
        brain, lesion, image = _scan(
            person, state, world, VOXELS[name] * person.voxel_mm, (chance, Chance(seed + 2))
        )
        points = (places[name] + person.first) @ world[:3, :3].T + world[:3, 3]
        sessions[name] = Session(image=image, brain=brain, lesion=lesion, points=points)
    return sessions


@attrs.frozen(kw_only=True, eq=False)
class State:
    """A session's head, on the grid of the cropped label map."""

    displacement: Tensor
    """(1, 3, X, Y, Z): From displaced to undisplaced places, voxels."""
    shares: Tensor
    """(3, X, Y, Z): Necrosis, oedema, enhancing tumour, where they lie displaced."""
    resected: bool


def displaced(person: people.Individual, course: Course, chance: Chance) -> State:
    """The head of a session; the same ``chance`` for both gives tumours of one shape.

    Raises
    ------
    FoldingError
        The map folds, or nearly so.
    """
    shape, voxel_mm = person.labels.shape, person.voxel_mm
    mask = (person.maps[people.CHANNELS.index("mask")] > 0.5).numpy()
    depth_mm = distance_transform_edt(mask) * voxel_mm
    room = torch.as_tensor(smoothstep(depth_mm / FREE_MM), dtype=torch.float32)
    push = lesions.mass_effect(course.growth, shape, voxel_mm, torch.device("cpu"))
    places_mm = geometry.identity_grid(push) * voxel_mm
    square = (places_mm - geometry.columns(course.growth.centre, push)).square().sum(1, keepdim=True)
    near = torch.exp(-0.5 * square / course.reach_mm**2)
    wander = chance.field(shape, SCALE_MM / voxel_mm, 3)[None]
    wander = wander * course.wander_mm / voxel_mm / wander.square().sum(1).sqrt().mean()
    shift = near * geometry.columns((course.shift_mm / voxel_mm).tolist(), push)
    displacement = (push - shift + wander) * room
    smallest = float(geometry.jacobian_determinant(displacement).min())
    if smallest < SMALLEST_JACOBIAN:
        raise FoldingError(f"the map of a session nearly folds: smallest Jacobian determinant {smallest:.3f}")
    maps = geometry.warp(person.maps[None], displacement)[0]
    shares = lesions.sample_regions(course.growth, maps[: len(people.CHANNELS) - 1], voxel_mm, chance)
    return State(displacement=displacement, shares=shares, resected=course.resected)


def sample_places(
    person: people.Individual, states: dict[str, State], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Random places of the brain, in no session's lesion: (N, 3) voxels of the cropped label map, by session.

    Raises
    ------
    ArithmeticError
        A map could not be inverted.
    """
    brain = person.maps[people.CHANNELS.index("mask")].numpy() > 0.5
    candidates = np.argwhere(brain & (person.labels.numpy() > 0))
    chosen = rng.permutation(candidates)[: 4 * LANDMARKS] + rng.uniform(-0.5, 0.5, (4 * LANDMARKS, 3))
    free = np.ones(len(chosen), bool)
    places = {}
    for name, state in states.items():
        places[name] = inverted(state.displacement[0].numpy(), chosen, CONVERGED_MM / person.voxel_mm)
        share = state.shares.sum(0).numpy()
        free &= map_coordinates(share, places[name].T, order=1, mode="nearest") < 0.5
    return {name: place[free][:LANDMARKS] for name, place in places.items()}


def inverted(displacement: np.ndarray, places: np.ndarray, tolerance: float) -> np.ndarray:
    """Where the map y ↦ y + u(y) reaches ``places`` (N, 3) from; ``displacement`` is (3, X, Y, Z), linear between.

    Raises
    ------
    ArithmeticError
        A place that is missed by more than ``tolerance`` (voxels).
    """
    found = places.copy()
    for _ in range(60):
        reached = found + np.stack(
            [map_coordinates(part, found.T, order=1, mode="nearest") for part in displacement], axis=1
        )
        found = found - 0.7 * (reached - places)
    missed = float(np.abs(reached - places).max())
    if missed > tolerance:
        raise ArithmeticError(f"a landmark's place could not be found: missed by {missed:.3f} voxels")
    return found


def _turn(world: np.ndarray, person: people.Individual, chance: Chance) -> np.ndarray:
    """(4, 4): A rigid motion of the world (mm) about the brain's middle."""
    inside = torch.nonzero(person.maps[people.CHANNELS.index("mask")] > 0.5).double().mean(0).numpy()
    centre = world[:3, :3] @ (inside + person.first) + world[:3, 3]
    angles = [chance.uniform(-TURN_DEG, TURN_DEG) for _ in range(3)]
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    move = [chance.uniform(-MOVE_MM, MOVE_MM) for _ in range(3)]
    motion[:3, 3] = centre - motion[:3, :3] @ centre + move
    return motion


def _scan(
    person: people.Individual,
    state: State,
    world: np.ndarray,
    voxel_mm: float,
    chances: tuple[Chance, Chance],
) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Brain, lesion and image of a session by a scanner of its own.

    ``chances``: of the scanner, and of the tissue's texture, which is the patient's.
    """
    chance, tissue = chances
    colours = palette.sample_t1w(chance)
    if state.resected:
        fluid = colours.mean[FLUID]
        colours = attrs.evolve(colours, tumor=(fluid, colours.tumor[1], fluid))
    positions, matrix = people.sample_positions(person, chance, voxel_mm, TILT_DEG)
    shares = geometry.sample(state.shares[None], list(positions.unbind(1)))[0]
    positions = positions + geometry.sample(state.displacement, list(positions.unbind(1)))
    points = list(positions.unbind(1))
    signal = geometry.sample(people.tissue_signal(person, colours, tissue)[None, None], points)[0, 0]
    mask = geometry.sample(person.maps[None, people.CHANNELS.index("mask"), None], points)[0, 0]
    brain = (mask > 0.5) & (people.labels_at(person, positions) > 0)
    signal = people.with_tumor(signal, shares, colours, voxel_mm, chance)
    image = artefacts.corrupt(signal, brain, voxel_mm, chance, good_scan=True)
    lesion = (shares.sum(0) >= 0.5) & brain
    arrays = (
        brain.numpy().astype(np.uint8),
        lesion.numpy().astype(np.uint8),
        np.rint(1000 * image.numpy()).astype(np.int16),
    )
    first, second, third = (_placed(array, world @ matrix) for array in arrays)
    return first, second, third


def _placed(array: np.ndarray, world: np.ndarray) -> sitk.Image:
    """An image of (X, Y, Z) voxels whose indices ``world`` takes to LPS mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    spacing = np.linalg.norm(world[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((world[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(world[:3, 3].tolist())
    return image
