"""Which image and which mask are taken, and what is said about it."""

import json
import os
import shutil

import pytest

from gliomorph.interfaces.datasets.masks import tumor_kind
from gliomorph.interfaces.datasets.query import QueryError, find_scans, require_use
from gliomorph.interfaces.files.labels import find_table, table_rows


def only(scans):
    assert len(scans) == 1
    return scans[0]


def test_subject_without_sessions(bids):
    scan = only(find_scans(bids("sub-01_T1w.nii.gz", "sub-01_FLAIR.nii.gz", "sub-01_T2w.nii.gz")))
    assert (scan.label, scan.subject, scan.session, scan.stem) == ("sub-01", "01", "", "sub-01")
    assert scan.image.name == "sub-01_T1w.nii.gz"
    assert {name: path.name for name, path in scan.others.items()} == {
        "FLAIR": "sub-01_FLAIR.nii.gz",
        "T2w": "sub-01_T2w.nii.gz",
    }
    assert scan.notices == ()
    assert scan.problem == ""


def test_every_session_is_a_scan_in_order(bids):
    root = bids(
        "sub-02_ses-pre_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz", "sub-01_ses-a_T1w.nii.gz", "sub-03_T1w.nii"
    )
    labels = [scan.label for scan in find_scans(root)]
    assert labels == ["sub-01_ses-a", "sub-01_ses-b", "sub-02_ses-pre", "sub-03"]


def test_sessions_and_participants_are_chosen(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz", "sub-02_ses-a_T1w.nii.gz")
    assert only(find_scans(root, participants=["01"], sessions=["b"])).stem == "sub-01_ses-b"
    assert [scan.label for scan in find_scans(root, sessions=["a"])] == ["sub-01_ses-a", "sub-02_ses-a"]


def test_unknown_participant_names_what_is_there_and_mounts(bids):
    with pytest.raises(
        QueryError, match=r"--participant-label 99: .*which has 1 \(01…\); in a container.*mounted"
    ):
        find_scans(bids("sub-01_T1w.nii.gz"), participants=["01", "99"])


def test_unknown_session_is_refused(bids):
    with pytest.raises(QueryError, match="--session-label z: no subject in"):
        find_scans(bids("sub-01_ses-a_T1w.nii.gz"), sessions=["z"])


def test_folder_without_subjects_mentions_mounts(tmp_path):
    with pytest.raises(QueryError, match=r"no sub-\* folder in .*mounted there"):
        find_scans(tmp_path)


def test_of_several_images_the_plainest_is_taken_with_a_flag(bids):
    root = bids(
        "sub-01_acq-MPRAGE_run-1_T1w.nii.gz", "sub-01_acq-MPRAGE_T1w.nii.gz", "sub-01_acq-SPGR_T1w.nii.gz"
    )
    scan = only(find_scans(root))
    assert scan.stem == "sub-01_acq-MPRAGE"
    assert scan.flags == (
        "several T1w images: sub-01_acq-MPRAGE_T1w.nii.gz is used, not sub-01_acq-SPGR_T1w.nii.gz, "
        "sub-01_acq-MPRAGE_run-1_T1w.nii.gz (see --bids-filter-file)",
    )


@pytest.mark.parametrize(
    ("wanted", "stem"),
    [
        ({"acquisition": "SPGR"}, "sub-01_acq-SPGR"),
        ({"run": 2}, "sub-01_acq-MPRAGE_run-2"),
        ({"run": [3, 2]}, "sub-01_acq-MPRAGE_run-2"),
        ({"acquisition": None}, "sub-01"),
        ({"acquisition": "MPRAGE", "run": None}, "sub-01_acq-MPRAGE"),
    ],
)
def test_filters_choose_among_images(bids, wanted, stem):
    root = bids(
        "sub-01_T1w.nii.gz",
        "sub-01_acq-MPRAGE_T1w.nii.gz",
        "sub-01_acq-MPRAGE_run-2_T1w.nii.gz",
        "sub-01_acq-SPGR_T1w.nii.gz",
    )
    scan = only(find_scans(root, filters={"t1w": wanted}))
    assert scan.stem == stem
    assert scan.notices == scan.flags == ()


def test_filter_that_nothing_passes_is_a_problem_of_the_scan(bids):
    scan = only(find_scans(bids("sub-01_T1w.nii.gz"), filters={"t1w": {"acquisition": "none"}}))
    assert scan.image is None
    assert scan.problem == (
        "no T1w or T1ce image in sub-01/anat/, which has sub-01_T1w.nii.gz "
        "(not what --bids-filter-file asks for, t1w {'acquisition': 'none'})"
    )


@pytest.mark.parametrize(("modality", "taken"), [("T1w", "sub-01_T1w"), ("T1ce", "sub-01_ce-gadolinium_T1w")])
def test_contrast_enhanced_t1_is_another_modality(bids, modality, taken):
    root = bids("sub-01_T1w.nii.gz", "sub-01_ce-gadolinium_T1w.nii.gz")
    scan = only(find_scans(root, modality=modality))
    assert scan.image.name == f"{taken}.nii.gz"
    assert scan.modality == modality
    assert set(scan.others) == {"T1w", "T1ce"} - {modality}
    assert scan.notices == ()


@pytest.mark.parametrize(
    ("name", "modality", "used"),
    [("sub-01_ce-gadolinium_T1w", "T1w", "T1ce"), ("sub-01_T1w", "T1ce", "T1w")],
)
def test_missing_t1_falls_back_on_the_other_with_a_notice(bids, name, modality, used):
    scan = only(find_scans(bids(f"{name}.nii.gz"), modality=modality))
    assert (scan.modality, scan.stem) == (used, name.removesuffix("_T1w"))
    assert scan.notices == (f"no {modality} image: {used} is used instead",)


@pytest.mark.parametrize(
    ("names", "used", "said"),
    [
        (("T1w", "ce-gadolinium_T1w", "FLAIR"), "T1w", "T1w is the primary image"),
        (("ce-gadolinium_T1w", "FLAIR"), "T1ce", "T1ce is the primary image, for no T1w is there"),
        (("UNIT1", "T2w"), "UNIT1", "UNIT1 is the primary image, for no T1w and no T1ce is there"),
        (("T2w", "FLAIR"), "T2w", "T2w is the primary image, for no T1w and no T1ce is there"),
        (("FLAIR",), "FLAIR", "FLAIR is the primary image, for no T1w and no T1ce and no T2w is there"),
    ],
)
def test_auto_takes_the_first_modality_that_a_session_has_and_says_so(bids, names, used, said):
    root = bids(*(f"sub-01_{name}.nii.gz" for name in names))
    scan = only(find_scans(root, modality="auto"))
    assert scan.modality == used.replace("UNIT1", "T1w")
    assert scan.notices == (f"--modality auto: {said}",) and not scan.flags
    assert len(scan.others) == len(names) - 1


def test_auto_takes_the_image_that_is_taken_without_it_where_there_is_one(bids):
    root = bids("sub-01_run-1_T1w.nii.gz", "sub-01_run-2_T1w.nii.gz", "sub-01_FLAIR.nii.gz")
    auto, default = (only(find_scans(root, modality=modality)) for modality in ("auto", "T1w"))
    assert (auto.image, auto.others, auto.flags) == (default.image, default.others, default.flags)
    assert auto.image.name == "sub-01_run-1_T1w.nii.gz"
    assert auto.flags == (
        "several T1w images: sub-01_run-1_T1w.nii.gz is used, not sub-01_run-2_T1w.nii.gz (see --bids-filter-file)",
    )


def test_auto_says_what_a_session_without_any_modality_lacks(bids):
    scan = only(find_scans(bids("sub-01_T2star.nii.gz"), modality="auto"))
    assert scan.problem.startswith("no T1w, T1ce, T2w or FLAIR image in sub-01/anat/")


def test_several_images_of_a_further_modality_are_a_notice(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-01_run-1_FLAIR.nii.gz", "sub-01_run-2_FLAIR.nii.gz")
    scan = only(find_scans(root))
    assert scan.others["FLAIR"].name == "sub-01_run-1_FLAIR.nii.gz"
    assert scan.notices == (
        "several FLAIR images: sub-01_run-1_FLAIR.nii.gz is used, not sub-01_run-2_FLAIR.nii.gz "
        "(see --bids-filter-file)",
    )


@pytest.mark.parametrize("modality", ["T2w", "FLAIR"])
def test_other_modalities_have_no_fallback(bids, modality):
    scan = only(find_scans(bids("sub-01_T1w.nii.gz"), modality=modality))
    assert scan.problem == f"no {modality} image in sub-01/anat/, which has sub-01_T1w.nii.gz"


def test_name_that_is_not_bids_is_passed_over_with_a_notice(bids):
    scan = only(find_scans(bids("sub-01_T1w.nii.gz", "sub-01_foo-1_T1w.nii.gz")))
    assert scan.stem == "sub-01"
    assert scan.notices == ("sub-01_foo-1_T1w.nii.gz: not a BIDS name, passed over",)


def test_subject_without_anat_is_listed_with_its_problem(bids):
    root = bids("sub-01_T1w.nii.gz")
    (root / "sub-02" / "func").mkdir(parents=True)
    (root / "sub-notes.txt").touch()
    assert [(scan.label, scan.problem) for scan in find_scans(root)] == [
        ("sub-01", ""),
        ("sub-02", "no T1w or T1ce image in sub-02/anat/"),
    ]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("index\tname\tabbreviation\n1\tnecrosis\tNCR\n2\toedema\tED\n", "dseg"),
        ("index\tname\n1\tNET\n4\tet\n", "dseg"),
        ("index\tname\n1\tCSF\n2\tGM\n3\tWM\n", ""),
        ("index\tname\n1\tED\n2\tGM\n", ""),
        ("", ""),
    ],
)
def test_label_table_tells_a_tumor_from_tissues(bids, table, kind):
    root = bids("sub-01_T1w.nii.gz")
    masks = bids("sub-01_desc-x_dseg.nii.gz", root="masks")
    (masks / "sub-01" / "anat" / "sub-01_desc-x_dseg.tsv").write_text(table)
    tumor = only(find_scans(root, derivatives={"d": masks})).tumor
    assert (tumor.kind if tumor else "") == kind


@pytest.fixture
def tables(bids):
    """Makes empty label tables beside and above a label map; says which of them holds for it."""
    name = "sub-01_space-SRI24_seg-brats_dseg.nii.gz"
    root = bids(name, root="masks")

    def chosen(*places):
        for place in places:
            (root / place).touch()
        table = find_table(root / "sub-01" / "anat" / name, root)
        return table and table.relative_to(root).as_posix()

    return chosen


def test_label_table_is_inherited_the_nearest_first(tables, tmp_path):
    (tmp_path / "dseg.tsv").touch()  # outside the dataset
    assert tables() is None
    assert tables("dseg.tsv") == "dseg.tsv"
    assert tables("seg-brats_dseg.tsv") == "seg-brats_dseg.tsv"
    assert tables("sub-01/sub-01_dseg.tsv") == "sub-01/sub-01_dseg.tsv"
    assert tables("sub-01/anat/sub-01_seg-brats_dseg.tsv") == "sub-01/anat/sub-01_seg-brats_dseg.tsv"
    own = "sub-01/anat/sub-01_space-SRI24_seg-brats_dseg.tsv"
    assert tables(own) == own


def test_label_table_of_another_label_map_is_not_taken(tables):
    assert (
        tables(
            "seg-aseg_dseg.tsv",
            "sub-01/anat/sub-01_seg-tissue_dseg.tsv",
            "sub-01/anat/sub-01_seg-brats_desc-x_dseg.tsv",
        )
        is None
    )


def test_label_table_goes_with_the_mask(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz")
    masks = bids("sub-01_seg-brats_dseg.nii.gz", "sub-02_label-tumor_mask.nii.gz", root="masks")
    (masks / "dseg.tsv").write_text("index\tname\n1\tET\n2\tNCR\n3\tED\n")
    first, second = find_scans(root, derivatives={"d": masks})
    assert first.tumor.table == masks / "dseg.tsv"
    assert second.tumor.table is None


def test_label_table_that_cannot_be_read_is_found_where_the_name_says_tumour(bids):
    """As in a dataset whose content was not fetched: without the table its labels would be guessed."""
    root = bids("sub-01_T1w.nii.gz")
    masks = bids("sub-01_seg-brats_dseg.nii.gz", "sub-01_desc-x_dseg.nii.gz", root="masks")
    for name in ("seg-brats", "desc-x"):
        (masks / "sub-01" / "anat" / f"sub-01_{name}_dseg.tsv").symlink_to("nowhere")
    scan = only(find_scans(root, derivatives={"d": masks}))
    assert scan.tumor.table.name == "sub-01_seg-brats_dseg.tsv"
    assert scan.notices == ()


def test_rows_of_a_label_table_carry_the_abbreviation_or_else_the_name(tmp_path):
    path = tmp_path / "dseg.tsv"
    rows = "index\tname\tabbreviation\n 0\tbackground\tBG\n1\tET\tn/a\n2\tnecrosis\tNCR \n3\tED\t\n4\n"
    path.write_text("\ufeff" + rows)  # as spreadsheets write it
    assert table_rows(path) == [("0", "BG"), ("1", "ET"), ("2", "NCR"), ("3", "ED"), ("4", "")]


def test_mask_comes_with_its_source(bids):
    masks = bids("sub-01_label-tumor_mask.nii.gz", "sub-01_desc-brain_mask.nii.gz", root="masks")
    scan = only(find_scans(bids("sub-01_T1w.nii.gz"), derivatives={"expert": masks}))
    assert (scan.tumor.source, scan.tumor.kind, scan.tumor.space) == ("expert", "mask", "")
    assert scan.tumor.path.name == "sub-01_label-tumor_mask.nii.gz"
    assert scan.brain_mask.name == "sub-01_desc-brain_mask.nii.gz"


def test_masks_of_another_session_are_not_taken(bids):
    masks = bids("sub-01_ses-b_label-tumor_mask.nii.gz", "sub-01_label-tumor_mask.nii.gz", root="masks")
    scans = find_scans(bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz"), derivatives={"m": masks})
    assert [scan.tumor.path.name if scan.tumor else None for scan in scans] == [
        None,
        "sub-01_ses-b_label-tumor_mask.nii.gz",
    ]


def test_masks_in_template_space_are_a_last_resort(bids):
    root = bids("sub-01_T1w.nii.gz")
    first = bids("sub-01_space-SRI24_seg-brats_dseg.nii.gz", root="first")
    second = bids("sub-01_label-lesion_roi.nii.gz", root="second")
    scan = only(find_scans(root, derivatives={"first": first, "second": second}))
    assert (scan.tumor.source, scan.tumor.space) == ("second", "")
    both = only(find_scans(root, derivatives={"first": first, "second": second}, template="SRI24"))
    assert both.tumor == scan.tumor
    assert both.notices == (
        "several tumour masks: sub-01_label-lesion_roi.nii.gz is used, not sub-01_space-SRI24_seg-brats_dseg.nii.gz",
    )
    alone = only(find_scans(root, derivatives={"first": first}, template="SRI24"))
    assert (alone.tumor.kind, alone.tumor.space) == ("dseg", "SRI24")


def test_masks_in_the_space_of_another_template_are_not_used_and_that_is_said(bids):
    masks = bids("sub-01_space-SRI24_seg-brats_dseg.nii.gz", root="masks")
    scan = only(find_scans(bids("sub-01_T1w.nii.gz"), derivatives={"m": masks}, template="MNI152"))
    assert scan.tumor is None
    (flag,) = scan.flags
    assert "in the space of SRI24, not of the image nor of the template MNI152" in flag


def test_earlier_folder_wins_and_regions_before_a_mask(bids):
    root = bids("sub-01_T1w.nii.gz")
    one = bids("sub-01_label-tumor_mask.nii.gz", "sub-01_seg-brats_dseg.nii.gz", root="one")
    two = bids("sub-01_seg-brats_dseg.nii.gz", root="two")
    tumor = only(find_scans(root, derivatives={"one": one, "two": two})).tumor
    assert (tumor.source, tumor.kind) == ("one", "dseg")
    assert only(find_scans(root, derivatives={"two": two, "one": one})).tumor.source == "two"


def test_brain_mask_in_template_space_is_not_taken(bids):
    masks = bids("sub-01_space-MNI152_desc-brain_mask.nii.gz", root="masks")
    assert only(find_scans(bids("sub-01_T1w.nii.gz"), derivatives={"m": masks})).brain_mask is None


def test_mask_filter_chooses_among_masks(bids):
    masks = bids(
        "sub-01_label-tumor_desc-a_mask.nii.gz", "sub-01_label-tumor_desc-b_mask.nii.gz", root="masks"
    )
    scan = only(
        find_scans(bids("sub-01_T1w.nii.gz"), derivatives={"m": masks}, filters={"mask": {"desc": "b"}})
    )
    assert scan.tumor.path.name == "sub-01_label-tumor_desc-b_mask.nii.gz"
    assert scan.notices == ()


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_session_without_anatomy_is_passed_over_with_a_notice(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-02_ses-a_T1w.nii.gz")
    touch(root / "sub-01" / "ses-b" / "perf" / "sub-01_ses-b_asl.nii.gz")
    (root / "sub-02" / "ses-b" / "anat").mkdir(parents=True)
    notices = []
    scans = find_scans(root, notices=notices)
    assert [(scan.label, scan.problem) for scan in scans] == [("sub-01_ses-a", ""), ("sub-02_ses-a", "")]
    assert notices == [
        "2 sessions without an anatomical image are passed over: 'sub-01_ses-b', 'sub-02_ses-b'",
    ]


def test_session_without_anatomy_that_was_asked_for_cannot_be_run(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz")
    touch(root / "sub-01" / "ses-b" / "perf" / "sub-01_ses-b_asl.nii.gz")
    assert only(find_scans(root, sessions=["b"])).problem == "no T1w or T1ce image in sub-01/ses-b/anat/"


def test_subject_without_any_anatomy_cannot_be_run(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz")
    touch(root / "sub-02" / "ses-b" / "perf" / "sub-02_ses-b_asl.nii.gz")
    assert [(scan.label, bool(scan.problem)) for scan in find_scans(root)] == [
        ("sub-01_ses-a", False),
        ("sub-02_ses-b", True),
    ]


def test_session_with_other_anatomy_only_cannot_be_run(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T2w.nii.gz")
    assert [bool(scan.problem) for scan in find_scans(root)] == [False, True]


def test_images_beside_the_sessions_are_a_scan_without_session_and_that_is_said(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-01_ses-a_T1w.nii.gz")
    touch(root / "sub-01" / "ses-b" / "perf" / "sub-01_ses-b_asl.nii.gz")
    notices = []
    masks = bids("sub-01_label-tumor_mask.nii.gz", root="masks")
    first, second = find_scans(root, derivatives={"m": masks}, notices=notices)
    assert (first.label, second.label) == ("sub-01", "sub-01_ses-a")
    assert first.tumor.path.name == "sub-01_label-tumor_mask.nii.gz" and second.tumor is None
    assert first.flags == ()
    assert [notice.split(":")[0] for notice in notices] == [
        "1 sessions without an anatomical image are passed over",
        "1 subjects have images in sub-X/anat beside their sessions",
    ]


def test_patient_whose_images_lie_beside_a_session_without_anatomy_is_not_lost(bids):
    root = bids("sub-01_T1w.nii.gz")
    touch(root / "sub-01" / "ses-2" / "func" / "sub-01_ses-2_task-rest_bold.nii.gz")
    assert (only(find_scans(root)).label, only(find_scans(root)).problem) == ("sub-01", "")


def test_filter_of_sessions_chooses_among_them(bids):
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz")
    notices = []
    scan = only(find_scans(root, filters={"t1w": {"session": "b"}}, notices=notices))
    assert (scan.label, scan.problem) == ("sub-01_ses-b", "")
    assert notices == ["1 sessions are passed over by --bids-filter-file: 'sub-01_ses-a'"]


def test_participants_in_bidsignore_are_run_and_named(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz")
    (root / ".bidsignore").write_text("sub-01/\n**/*_acq-bad_*\n")
    notices = []
    assert [scan.problem for scan in find_scans(root, notices=notices)] == ["", ""]
    (notice,) = notices
    assert notice.startswith("1 images that .bidsignore names are read all the same")
    assert notice.endswith("'sub-01/anat/sub-01_T1w.nii.gz'")


@pytest.mark.parametrize(
    ("masks", "found"),
    [
        (
            ["sub-01_label-L_desc-T1lesion_mask.nii.gz"],
            r"it has sub-01_label-L_desc-T1lesion_mask\.nii\.gz \(not",
        ),
        (["sub-99_label-tumor_mask.nii.gz"], "it has 'sub-99/anat/sub-99_label-tumor_mask"),
        ([], "it has none"),
    ],
)
def test_folder_of_masks_that_serves_nobody_is_refused_with_what_it_has(bids, tmp_path, masks, found):
    root, folder = bids("sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"), tmp_path / "masks"
    folder.mkdir()
    bids(*masks, root="masks")
    scans = find_scans(root, derivatives={"m": folder})
    with pytest.raises(
        QueryError, match=f"-d m=.*no mask of any of the 2 scans is recognised in it; {found}"
    ) as caught:
        require_use({"m": folder}, scans, lambda: scans)
    assert "Recognised are seg-brats_dseg" in str(caught.value)


def test_folder_that_serves_others_than_those_of_the_run_is_no_error(bids):
    root, masks = (
        bids("sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"),
        bids("sub-02_desc-brain_mask.nii.gz", root="masks"),
    )
    scans = find_scans(root, derivatives={"m": masks}, participants=["01"])
    require_use({"m": masks}, scans, lambda: find_scans(root, derivatives={"m": masks}))
    with pytest.raises(QueryError, match="no mask of any"):
        require_use({"m": masks}, scans, lambda: scans)


def test_folder_whose_masks_come_second_is_no_error(bids):
    one, two = (bids("sub-01_label-tumor_mask.nii.gz", root=name) for name in ("one", "two"))
    folders = {"one": one, "two": two}
    scans = find_scans(bids("sub-01_T1w.nii.gz"), derivatives=folders)
    require_use(folders, scans, list)


def test_folder_is_not_blamed_where_no_image_is_found(bids, tmp_path):
    scans = find_scans(bids("sub-01_bold.nii.gz"), derivatives={"m": tmp_path})
    require_use({"m": tmp_path}, scans, list)


def test_real_tree(shared_data):
    scans = find_scans(shared_data / "bids-trees" / "genetics_ukbb")
    assert [scan.label for scan in scans] == [f"sub-{number:02d}" for number in range(1, 15)]
    assert {scan.stem for scan in scans} == {f"sub-{number:02d}_acq-MPRAGE" for number in range(1, 15)}
    assert all(
        not scan.problem and not scan.notices and not scan.flags and set(scan.others) == {"FLAIR"}
        for scan in scans
    )


def test_real_patient_with_regions(shared_data):
    root = shared_data / "bids-brats-space"
    scan = only(find_scans(root, derivatives={"masks": root / "derivatives" / "masks"}))
    assert scan.modality == "T1w"
    assert set(scan.others) == {"T1ce", "T2w", "FLAIR"}
    assert (scan.tumor.kind, scan.tumor.path.name) == ("dseg", "sub-FG6692_seg-brats_dseg.nii.gz")


def test_names_alone_are_looked_at(shared_data, tmp_path):
    """The same scans, whether files are there or links that lead nowhere (datalad)."""
    tree = shared_data / "bids-trees" / "genetics_ukbb"
    copy = tmp_path / "links"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("*.nii.gz"))
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # the data may be read-only, and the test not root's
    for path in tree.rglob("*.nii.gz"):
        (copy / path.relative_to(tree)).symlink_to(tmp_path / "annex" / path.name)
    expected = [json.dumps([scan.label, scan.stem, scan.problem]) for scan in find_scans(tree)]
    assert [json.dumps([scan.label, scan.stem, scan.problem]) for scan in find_scans(copy)] == expected


HOSTILE = [
    "<img src=x onerror=alert()>",
    "[red]x[/nothing]",
    "a\nsub-99\tdone",
    "a\x1b[2J",
    os.fsdecode(b"a\xff"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_folders_can_be_printed_whatever_they_are(bids, name):
    root = bids("sub-01_T1w.nii.gz")
    (root / f"sub-{name}" / "anat").mkdir(parents=True)
    scans = find_scans(root)
    assert [bool(scan.problem) for scan in scans] == [scan.label != "sub-01" for scan in scans]
    assert all((scan.label + scan.problem).isprintable() for scan in scans)
    with pytest.raises(QueryError, match="no such subject") as caught:
        find_scans(root, participants=["02"])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", HOSTILE[2:])
def test_mask_whose_name_cannot_be_printed_is_passed_over_with_a_notice(bids, name):
    root = bids("sub-01_T1w.nii.gz")
    masks = bids(f"sub-01_label-tumor_desc-{name}_mask.nii.gz", root="masks")
    scan = only(find_scans(root, derivatives={"masks": masks}))
    assert scan.tumor is None
    (notice,) = scan.notices
    assert notice.endswith("passed over") and notice.isprintable()


def test_label_table_that_is_a_pipe_or_no_table_is_refused_and_nobody_waits(bids, tmp_path):
    pipe, long = tmp_path / "pipe_dseg.tsv", tmp_path / "long_dseg.tsv"
    os.mkfifo(pipe)
    long.write_text("index\tname\n1\t" + "x" * 200000)
    with pytest.raises(OSError, match="a file is required"):
        table_rows(pipe)
    with pytest.raises(ValueError, match=r"long_dseg\.tsv: not a table"):
        table_rows(long)
    assert [tumor_kind({"suffix": "dseg"}, path) for path in (pipe, long)] == ["", ""]
