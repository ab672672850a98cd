"""Simulated sessions: landmarks are one place of one head, seen in both images; and what the benchmark says of ways."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import attrs
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import map_coordinates

from benchmarks.sessions import dataset, simulate
from benchmarks.sessions.__main__ import gains, require_same, subjects_of
from gliomorph.interfaces.files.images import to_array, write_image
from gliomorph.interfaces.files.landmarks import read_landmarks
from gliomorph.models.synthesis import people
from gliomorph.models.synthesis.chance import Chance

VOXEL_MM = 5.0


@cache
def head() -> sitk.Image:
    """A label map: ventricle, white matter, cortex, fluid and bone around each other, turned and off the origin."""
    radius = np.linalg.norm(np.indices((36,) * 3) - 17.5, axis=0) * VOXEL_MM
    labels = np.zeros(radius.shape, np.uint8)
    for reach, number in zip((80, 72, 66, 60, 50, 14), (0, 24, 24, 3, 2, 4), strict=True):
        labels[radius < reach] = number
    image = sitk.GetImageFromArray(labels.T)
    image.SetSpacing([VOXEL_MM] * 3)
    image.SetDirection([-1.0, 0, 0, 0, 0, 1, 0, 1, 0])
    image.SetOrigin((30.0, -20.0, 5.0))
    return image


@cache
def sessions(kind: str) -> dict[str, simulate.Session]:
    """Both sessions; read only."""
    return simulate.simulate(head(), kind, 3)


def values(image: sitk.Image, points: np.ndarray) -> np.ndarray:
    """The voxels at points."""
    return np.array([image[image.TransformPhysicalPointToIndex(point)] for point in points.tolist()])


@pytest.mark.parametrize("kind", simulate.KINDS)
def test_landmarks_lie_in_both_brains_and_in_no_lesion(kind: str) -> None:
    for session in sessions(kind).values():
        assert len(session.points) == simulate.LANDMARKS
        assert values(session.brain, session.points).mean() > 0.9  # the rest lies at the brain's face
        assert values(session.lesion, session.points).mean() < 0.1
        assert to_array(session.lesion).any()


def test_scans_differ_in_grid_place_and_contrast() -> None:
    pre, post = sessions("growth").values()
    assert post.image.GetSpacing()[0] == pytest.approx(1.2 * pre.image.GetSpacing()[0])
    assert np.linalg.norm(pre.points - post.points, axis=1).min() > 0.5
    assert not np.allclose(pre.image.GetDirection(), post.image.GetDirection(), atol=1e-3)


def test_the_same_seed_gives_the_same_sessions() -> None:
    again = simulate.simulate(head(), "growth", 3)
    for name, session in sessions("growth").items():
        assert np.array_equal(to_array(session.image), to_array(again[name].image))
        assert np.array_equal(session.points, again[name].points)


def test_partners_are_one_place_of_the_undisplaced_head() -> None:
    """Each session's map takes its landmarks back to the same places."""
    person = people.individual_of(to_array(head()).astype(int), VOXEL_MM)
    courses = simulate.sample_courses(person, "resection", Chance(5))
    states = {name: simulate.displaced(person, course, Chance(6)) for name, course in courses.items()}
    places = simulate.sample_places(person, states, np.random.default_rng(0))
    back = {
        name: place
        + np.stack(
            [
                map_coordinates(part, place.T, order=1, mode="nearest")
                for part in states[name].displacement[0].numpy()
            ],
            axis=1,
        )
        for name, place in places.items()
    }
    np.testing.assert_allclose(back["pre"], back["post"], atol=2 * simulate.CONVERGED_MM / VOXEL_MM)
    assert np.abs(places["pre"] - places["post"]).max() * VOXEL_MM > 1.0


def test_a_map_that_folds_is_refused() -> None:
    person = people.individual_of(to_array(head()).astype(int), VOXEL_MM)
    course = simulate.sample_courses(person, "growth", Chance(5))["post"]
    with pytest.raises(simulate.FoldingError, match="nearly folds"):
        simulate.displaced(person, attrs.evolve(course, wander_mm=60.0), Chance(6))


def test_what_cannot_be_inverted_is_not_hidden() -> None:
    steep = np.zeros((3, 8, 8, 8))
    steep[0] = 5.0 * np.arange(8).reshape(8, 1, 1)
    with pytest.raises(ArithmeticError, match="missed by"):
        simulate.inverted(steep, np.array([[3.0, 3.0, 3.0]]), 0.01)


def test_patients_are_written_once(tmp_path: Path) -> None:
    """As BIDS has them; landmarks lie where the session has them."""
    maps, bids = tmp_path / "maps", tmp_path / "bids"
    write_image(head(), maps / "head-07_dseg.nii.gz")
    assert subjects_of(maps) == ["07"]
    dataset.write_patients(bids, maps, ["07"], 1, 1)
    image = dataset.image_path(bids, "07", "pre")
    written = image.stat().st_mtime_ns
    points = read_landmarks(dataset.landmarks_path(bids, "07", "pre"), "LPS").points
    assert points.shape == (simulate.LANDMARKS, 3)
    dataset.write_patients(bids, maps, ["07"], 1, 1)
    assert image.stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match=r"one \*-08_dseg.nii.gz is required, found 0"):
        dataset.write_patients(bids, maps, ["08"], 1, 1)


def test_a_folder_of_other_scans_is_refused(tmp_path: Path) -> None:
    """What is there is kept by its name, which says neither seed nor resolution."""
    for _ in range(2):
        require_same(tmp_path, {"seed": 1, "resolution": 2})
    with pytest.raises(SystemExit, match=r"was made with --seed 1 --resolution 2: choose another folder"):
        require_same(tmp_path, {"seed": 1, "resolution": 1})


def test_gains_say_whether_the_direct_way_keeps_to_its_aim(tmp_path: Path) -> None:
    rows = [
        "method\tway\tmedian_mm",
        "before (native)\tn/a\t8",
        "rigid\ttemplate\t2",
        "rigid\tdirect\t1",
        "syn\ttemplate\t1.4",
        "syn\tdirect\t0.6",
        "lddmm\ttemplate\t1",
        "lddmm\tdirect\t0.6",
    ]
    (tmp_path / "landmarks_summary.tsv").write_text("\n".join(rows) + "\n")
    assert gains(tmp_path) == [
        "- syn: 0.6 mm directly, 1.4 mm through the template (kept: at most 0.8 mm and 0.5 of it)",
        "- lddmm: 0.6 mm directly, 1 mm through the template (missed: at most 0.8 mm and 0.5 of it)",
    ]
