"""The files of the atlas' scans, by what their primary images are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gliomorph.config.processing import Processing
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder
from gliomorph.interfaces.derivatives.scan_record import PublishedTumor, ScanRecord
from gliomorph.interfaces.group.records import GroupScan
from gliomorph.workflows.group.members import Member, scan_files

PROCESSING = Processing(registration=("affine",), template="Tiny", resolution=4)


def member(out: Path, subject: str, suffix: str) -> Member:
    """A scan whose primary image is such, with its warped image on disk."""
    names = ScanNames(
        label=f"sub-{subject}",
        folder=anat_folder(subject),
        stem=f"sub-{subject}",
        template="Tiny",
        resolution=4,
        source="m",
        suffix=suffix,
    )
    files = names.registered("affine")
    warped = out / files["warped"]
    warped.parent.mkdir(parents=True, exist_ok=True)
    warped.touch()
    tumor = PublishedTumor(
        kind="mask", frame="world", volume_ml=1.0, share_of_brain=0.1, labels=[0, 1], sources=[]
    )
    record = ScanRecord(
        registration={"method": "affine"},
        key="k",
        tumor=tumor,
        quality={},
        outputs=[files["warped"], files["mask"]],
    )
    return Member(scan=names.label, folder=warped.parent, stem=names.stem, records={"affine": record})


def files_of(out: Path, **suffixes: str) -> dict[str, Any]:
    members = [member(out, subject, suffix) for subject, suffix in suffixes.items()]
    found: tuple[GroupScan, ...] = scan_files(members, "affine", PROCESSING, out)
    return {each.participant: (set(each.files), each.key) for each in found}


def test_mean_image_is_of_t1_weighted_ones_where_there_are_some(tmp_path: Path) -> None:
    found = files_of(tmp_path, one="T1w", two="FLAIR")
    assert found == {"one": ({"tumor", "warped"}, "k"), "two": ({"tumor"}, "k without its image")}


def test_images_of_one_other_sequence_have_a_mean(tmp_path: Path) -> None:
    assert files_of(tmp_path, one="FLAIR", two="FLAIR") == {
        subject: ({"tumor", "warped"}, "k") for subject in ("one", "two")
    }
