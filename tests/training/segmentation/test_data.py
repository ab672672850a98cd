"""Scans and simulated patients as examples: what is checked, prepared, split, and random about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cohorts
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
import torch
import trainings
from safetensors.torch import load_file, save_file

from gliomorph.interfaces.datasets.query import QueryError
from gliomorph.interfaces.files.images import from_array, read_image, to_array, voxel_volume_ml, write_image
from gliomorph.interfaces.files.masks import foreground
from gliomorph.interfaces.networks.grid import network_grid
from gliomorph.interfaces.scan import brain
from gliomorph.models.regions import MODALITIES
from gliomorph.models.synthesis.engine import DataEngine
from gliomorph.models.unet import standardize
from gliomorph.training.scans import TrainingDataError
from gliomorph.training.segmentation.data import PreparedExamples, SimulatedExamples, prepare

LABELS = "sub-02_seg-brats_dseg.nii.gz"


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    return trainings.write_dataset(tmp_path / "bids", ["01", "02", "03"])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Two heads in all modalities; read only."""
    folder = tmp_path_factory.mktemp("prepared")
    bids = trainings.write_dataset(folder / "bids", ["01", "03"])
    return prepare(bids, {"masks": trainings.masks_of(bids)}, MODALITIES, 4.0, folder / "out")


@pytest.fixture(scope="module")
def engine(template_home: Path) -> DataEngine:
    return trainings.engine_from(template_home, ("T1w", "FLAIR"))


def run(bids: Path, modalities: tuple[str, ...] = ("T1w",), voxel_mm: float = 4.0) -> dict[str, list[Path]]:
    folder = bids.parent / "prepared"
    return prepare(bids, {"masks": trainings.masks_of(bids)}, modalities, voxel_mm, folder)


def table_of(bids: Path) -> Path:
    return cohorts.labels_path(bids, "02").with_name(LABELS.replace(".nii.gz", ".tsv"))


def write_lesion(bids: Path, side: int, label: int) -> None:
    """A cube in the tumour's stead, in the middle between points of the network's grid of 4 mm; voxels of 1 mm."""
    path = cohorts.labels_path(bids, "02")
    tumor = read_image(path)
    network = network_grid(foreground(read_image(path_of(bids))), 4.0)
    inside = np.argwhere(to_array(tumor) > 0).mean(axis=0)
    near = network.TransformPhysicalPointToIndex(
        tumor.TransformContinuousIndexToPhysicalPoint(inside.tolist())
    )
    voxels = np.zeros((12, 12, 12), np.float32)
    voxels[2 : 2 + side, 2 : 2 + side, 2 : 2 + side] = label
    grid = sitk.Image(voxels.shape, sitk.sitkFloat32)
    grid.SetDirection(network.GetDirection())
    between = network.TransformContinuousIndexToPhysicalPoint([index + 0.5 for index in near])
    offset = np.reshape(grid.GetDirection(), (3, 3)) @ np.full(3, 2 + (side - 1) / 2)
    grid.SetOrigin((np.array(between) - offset).tolist())
    write_image(from_array(voxels, grid), path)


def test_prepared_scans_are_standardised_heads_with_class_indices(prepared: dict[str, list[Path]]) -> None:
    assert list(prepared) == ["01", "03"]
    for paths in prepared.values():
        tensors = load_file(paths[0])
        images, labels = tensors["images"].float(), tensors["labels"]
        assert tensors["images"].dtype == torch.float16
        assert labels.dtype == torch.uint8
        assert images.shape[0] == 4
        assert images.shape[1:] == labels.shape
        assert all(side % 8 == 0 for side in labels.shape)
        assert labels.unique().tolist() == [0, 1, 2, 3]
        for image in images:
            inside = image[image != 0]
            assert float(inside.mean()) == pytest.approx(0, abs=2e-3)  # float16
            assert float(inside.std()) == pytest.approx(1, abs=2e-3)


def test_channels_are_the_modalities_in_order(prepared: dict[str, list[Path]], bids: Path) -> None:
    """T1ce rises with T1w, T2w falls."""
    images = load_file(prepared["01"][0])["images"].float()
    inside = images[0] != 0
    order = torch.corrcoef(images[:, inside])[0]
    assert order[1] > 0.9
    assert order[2] < -0.9
    alone = load_file(run(bids, ("T2w",))["01"][0])["images"].float()
    assert torch.equal(alone[0], images[2])


def test_labels_keep_their_volumes(prepared: dict[str, list[Path]]) -> None:
    labels = load_file(prepared["01"][0])["labels"].numpy()
    given = cohorts.head("01")[1]
    for index, value in ((1, 1), (2, 2), (3, 4)):
        expected = (to_array(given) == value).sum() * voxel_volume_ml(given)
        assert (labels == index).sum() * 0.064 == pytest.approx(expected, rel=0.1)  # interpolated at 4 mm


def test_both_label_conventions_give_the_same(bids: Path) -> None:
    path = cohorts.labels_path(bids, "02")
    before = load_file(run(bids)["02"][0])["labels"]

    def renamed(voxels: np.ndarray) -> None:
        voxels[voxels == 4] = 3

    trainings.change_image(path, renamed)
    table_of(bids).unlink()
    assert torch.equal(load_file(run(bids)["02"][0])["labels"], before)


def test_a_table_says_what_the_labels_are(bids: Path) -> None:
    before = load_file(run(bids)["02"][0])["labels"]

    def renumbered(voxels: np.ndarray) -> None:
        voxels[:] = np.select([voxels == 4, voxels == 1, voxels == 2], [1, 2, 3])

    trainings.change_image(cohorts.labels_path(bids, "02"), renumbered)
    table_of(bids).write_text("index\tname\n1\tET\n2\tNCR\n3\tED\n")
    assert torch.equal(load_file(run(bids)["02"][0])["labels"], before)


def test_another_table_makes_the_scan_anew(bids: Path) -> None:
    before = load_file(run(bids)["02"][0])["labels"]
    table_of(bids).write_text("index\tname\n1\tnecrosis\n2\tED\n4\tET\n")
    with pytest.raises(
        TrainingDataError, match=r"sub-02: sub-02_seg-brats_dseg\.tsv: rows named NCR, ED and ET"
    ):
        run(bids)
    table_of(bids).write_text("index\tabbreviation\n1\tED\n2\tNCR\n4\tET\n")
    after = load_file(run(bids)["02"][0])["labels"]
    assert torch.equal(after == 3, before == 3)
    assert torch.equal(after == 1, before == 2)


LESIONS = {"8 mm³": (2, 1), "27 mm³": (3, 4)}
"""Sides in voxels of 1 mm, and a label."""


@pytest.mark.parametrize(("side", "label"), LESIONS.values(), ids=LESIONS.keys())
def test_a_lesion_smaller_than_the_networks_voxels_is_a_scan_without_tumour(
    tmp_path: Path, side: int, label: int
) -> None:
    bids = trainings.write_dataset(tmp_path / "bids", ["02"])
    write_lesion(bids, side, label)
    lines: list[str] = []
    masks = {"masks": trainings.masks_of(bids)}
    files = prepare(bids, masks, ("T1w",), 4.0, bids.parent / "prepared", lines.append)
    tensors = load_file(files["02"][0])
    assert not tensors["labels"].any()
    assert tensors["images"].any()
    assert lines == [
        f"sub-02 (1 of 1) is ready; {LABELS}: nothing of the tumour ({side**3} mm³) is left at the network's "
        "voxel size of 4 mm, the scan counts as one without tumour"
    ]
    fine = load_file(run(bids, voxel_mm=1.0)["02"][0])["labels"]
    assert fine.unique().tolist() == [0, {1: 1, 4: 3}[label]]


def test_a_small_lesion_outside_the_brain_is_still_another_frame(bids: Path) -> None:
    write_lesion(bids, 2, 1)
    trainings.shift_image(cohorts.labels_path(bids, "02"), [0, 300, 0])
    with pytest.raises(TrainingDataError, match=f"{LABELS}: only 0% of the tumour lies within the brain"):
        run(bids)


def test_what_is_prepared_is_made_again_only_where_its_files_changed(bids: Path) -> None:
    before = {paths[0]: paths[0].stat().st_mtime_ns for paths in run(bids).values()}
    assert {paths[0]: paths[0].stat().st_mtime_ns for paths in run(bids).values()} == before
    trainings.change_image(trainings.modality_path(bids, "02", "T1w"), lambda voxels: voxels.__imul__(2))
    after = run(bids)
    assert [subject for subject in after if after[subject][0] not in before] == ["02"]
    assert not {path for paths in run(bids, voxel_mm=2.0).values() for path in paths} & before.keys()


def test_every_session_is_a_scan_of_its_subject(bids: Path) -> None:
    for root in (bids, trainings.masks_of(bids)):
        folder = root / "sub-01" / "anat"
        for session in ("ses-1", "ses-2"):
            for path in folder.glob("*"):
                copy = root / "sub-01" / session / "anat" / path.name.replace("sub-01", f"sub-01_{session}")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        for path in folder.glob("*"):
            path.unlink()
    files = run(bids)
    assert {subject: len(paths) for subject, paths in files.items()} == {"01": 2, "02": 1, "03": 1}


def path_of(bids: Path, modality: str = "T1w") -> Path:
    return trainings.modality_path(bids, "02", modality)


def fill(value: float) -> Callable[[np.ndarray], None]:
    return lambda voxels: voxels.fill(value)


def hole(voxels: np.ndarray) -> None:
    middle = tuple(side // 2 for side in voxels.shape)
    voxels[middle] = np.nan


def with_label(value: float) -> Callable[[np.ndarray], None]:
    def change(voxels: np.ndarray) -> None:
        voxels[voxels == 4] = value

    return change


def on_wider_grid(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """The labels on a grid of their own, and changed then."""

    def both(bids: Path) -> None:
        path = cohorts.labels_path(bids, "02")
        write_image(phantoms.wider(read_image(path, sitk.sitkUInt8)), path)
        change(bids)

    return both


def of_another_subject(bids: Path) -> None:
    path = cohorts.labels_path(bids, "02")
    path.rename(path.with_name(cohorts.labels_path(bids, "03").name))


def one_label(bids: Path) -> None:
    """Binary masks say nothing of the parts."""
    path = cohorts.labels_path(bids, "02")
    path.rename(path.with_name("sub-02_label-tumor_mask.nii.gz"))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no image": (
        lambda b: path_of(b).unlink(),
        "sub-02: no T1w image; T1w, T1ce, T2w, FLAIR are required, found sub-02_ce-",
    ),
    "one modality missing": (
        lambda b: path_of(b, "FLAIR").unlink(),
        "sub-02: no FLAIR image; T1w, T1ce, T2w",
    ),
    "no T1 at all": (
        lambda b: (path_of(b).unlink(), path_of(b, "T1ce").unlink()),
        r"sub-02: no T1w or T1ce image in sub-02/anat/, which has sub-02_FLAIR.*; .*T1w.* are required",
    ),
    "no label map": (lambda b: cohorts.labels_path(b, "02").unlink(), "sub-02: a label map .* found none"),
    "a mask of one label": (one_label, "sub-02: a label map .* found sub-02_label-tumor_mask.nii.gz"),
    "unknown labels": (
        lambda b: trainings.change_image(cohorts.labels_path(b, "02"), with_label(7)),
        rf"sub-02: {LABELS}: labels that .*\.tsv gives to a region \(1 NCR, .* are required, found \[1, 2, 7\]",
    ),
    "labels that are no whole numbers": (
        lambda b: trainings.change_image(cohorts.labels_path(b, "02"), with_label(2.5)),
        f"sub-02: {LABELS}: labels are whole numbers, .* such as 2\\.5:",
    ),
    "no tumour": (
        lambda b: trainings.change_image(cohorts.labels_path(b, "02"), fill(0)),
        f"sub-02: {LABELS}: the tumour mask is empty",
    ),
    "labels of NaN": (
        lambda b: trainings.change_image(cohorts.labels_path(b, "02"), hole),
        f"sub-02: {LABELS}: the tumour mask holds NaN",
    ),
    "a constant image": (
        lambda b: trainings.change_image(path_of(b, "T2w"), fill(3)),
        r"sub-02: sub-02_T2w\.nii\.gz: the image is constant \(3\)",
    ),
    "a constant brain": (
        lambda b: trainings.change_image(path_of(b), lambda v: np.clip(v, 0, 1, out=v)),
        r"sub-02: sub-02_T1w\.nii\.gz: the image is constant in the brain",
    ),
    "an image of NaN": (
        lambda b: trainings.change_image(path_of(b), fill(np.nan)),
        r"sub-02: sub-02_T1w\.nii\.gz: every voxel is NaN",
    ),
    "NaN in the brain": (
        lambda b: trainings.change_image(path_of(b, "FLAIR"), hole),
        r"sub-02: sub-02_FLAIR\.nii\.gz: finite values are required, 1 voxels of the brain are NaN",
    ),
    "a damaged file": (
        lambda b: path_of(b).write_bytes(path_of(b).read_bytes()[:500]),
        r"sub-02: sub-02_T1w\.nii\.gz: cannot be read, damaged",
    ),
    "another subject's labels": (
        of_another_subject,
        r"sub-02: a label map .* found sub-03_seg-brats_dseg\.nii\.gz \(by its name of sub-03, the image is sub-02",
    ),
    "the image's voxels under another header": (
        lambda b: trainings.shift_image(cohorts.labels_path(b, "02"), [-35, 0, 0]),
        f"sub-02: {LABELS} has as many voxels as sub-02_T1w.nii.gz, but a header that puts them elsewhere",
    ),
    "another head's labels": (
        on_wider_grid(lambda b: trainings.shift_image(cohorts.labels_path(b, "02"), [-35, 0, 0])),
        f"sub-02: {LABELS}: only [1-9][0-9]*% of the tumour lies within the brain of sub-02_T1w.nii.gz; do both come",
    ),
    "labels in another frame": (
        on_wider_grid(lambda b: trainings.shift_image(cohorts.labels_path(b, "02"), [0, 300, 0])),
        f"sub-02: {LABELS}: only 0% of the tumour lies within the brain",
    ),
    "a modality in another frame": (
        lambda b: trainings.shift_image(path_of(b, "T2w"), [60, 0, 0]),
        r"sub-02: sub-02_T2w\.nii\.gz: only [0-9]+% of the brain of sub-02_T1w\.nii\.gz lies within its own",
    ),
    "a modality elsewhere": (
        lambda b: trainings.shift_image(path_of(b, "T2w"), [500, 0, 0]),
        r"sub-02: sub-02_T2w\.nii\.gz: the image has no brain where the network's grid lies",
    ),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_bad_scan_is_an_error_that_names_it(
    spoil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bids = trainings.write_dataset(tmp_path / "bids", ["02"])
    monkeypatch.setattr(brain.shutil, "which", lambda tool: None)
    change, message = SPOILT[spoil]
    change(bids)
    with pytest.raises(TrainingDataError, match=message) as caught:
        run(bids, MODALITIES)
    assert "1 of 1 scans cannot be trained on" in str(caught.value)


def test_all_bad_scans_are_told_at_once(bids: Path) -> None:
    path_of(bids, "FLAIR").unlink()
    trainings.change_image(cohorts.labels_path(bids, "03"), fill(9))
    with pytest.raises(
        TrainingDataError, match="2 of 3 scans cannot be trained on; mend or remove them"
    ) as caught:
        run(bids, MODALITIES)
    _, first, second = str(caught.value).splitlines()
    assert first.startswith("  sub-02: no FLAIR image")
    assert second.startswith(
        "  sub-03: sub-03_seg-brats_dseg.nii.gz: labels that sub-03_seg-brats_dseg.tsv gives"
    )


def test_nan_around_the_brain_is_background_and_said(bids: Path) -> None:
    def surround(voxels: np.ndarray) -> None:
        voxels[voxels == 0] = np.nan

    before = load_file(run(bids)["02"][0])
    trainings.change_image(path_of(bids), surround)
    lines: list[str] = []
    masks = {"masks": trainings.masks_of(bids)}
    after = load_file(prepare(bids, masks, ("T1w",), 4.0, bids.parent / "prepared", lines.append)["02"][0])
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "sub-02_T1w.nii.gz: " in lines[1]
    assert "NaN or infinite and count as background" in lines[1]
    assert "NaN" not in lines[0]


def test_a_folder_without_subjects_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no sub-"):
        prepare(tmp_path, {}, ("T1w",), 4.0, tmp_path / "prepared")


def test_training_examples_are_random_boxes_that_follow_from_seed_epoch_and_number(
    prepared: dict[str, list[Path]],
) -> None:
    files = (*prepared["01"], *prepared["03"])
    examples = PreparedExamples(files=files, seed=1, box=(16, 24, 16))
    images, labels = examples.read(0, epoch=2)
    assert images.shape == (4, 16, 24, 16)
    assert labels.shape == (16, 24, 16)
    assert labels.dtype == torch.int64
    again = PreparedExamples(files=files, seed=1, box=(16, 24, 16)).read(0, epoch=2)
    assert torch.equal(images, again[0]) and torch.equal(labels, again[1])
    others = [
        examples.read(1, 2),
        examples.read(0, 3),
        PreparedExamples(files=files, seed=2, box=(16, 24, 16)).read(0, 2),
    ]
    assert not any(torch.equal(images, other) for other, _ in others)


def test_a_box_keeps_the_intensities_of_the_whole_head(tmp_path: Path) -> None:
    """They are standardised over the head, as they are where the network is used, and not over the box."""
    generator = torch.Generator().manual_seed(0)
    images = standardize(1 + torch.rand((1, 32, 32, 32), generator=generator))
    labels = torch.zeros(images.shape[1:], dtype=torch.uint8)
    labels[:8, :8, :8] = 1
    images[0][labels > 0] += 4
    images = standardize(images)
    save_file({"images": images.half(), "labels": labels}, tmp_path / "head.safetensors")
    bright = images[0][labels > 0].mean()
    box = PreparedExamples(files=(tmp_path / "head.safetensors",), seed=1, box=(16, 16, 16))
    seen = [box.read(0, epoch) for epoch in range(12)]
    means = [image[0][label > 0].mean() for image, label in seen if (label > 0).sum() > 100]
    assert len(means) > 4
    assert torch.stack(means).mean() == pytest.approx(float(bright), rel=0.15)  # gamma and shift are left


def test_held_out_examples_are_whole_and_always_the_same(prepared: dict[str, list[Path]]) -> None:
    examples = PreparedExamples(files=tuple(prepared["01"]))
    images, labels = examples.read(0, epoch=0)
    assert torch.equal(images, load_file(prepared["01"][0])["images"].float())
    assert torch.equal(labels, load_file(prepared["01"][0])["labels"].long())
    assert torch.equal(images, examples.read(0, epoch=7)[0])


def test_simulated_patients_are_new_in_every_epoch_and_stay_where_they_are_held_out(
    engine: DataEngine,
) -> None:
    train, validation, _ = (SimulatedExamples(engine=engine, count=2, seed=1, part=part) for part in range(3))
    assert len(train) == 2
    assert torch.equal(train.read(0, 0)[0], train.read(0, 0)[0])
    assert not torch.equal(train.read(0, 0)[0], train.read(0, 1)[0])
    assert torch.equal(validation.read(0, 0)[0], validation.read(0, 5)[0])


def test_no_simulated_patient_is_in_two_parts(engine: DataEngine) -> None:
    examples = [SimulatedExamples(engine=engine, count=2, seed=1, part=part) for part in range(3)]
    heads = [part.read(index, epoch)[0] for part in examples for index in range(2) for epoch in (0,)]
    assert not any(torch.equal(a, b) for n, a in enumerate(heads) for b in heads[:n])


def test_simulated_images_are_standardised_one_by_one(engine: DataEngine) -> None:
    images, labels = SimulatedExamples(engine=engine, count=1, seed=3, part=0).read(0, 0)
    assert images.shape == (2, *trainings.BOX)
    assert labels.shape == trainings.BOX
    for image in images:
        inside = image[image != 0]
        assert float(inside.mean()) == pytest.approx(0, abs=1e-5)
        assert float(inside.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_the_engines_heads_have_the_axes_of_a_prepared_scan(template_home: Path) -> None:
    """RAS, whatever the template's, here LPS; nothing about the phantom is symmetric."""
    maps = trainings.engine_from(template_home).atlas.maps[0].numpy()
    image = read_image(template_home / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_T1w.nii.gz")
    seen = to_array(sitk.DICOMOrient(image, "RAS"))
    white, texture = maps[2] > 0.9, maps[3]

    def likeness(other: np.ndarray) -> float:
        return float(np.corrcoef(texture[white], other[white])[0, 1])

    assert likeness(seen) > 0.95
    assert all(likeness(np.flip(seen, axis)) < 0.8 for axis in range(3))
