"""Names of what sessions give together: BIDS entities in BIDS order."""

from __future__ import annotations

from gliomorph.interfaces.derivatives.follow_up_names import follow_up_names, subject_names
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder


def test_sessions_name_their_spaces() -> None:
    scan = ScanNames(
        label="sub-1_ses-post",
        folder=anat_folder("1", "post"),
        stem="sub-1_ses-post_acq-x",
        template="SRI24",
        resolution=1,
        source="masks",
    )
    names = follow_up_names(scan, "post", "pre", "syn-cfm", "greedy-cfm")
    stem = "sub-1/ses-post/anat/sub-1_ses-post_acq-x"
    assert names["mask"] == f"{stem}_space-pre_label-tumor_desc-greedycfm_mask.nii.gz"
    assert names["forward_xfm"] == f"{stem}_from-post_to-pre_mode-image_desc-greedycfm_xfm.h5"
    assert names["to_template"] == f"{stem}_from-post_to-SRI24_mode-image_desc-syncfm_xfm.h5"
    assert len(set(names.values())) == len(names)


def test_nothing_of_a_subject_looks_like_a_scan() -> None:
    names = subject_names("1")
    assert names["record"] == "sub-1/sub-1_longitudinal.json"
    assert not any(name.endswith("_registration.json") for name in names.values())
