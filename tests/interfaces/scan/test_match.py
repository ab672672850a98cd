"""Histogram matching: a monotone map to the template's intensities, the tumour left out."""

import numpy as np
import phantoms
import pytest

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.scan.match import match


@pytest.fixture
def fixed(heads):
    return heads["LPS"]["image"], heads["LPS"]["brain"]


@pytest.fixture
def altered(heads, tmp_path):
    """Writes the LAS head with other intensities."""

    def write(change, name="other.nii.gz"):
        image = read_image(heads["LAS"]["image"])
        return write_image(from_array(change(to_array(image)).astype(np.float32), image), tmp_path / name)

    return write


def test_template_matched_to_itself_is_unchanged(heads, fixed, here):
    matched, info = match(*fixed, None, *fixed)
    np.testing.assert_allclose(to_array(read_image(matched)), to_array(read_image(fixed[0])), atol=1e-6)
    assert info.source == info.target
    assert matched.parent == here


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        (lambda voxels: 800 * voxels, 1e-5),  # the map is piecewise linear: exact
        (lambda voxels: 3 * voxels + 0.4 * (voxels > 0), 1e-5),
        (lambda voxels: voxels**2, 5e-3),  # bent between 65 quantiles
        (lambda voxels: np.sqrt(voxels), 5e-3),
    ],
    ids=["gain", "offset", "square", "root"],
)
def test_monotone_change_of_intensity_is_undone(heads, fixed, altered, here, change, tolerance):
    matched, _ = match(altered(change), heads["LAS"]["brain"], None, *fixed)
    expected = to_array(read_image(heads["LAS"]["image"]))
    np.testing.assert_allclose(to_array(read_image(matched)), expected, atol=tolerance)
    assert phantoms.same_grid(read_image(matched), read_image(heads["LAS"]["image"]))


def test_every_frame_has_the_templates_distribution(heads, frame, fixed, here):
    matched, _ = match(heads[frame]["image"], heads[frame]["brain"], None, *fixed)
    voxels = to_array(read_image(matched))[to_array(read_image(heads[frame]["brain"])) > 0]
    target = to_array(read_image(fixed[0]))[to_array(read_image(fixed[1])) > 0]
    levels = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(np.quantile(voxels, levels), np.quantile(target, levels), atol=2e-3)


def test_tumor_does_not_change_the_map(heads, fixed, altered, here):
    ill = to_array(read_image(heads["LAS"]["labels"])) > 0
    head = heads["LAS"]
    bright = altered(lambda voxels: np.where(ill, 3.0, voxels))
    _, healthy = match(head["image"], head["brain"], head["labels"], *fixed)
    matched, with_tumor = match(bright, head["brain"], head["labels"], *fixed)
    assert with_tumor == healthy
    _, fooled = match(bright, head["brain"], None, *fixed)
    assert fooled.source != healthy.source
    # the tumour goes through the same map, whose ends are held
    assert np.all(to_array(read_image(matched))[ill] == np.float32(healthy.target[-1]))


def test_order_of_intensities_is_kept_and_outside_is_zero(heads, fixed, altered, here):
    path = altered(lambda voxels: np.where(voxels > 0, 5 + np.sin(voxels), 1.0))
    matched, _ = match(path, heads["LAS"]["brain"], None, *fixed)
    before, after = to_array(read_image(path)), to_array(read_image(matched))
    inside = to_array(read_image(heads["LAS"]["brain"])) > 0
    assert (np.diff(after[inside][np.argsort(before[inside])]) >= 0).all()
    assert not after[~inside].any()
    assert 0 <= after.min() <= after.max() <= 1


def test_too_little_brain_is_refused(heads, fixed, tmp_path, here):
    like = phantoms.frame("LAS")
    speck = write_image(
        from_array(phantoms.ball(like, phantoms.CENTRE, 20).astype(np.uint8), like), tmp_path / "b.nii.gz"
    )
    with pytest.raises(ImageError, match=r"LAS_T1w\.nii\.gz: only \d+ brain voxels outside the tumour"):
        match(heads["LAS"]["image"], speck, None, *fixed)


def test_inverted_image_is_matched_from_bright_to_dark(altered, heads, fixed, here):
    inverted = altered(lambda voxels: np.where(voxels > 0, 1000 - 700 * voxels, 0))
    matched, _ = match(inverted, heads["LAS"]["brain"], None, *fixed, reverse=True)
    # the head itself again, on its own grid
    head = to_array(read_image(heads["LAS"]["image"]))
    np.testing.assert_allclose(to_array(read_image(matched)), head, atol=1e-4)
