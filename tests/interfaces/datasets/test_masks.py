"""Which mask is an image's, which is nobody's, and what is said where a name leaves it open."""

import pytest

from gliomorph.interfaces.datasets.entities import parse_entities
from gliomorph.interfaces.datasets.masks import tumor_kind
from gliomorph.interfaces.datasets.query import find_scans


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_label-tumor_mask.nii.gz", "mask"),
        ("sub-01_label-lesion_roi.nii.gz", "mask"),
        ("sub-01_ce-gadolinium_label-Tumour_desc-expert_mask.nii.gz", "mask"),
        ("sub-01_seg-brats_dseg.nii.gz", "dseg"),
        ("sub-01_desc-brain_mask.nii.gz", ""),
        ("sub-01_dseg.nii.gz", ""),
        ("sub-01_seg-aseg_dseg.nii.gz", ""),
        ("sub-01_label-GM_probseg.nii.gz", ""),
        ("sub-01_T1w.nii.gz", ""),
    ],
)
def test_kind_of_a_segmentation(bids, name, kind):
    path = bids(name, root="masks") / "sub-01" / "anat" / name
    assert tumor_kind(parse_entities(path)) == kind


def scans_of(bids, images, masks, **options):
    return find_scans(bids(*images), derivatives={"m": bids(*masks, root="masks")}, **options)


def reasons(scan):
    return {each.path.name: each.reason for each in scan.passed_over}


@pytest.mark.parametrize("kind", ["label-tumor_mask", "seg-brats_dseg", "desc-brain_mask"])
@pytest.mark.parametrize("entity", ["run-02", "acq-b", "ce-gd", "rec-b", "echo-2", "part-real"])
def test_mask_of_another_image_is_never_taken(bids, kind, entity):
    name = f"sub-01_{entity}_{kind}.nii.gz"
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], [name])
    assert scan.tumor is None and scan.brain_mask is None
    assert entity in reasons(scan)[name]


def test_mask_that_is_surely_the_images_comes_before_one_that_may_be(bids):
    masks = [
        "sub-01_seg-brats_dseg.nii.gz",
        "sub-01_run-1_label-tumor_mask.nii.gz",
        "sub-01_desc-brain_mask.nii.gz",
        "sub-01_run-01_desc-brain_mask.nii.gz",
    ]
    (scan,) = scans_of(bids, ["sub-01_run-01_T1w.nii.gz"], masks)
    assert scan.tumor.path.name == masks[1]
    assert scan.brain_mask.name == masks[3]


def test_mask_that_may_be_of_several_images_is_flagged(bids):
    images = ["sub-01_acq-a_T1w.nii.gz", "sub-01_acq-b_T1w.nii.gz"]
    (scan,) = scans_of(bids, images, ["sub-01_label-tumor_mask.nii.gz"])
    assert scan.image.name == images[0]
    assert any("names no acq-: it may be of sub-01_acq-b_T1w.nii.gz as well" in flag for flag in scan.flags)


def test_mask_decides_which_of_several_images_is_taken(bids):
    images = ["sub-01_T1w.nii.gz", "sub-01_run-02_T1w.nii.gz", "sub-01_run-03_T1w.nii.gz"]
    (scan,) = scans_of(bids, images, ["sub-01_run-2_label-tumor_mask.nii.gz"])
    assert scan.image.name == images[1]
    assert scan.tumor.path.name == "sub-01_run-2_label-tumor_mask.nii.gz"
    assert scan.flags == ()
    assert "is used, for it has a mask" in scan.notices[0]


def test_equally_good_tumour_masks_are_flagged(bids):
    masks = ["sub-01_label-tumor_desc-a_mask.nii.gz", "sub-01_label-tumor_desc-b_mask.nii.gz"]
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], masks)
    assert scan.tumor.path.name == masks[0]
    assert scan.flags == (f"several tumour masks: {masks[0]} is used, not {masks[1]}",)


@pytest.mark.parametrize("name", ["sub-01_label-tumor_mask.nii.gz", "sub-01_desc-brain_mask.nii.gz"])
def test_mask_without_session_counts_for_the_only_session_and_is_flagged(bids, name):
    (scan,) = scans_of(bids, ["sub-01_ses-a_T1w.nii.gz"], [name])
    assert name in (scan.tumor.path.name if scan.tumor else scan.brain_mask.name)
    assert f"{name} names no session: it counts for ses-a, the subject's only one with images" in scan.flags


def test_mask_without_session_is_nobodys_where_there_are_several(bids):
    images = ["sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz"]
    scans = scans_of(bids, images, ["sub-01_label-tumor_mask.nii.gz"])
    assert [scan.tumor for scan in scans] == [None, None]
    assert {reasons(scan)["sub-01_label-tumor_mask.nii.gz"] for scan in scans} == {
        "by its name of no session, the subject has several"
    }
    assert "in -d m; passed over: sub-01_label-tumor_mask.nii.gz (by its name" in scans[0].flags[0]
    (chosen,) = scans_of(bids, images, ["sub-01_label-tumor_mask.nii.gz"], sessions=["a"])
    assert chosen.tumor is None


def test_mask_outside_its_session_counts_by_its_name(bids, tmp_path):
    masks = bids("sub-01_label-tumor_mask.nii.gz", root="masks")
    folder = masks / "sub-01" / "anat"
    (folder / "sub-01_label-tumor_mask.nii.gz").rename(folder / "sub-01_ses-b_label-tumor_mask.nii.gz")
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz")
    first, second = find_scans(root, derivatives={"m": masks})
    assert first.tumor is None and second.tumor.path.name == "sub-01_ses-b_label-tumor_mask.nii.gz"
    assert not second.flags


def test_mask_in_the_folder_of_a_session_may_leave_it_open_in_its_name(bids):
    masks = bids("sub-01_ses-a_label-tumor_mask.nii.gz", root="masks")
    folder = masks / "sub-01" / "ses-a" / "anat"
    (folder / "sub-01_ses-a_label-tumor_mask.nii.gz").rename(folder / "sub-01_label-tumor_mask.nii.gz")
    root = bids("sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz")
    first, second = find_scans(root, derivatives={"m": masks})
    assert first.tumor.path.name == "sub-01_label-tumor_mask.nii.gz" and second.tumor is None
    assert not first.flags


@pytest.mark.parametrize("space", ["MNI152NLin2009cAsym", "SRI24", "T2w"])
def test_masks_in_another_space_are_not_taken_by_world_coordinates(bids, space):
    masks = [f"sub-01_space-{space}_{kind}.nii.gz" for kind in ("desc-brain_mask", "label-tumor_mask")]
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], masks, template="MNI152")
    assert scan.tumor is None and scan.brain_mask is None
    assert all(f"in the space of {space}, not of the image" in reason for reason in reasons(scan).values())


def test_brain_mask_in_the_space_of_the_template_is_not_taken_and_a_tumour_is(bids):
    masks = ["sub-01_space-SRI24_desc-brain_mask.nii.gz", "sub-01_space-SRI24_label-tumor_mask.nii.gz"]
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], masks, template="SRI24")
    assert scan.brain_mask is None
    assert scan.tumor.space == "SRI24"


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_label-L_desc-T1lesion_mask.nii.gz",
        "sub-01_seg-tumor_dseg.nii.gz",
        "sub-01_desc-hdglio_mask.nii.gz",
        "sub-01_tumour.nii.gz",
    ],
)
def test_names_that_are_not_known_are_named_with_the_reason(bids, name):
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], [name])
    (flag,) = scan.flags
    assert flag.startswith("no tumour mask of this image in -d m; passed over: " + name)


def test_mask_outside_an_anat_folder_is_named(bids):
    root, masks = bids("sub-01_T1w.nii.gz"), bids("sub-01_label-tumor_mask.nii.gz", root="masks")
    path = masks / "sub-01" / "anat" / "sub-01_label-tumor_mask.nii.gz"
    path.rename(masks / "sub-01" / path.name)
    (scan,) = find_scans(root, derivatives={"m": masks})
    assert reasons(scan) == {path.name: "not in an anat folder"}


def test_hidden_files_of_macos_are_no_masks_and_no_tables(bids):
    root, masks = bids("sub-01_T1w.nii.gz"), bids("sub-01_seg-brats_dseg.nii.gz", root="masks")
    for folder, name in (
        (root, "T1w.nii.gz"),
        (masks, "seg-brats_dseg.nii.gz"),
        (masks, "seg-brats_dseg.tsv"),
        (masks, "desc-brain_mask.nii.gz"),
    ):
        (folder / "sub-01" / "anat" / f"._sub-01_{name}").write_bytes(b"\0\5\x16\7")
    (scan,) = find_scans(root, derivatives={"m": masks})
    assert scan.image.name == "sub-01_T1w.nii.gz"
    assert (scan.tumor.path.name, scan.tumor.table, scan.brain_mask) == (
        "sub-01_seg-brats_dseg.nii.gz",
        None,
        None,
    )
    assert scan.passed_over == scan.flags == ()


@pytest.mark.parametrize("given", [False, True])
def test_mask_beside_the_image_is_said_and_taken_where_the_dataset_is_given(bids, given):
    root = bids("sub-02_T1w.nii.gz", "sub-02_T1w_label-lesion_roi.nii.gz")
    (scan,) = find_scans(root, derivatives={"raw": root} if given else {})
    if given:
        assert (scan.tumor.source, scan.tumor.path.name) == ("raw", "sub-02_T1w_label-lesion_roi.nii.gz")
        assert scan.passed_over == scan.flags == ()
    else:
        assert scan.tumor is None
        (flag,) = scan.flags
        assert "sub-02_T1w_label-lesion_roi.nii.gz" in flag and "give -d raw=BIDS" in flag


def test_filter_that_leaves_no_mask_says_so(bids):
    masks = ["sub-01_label-tumor_desc-a_mask.nii.gz"]
    (scan,) = scans_of(bids, ["sub-01_T1w.nii.gz"], masks, filters={"mask": {"desc": "z"}})
    assert reasons(scan) == {masks[0]: "not what --bids-filter-file asks for, mask {'desc': 'z'}"}
    assert "--bids-filter-file" in scan.flags[0]
