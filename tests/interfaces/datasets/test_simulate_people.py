"""What a cohort with people's anatomies leaves on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from label_maps import head_labels, write_labels
from phantoms import same_grid

from gliomorph.interfaces.datasets.simulate import SimulationError, record_path
from gliomorph.interfaces.datasets.simulate_people import PeopleCohort, simulate_people
from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.workflows.checks.validation import validator_issues


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> PeopleCohort:
    folder = tmp_path_factory.mktemp("heads")
    write_labels(head_labels(), folder / "one_dseg.nii.gz")
    return PeopleCohort(anatomies=folder, resolution=8, seed=4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, cohort: PeopleCohort) -> Path:
    folder = tmp_path_factory.mktemp("bids")
    simulate_people(folder, 2, cohort)
    return folder


def test_images_masks_and_labels_lie_on_one_grid(dataset: Path) -> None:
    record = record_path(dataset, "02")
    mask = read_image(record.parent / "sub-02_desc-brain_mask.nii.gz")
    labels = read_image(record.parent / "sub-02_seg-brats_dseg.nii.gz")
    for suffix in ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR"):
        image = read_image(dataset / "sub-02" / "anat" / f"sub-02_{suffix}.nii.gz")
        assert same_grid(image, mask)
        assert np.array_equal(to_array(image) > 0, to_array(mask) > 0)
    assert same_grid(labels, mask)
    assert set(np.unique(to_array(labels))) <= {0, 1, 2, 4}
    measured = json.loads(record.read_text())["Measured"]["regions_ml"]["WT"]
    assert measured == pytest.approx((to_array(labels) > 0).sum() * 8**3 / 1000, rel=1e-3)


def test_the_dataset_is_valid_and_grows(dataset: Path, cohort: PeopleCohort, tmp_path: Path) -> None:
    assert validator_issues(dataset) == []
    before = content_hash(dataset / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    simulate_people(tmp_path / "alone", 1, cohort)
    assert content_hash(tmp_path / "alone" / "sub-01" / "anat" / "sub-01_T1w.nii.gz") == before
    said: list[str] = []
    simulate_people(dataset, 2, cohort, said.append)
    assert all(line.endswith("kept") for line in said)
    with pytest.raises(SimulationError, match="holds another simulation"):
        simulate_people(dataset, 2, PeopleCohort(anatomies=cohort.anatomies, resolution=8, seed=5))
