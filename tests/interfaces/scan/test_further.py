"""A further image of the session is read as the primary one is, and never ends the scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.scan import further as stage
from gliomorph.interfaces.scan.further import further
from gliomorph.interfaces.scan.records import BiasInfo, CoregisterInfo

SIZE = (28, 32, 24)


@pytest.fixture
def head(tmp_path: Path) -> dict[str, Path]:
    like = phantoms.grid(SIZE, (6.0, 6.0, 6.0))
    return {
        "primary": write_image(phantoms.brain_image(like), tmp_path / "primary.nii.gz"),
        "brain_mask": write_image(phantoms.brain_mask(like), tmp_path / "brain.nii.gz"),
    }


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, sitk.Image]:
    """What N4 got as its mask; the image stays where it lies."""
    seen: dict[str, sitk.Image] = {}

    def stays(image: Path, primary: Path, brain_mask: Path, *_: object) -> tuple[Path, Path, CoregisterInfo]:
        brain, voxels = to_array(read_image(brain_mask)) > 0, to_array(read_image(image))
        info = CoregisterInfo(
            moved_mm=0.0,
            information_before=1.0,
            information=1.0,
            agreement=0.5,
            share_of_brain=float((voxels[brain] != 0).mean()),
            flags=["bright voxels"],
        )
        still = Path.cwd() / "still.h5"
        sitk.WriteTransform(sitk.AffineTransform(3), str(still))
        return still, image, info

    def n4(image: Path, brain_mask: Path) -> tuple[Path, BiasInfo]:
        seen["mask"] = read_image(brain_mask)
        return image, BiasInfo(bias_min=1.0, bias_max=1.0)

    monkeypatch.setattr(stage, "coregister", stays)
    monkeypatch.setattr(stage, "n4", n4)
    return seen


def half(image: Path, planes: int) -> Path:
    picture = read_image(image)
    voxels = to_array(picture).copy()
    voxels[..., planes:] = 0
    return write_image(from_array(voxels, picture), image.with_name("sub-01_FLAIR.nii.gz"))


def test_whole_image_is_corrected_in_the_brain_of_the_primary_one(
    head: dict[str, Path], here: Path, steps: dict[str, sitk.Image]
) -> None:
    found = further(head["primary"], "FLAIR", **head, seed=1)
    assert np.array_equal(to_array(steps["mask"]), to_array(read_image(head["brain_mask"])))
    assert found.image is not None and found.transform is not None and found.inverse is not None
    assert found.inverse.parent == here
    assert (found.flags, found.notices) == (["bright voxels"], [])
    assert found.record()["used"] and found.record()["share_of_brain"] > 0.99


def test_image_of_half_of_the_brain_is_corrected_where_it_shows_it_and_flagged(
    head: dict[str, Path], here: Path, steps: dict[str, sitk.Image]
) -> None:
    found = further(half(head["primary"], SIZE[2] // 2), "FLAIR", **head, seed=1)
    mask, brain = to_array(steps["mask"]), to_array(read_image(head["brain_mask"]))
    assert np.array_equal(mask[..., : SIZE[2] // 2], brain[..., : SIZE[2] // 2])
    assert not mask[..., SIZE[2] // 2 :].any()
    share = found.record()["share_of_brain"]
    assert share == pytest.approx(0.5, abs=0.05)
    assert found.flags == [
        "bright voxels",
        f"sub-01_FLAIR.nii.gz shows {share:.0%} of the brain: FLAIR is 0 in the rest of it",
    ]


def test_image_of_next_to_nothing_of_the_brain_is_left_out(
    head: dict[str, Path], here: Path, steps: dict[str, sitk.Image]
) -> None:
    found = further(half(head["primary"], SIZE[2] // 4), "FLAIR", **head, seed=1)
    assert found.image is None and "mask" not in steps
    (flag,) = found.flags
    assert flag.startswith("FLAIR is left out: sub-01_FLAIR.nii.gz shows ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImageError("FLAIR.nii.gz: every voxel is NaN or infinite"), "FLAIR.nii.gz: every voxel is NaN"),
        (RuntimeError("no overlap\nat line 7"), "no overlap"),
    ],
)
def test_image_that_cannot_be_laid_on_the_primary_one_is_left_out_with_its_reason(
    head: dict[str, Path], here: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(stage, "coregister", fails)
    found = further(head["primary"], "FLAIR", **head, seed=1)
    assert (found.image, found.moved, found.transform, found.coregistration) == (None, None, None, None)
    (flag,) = found.flags
    assert flag.startswith(f"FLAIR is left out: {said}") and "\n" not in flag
    assert found.record() == {
        "modality": "FLAIR",
        "file": "primary.nii.gz",
        "used": False,
        "remarks": [flag],
    }


def test_damaged_file_is_left_out(head: dict[str, Path], here: Path) -> None:
    damaged = head["primary"].with_name("sub-01_T2w.nii.gz")
    damaged.write_bytes(head["primary"].read_bytes()[:300])
    found = further(damaged, "T2w", **head, seed=1)
    assert found.image is None
    assert "sub-01_T2w.nii.gz: cannot be read" in found.flags[0]
