"""Which image of a session a person would take, in layouts as public datasets have them."""

from pathlib import Path

import pytest

from gliomorph.interfaces.datasets.images import images_in
from gliomorph.interfaces.datasets.query import find_scans

LAYOUTS = {
    # names without "sub-01_" and ".nii.gz": the choice comes first
    "one image (ds001)": ["T1w", "inplaneT2"],
    "runs (ds114, 7t_trt)": ["run-1_T1w", "run-2_T1w", "run-10_T1w"],
    "padded runs (ds006)": ["run-01_T1w", "run-02_T1w"],
    "a mean beside its runs": ["T1w", "run-1_T1w", "run-2_T1w"],
    "acquisitions (genetics_ukbb)": ["acq-MPRAGE_T1w", "FLAIR"],
    "a localiser first in the alphabet": ["acq-mprage_T1w", "acq-localizer_T1w"],
    "a plain localiser": ["acq-mprage_run-2_T1w", "acq-AAHScout_T1w"],
    "contrast medium beside plain": ["T1w", "ce-gadolinium_T1w"],
    "contrast medium alone": ["ce-gadolinium_T1w", "T2w", "FLAIR"],
    "corrected reconstruction beside the image": ["T1w", "rec-norm_T1w"],
    "echoes of MEMPRAGE and their combination": ["rec-RMS_T1w", "rec-x_echo-1_T1w", "rec-x_echo-2_T1w"],
    "echoes alone (multi-echo)": ["echo-1_T1w", "echo-2_T1w", "echo-10_T1w"],
    "magnitude and phase": ["part-mag_T1w", "part-phase_T1w"],
    "MP2RAGE with a T1w": ["T1w", "UNIT1", "inv-1_part-mag_MP2RAGE", "T1map"],
    "MP2RAGE alone (7 T)": [
        "acq-x_UNIT1",
        "acq-x_inv-1_part-mag_MP2RAGE",
        "acq-x_inv-2_part-mag_MP2RAGE",
        "T1map",
    ],
    "MP2RAGE and contrast medium": ["ce-gd_T1w", "UNIT1"],
    "quantitative maps (qmri)": ["T1w", "flip-1_mt-on_MPM", "T1map", "MTsat", "PDw"],
    "masks of defacing": ["T1w", "mod-T1w_defacemask"],
    "not compressed (synthetic)": ["T1w"],
}


@pytest.mark.parametrize("session", ["", "ses-01"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_image_that_is_taken_is_what_a_person_would_take(bids, layout, session):
    names = ["_".join(filter(None, ("sub-01", session, name))) + ".nii.gz" for name in LAYOUTS[layout]]
    (scan,) = find_scans(bids(*names))
    assert scan.image.name == names[0]
    several = sum(
        name[-3:] == "T1w" and name[:3] != "ce-" and "phase" not in name for name in LAYOUTS[layout]
    )
    assert bool(scan.flags) == (several > 1)  # the choice is said


def test_images_that_are_not_taken_are_listed_of_every_modality(bids):
    (scan,) = find_scans(bids("sub-01_T1w.nii.gz", "sub-01_T2w.nii.gz", "sub-01_run-2_T2w.nii.gz"))
    assert scan.others["T2w"].name == "sub-01_T2w.nii.gz"
    assert [str(each) for each in scan.passed_over] == ["sub-01_run-2_T2w.nii.gz (another comes before it)"]
    assert scan.flags == ()  # they change no result


def test_phase_images_alone_are_no_anatomy(bids):
    (scan,) = find_scans(bids("sub-01_part-phase_T1w.nii.gz"))
    assert scan.problem.endswith("which has sub-01_part-phase_T1w.nii.gz (part-phase, no magnitude)")


def test_mp2rage_is_taken_as_t1w_where_nothing_else_is_and_that_is_said(bids):
    (scan,) = find_scans(bids("sub-01_UNIT1.nii.gz", "sub-01_FLAIR.nii.gz"))
    assert (scan.stem, scan.modality, set(scan.others)) == ("sub-01", "T1w", {"FLAIR"})
    assert scan.notices == ("no T1w image: UNIT1 is used instead",)


def test_filter_of_suffixes_takes_mp2rage_before_a_t1w(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-01_UNIT1.nii.gz")
    (scan,) = find_scans(root, filters={"t1w": {"suffix": "UNIT1"}})
    assert (scan.image.name, scan.modality, scan.notices) == ("sub-01_UNIT1.nii.gz", "T1w", ())


def test_filter_of_suffixes_leaves_mp2rage_out(bids):
    (scan,) = find_scans(bids("sub-01_UNIT1.nii.gz"), filters={"t1w": {"suffix": "T1w"}})
    assert "which has sub-01_UNIT1.nii.gz (not what --bids-filter-file asks for, t1w" in scan.problem


def test_filter_that_takes_all_of_the_wanted_modality_away_is_flagged(bids):
    root = bids("sub-01_T1w.nii.gz", "sub-01_ce-gd_T1w.nii.gz")
    (scan,) = find_scans(root, filters={"t1w": {"run": 2}})
    assert scan.modality == "T1ce"
    assert scan.flags == ("no T1w image passes --bids-filter-file: T1ce is used instead",)


def test_names_of_a_folder_come_with_what_is_passed_over(bids):
    root = bids(
        "sub-01_T1w.nii.gz",
        "sub-01_foo-1_T1w.nii.gz",
        "sub-01_angio.nii.gz",
        "sub-01_label-lesion_roi.nii.gz",
    )
    found = images_in(root, Path("sub-01/anat"), {})
    assert found.names == sorted(path.name for path in (root / "sub-01" / "anat").iterdir())
    assert {modality: [each.path.name for each in images] for modality, images in found.images.items()} == {
        "T1w": ["sub-01_T1w.nii.gz"]
    }
    assert [each.path.name for each in found.passed_over] == [
        "sub-01_foo-1_T1w.nii.gz",
        "sub-01_label-lesion_roi.nii.gz",
    ]
