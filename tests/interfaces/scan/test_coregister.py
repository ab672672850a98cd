"""Another image of the session comes to the primary one by a rigid map, or stays where its header puts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import apply_to_points, read_transform
from gliomorph.interfaces.scan import coregister as stage
from gliomorph.interfaces.scan.brain import brain
from gliomorph.interfaces.scan.coregister import coregister

INSIDE = phantoms.CENTRE + 50 * np.array([[0, 0, 0], *np.eye(3), *-np.eye(3)])
TURNED = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.08, -0.06, 0.1, (6.0, -4.0, 5.0))


def primary(folder: Path) -> dict[str, Path]:
    like = phantoms.grid((54, 64, 44), (3.0, 3.0, 3.0))
    return {
        "primary": write_image(phantoms.brain_image(like), folder / "primary.nii.gz"),
        "brain_mask": write_image(phantoms.brain_mask(like), folder / "brain.nii.gz"),
    }


def other(folder: Path, like: sitk.Image, moved: sitk.Transform) -> Path:
    """The head in another contrast, bright where the primary is dark, its points moved."""
    points = phantoms.mapped(moved.GetInverse(), phantoms.positions(like))
    voxels = np.where(phantoms.radius_at(points) < 1, 1.1 - phantoms.tissue_at(points), 0)
    return write_image(from_array((100 * voxels).astype(np.float32), like), folder / "other.nii.gz")


def test_known_rotation_is_found_whatever_the_contrast_and_the_grid(tmp_path: Path, here: Path) -> None:
    files = primary(tmp_path)
    image = other(tmp_path, phantoms.frame("anisotropic"), TURNED)
    transform, moved, info = coregister(image, **files, seed=1)
    found = apply_to_points(read_transform(transform), INSIDE)
    assert np.linalg.norm(found - apply_to_points(TURNED, INSIDE), axis=1).max() < 0.5
    assert info.moved_mm > 8 and info.information > info.information_before
    there, target = read_image(moved), read_image(files["primary"])
    assert phantoms.same_grid(there, target)
    inside = phantoms.radius_at(phantoms.positions(target)) < 0.9
    assert np.corrcoef(to_array(there)[inside], to_array(target)[inside])[0, 1] < -0.98
    assert {transform.parent, moved.parent} == {here}


def test_image_that_all_but_lies_right_keeps_its_voxels(tmp_path: Path, here: Path) -> None:
    files = primary(tmp_path)
    shift = sitk.TranslationTransform(3, (0.6, 0.0, 0.0))
    image = other(tmp_path, read_image(files["primary"]), shift)
    transform, moved, info = coregister(image, **files, seed=1)
    assert (info.moved_mm, info.information) == (0.0, info.information_before)
    assert np.array_equal(to_array(read_image(moved)), to_array(read_image(image)))
    assert np.array_equal(apply_to_points(read_transform(transform), INSIDE), INSIDE)
    assert info.share_of_brain > 0.95


def test_headers_that_have_nothing_in_common_are_no_hindrance(tmp_path: Path, here: Path) -> None:
    files = primary(tmp_path)
    far = sitk.TranslationTransform(3, (400.0, 0.0, -300.0))
    like = read_image(files["primary"])
    image = other(tmp_path, like, sitk.Transform())
    away = read_image(image)
    away.SetOrigin(far.TransformPoint(away.GetOrigin()))
    transform, _, info = coregister(write_image(away, image), **files, seed=1)
    found = apply_to_points(read_transform(transform), INSIDE)
    assert np.linalg.norm(found - apply_to_points(far, INSIDE), axis=1).max() < 0.5
    assert info.moved_mm == pytest.approx(500, abs=1)


def test_part_of_the_brain_that_an_image_lacks_is_counted(tmp_path: Path, here: Path) -> None:
    files = primary(tmp_path)
    image = other(tmp_path, read_image(files["primary"]), sitk.Transform())
    half = sitk.RegionOfInterest(read_image(image), [54, 64, 22])
    _, moved, info = coregister(write_image(half, image), **files, seed=1)
    assert info.share_of_brain == pytest.approx(0.5, abs=0.05)
    assert not to_array(read_image(moved))[..., 30:].any()


def test_head_that_lies_30_mm_elsewhere_in_a_wide_field_of_view_is_found(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What begins at the headers' frames ends somewhere else: it is seen by what both images have in common."""
    files = primary(tmp_path)
    moved = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.0, 0.0, 0.1, (30.0, -12.0, 20.0))
    image = other(tmp_path, sitk.ConstantPad(read_image(files["primary"]), [8] * 3, [8] * 3), moved)
    register = stage.register_ants
    starts: list[object] = []

    def lost_at_first(fixed: sitk.Image, moving: sitk.Image, *kind: str, **options: object) -> object:
        starts.append(options["initial_transform"])
        if len(starts) > 1:
            return register(fixed, moving, *kind, **options)
        lost = sitk.AffineTransform(3)
        lost.SetTranslation((-20.0, 30.0, 0.0))
        sitk.WriteTransform(lost, str(here / "lost.mat"))
        return {"fwdtransforms": [str(here / "lost.mat")]}

    monkeypatch.setattr(stage, "register_ants", lost_at_first)
    transform, _, info = coregister(image, **files, seed=1)
    found = apply_to_points(read_transform(transform), INSIDE)
    assert np.linalg.norm(found - apply_to_points(moved, INSIDE), axis=1).max() < 1
    assert len(starts) == 2 and info.agreement > 0.2 and info.share_of_brain > 0.95


def test_image_of_something_else_is_refused_and_never_laid_somewhere(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "STEPS_MM", (60.0,))  # there is nothing to find
    files = primary(tmp_path)
    like = read_image(files["primary"])
    noise = np.random.default_rng(0).random(like.GetSize()).astype(np.float32)
    image = write_image(from_array(noise, like), tmp_path / "noise.nii.gz")
    with pytest.raises(
        ImageError, match=r"noise.nii.gz could not be laid on the primary image: .* 0.12 are required"
    ):
        coregister(image, **files, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [(20.0, -15.0, 17.0), (0.0, 0.0, 30.0)])
def test_flair_of_a_real_head_that_lies_30_mm_elsewhere_is_found(
    shared_data: Path, tmp_path: Path, here: Path, shift: tuple[float, ...]
) -> None:
    """What begins at the headers' frames ends 30 mm off here."""
    folder = shared_data / "real" / "heads-native" / "sub-TCGACS4942" / "anat"
    if not folder.is_dir():
        pytest.skip(f"no head at {folder}")
    mask, _, image = brain(folder / "sub-TCGACS4942_T1w.nii.gz")
    flair = read_image(folder / "sub-TCGACS4942_FLAIR.nii.gz")
    flair.SetOrigin((np.array(flair.GetOrigin()) + shift).tolist())
    moved = write_image(flair, tmp_path / "FLAIR.nii.gz")
    transform, _, info = coregister(moved, image, mask, seed=0)
    centre = np.array(flair.TransformContinuousIndexToPhysicalPoint([size / 2 for size in flair.GetSize()]))
    points = centre - shift + 50 * np.array([[0, 0, 0], *np.eye(3), *-np.eye(3)])
    apart = apply_to_points(read_transform(transform), points) - points - shift
    # slices of 8 mm; unmoved, the headers' frames are kept
    assert np.linalg.norm(apart, axis=1).max() < 2
    assert info.agreement > 0.2 and info.share_of_brain == 1


def test_sharp_peak_makes_up_for_a_low_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an image with a strong bias; a wrong answer has no more than what lies beside it."""
    image, still = phantoms.grid((4, 4, 4)), sitk.AffineTransform(3)
    for beside, right in ((0.06, True), (0.095, False)):
        monkeypatch.setattr(stage, "_likeness", lambda *_, value=beside: (1.0, value))
        assert stage._is_right(image, image, image, still, 0.1) is right
        assert stage._is_right(image, image, image, still, 0.13)
        assert not stage._is_right(image, image, image, still, 0.04)
