"""Names: what a filter asks for, and whose image a derivative is."""

from pathlib import Path

import pytest

from gliomorph.interfaces.datasets.entities import (
    Image,
    is_bids,
    is_native,
    matches,
    natural,
    parse_entities,
    relation,
)


@pytest.mark.parametrize(
    ("wanted", "name", "same"),
    [
        ({"run": 2}, "sub-01_run-02_T1w", True),
        ({"run": "02"}, "sub-01_run-2_T1w", True),
        ({"run": "2"}, "sub-01_run-002_T1w", True),
        ({"run": 2}, "sub-01_run-12_T1w", False),
        ({"echo": 1}, "sub-01_echo-01_T1w", True),
        ({"run": [1, 3]}, "sub-01_run-03_T1w", True),
        ({"acquisition": "01"}, "sub-01_acq-1_T1w", False),  # a label, no number
        ({"acquisition": "*"}, "sub-01_acq-a_T1w", True),
        ({"acquisition": "*"}, "sub-01_T1w", False),
        ({"acquisition": None}, "sub-01_T1w", True),
        ({"acquisition": None}, "sub-01_acq-a_T1w", False),
        ({"acquisition": [None, "a"]}, "sub-01_acq-a_T1w", True),
        ({"suffix": "T1w", "datatype": "anat", "extension": ".nii.gz"}, "sub-01_T1w", True),
        ({"extension": "nii.gz"}, "sub-01_T1w", True),
        ({"extension": [".nii", "nii"]}, "sub-01_T1w", False),
        ({"suffix": "UNIT1"}, "sub-01_T1w", False),
        ({"datatype": "func"}, "sub-01_T1w", False),
        ({"session": "ses-pre"}, "sub-01_ses-pre_T1w", True),
        ({"subject": "01"}, "sub-01_ses-pre_T1w", True),
        ({}, "sub-01_T1w", True),
    ],
)
def test_filter_compares_as_filter_files_of_fmriprep_do(wanted, name, same):
    assert matches(parse_entities(Path("anat") / f"{name}.nii.gz"), wanted) == same


@pytest.mark.parametrize(
    ("mask", "image", "reason"),
    [
        ("sub-01_label-tumor_mask", "sub-01_T1w", ""),
        ("sub-01_run-2_label-tumor_mask", "sub-01_run-02_T1w", ""),
        ("sub-01_label-tumor_mask", "sub-01_acq-a_run-02_T1w", ""),
        ("sub-01_T1w_label-lesion_roi", "sub-01_T1w", ""),
        ("sub-01_mod-T1w_label-lesion_mask", "sub-01_T1w", ""),
        ("sub-01_run-02_label-tumor_mask", "sub-01_run-01_T1w", "of run-02, the image is run-01"),
        ("sub-01_run-02_label-tumor_mask", "sub-01_T1w", "of run-02, the image is one without run-"),
        ("sub-01_ses-b_label-tumor_mask", "sub-01_ses-a_T1w", "of ses-b, the image is ses-a"),
        ("sub-02_label-tumor_mask", "sub-01_T1w", "of sub-02, the image is sub-01"),
        ("sub-01_acq-b_label-tumor_mask", "sub-01_acq-a_T1w", "of acq-b, the image is acq-a"),
        (
            "sub-01_ce-gd_label-tumor_mask",
            "sub-01_T1w",
            "of ce-gd, the image is one without ce- (give --modality T1ce)",
        ),
        ("sub-01_rec-a_desc-brain_mask", "sub-01_rec-b_T1w", "of rec-a, the image is rec-b"),
        ("sub-01_echo-2_desc-brain_mask", "sub-01_echo-1_T1w", "of echo-2, the image is echo-1"),
        ("sub-01_inv-1_desc-brain_mask", "sub-01_inv-2_UNIT1", "of inv-1, the image is inv-2"),
        ("sub-01_flip-1_desc-brain_mask", "sub-01_flip-2_T1w", "of flip-1, the image is flip-2"),
        ("sub-01_part-phase_desc-brain_mask", "sub-01_part-mag_T1w", "of part-phase, the image is part-mag"),
        ("sub-01_FLAIR_label-lesion_roi", "sub-01_T1w", "of a FLAIR, not a T1w"),
        ("sub-01_mod-T2w_label-lesion_mask", "sub-01_T1w", "of a T2w, not a T1w"),
        ("sub-01_T1ce_label-tumor_mask", "sub-01_T1w", "of a T1ce, not a T1w"),
    ],
)
def test_derivative_with_another_value_of_an_entity_is_not_the_images(mask, image, reason):
    path, own = Path("anat") / f"{mask}.nii.gz", Path("anat") / f"{image}.nii.gz"
    found, _ = relation(
        path, parse_entities(path), Image(path=own, entities=parse_entities(own), modality="T1w")
    )
    assert found == (f"by its name {reason}" if reason else "")


@pytest.mark.parametrize("mask", ["sub-01_T1ce_label-tumor_mask", "sub-01_T1w_label-tumor_mask"])
def test_mask_with_the_modality_in_its_name_is_the_images(mask):
    path, own = Path("anat") / f"{mask}.nii.gz", Path("anat/sub-01_ce-gd_T1w.nii.gz")
    image = Image(path=own, entities=parse_entities(own), modality="T1ce")
    assert relation(path, parse_entities(path), image) == ("", ["ceagent"])


def test_entities_of_the_image_that_a_name_leaves_open_are_named():
    path, own = Path("anat/sub-01_acq-a_mask.nii.gz"), Path("anat/sub-01_ses-a_acq-a_run-02_T1w.nii.gz")
    image = Image(path=own, entities=parse_entities(own), modality="T1w")
    assert relation(path, parse_entities(path), image) == ("", ["session", "run"])


@pytest.mark.parametrize(
    ("space", "name", "modality", "native"),
    [
        ("", "sub-01_T1w", "T1w", True),
        ("orig", "sub-01_T1w", "T1w", True),
        ("individual", "sub-01_FLAIR", "FLAIR", True),
        ("T1w", "sub-01_T1w", "T1w", True),
        ("T1w", "sub-01_ce-gd_T1w", "T1ce", True),
        ("T1w", "sub-01_UNIT1", "T1w", True),
        ("FLAIR", "sub-01_FLAIR", "FLAIR", True),
        ("T1w", "sub-01_FLAIR", "FLAIR", False),
        ("T2w", "sub-01_T1w", "T1w", False),
        ("MNI152NLin2009cAsym", "sub-01_T1w", "T1w", False),
        ("SRI24", "sub-01_T1w", "T1w", False),
    ],
)
def test_space_is_native_where_it_names_the_subject_or_the_image_itself(space, name, modality, native):
    image = Image(path=Path(f"{name}.nii.gz"), entities={}, modality=modality)
    assert is_native(space, image) == native


def test_natural_order_counts():
    names = [
        "sub-01_run-10_T1w",
        "sub-01_run-9_T1w",
        "sub-01_run-09_T1w",
        "sub-01_acq-a2_T1w",
        "sub-01_acq-a10_T1w",
    ]
    assert sorted(names, key=natural)[:2] == ["sub-01_acq-a2_T1w", "sub-01_acq-a10_T1w"]
    assert sorted(names, key=natural)[-1] == "sub-01_run-10_T1w"


def test_mp2rage_is_bids_and_an_unknown_entity_is_not():
    assert is_bids("/sub-01/anat/sub-01_UNIT1.nii.gz")
    assert not is_bids("/sub-01/anat/sub-01_foo-1_T1w.nii.gz")
