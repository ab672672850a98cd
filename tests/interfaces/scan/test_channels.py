"""Further modalities go the way of the primary image, each to the template's image that is most like it."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.scan.channels import channels
from gliomorph.interfaces.scan.records import CoregisterInfo, FurtherImage, Modality

HERE = CoregisterInfo(moved_mm=0.0, information_before=1.0, information=1.0, share_of_brain=1.0)


@pytest.fixture
def scan(heads: dict[str, dict[str, Path]], tmp_path: Path) -> dict[str, Path]:
    """The primary image's files, and the head as a T2w shows it."""
    head = heads["oblique"]
    image = read_image(head["image"])
    dark = np.where(to_array(image) > 0, 1000 - 700 * to_array(image), 0).astype(np.float32)
    return {
        "t2w": write_image(from_array(dark, image), tmp_path / "T2w.nii.gz"),
        "brain_mask": head["brain"],
        "tumor": head["labels"],
        "affine": write_transform(sitk.AffineTransform(3), tmp_path / "affine.h5"),
        "fixed_brain": heads["LPS"]["brain"],
    }


def test_t2w_is_matched_to_a_t1w_from_bright_to_dark(
    scan: dict[str, Path], heads: dict[str, dict[str, Path]], here: Path
) -> None:
    image, fixed = scan.pop("t2w"), heads["LPS"]["image"]
    modality = Modality(name="T2w", image=Path("sub-01_T2w.nii.gz"), like="T1w", fixed=fixed)
    own = FurtherImage(
        name="T2w", file="sub-01_T2w.nii.gz", image=image, coregistration=HERE, flags=["z-scored"]
    )
    other = attrs.evolve(own, name="FLAIR", flags=["of no concern"])
    (channel,) = channels([modality], [other, own], **scan)
    assert channel.moving is not None and channel.moving.parent == here / "T2w"
    moving, template = read_image(channel.moving), read_image(fixed)
    assert phantoms.same_grid(moving, template)
    inside = phantoms.radius_at(phantoms.positions(template)) < 0.9
    assert np.corrcoef(to_array(moving)[inside], to_array(template)[inside])[0, 1] > 0.9
    assert channel.reversed and channel.flags == ["z-scored"]
    assert channel.notices == [
        "the template has no T2w image: T2w is compared with its T1w, matched from bright to dark"
    ]
    assert channel.record()["template"] == "T1w"


def test_image_of_part_of_the_brain_is_left_out_with_a_flag(
    scan: dict[str, Path], heads: dict[str, dict[str, Path]], here: Path
) -> None:
    image, fixed = scan.pop("t2w"), heads["LPS"]["image"]
    modality = Modality(name="T1ce", image=Path("sub-01_ce-gd_T1w.nii.gz"), like="T1w", fixed=fixed)
    part = attrs.evolve(HERE, share_of_brain=0.62)
    own = FurtherImage(name="T1ce", file=modality.image.name, image=image, coregistration=part)
    (channel,) = channels([modality], [own], **scan)
    assert channel.moving is None
    assert channel.flags == [
        "sub-01_ce-gd_T1w.nii.gz shows 62% of the brain: T1ce has no part in the registration"
    ]
    assert channel.notices == []


def test_image_that_could_not_be_used_has_no_part_and_its_reason_is_kept(
    scan: dict[str, Path], heads: dict[str, dict[str, Path]], here: Path
) -> None:
    del scan["t2w"]
    modality = Modality(name="T2w", image=Path("sub-01_T2w.nii.gz"), like="T1w", fixed=heads["LPS"]["image"])
    own = FurtherImage(name="T2w", file="sub-01_T2w.nii.gz", flags=["T2w is left out: damaged"])
    (channel,) = channels([modality], [own], **scan)
    assert channel.moving is None
    assert channel.flags == ["T2w is left out: damaged", "T2w has no part in the registration"]
    assert "moved_mm" not in channel.record()
