"""A dataset of clinical images appears as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gliomorph.interfaces.datasets.clinical.dataset import STAGING, check_target, write_dataset
from gliomorph.interfaces.datasets.clinical.items import ClinicalError, Item


def items(folder: Path, *, fail: bool) -> Iterator[Item]:
    source = folder / "image.nii.gz"
    source.write_bytes(b"content")
    yield Item(subject="1", modality="T1w", line=2, source=source)
    if fail:
        raise ClinicalError("line 3 is wrong")
    yield Item(subject="1", modality="mask", line=3, source=source, sidecar={"Type": "Lesion"})


def test_images_masks_and_descriptions_are_written(tmp_path: Path) -> None:
    bids = tmp_path / "bids"
    write_dataset(items(tmp_path, fail=False), bids)
    files = sorted(path.relative_to(bids).as_posix() for path in bids.rglob("*") if path.is_file())
    assert files == [
        "README",
        "dataset_description.json",
        "derivatives/masks/README",
        "derivatives/masks/dataset_description.json",
        "derivatives/masks/sub-1/anat/sub-1_label-tumor_mask.json",
        "derivatives/masks/sub-1/anat/sub-1_label-tumor_mask.nii.gz",
        "participants.tsv",
        "sub-1/anat/sub-1_T1w.json",
        "sub-1/anat/sub-1_T1w.nii.gz",
    ]
    assert (bids / "sub-1/anat/sub-1_T1w.nii.gz").read_bytes() == b"content"
    assert (bids / "participants.tsv").read_text() == "participant_id\nsub-1\n"


@pytest.mark.parametrize("new", [True, False])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, new: bool) -> None:
    bids = tmp_path / "bids"
    if not new:
        bids.mkdir()
    with pytest.raises(ClinicalError, match="line 3"):
        write_dataset(items(tmp_path, fail=True), bids)
    assert bids.exists() != new
    assert list(bids.rglob("*")) == []


def test_only_new_and_empty_folders_are_written_to(tmp_path: Path) -> None:
    check_target(tmp_path / "new")
    (tmp_path / STAGING).mkdir()
    check_target(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ClinicalError, match="is not empty: name a new"):
        check_target(tmp_path)
    with pytest.raises(ClinicalError, match="is a file: name a new"):
        check_target(tmp_path / "file")
