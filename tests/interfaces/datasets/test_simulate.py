"""What a simulated cohort leaves on disk, on a small artificial template."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import attrs
import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import same_grid

from gliomorph.interfaces.datasets import simulate
from gliomorph.interfaces.datasets.templates import Template, load_template
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.files.transforms import apply_to_points, read_transform
from gliomorph.workflows.checks.validation import validator_issues

SIDE, VOXEL_MM = 40, 4


def ball_template() -> Template:
    """A brain of white matter in a shell of grey, with fluid around and a ventricle off the centre."""
    places = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
    radius = np.linalg.norm(places, axis=0) * VOXEL_MM
    ventricle = np.linalg.norm(places - np.array([3, 0, 0])[:, None, None, None], axis=0) * VOXEL_MM < 14
    brain = radius < 64
    parts = {
        "CSF": brain & ((radius >= 60) | ventricle),
        "GM": (radius >= 50) & (radius < 60),
        "WM": (radius < 50) & ~ventricle,
    }

    def image(voxels: np.ndarray, dtype: type = np.float32) -> sitk.Image:
        image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T.astype(dtype)))
        image.SetSpacing([float(VOXEL_MM)] * 3)
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        image.SetOrigin((78.0, 83.0, -70.0))
        return image

    means = {"CSF": 0.3, "GM": 0.7, "WM": 1.0}
    return Template(
        name="Ball",
        resolution=VOXEL_MM,
        image=image(sum(means[name] * part for name, part in parts.items())),
        brain_mask=image(brain, np.uint8),
        tissues={name: image(part) for name, part in parts.items()},
    )


@pytest.fixture(scope="module")
def cohort() -> simulate.Cohort:
    return simulate.Cohort(seed=9, template=ball_template(), grid="mixed")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, cohort: simulate.Cohort) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "bids"
    simulate.simulate_cohort(folder, 3, cohort)
    return folder


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, cohort: simulate.Cohort) -> tuple[Path, list[str]]:
    """Two patients, the second one asked for later; what was said then."""
    folder = tmp_path_factory.mktemp("grown")
    lines: list[str] = []
    simulate.simulate_cohort(folder, 1, cohort)
    kept = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    before = kept.stat().st_mtime_ns
    simulate.simulate_cohort(folder, 2, cohort, lines.append)
    assert kept.stat().st_mtime_ns == before
    return folder, lines


def truth(dataset: Path, label: str, name: str) -> Path:
    return dataset / "derivatives" / "truth" / f"sub-{label}" / "anat" / f"sub-{label}_{name}"


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("folder", [".", "derivatives/truth"])
def test_dataset_is_valid_bids(dataset: Path, folder: str) -> None:
    assert validator_issues(dataset / folder) == []


def test_same_seed_gives_the_same_bytes_and_patients_do_not_depend_on_their_number(
    dataset: Path, grown: tuple[Path, list[str]]
) -> None:
    expected, found = digests(dataset), digests(grown[0])
    patients = {name for name in expected if "sub-01" in name or "sub-02" in name}
    assert {name for name in found if "sub-" in name} == patients
    assert {name: found[name] for name in found if name != "participants.tsv"} == {
        name: expected[name] for name in found if name != "participants.tsv"
    }


def test_another_seed_gives_another_patient(dataset: Path, cohort: simulate.Cohort, tmp_path: Path) -> None:
    simulate.simulate_cohort(tmp_path / "other", 1, attrs.evolve(cohort, seed=8))
    name = "sub-01/anat/sub-01_T1w.nii.gz"
    assert digests(tmp_path / "other")[name] != digests(dataset)[name]


def test_a_cohort_grows_and_complete_patients_are_kept(grown: tuple[Path, list[str]]) -> None:
    folder, lines = grown
    assert [line.endswith("kept") for line in lines] == [True, False]
    with (folder / "participants.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [row["participant_id"] for row in rows] == ["sub-01", "sub-02"]
    assert all(int(row["survival_days"]) > 0 and row["event"] in "01" for row in rows)


def test_images_of_a_patient_share_one_grid_that_is_not_the_templates(dataset: Path) -> None:
    for label in ("01", "02", "03"):
        anat = dataset / f"sub-{label}" / "anat"
        images = [read_image(anat / f"sub-{label}_{s}.nii.gz") for s in simulate.SUFFIXES.values()]
        labels = read_image(truth(dataset, label, "seg-brats_dseg.nii.gz"), sitk.sitkUInt8)
        assert all(same_grid(images[0], other) for other in [*images[1:], labels])
        assert not np.allclose(images[0].GetDirection(), (-1, 0, 0, 0, -1, 0, 0, 0, 1), atol=1e-3)
        brain = to_array(read_image(truth(dataset, label, "desc-brain_mask.nii.gz"))) > 0
        for image in images:
            np.testing.assert_array_equal(to_array(image) > 0, brain)


def test_grids_go_round(dataset: Path) -> None:
    images = [read_image(dataset / f"sub-0{k}" / "anat" / f"sub-0{k}_T1w.nii.gz") for k in (1, 2, 3)]
    assert [np.ptp(image.GetSpacing()) > 1 for image in images] == [False, True, False]
    handed = [np.linalg.det(np.array(image.GetDirection()).reshape(3, 3)) for image in images]
    np.testing.assert_allclose(handed, [1, 1, -1], atol=1e-5)


def test_transform_files_undo_each_other(dataset: Path, cohort: simulate.Cohort) -> None:
    image = cohort.template.image
    inside = np.argwhere(to_array(cohort.template.brain_mask) > 0)[::40]
    points = np.array([image.TransformIndexToPhysicalPoint(index.tolist()) for index in inside])
    for label in ("01", "02", "03"):
        forward = read_transform(truth(dataset, label, "from-native_to-Ball_mode-image_desc-truth_xfm.h5"))
        inverse = read_transform(truth(dataset, label, "from-Ball_to-native_mode-image_desc-truth_xfm.h5"))
        native = apply_to_points(forward, points)
        assert np.linalg.norm(native - points, axis=1).mean() > 2
        error = np.linalg.norm(apply_to_points(inverse, native) - points, axis=1)
        assert error.mean() < 0.1


def resampled(dataset: Path, template: Template, name: Path, interpolator: int) -> np.ndarray:
    """Native image 1 on the template's grid, through the true transform."""
    xfm = truth(dataset, "01", f"from-native_to-{template.name}_mode-image_desc-truth_xfm.h5")
    return to_array(sitk.Resample(read_image(name), template.image, read_transform(xfm), interpolator, 0.0))


def check_against_template(dataset: Path, template: Template, least_dice: float) -> None:
    name = f"space-{template.name}_seg-brats_res-{template.resolution}_dseg.nii.gz"
    expected = to_array(read_image(truth(dataset, "01", name))) > 0
    t1w = resampled(dataset, template, dataset / "sub-01" / "anat" / "sub-01_T1w.nii.gz", sitk.sitkLinear)
    healthy = (to_array(template.brain_mask) > 0) & ~expected
    assert np.corrcoef(t1w[healthy], to_array(template.image)[healthy])[0, 1] > 0.8
    native = truth(dataset, "01", "seg-brats_dseg.nii.gz")
    found = resampled(dataset, template, native, sitk.sitkNearestNeighbor) > 0
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > least_dice


def test_true_transform_carries_the_patient_onto_the_template(dataset: Path, cohort: simulate.Cohort) -> None:
    check_against_template(dataset, cohort.template, least_dice=0.8)  # voxels of 4 mm


@pytest.mark.slow
def test_mni_patient_is_carried_onto_the_template(tmp_path: Path) -> None:
    cohort = simulate.Cohort(seed=1, template=load_template("MNI152", 2))
    simulate.simulate_cohort(tmp_path, 1, cohort)
    check_against_template(tmp_path, cohort.template, least_dice=0.9)


def test_record_replays_the_patient(dataset: Path, cohort: simulate.Cohort) -> None:
    from gliomorph.models import synthesis

    record = json.loads(simulate.record_path(dataset, "01").read_text())
    patient = synthesis.simulate_patient(simulate.anatomy_of(cohort.template), record["Parameters"])
    stored = to_array(read_image(dataset / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz"))
    np.testing.assert_array_equal(patient.images["FLAIR"], stored)


def test_label_tables_name_every_label(dataset: Path) -> None:
    with truth(dataset, "01", "seg-brats_dseg.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [(row["index"], row["abbreviation"]) for row in rows] == [
        ("0", "BG"),
        ("1", "NCR"),
        ("2", "ED"),
        ("4", "ET"),
    ]
    labels = to_array(read_image(truth(dataset, "01", "seg-brats_dseg.nii.gz"), sitk.sitkUInt8))
    assert set(np.unique(labels)) <= {0, 1, 2, 4}


def test_labels_have_two_digits_or_more() -> None:
    assert simulate.subject_labels(3) == ["01", "02", "03"]
    assert simulate.subject_labels(100)[2] == "003"


def test_foreign_folder_is_refused_and_left_alone(cohort: simulate.Cohort, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        simulate.SimulationError, match=r"is not empty and was not made by gliomorph-simulate"
    ):
        simulate.simulate_cohort(tmp_path, 1, cohort)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(simulate.SimulationError, match="is a file"):
        simulate.simulate_cohort(tmp_path / "notes.txt", 1, cohort)


def test_another_simulation_is_not_mixed_in(dataset: Path, cohort: simulate.Cohort) -> None:
    with pytest.raises(simulate.SimulationError, match=r"another simulation \(Seed 9 there, 8 asked for"):
        simulate.simulate_cohort(dataset, 3, attrs.evolve(cohort, seed=8))
    with pytest.raises(simulate.SimulationError, match="already holds sub-03, which a cohort of 2"):
        simulate.simulate_cohort(dataset, 2, cohort)


def test_no_subjects_or_no_tissues_are_errors(cohort: simulate.Cohort, tmp_path: Path) -> None:
    with pytest.raises(simulate.SimulationError, match="at least one subject is required, got 0"):
        simulate.simulate_cohort(tmp_path, 0, cohort)
    bare = attrs.evolve(cohort, template=attrs.evolve(cohort.template, tissues={}))
    with pytest.raises(simulate.SimulationError, match="tissue maps of CSF, GM, WM are required"):
        simulate.simulate_cohort(tmp_path, 1, bare)
    assert not any(tmp_path.iterdir())


def test_twins_are_the_same_people_with_the_same_maps_and_no_tumor(
    dataset: Path, cohort: simulate.Cohort, tmp_path: Path
) -> None:
    twins = attrs.evolve(cohort, visible=False)
    simulate.simulate_cohort(tmp_path / "twins", 1, twins)
    there, expected = digests(tmp_path / "twins"), digests(dataset)
    anat = "derivatives/truth/sub-01/anat/sub-01"
    for name in ("from-native_to-Ball", "from-Ball_to-native"):
        xfm = f"{anat}_{name}_mode-image_desc-truth_xfm.h5"
        assert there[xfm] == expected[xfm]
    assert there[f"{anat}_desc-brain_mask.nii.gz"] == expected[f"{anat}_desc-brain_mask.nii.gz"]
    assert not to_array(read_image(truth(tmp_path / "twins", "01", "seg-brats_dseg.nii.gz"))).any()
    people = [
        (folder / "participants.tsv").read_text().splitlines()[1] for folder in (tmp_path / "twins", dataset)
    ]
    assert people[0] == people[1]
    assert "healthy tissue shows" in (tmp_path / "twins" / "README").read_text()
    for folder, asked in ((tmp_path / "twins", cohort), (dataset, twins)):
        with pytest.raises(simulate.SimulationError, match="another simulation"):
            simulate.simulate_cohort(folder, 3, asked)
