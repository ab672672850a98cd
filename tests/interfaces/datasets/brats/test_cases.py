"""Which cases BraTS folders hold, and which file is what."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from brats_folders import LAYOUTS, labels_image, write_case

from gliomorph.interfaces.datasets.brats.cases import BratsError, Case, find_cases, mark_collisions
from gliomorph.interfaces.files.images import write_image


def only(src: Path, **options: bool) -> Case:
    cases, others = find_cases(src, **options)
    assert others == []
    (case,) = cases
    return case


@pytest.mark.parametrize("place", LAYOUTS)
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_every_layout_is_recognised(place: str, extension: str, tmp_path: Path) -> None:
    subject, session, enhancing = LAYOUTS[place]
    folder = write_case(tmp_path / place, {1, 2, enhancing}, extension=extension)
    case = only(tmp_path)
    assert (f"sub-{case.label}", case.session) == (subject, session.removeprefix("ses-"))
    assert set(case.images) == {"T1w", "T1ce", "T2w", "FLAIR"}
    assert {*case.images.values(), case.segmentation} == set(folder.iterdir())
    assert case.layout.convention["ET"] == enhancing
    assert case.grade == (place[:3] if place[:3] in ("HGG", "LGG") else "")
    assert (case.notices, case.problem) == ((), "")


def test_contrasts_are_told_apart(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000")
    write_case(tmp_path / "BraTS-GLI-00000-000")
    kinds = [
        {
            modality: path.name.split(".")[0].removeprefix(case.name)[1:]
            for modality, path in case.images.items()
        }
        for case in find_cases(tmp_path)[0]
    ]
    assert kinds == [
        {"T1w": "t1n", "T1ce": "t1c", "T2w": "t2w", "FLAIR": "t2f"},
        {"T1w": "t1", "T1ce": "t1ce", "T2w": "t2", "FLAIR": "flair"},
    ]


def test_a_case_itself_or_a_folder_of_its_name_around_it_will_do(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000" / "BraTS2021_00000")
    assert only(folder).folder == folder
    assert only(tmp_path).folder == folder


@pytest.mark.parametrize(
    ("around", "name"),
    [
        ("BraTS2021_Training_Data", "BraTS2021_00000"),
        ("BraTS20_Training", "BraTS20_Training_001"),
        ("BraTS19_Data/HGG", "BraTS19_TCIA10_103_1"),
    ],
)
def test_a_folder_around_cases_is_no_case_whatever_its_name(around: str, name: str, tmp_path: Path) -> None:
    folder = write_case(tmp_path / around / name)
    (tmp_path / around / "names.csv").touch()
    assert only(tmp_path).folder == folder
    assert only(tmp_path / around).folder == folder


def test_a_case_may_hold_folders_beside_its_images_and_an_empty_one_is_told(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000")
    (folder / "notes").mkdir()
    (tmp_path / "BraTS2021_00001" / ".hidden").mkdir(parents=True)
    cases, _ = find_cases(tmp_path)
    assert [case.folder for case in cases] == [folder, tmp_path / "BraTS2021_00001"]
    assert "found no NIfTI file" in cases[1].problem


def test_links_are_followed_once(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "store" / "BraTS2021_00000")
    source = tmp_path / "source"
    source.mkdir()
    (source / "BraTS2021_00000").symlink_to(folder)
    (source / "loop").symlink_to(source)
    assert set(only(source).images) == {"T1w", "T1ce", "T2w", "FLAIR"}


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000")
    (folder / "._BraTS2021_00000_seg.nii.gz").write_text("left by another system")
    write_case(tmp_path / ".trash" / "BraTS2021_00001")
    assert only(tmp_path).notices == ("no segmentation",)


def test_folders_with_images_that_are_no_case_are_told(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000")
    other = write_case(tmp_path / "BraTS-MEN-RT-0002-1")
    cases, others = find_cases(tmp_path)
    assert ([case.name for case in cases], others) == (["BraTS2021_00000"], [other])


@pytest.mark.parametrize(("make", "message"), [(False, "no such folder"), (True, "no BraTS case found")])
def test_nothing_to_import_is_an_error(make: bool, message: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    if make:
        source.mkdir()
    with pytest.raises(BratsError, match=message):
        find_cases(source)


def test_what_is_missing_is_noticed(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000", kinds=["flair"])
    case = only(tmp_path)
    assert list(case.images) == ["FLAIR"]
    assert case.notices == ("no T1w, T1ce, T2w", "no segmentation")
    assert case.problem == ""


def test_segmentation_under_another_name_is_taken_and_told(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS20_Training_355")
    odd = write_image(labels_image({1, 2, 4}), folder / "W39_1998.09.19_Segm.nii")
    case = only(tmp_path)
    assert case.segmentation == odd
    assert case.notices == ("W39_1998.09.19_Segm.nii is taken for the segmentation",)


def test_the_segmentation_of_the_expected_name_wins(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000", {1})
    write_image(labels_image({2}), folder / "my_seg.nii")
    case = only(tmp_path)
    assert case.segmentation == folder / "BraTS2021_00000_seg.nii.gz"
    assert case.notices == ("my_seg.nii is passed over",)


def test_files_that_leave_a_choice_are_a_problem(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "BraTS2021_00000")
    for name in ("one_seg.nii", "two_seg.nii"):
        write_image(labels_image({1}), folder / name)
    write_case(tmp_path / "BraTS2021_00001")
    write_case(tmp_path / "BraTS2021_00001", extension=".nii")
    problems = [case.problem for case in find_cases(tmp_path)[0]]
    assert problems[0] == "several files may be the segmentation: one_seg.nii, two_seg.nii"
    assert problems[1] == "BraTS2021_00001_t1.nii and BraTS2021_00001_t1.nii.gz are both there: remove one"


def test_a_case_without_its_images_says_what_was_looked_for(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS2021_00000", {1}, kinds=[])
    assert only(tmp_path).problem == (
        "no image named BraTS2021_00000_{t1,t1ce,t2,flair}.nii.gz or .nii; found BraTS2021_00000_seg.nii.gz"
    )


def test_pediatric_segmentations_need_their_edition(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS-PED-00002-000", {1, 2, 3})
    assert "give --pediatric-2023 if this is the one" in only(tmp_path).problem
    case = only(tmp_path, pediatric_2023=True)
    assert (case.problem, case.layout.convention["ET"]) == ("", 3)


def test_pediatric_images_alone_need_no_edition(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS-PED-00002-000")
    assert only(tmp_path).problem == ""


def test_labels_are_letters_and_digits_whatever_the_name(tmp_path: Path) -> None:
    write_case(tmp_path / "Brats17_TCIA_1_0_1")
    assert only(tmp_path).label == "Brats17TCIA101"


def test_time_points_of_a_patient_do_not_collide(tmp_path: Path) -> None:
    for name in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS2021_00005"):
        write_case(tmp_path / name)
    cases, _ = find_cases(tmp_path)
    assert mark_collisions(cases, {"BraTSGLI00005": "BraTS-GLI-00005"}) == cases


def test_patients_with_one_label_are_refused_all(tmp_path: Path) -> None:
    for name in ("Brats18_A_11_1", "Brats18_A_1_11", "Brats18_A_2_1"):
        write_case(tmp_path / name)
    cases = mark_collisions(find_cases(tmp_path)[0], {})
    assert [case.problem for case in cases] == [
        *["Brats18_A_11_1 and Brats18_A_1_11 would both be sub-Brats18A111: rename one"] * 2,
        "",
    ]


def test_labels_collide_whatever_their_case_and_with_patients_already_there(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS18_A_1")
    (case,) = mark_collisions(find_cases(tmp_path)[0], {"Brats18A1": "Brats18_A_1"})
    assert case.problem == "BraTS18_A_1 and Brats18_A_1 would both be sub-BraTS18A1: rename one"


def test_one_case_in_two_folders_is_refused(tmp_path: Path) -> None:
    folders = [write_case(tmp_path / grade / "Brats18_A_1") for grade in ("HGG", "LGG")]
    for case in mark_collisions(find_cases(tmp_path)[0], {}):
        assert case.problem == f"there are several folders of this case: {folders[0]}, {folders[1]}"


def test_an_earlier_problem_is_kept(tmp_path: Path) -> None:
    folders = [write_case(tmp_path / grade / "Brats18_A_1") for grade in ("HGG", "LGG")]
    cases, _ = find_cases(tmp_path)
    first = attrs.evolve(cases[0], problem="unusable")
    assert mark_collisions([first, cases[1]], {})[0].problem == "unusable"
    assert len(folders) == len(cases)
