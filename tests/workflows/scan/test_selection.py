"""What the terminal says of the files that were chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.config.inputs import Inputs
from gliomorph.interfaces.datasets.query import find_scans, folder_names
from gliomorph.workflows.scan.plan import PlannedScan
from gliomorph.workflows.scan.selection import chosen_files, summary_of_files

RAW = ("sub-01_T1w", "sub-01_FLAIR", "sub-01_run-2_T1w", "sub-02_ce-gd_T1w", "sub-03_UNIT1", "sub-04_T2w")
MASKS = (
    "sub-01_seg-brats_dseg",
    "sub-01_desc-brain_mask",
    "sub-02_desc-brain_mask",
    "sub-02_desc-hdglio_mask",
    "sub-03_run-1_label-tumor_mask",
    "sub-99_label-tumor_mask",
)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """A dataset of four subjects, and a folder of masks."""
    for root, names in (("bids", RAW), ("masks", MASKS)):
        for name in names:
            path = tmp_path / root / name[:6] / "anat" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return Inputs(derivatives={"masks": tmp_path / "masks"})


@pytest.fixture
def planned(inputs: Inputs, tmp_path: Path) -> list[PlannedScan]:
    scans = find_scans(tmp_path / "bids", derivatives=inputs.derivatives)
    return [PlannedScan(scan=scan) for scan in scans]


def test_summary_counts_what_is_used_and_names_what_is_not(
    inputs: Inputs, planned: list[PlannedScan], tmp_path: Path
) -> None:
    assert summary_of_files(planned, inputs, folder_names(tmp_path / "bids")) == [
        "images: T1w of 1, FLAIR of 1, T1ce of 1, UNIT1 of 1, of 4 scans; passed over 1: "
        "sub-01_run-2_T1w.nii.gz (another comes before it)",
        "-d masks: tumour masks of 1 scans, brain masks of 2; passed over 2: sub-02_desc-hdglio_mask.nii.gz "
        "(not a name of a mask that is read), sub-03_run-1_label-tumor_mask.nii.gz (by its name of run-1, the image is "
        "one without run-); not in the dataset: 'sub-99'",
        "a network segments 2 scans without a mask: 'sub-02', 'sub-03'",
    ]


def test_every_scan_is_listed_with_its_files(planned: list[PlannedScan]) -> None:
    lines = list(chosen_files(planned))
    assert lines[:6] == [
        "sub-01",
        "  image: sub-01_T1w.nii.gz (T1w)",
        "  FLAIR: sub-01_FLAIR.nii.gz",
        "  tumour: sub-01_seg-brats_dseg.nii.gz (-d masks)",
        "  brain: sub-01_desc-brain_mask.nii.gz (-d masks)",
        "  passed over: sub-01_run-2_T1w.nii.gz (another comes before it)",
    ]
    assert "  tumour: none, a network segments it" in lines
    assert (
        "  passed over: -d masks: sub-02_desc-hdglio_mask.nii.gz (not a name of a mask that is read)" in lines
    )
    assert lines[-1] == "sub-04"
