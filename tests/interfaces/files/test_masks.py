"""A skull-stripped head is found and read whatever its intensities are."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, from_array, to_array, write_image
from gliomorph.interfaces.files.masks import SPIKE, finite_image, foreground, without_spikes

LIKE = phantoms.frame("RAS")
HEAD = to_array(phantoms.brain_image(LIKE))
BRAIN = HEAD > 0


def z_scores(voxels, inside):
    return (voxels - voxels[inside].mean()) / voxels[inside].std()


def spotted():
    """A bright clip in the brain, as bright as 1000 brains."""
    voxels = HEAD.copy()
    voxels[20:22, 24:26, 20:22] = 1000 * HEAD.max()
    return voxels


@pytest.fixture
def read(tmp_path):
    """Reads voxels from a file, as the stage of the brain does."""

    def finite(voxels):
        return finite_image(write_image(from_array(voxels.astype(np.float32), LIKE), tmp_path / "T1w.nii.gz"))

    return finite


STANDARDISED = {
    "z-scores of the brain on 0": (np.where(BRAIN, z_scores(HEAD, BRAIN), 0), "negative, as in z-scores"),
    "z-scores of the image": (z_scores(HEAD, HEAD > -1), "and not 0: it was set to 0"),
    "background -1": (np.where(BRAIN, 500 * HEAD, -1), "the background is -1 and not 0"),
    "offset of 1024": (1024 + 500 * HEAD, "the background is 1024 and not 0"),
    "from -1 to 1 on -1": (np.where(BRAIN, 2 * HEAD / HEAD.max() - 1, -1), "the background is -1 and not 0"),
}


def test_inverted_image_is_no_z_score(read):
    with pytest.raises(
        ImageError, match=r"T1w\.nii\.gz: \d+% of the brain is darker than the background.*inverted"
    ):
        read(-500 * HEAD)


@pytest.mark.parametrize(("voxels", "said"), STANDARDISED.values(), ids=STANDARDISED.keys())
def test_brain_is_what_differs_from_a_background_of_one_value(read, voxels, said):
    image, flags = read(voxels)
    expected = to_array(foreground(phantoms.brain_image(LIKE))) > 0
    mask = foreground(image)
    assert np.array_equal(to_array(mask) > 0, expected)
    (flag,) = flags
    assert said in flag
    found, further = without_spikes(image, mask, "x")
    assert further == []
    # positive, for N4 takes logarithms; 0 around; the same contrasts but for the darkest thousandth
    inside = to_array(found)[expected]
    assert inside.min() > 0 and not to_array(found)[~BRAIN].any()
    assert np.corrcoef(inside, HEAD[expected])[0, 1] > 0.9999


@pytest.mark.parametrize(
    "voxels",
    [HEAD, np.where(BRAIN, HEAD - 0.05, 0), np.where(BRAIN, HEAD - np.percentile(HEAD[BRAIN], 5), 0)],
    ids=["zeros", "zeros around a smaller range", "some negative values, as interpolation leaves them"],
)
def test_ordinary_head_is_left_as_it_is(read, voxels):
    image, flags = read(voxels)
    found, further = without_spikes(image, from_array(BRAIN.astype(np.uint8), LIKE), "x")
    assert np.array_equal(to_array(found), voxels.astype(np.float32))
    assert flags + further == []


def test_noise_around_a_head_is_no_background_of_one_value(read):
    noise = np.random.default_rng(0).normal(0, 1, HEAD.shape)
    image, flags = read(np.where(BRAIN, HEAD, noise))
    assert np.array_equal(to_array(image)[~BRAIN], noise[~BRAIN].astype(np.float32)) and flags == []


def test_brain_of_a_given_mask_is_raised_above_0():
    noise = np.random.default_rng(0).normal(-5, 0.1, HEAD.shape)
    image = from_array(np.where(BRAIN, z_scores(HEAD, BRAIN), noise).astype(np.float32), LIKE)
    found, flags = without_spikes(image, from_array(BRAIN.astype(np.uint8), LIKE), "x")
    assert to_array(found)[BRAIN].min() > 0 and not to_array(found)[~BRAIN].any()
    assert "negative, as in z-scores" in flags[0]


def test_artefact_of_several_hundredths_of_the_brain_is_cut_and_said(read):
    """It decides the 99th percentile itself."""
    voxels = HEAD.copy()
    voxels[18:24, 22:28, 18:24] = 1000 * HEAD.max()
    assert (voxels[BRAIN] > HEAD.max()).mean() > 0.01
    found, (flag,) = without_spikes(read(voxels)[0], from_array(BRAIN.astype(np.uint8), LIKE), "x")
    assert "times as bright as its bright parts" in flag
    assert to_array(found).max() < 10 * np.median(HEAD[BRAIN])
    assert np.array_equal(to_array(found)[voxels == HEAD], HEAD[voxels == HEAD].astype(np.float32))


def test_spike_is_cut_and_said_and_all_else_stays(read):
    image, _ = read(spotted())
    mask = foreground(image)
    assert np.array_equal(to_array(mask), to_array(foreground(phantoms.brain_image(LIKE))))
    found, flags = without_spikes(image, mask, "x")
    limit = SPIKE * np.percentile(spotted()[to_array(mask) > 0], 99)
    assert np.array_equal(to_array(found), np.minimum(spotted(), limit).astype(np.float32))
    assert flags[0].startswith("8 voxels of the brain are up to ") and "cut at 3 times" in flags[0]
    assert found.GetPixelID() == sitk.sitkFloat32
