"""The brain mask: detected, taken, made, or refused with the way out."""

import os

import nibabel as nib
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.checksums import sha256_of
from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.masks import finite_image, foreground
from gliomorph.interfaces.networks.files import SHIPPED_BRAIN
from gliomorph.interfaces.scan.brain import brain, is_skull_stripped
from gliomorph.interfaces.scan.records import Extraction

ML = phantoms.SEMI_AXES.prod() * 4 / 3 * np.pi / 1000


def altered(path, tmp_path, change):
    """A copy of an image whose voxels went through ``change``."""
    image = read_image(path)
    return write_image(
        from_array(change(to_array(image)).astype(np.float32), image), tmp_path / "altered.nii.gz"
    )


def test_stripped_input_is_detected_in_every_frame(heads, frame, here):
    mask, info, _ = brain(heads[frame]["image"])
    assert mask.parent == here
    assert info.method == "skull-stripped input"
    assert info.flags == []
    # voxels of 3 to 4 mm at the surface of an ellipsoid, which the opening rounds off
    assert info.volume_ml == pytest.approx(ML, rel=0.02)
    truth = to_array(read_image(heads[frame]["brain"])) > 0
    assert phantoms.dice(to_array(read_image(mask)) > 0, truth) > 0.98


def test_hole_in_the_brain_is_filled_and_a_loose_speck_is_dropped():
    like = phantoms.frame("RAS")
    voxels = to_array(phantoms.brain_image(like)).copy()
    hole = phantoms.ball(like, phantoms.CENTRE, 9)
    speck = phantoms.ball(like, phantoms.at(70, 85, 60), 9)
    voxels[hole], voxels[speck] = 0, 0.5
    mask = to_array(foreground(from_array(voxels, like))) > 0
    assert mask[hole].all()
    assert speck.any()
    assert not mask[speck].any()


def test_nan_background_counts_as_background(heads, tmp_path, here):
    path = altered(heads["LAS"]["image"], tmp_path, lambda voxels: np.where(voxels == 0, np.nan, voxels))
    mask, info, _ = brain(path)
    expected, *_ = brain(heads["LAS"]["image"])
    assert np.array_equal(to_array(read_image(mask)), to_array(read_image(expected)))
    assert "voxels are NaN or infinite and count as background" in info.flags[0]


def test_infinite_voxel_counts_as_background(heads, tmp_path):
    def spoil(voxels):
        voxels = voxels.copy()
        voxels[20, 20, 20] = np.inf
        return voxels

    image, notices = finite_image(altered(heads["RAS"]["image"], tmp_path, spoil))
    assert image[20, 20, 20] == 0
    assert len(notices) == 1


def test_given_mask_is_used_as_it_is(heads, here):
    mask, info, _ = brain(heads["RAS"]["image"], heads["RAS"]["brain"])
    assert info.method == "given"
    assert np.array_equal(to_array(read_image(mask)), to_array(read_image(heads["RAS"]["brain"])))


def test_given_mask_on_another_grid_is_placed_by_world_coordinates(heads, frame, here):
    mask, *_ = brain(heads[frame]["image"], heads["oblique"]["brain"])
    truth = to_array(read_image(heads[frame]["brain"])) > 0
    # nearest neighbour between grids of 3 to 5 mm
    assert phantoms.dice(to_array(read_image(mask)) > 0, truth) > 0.95


def test_given_mask_elsewhere_is_refused(heads, tmp_path, here):
    mask = phantoms.wider(read_image(heads["RAS"]["brain"]))
    mask.SetOrigin((900.0, 0.0, 0.0))
    path = write_image(mask, tmp_path / "far_mask.nii.gz")
    with pytest.raises(ImageError, match=r"far_mask\.nii\.gz: the brain mask does not overlap the image"):
        brain(heads["RAS"]["image"], path)


def test_given_mask_with_the_image_s_voxels_and_another_header_is_refused(heads, here):
    with pytest.raises(
        ImageError,
        match=r"LAS_brain\.nii\.gz has as many voxels as the image, but .* LAS, .* RAS, .*--trust-voxels",
    ):
        brain(heads["RAS"]["image"], heads["LAS"]["brain"])


@pytest.mark.parametrize("scale", [1 / 255, 255])
def test_given_mask_of_any_number_is_used_as_it_is(heads, tmp_path, here, scale):
    mask, *_ = brain(heads["RAS"]["image"], altered(heads["RAS"]["brain"], tmp_path, lambda v: scale * v))
    assert np.array_equal(to_array(read_image(mask)), to_array(read_image(heads["RAS"]["brain"])))


def test_what_is_odd_in_a_given_mask_is_flagged(heads, tmp_path, here):
    """Shades, as of probabilities, and a header whose forms differ."""
    inside = read_image(heads["RAS"]["brain"]) > 0
    shaded = sitk.SmoothingRecursiveGaussian(sitk.Cast(inside, sitk.sitkFloat32), 4.0)
    path = write_image(shaded, tmp_path / "soft_mask.nii.gz")
    image = nib.load(path)
    image.set_qform(image.affine + np.eye(4, k=3) * 9, 1)
    nib.save(image, path)
    _, info, _ = brain(heads["RAS"]["image"], path)
    forms, shades = info.flags
    assert forms.startswith("soft_mask.nii.gz: the header's sform and qform differ by up to 9.0 mm")
    assert shades.startswith("soft_mask.nii.gz: the mask has shades")


@pytest.fixture
def head(tmp_path):
    """A whole head of the frame RAS."""
    return write_image(phantoms.with_skull(phantoms.frame("RAS")), tmp_path / "head.nii.gz")


@pytest.fixture
def extraction(monkeypatch):
    """What the stage asks the extraction for; it finds the phantom's brain."""
    asked = []

    def extracted(image, extraction, scratch, name):
        asked.append((extraction.tool, name))
        return phantoms.brain_mask(image), ["it looks odd"]

    monkeypatch.setattr("gliomorph.interfaces.scan.brain.extracted", extracted)
    return asked


def test_given_mask_goes_before_extraction(head, heads, here, extraction):
    assert brain(head, heads["RAS"]["brain"])[1].method == "given"
    assert extraction == []


def test_head_without_a_mask_is_extracted_by_what_comes_with_gliomorph(head, heads, here, extraction):
    mask, info, _ = brain(head)
    assert extraction == [("auto", "head.nii.gz")]
    assert np.array_equal(to_array(read_image(mask)), to_array(read_image(heads["RAS"]["brain"])))
    assert info.method == "shipped" and info.made
    assert info.flags == ["it looks odd"]
    assert info.notices == [
        "the brain was extracted by the networks that come with gliomorph (brain.safetensors): look at its contour"
    ]
    facts = {"Method": "shipped", "Weights": "brain.safetensors", "WeightsSHA256": sha256_of(SHIPPED_BRAIN)}
    assert info.sidecar() == {"BrainExtraction": facts}


@pytest.mark.parametrize("tool", ["shipped", "synthstrip"])
def test_tool_that_is_named_makes_the_mask_whether_one_is_given_or_not(head, heads, here, extraction, tool):
    _, info, _ = brain(head, heads["RAS"]["brain"], extraction=Extraction(tool=tool))
    assert extraction == [(tool, "head.nii.gz")]
    assert info.method == tool
    assert (info.weights is None) == (tool != "shipped")


def test_stripped_image_is_left_as_it_is_whatever_tool_is_named(heads, here, extraction):
    asked = Extraction(tool="hd-bet")
    _, info, _ = brain(heads["RAS"]["image"], extraction=asked)
    assert info.method == "skull-stripped input"
    assert brain(heads["RAS"]["image"], heads["RAS"]["brain"], extraction=asked)[1].method == "given"
    assert extraction == []
    assert not info.made and info.sidecar() == {}


def test_zero_air_does_not_make_a_head_stripped():
    like = phantoms.grid((60, 70, 60))
    voxels = to_array(phantoms.with_skull(like))
    head = from_array(np.where(voxels < 0.01, 0, voxels), like)
    assert (to_array(head) == 0).mean() > 0.3
    assert not is_skull_stripped(head)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda voxels: np.full_like(voxels, np.nan), "every voxel is NaN or infinite"),
        (lambda voxels: np.full_like(voxels, 7), r"the image is constant \(7\)"),
        (lambda voxels: np.zeros_like(voxels), r"the image is constant \(0\)"),
        (lambda voxels: np.where(voxels == 0, np.nan, 3), None),
    ],
)
def test_image_without_content_is_refused(heads, tmp_path, here, change, said):
    path = altered(heads["RAS"]["image"], tmp_path, change)
    if said is None:  # one value inside, NaN outside: a brain all the same
        assert brain(path)[1].method == "skull-stripped input"
        return
    with pytest.raises(ImageError, match=rf"altered\.nii\.gz: {said}"):
        brain(path)


def test_truncated_image_is_refused(heads, tmp_path, here):
    path = tmp_path / "cut_T1w.nii.gz"
    path.write_bytes(heads["RAS"]["image"].read_bytes()[:30000])
    with pytest.raises(ImageError, match=r"cut_T1w\.nii\.gz: .*damaged"):
        brain(path)


def test_several_volumes_are_refused(tmp_path, here):
    path = tmp_path / "bold.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), np.float32), np.eye(4)), path)
    with pytest.raises(ImageError, match=r"bold\.nii\.gz: one 3-D volume is required"):
        brain(path)


def test_real_empty_file_is_refused(shared_data, here):
    path = shared_data / "bids-trees" / "genetics_ukbb" / "sub-01" / "anat" / "sub-01_acq-MPRAGE_T1w.nii.gz"
    with pytest.raises(ImageError, match=r"sub-01_acq-MPRAGE_T1w\.nii\.gz: "):
        brain(path)


@pytest.mark.parametrize(("spacing", "volume"), [(1.5, 65), (6.0, 4173)])
def test_volume_that_no_brain_has_is_refused(heads, tmp_path, here, spacing, volume):
    paths = {}
    for key in ("image", "brain"):
        image = read_image(heads["RAS"][key])
        image.SetSpacing([spacing] * 3)
        paths[key] = write_image(image, tmp_path / f"{key}.nii.gz")
    with pytest.raises(
        ImageError, match=rf"image\.nii\.gz: a brain of 300 to 2300 ml is required.* has {volume} ml"
    ):
        brain(paths["image"], paths["brain"])


def test_mask_survives_a_small_negative_background(heads, tmp_path, here):
    """Interpolated data have small negative values inside and exact zeros outside."""
    path = altered(heads["RAS"]["image"], tmp_path, lambda voxels: np.where(voxels > 0, voxels - 0.001, 0))
    assert brain(path)[1].volume_ml == pytest.approx(ML, rel=0.02)


def test_image_that_later_stages_read_has_a_positive_brain_and_no_spikes(heads, tmp_path, here):
    """Z-scores of the brain on 0, with a clip in it."""

    def standardised(voxels):
        inside = voxels > 0
        scores = np.where(inside, (voxels - voxels[inside].mean()) / voxels[inside].std(), 0)
        scores[20:22, 24:26, 20:22] = 1000
        return scores

    mask, info, picture = brain(altered(heads["RAS"]["image"], tmp_path, standardised))
    inside, voxels = to_array(read_image(mask)) > 0, to_array(read_image(picture))
    assert info.volume_ml == pytest.approx(ML, rel=0.02)
    assert voxels[inside].min() > 0
    assert not voxels[to_array(read_image(heads["RAS"]["image"])) == 0].any()
    assert voxels.max() == pytest.approx(3 * np.percentile(voxels[inside], 99), rel=1e-4)
    assert [("z-scores" in text, "cut at 3 times" in text) for text in info.flags] == [
        (True, False),
        (False, True),
    ]


def test_path_is_not_searched_for_stripped_images(heads, here, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    assert brain(heads["RAS"]["image"])[1].method == "skull-stripped input"
