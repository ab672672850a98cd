"""What is shared of derivatives."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_derivatives import HEAD, write_derivatives

from gliomorph.interfaces.sharing.contents import (
    brain_mask,
    is_image,
    is_native,
    readme,
    stem_of,
    wanted_files,
)


def test_pages_logs_and_unknown_files_are_none_of_those_that_are_shared(tmp_path: Path) -> None:
    out = write_derivatives(tmp_path / "out")
    (out / "sub-Meier" / "notes.txt").write_text("")
    (out / "sub-Meier/ses-pre/anat/sub-Meier_ses-pre_bold.nii.gz").write_bytes(b"")
    wanted, others = wanted_files(out)
    assert others == [
        "logs/run.json",
        "sub-Meier/notes.txt",
        "sub-Meier/ses-pre/anat/sub-Meier_ses-pre_bold.nii.gz",
        "sub-Meier_ses-post.html",
        "sub-Meier_ses-pre.html",
        f"sub-{HEAD}.html",
    ]
    assert f"sub-{HEAD}/anat/sub-{HEAD}_desc-n4_T1w.nii.gz" in wanted


@pytest.mark.parametrize(
    ("name", "image", "native"),
    [
        ("sub-1/anat/sub-1_ce-gd_desc-n4_T1w.nii.gz", True, True),
        ("sub-1/anat/sub-1_ce-gd_space-Tiny_res-1_desc-affine_T1w.nii.gz", True, False),
        ("sub-1/anat/sub-1_ce-gd_label-tumor_desc-masks_mask.nii.gz", False, True),
    ],
)
def test_images_are_told_by_their_names(name: str, image: bool, native: bool) -> None:
    assert (is_image(name), is_native(name)) == (image, native)
    if image:
        assert stem_of(name) == "sub-1/anat/sub-1_ce-gd"


def test_brain_mask_is_the_scan_s_own(tmp_path: Path) -> None:
    out = write_derivatives(tmp_path / "out")
    assert brain_mask(out, f"sub-{HEAD}/anat/sub-{HEAD}") is not None
    assert brain_mask(out, "sub-Meier/ses-pre/anat/sub-Meier_ses-pre") is None


def test_readme_counts_what_is_there_and_what_is_not() -> None:
    text = readme(
        ["sub-001/anat/sub-001_desc-n4_T1w.nii.gz", "group_quality.tsv"], ["a.html", "logs/x"], 2, 1
    )
    assert "There are 1 subjects, 1 images, 1 tables." in text
    assert "Left out: 1 pages and their pictures, 1 logs and other files, 2 images that show more" in text
    assert "1 of them" in text
