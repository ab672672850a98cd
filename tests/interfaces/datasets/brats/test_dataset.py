"""BraTS cases on disk as a BIDS dataset."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from brats_folders import LAYOUTS, content, labels_image, write_case

from gliomorph.interfaces.datasets.brats.cases import BratsError, find_cases, mark_collisions
from gliomorph.interfaces.datasets.brats.dataset import (
    Outcome,
    check_folders,
    import_cases,
    read_participants,
)
from gliomorph.interfaces.datasets.query import find_scans
from gliomorph.interfaces.files.images import read_image, replacing, to_array, write_image
from gliomorph.interfaces.files.labels import brats_labels
from gliomorph.workflows.checks.validation import validator_issues


def run(src: Path, bids_dir: Path) -> list[Outcome]:
    cases, _ = find_cases(src)
    return import_cases(mark_collisions(cases, {}), bids_dir)


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.case.name: outcome.state for outcome in outcomes}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of every layout, a second time point, one without segmentation and one with a single image."""
    folder = tmp_path_factory.mktemp("brats")
    for number, (place, (_, _, enhancing)) in enumerate(LAYOUTS.items()):
        write_case(folder / place, {1, 2, enhancing}, extension=(".nii", ".nii.gz")[number % 2])
    write_case(folder / "BraTS-GLI-00005-000", {2, 3})
    write_case(folder / "BraTS20_Validation_001")
    write_case(folder / "BraTS2021_00001", {1, 4}, kinds=["flair"])
    return folder


@pytest.fixture(scope="module")
def dataset(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "bids"
    assert set(states(run(source, folder)).values()) == {"imported"}
    return folder


@pytest.mark.parametrize("folder", [".", "derivatives/brats"])
def test_dataset_is_valid_bids(dataset: Path, folder: str) -> None:
    assert validator_issues(dataset / folder) == []


@pytest.mark.parametrize("place", LAYOUTS)
def test_files_hold_what_was_published(place: str, source: Path, dataset: Path) -> None:
    subject, session, _ = LAYOUTS[place]
    stem = "_".join(filter(None, [subject, session]))
    anat = Path(subject, session, "anat")
    separator, kinds = ("-", "t1n t1c t2w t2f seg") if "BraTS-" in place else ("_", "t1 t1ce t2 flair seg")
    names = [
        *[anat / f"{stem}_{suffix}" for suffix in ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR")],
        Path("derivatives", "brats") / anat / f"{stem}_seg-brats_dseg",
    ]
    for kind, name in zip(kinds.split(), names, strict=True):
        (published,) = (source / place).glob(f"*{separator}{kind}.nii*")
        written = dataset / f"{name}.nii.gz"
        assert content(written) == content(published)
        assert published.suffix == ".nii" or written.read_bytes() == published.read_bytes()


def test_the_pipeline_finds_every_scan_with_its_tumor(dataset: Path) -> None:
    scans = find_scans(dataset, derivatives={"brats": dataset / "derivatives" / "brats"}, modality="T1w")
    found = {scan.label: scan for scan in scans}
    assert set(found) == {
        *("_".join(filter(None, parts[:2])) for parts in LAYOUTS.values()),
        "sub-BraTSGLI00005_ses-000",
        "sub-BraTS20Validation001",
        "sub-BraTS202100001",
    }
    assert found["sub-BraTS20Validation001"].tumor is None
    assert found["sub-BraTS202100001"].problem.startswith("no T1w or T1ce image")
    for label in set(found) - {"sub-BraTS20Validation001", "sub-BraTS202100001"}:
        scan = found[label]
        assert (scan.problem, scan.modality, set(scan.others)) == ("", "T1w", {"T1ce", "T2w", "FLAIR"})
        assert scan.tumor is not None
        assert (scan.tumor.kind, scan.tumor.space) == ("dseg", "")


def test_table_says_what_the_pipeline_will_read(dataset: Path) -> None:
    tables = sorted((dataset / "derivatives").rglob("*_dseg.tsv"))
    assert len(tables) == len(LAYOUTS) + 2
    for table in tables:
        with table.open(newline="") as lines:
            rows = {row["abbreviation"]: int(row["index"]) for row in csv.DictReader(lines, delimiter="\t")}
        assert rows == {"BG": 0, "NCR": 1, "ED": 2, "ET": 3 if "ses-" in table.name else 4}
        given = read_image(table.with_name(table.name.replace(".tsv", ".nii.gz")))
        labels = to_array(brats_labels(given, "dseg", table.name)[0])
        np.testing.assert_array_equal(labels == 4, to_array(given) == rows["ET"])


def test_sidecars_say_what_is_known(dataset: Path) -> None:
    stem = dataset / "sub-BraTSGLI00005" / "ses-001" / "anat" / "sub-BraTSGLI00005_ses-001_"
    plain = json.loads(Path(f"{stem}T1w.json").read_text())
    assert plain["SkullStripped"] is True
    assert plain["Description"].startswith("BraTS-GLI-00005-001-t1n.nii")
    assert "SRI24" not in plain["Description"], "the test's few voxels are not that grid"
    assert "ContrastBolusIngredient" not in plain
    enhanced = json.loads(Path(f"{stem}ce-gadolinium_T1w.json").read_text())
    assert enhanced["ContrastBolusIngredient"] == "GADOLINIUM"
    labels = dataset / "derivatives" / "brats" / stem.relative_to(dataset)
    segmentation = json.loads(Path(f"{labels}seg-brats_dseg.json").read_text())
    assert "The enhancing tumour is label 3." in segmentation["Description"]
    sources = [dataset / source.removeprefix("bids:raw:") for source in segmentation["Sources"]]
    assert len(sources) == 4
    assert all(path.is_file() for path in sources)


def test_grid_of_sri24_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gliomorph.interfaces.datasets.brats.check.SRI24_SIZE", (6, 5, 4))
    write_case(tmp_path / "src" / "BraTS2021_00000", {1})
    run(tmp_path / "src", tmp_path / "bids")
    sidecars = [*(tmp_path / "bids").rglob("*_T1w.json"), *(tmp_path / "bids").rglob("*_dseg.json")]
    assert len(sidecars) == 3
    assert all("On the grid of SRI24" in json.loads(path.read_text())["Description"] for path in sidecars)


def test_participants_have_their_grade_where_the_folder_tells(dataset: Path) -> None:
    rows = read_participants(dataset)
    assert len(rows) == len(LAYOUTS) + 2
    assert rows["Brats18CBICAAAB1"]["grade"] == "HGG"
    assert rows["BraTS19TCIA101031"]["grade"] == "LGG"
    assert rows["BraTSGLI00005"] == {
        "participant_id": "sub-BraTSGLI00005",
        "brats_id": "BraTS-GLI-00005",
        "grade": "n/a",
    }


def test_complete_cases_are_kept_and_others_made_whole(tmp_path: Path) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    for name in ("BraTS2021_00000", "BraTS2021_00001"):
        write_case(src / name, {1, 4})
    run(src, bids)
    files = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in bids.rglob("*.nii.gz")}
    lost = bids / "derivatives/brats/sub-BraTS202100001/anat/sub-BraTS202100001_seg-brats_dseg.tsv"
    lost.unlink()
    assert states(run(src, bids)) == {"BraTS2021_00000": "kept", "BraTS2021_00001": "imported"}
    assert lost.is_file()
    assert {path: path.read_bytes() for path in bids.rglob("*.nii.gz")} == {
        p: b for p, (_, b) in files.items()
    }
    kept = {path for path in files if "00000" in path.name}
    assert kept
    assert all(path.stat().st_mtime_ns == files[path][0] for path in kept)


def test_a_dataset_grows_and_what_was_added_by_hand_stays(tmp_path: Path) -> None:
    bids = tmp_path / "bids"
    write_case(tmp_path / "first" / "HGG" / "Brats18_A_1", {1})
    write_case(tmp_path / "second" / "BraTS2021_00000", {1})
    run(tmp_path / "first", bids)
    table = bids / "participants.tsv"
    table.write_text(
        "participant_id\tage\tbrats_id\tgrade\tnote\n"
        'sub-Brats18A1\t61\tBrats18_A_1\tHGG\t"a tab\tand a ""word"""\n'
    )
    description = bids / "dataset_description.json"
    edited = json.loads(description.read_text()) | {"License": "mine"}
    description.write_text(json.dumps(edited))
    run(tmp_path / "second", bids)
    rows = read_participants(bids)
    assert {label: (row["grade"], row["age"]) for label, row in rows.items()} == {
        "Brats18A1": ("HGG", "61"),
        "BraTS202100000": ("n/a", "n/a"),
    }
    assert [row["note"] for row in rows.values()] == ["n/a", 'a tab\tand a "word"']
    assert json.loads(description.read_text()) == edited


@pytest.mark.parametrize("text", ["participant_id\nsub-1\n", "participant_id\tbrats_id\tgrade\nsub-1\tx\n"])
def test_a_broken_table_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text(text)
    with pytest.raises(
        BratsError, match=r"participants\.tsv: every row has to have participant_id, brats_id"
    ):
        read_participants(tmp_path)


def test_a_second_row_of_a_participant_is_refused_and_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tbrats_id\tgrade\nsub-1\tx\tHGG\nsub-1\ty\tLGG\n"
    )
    with pytest.raises(BratsError, match=r"participants\.tsv, line 3: a second row of sub-1; mend the table"):
        read_participants(tmp_path)


def test_faulty_cases_leave_nothing_and_do_not_stop_the_others(tmp_path: Path) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    damaged = write_case(src / "BraTS2021_00000", {1}) / "BraTS2021_00000_t1.nii.gz"
    damaged.write_bytes(b"no image")
    write_case(src / "BraTS2021_00001", {1, 3})
    write_case(src / "BraTS2021_00002", {1}, kinds=[])
    write_case(src / "BraTS2021_00003", {1, 4})
    outcomes = run(src, bids)
    assert states(outcomes) == {f"BraTS2021_0000{n}": "failed" for n in range(3)} | {
        "BraTS2021_00003": "imported"
    }
    assert all(str(outcome.error) for outcome in outcomes[:3])
    for folder in (bids, bids / "derivatives" / "brats"):
        assert [path.name for path in folder.glob("sub-*")] == ["sub-BraTS202100003"]
    assert list(read_participants(bids)) == ["BraTS202100003"]


def test_empty_segmentation_is_left_out_with_a_notice(tmp_path: Path) -> None:
    write_case(tmp_path / "src" / "BraTS2021_00000", [])
    (outcome,) = run(tmp_path / "src", tmp_path / "bids")
    assert (outcome.state, outcome.has_tumor) == ("imported", False)
    assert "is empty" in outcome.notices[0]
    assert not list((tmp_path / "bids").rglob("*dseg*"))


def test_a_case_with_an_empty_segmentation_is_kept_until_there_is_another(tmp_path: Path) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    folder = write_case(src / "BraTS2021_00000", [])
    (first,) = run(src, bids)
    dates = {path: path.stat().st_mtime_ns for path in bids.rglob("*.nii.gz")}
    (again,) = run(src, bids)
    assert (again.state, again.has_tumor, again.notices) == ("kept", False, first.notices)
    assert {path: path.stat().st_mtime_ns for path in bids.rglob("*.nii.gz")} == dates
    assert validator_issues(bids) == []
    write_image(labels_image({1, 4}), folder / "BraTS2021_00000_seg.nii.gz")
    (mended,) = run(src, bids)
    assert (mended.state, mended.has_tumor) == ("imported", True)
    assert states(run(src, bids)) == {"BraTS2021_00000": "kept"}


def test_an_interrupted_import_goes_on_and_its_half_files_are_cleared_away(tmp_path: Path) -> None:
    src, bids = tmp_path / "src", tmp_path / "bids"
    write_case(src / "BraTS2021_00000", {1})
    run(src, bids)
    for path in [*bids.rglob("*_T2w.nii.gz"), *bids.rglob("*_dseg.nii.gz")]:
        with replacing(path) as temporary:
            temporary.with_name(temporary.name.replace(f"-{os.getpid()}-", "-999999999-")).write_text("half")
        path.unlink()
    assert states(run(src, bids)) == {"BraTS2021_00000": "imported"}
    assert states(run(src, bids)) == {"BraTS2021_00000": "kept"}
    assert not list(bids.rglob(".tmp-*"))


def test_odd_segmentation_gets_the_usual_name(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "src" / "BraTS20_Training_355")
    write_image(labels_image({1, 2, 4}), folder / "W39_1998.09.19_Segm.nii")
    (outcome,) = run(tmp_path / "src", tmp_path / "bids")
    assert outcome.has_tumor
    (path,) = (tmp_path / "bids").rglob("*_dseg.nii.gz")
    assert path.name == "sub-BraTS20Training355_seg-brats_dseg.nii.gz"


@pytest.mark.parametrize(
    ("src", "bids", "message"),
    [
        ("a", "a/bids", "lie one inside the other"),
        ("a/src", "a", "lie one inside the other"),
        ("a", "a", "lie one inside the other"),
        ("a", "link", "lie one inside the other"),
        ("a", "file", "is a file; a folder is required"),
        ("a", "full", "is not empty and was not made by gliomorph-import"),
        ("a", "foreign", "is not empty and was not made by gliomorph-import"),
        ("a", "broken", "is not empty and was not made by gliomorph-import"),
    ],
)
def test_folders_that_cannot_take_it_are_refused(src: str, bids: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "src").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "file").touch()
    descriptions = {
        "full": "",
        "foreign": '{"GeneratedBy": [{"Name": "gliomorph-simulate"}]}',
        "broken": "[]",
    }
    for name, text in descriptions.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset_description.json").write_text(text)
    with pytest.raises(BratsError, match=message):
        check_folders(tmp_path / src, tmp_path / bids)


def test_new_empty_and_own_folders_are_taken(dataset: Path, source: Path, tmp_path: Path) -> None:
    for folder in (dataset, tmp_path, tmp_path / "new"):
        check_folders(source, folder)
