"""BraTS-Reg folders, by their names alone and as a BIDS dataset."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from brats_folders import LANDMARKS, content, image, write_case, write_pair

from gliomorph.cli.import_brats import main
from gliomorph.interfaces.datasets.brats.cases import BratsError, mark_collisions
from gliomorph.interfaces.datasets.brats.dataset import Outcome, import_cases
from gliomorph.interfaces.datasets.brats.kinds import BRATS_REG, write_descriptions
from gliomorph.interfaces.datasets.brats.pairs import find_pairs
from gliomorph.interfaces.datasets.query import find_scans
from gliomorph.interfaces.files.images import read_image, write_image
from gliomorph.interfaces.files.landmarks import read_landmarks
from gliomorph.workflows.checks.validation import validator_issues


def problems(src: Path) -> list[str]:
    cases, _ = find_pairs(src)
    return [case.problem for case in cases]


def run(src: Path, bids: Path) -> list[Outcome]:
    cases, _ = find_pairs(src)
    return import_cases(mark_collisions(cases, {}), bids, kind=BRATS_REG)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training case and one of the validation set, whose first landmarks are not published."""
    folder = tmp_path_factory.mktemp("brats_reg")
    write_pair(folder / "BraTSReg_Training_Data_v3" / "BraTSReg_001")
    write_pair(folder / "BraTSReg_Validation_Data" / "BraTSReg_141", 27, ["00_0000_landmarks.csv"])
    return folder


@pytest.fixture(scope="module")
def dataset(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "bids"
    assert [outcome.state for outcome in run(source, folder)] == ["imported"] * 4
    return folder


def test_a_patient_is_two_scans_with_days_and_landmarks(source):
    cases, others = find_pairs(source)
    assert [(case.label, case.session, case.days, bool(case.landmarks)) for case in cases] == [
        ("BraTSReg001", "pre", 0, True),
        ("BraTSReg001", "post", 106, True),
        ("BraTSReg141", "pre", 0, False),
        ("BraTSReg141", "post", 27, True),
    ]
    assert all(set(case.images) == {"T1w", "T1ce", "T2w", "FLAIR"} for case in cases)
    assert (cases[2].notices, others) == (("no landmarks",), [])


@pytest.mark.parametrize("folder", [".", "derivatives/landmarks"])
def test_dataset_is_valid_bids(dataset, folder):
    assert validator_issues(dataset / folder) == []


def test_files_hold_what_was_published(source, dataset):
    given = source / "BraTSReg_Training_Data_v3" / "BraTSReg_001"
    anat = "sub-BraTSReg001/ses-post/anat/sub-BraTSReg001_ses-post"
    for kind, suffix in (("t1", "T1w"), ("t1ce", "ce-gadolinium_T1w"), ("t2", "T2w"), ("flair", "FLAIR")):
        published = given / f"BraTSReg_001_01_0106_{kind}.nii.gz"
        assert content(dataset / f"{anat}_{suffix}.nii.gz") == content(published)
    written = dataset / f"derivatives/landmarks/{anat}_landmarks.csv"
    assert content(written) == content(given / "BraTSReg_001_01_0106_landmarks.csv")
    assert json.loads(written.with_suffix(".json").read_text())["Columns"].endswith("LPS")
    assert len(list(dataset.rglob("*_landmarks.csv"))) == 3


def test_landmarks_lie_at_the_voxels_that_the_challenge_means(dataset):
    stem = "sub-BraTSReg001/ses-pre/anat/sub-BraTSReg001_ses-pre"
    points = read_landmarks(dataset / f"derivatives/landmarks/{stem}_landmarks.csv", "LPS").points
    grid = read_image(dataset / f"{stem}_T1w.nii.gz")
    voxels = [grid.TransformPhysicalPointToIndex(point) for point in points.tolist()]
    assert voxels == [(x, y + 239, z) for x, y, z in LANDMARKS["pre"]]


def test_the_pipeline_finds_both_sessions_and_their_days(dataset):
    scans = find_scans(dataset, derivatives={}, modality="T1ce")
    assert [(scan.label, scan.problem) for scan in scans if "001" in scan.label] == [
        ("sub-BraTSReg001_ses-post", ""),
        ("sub-BraTSReg001_ses-pre", ""),
    ]
    with (dataset / "sub-BraTSReg141" / "sub-BraTSReg141_sessions.tsv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert rows == [{"session_id": "ses-pre", "days": "0"}, {"session_id": "ses-post", "days": "27"}]


def test_a_second_run_keeps_scans_and_what_was_added_to_their_sessions(tmp_path):
    src, bids = tmp_path / "src", tmp_path / "bids"
    write_pair(src / "BraTSReg_001")
    run(src, bids)
    table = bids / "sub-BraTSReg001" / "sub-BraTSReg001_sessions.tsv"
    table.write_text("session_id\tkps\tdays\nses-post\t80\t106\nses-late\t70\tn/a\n")
    assert [outcome.state for outcome in run(src, bids)] == ["kept", "kept"]
    assert table.read_text().splitlines() == [
        "session_id\tkps\tdays",
        "ses-post\t80\t106",
        "ses-late\t70\tn/a",
        "ses-pre\tn/a\t0",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"session\tdays\nses-pre\t0\n", "every row has to have session_id, the table has 'session', 'days'"),
        (b"session_id\tdays\nses-pre\t0\t1\n", "session_id, days, line 2 has more or fewer cells"),
        (b"session_id\tdays\nses-pre\n", "session_id, days, line 2 has more or fewer cells"),
        (b"session_id\tdays\nses-pre\t0\nses-pre\t1\n", "line 3: a second row of ses-pre"),
        ("session_id\tdays\nses-pre\t0\n".encode("utf-16"), "the file is UTF-16, UTF-8 is required"),
        (b"session_id\tdays\nses-pr\xe9\t0\n", "not a table of tab-separated values"),
    ],
)
def test_a_broken_table_of_sessions_is_named_before_anything_is_done(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    write_pair(src / "BraTSReg_001")
    write_descriptions(bids, BRATS_REG)
    table = bids / "sub-BraTSReg001" / "sub-BraTSReg001_sessions.tsv"
    table.parent.mkdir(parents=True)
    table.write_bytes(content)
    before = sorted(bids.rglob("*"))
    assert main(["brats-reg", str(src), str(bids)]) == 1
    said = capsys.readouterr().err
    assert message in said and str(table) in said and "mend the table, or remove it" in said
    assert sorted(bids.rglob("*")) == before and table.read_bytes() == content


def test_dates_that_are_none_stay_as_they_are(tmp_path: Path) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    write_pair(src / "BraTSReg_001")
    run(src, bids)
    table = bids / "sub-BraTSReg001" / "sub-BraTSReg001_sessions.tsv"
    table.write_text("session_id\tacq_time\tdays\nses-pre\tlast spring\tsoon\n")
    run(src, bids)
    assert table.read_text().splitlines()[1:] == ["ses-pre\tlast spring\t0", "ses-post\tn/a\t106"]


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        (["00_0000_t2.nii.gz"], "BraTSReg_001_00_0000_t2.nii.gz: required, not in the folder"),
        (["01_0106_landmarks.csv"], "BraTSReg_001_01_0106_landmarks.csv is required, the folder has none"),
        (
            [
                f"01_0106_{kind}"
                for kind in ("t1.nii.gz", "t1ce.nii.gz", "t2.nii.gz", "flair.nii.gz", "landmarks.csv")
            ],
            "no file named BraTSReg_001_01_DAYS_{t1,t1ce,t2,flair}.nii.gz",
        ),
    ],
)
def test_what_a_pair_lacks_is_named_of_both_scans(tmp_path, left_out, message):
    write_pair(tmp_path / "BraTSReg_001", left_out=left_out)
    assert problems(tmp_path) == [message] * 2


def test_unknown_and_doubled_time_points_are_refused(tmp_path):
    folder = write_pair(tmp_path / "BraTSReg_001")
    for name, message in (
        ("02_0300_t1.nii.gz", "time points 00 and 01 are required, BraTSReg_001_02_… is neither"),
        ("01_0300_t1.nii.gz", "BraTSReg_001_01_0106 and BraTSReg_001_01_0300 are both there: one scan"),
    ):
        extra = folder / f"BraTSReg_001_{name}"
        extra.touch()
        assert problems(tmp_path)[1].startswith(message)
        extra.unlink()
    assert problems(tmp_path) == ["", ""]


def test_other_folders_are_no_pairs(tmp_path):
    with pytest.raises(
        BratsError, match=r"no BraTS-Reg case found. Folders such as BraTSReg_001 are required"
    ):
        find_pairs(tmp_path)
    write_pair(tmp_path / "BraTSReg_001")
    other = write_case(tmp_path / "BraTS2021_00000")
    cases, others = find_pairs(tmp_path)
    assert ([case.subject for case in cases], others) == (["BraTSReg_001"] * 2, [other])


def failure(tmp_path: Path) -> str:
    """Why the scan before the operation could not be imported."""
    first, second = run(tmp_path / "src", tmp_path / "bids")
    assert (first.state, second.state) == ("failed", "imported")
    assert not list((tmp_path / "bids").rglob("*ses-pre*landmarks*"))
    return str(first.error)


def test_landmarks_outside_their_images_are_refused(tmp_path):
    folder = write_pair(tmp_path / "src" / "BraTSReg_001")
    (folder / "BraTSReg_001_00_0000_landmarks.csv").write_text("Landmark,X,Y,Z\n1,2,120,2\n")
    assert "line 2: landmark '1' lies 354 mm outside BraTSReg_001_00_0000_t1.nii.gz" in failure(tmp_path)


def test_landmarks_on_another_grid_are_refused(tmp_path):
    """What X, Y, Z mean there is not known: indices and positions differ."""
    folder = write_pair(tmp_path / "src" / "BraTSReg_001")
    moved = image(np.ones((6, 5, 4), np.int16))
    moved.SetOrigin((0.0, -240.0, 0.0))
    for path in folder.glob("*_00_0000_*.nii.gz"):
        write_image(moved, path)
    assert "landmarks of BraTS-Reg are positions on a grid of 1 mm with origin" in failure(tmp_path)


def test_no_name_leads_out_of_the_dataset(tmp_path):
    """Only letters and digits of the folder's name get into names, days are a number."""
    folder = write_pair(tmp_path / "src" / "BraTSReg_001")
    os.rename(folder / "BraTSReg_001_01_0106_t1.nii.gz", folder / "BraTSReg_001_01_..0106_t1.nii.gz")
    write_pair(tmp_path / "src" / "BraTSReg_..")
    assert problems(tmp_path / "src") == ["BraTSReg_001_01_0106_t1.nii.gz: required, not in the folder"] * 2
