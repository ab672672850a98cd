"""N4 takes out a smooth multiplicative field and nothing else."""

import numpy as np
import phantoms
import pytest

from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.scan.n4 import n4

COARSE = phantoms.grid((22, 26, 22), (7.5, 7.5, 7.5))
"""N4 takes seconds at 4 mm."""


def true_bias(like):
    """0.78 to 1.28 inside the brain."""
    x, y, z = phantoms.positions(like) - phantoms.CENTRE[:, None, None, None]
    return np.exp(0.17 * np.sin(x / 60) + 0.15 * y / 80 - 0.1 * z / 60)


def tissues(like):
    """Three intensities in shells."""
    radius = phantoms.radius_at(phantoms.positions(like))
    return np.select([radius < 0.55, radius < 0.85, radius < 1], [300.0, 200.0, 100.0], 0)


def write(folder, like, voxels):
    return (
        write_image(from_array(voxels.astype(np.float32), like), folder / "T1w.nii.gz"),
        write_image(phantoms.brain_mask(like), folder / "brain.nii.gz"),
    )


def spread(voxels, truth):
    """Coefficient of variation within the tissues, averaged."""
    return np.mean(
        [voxels[truth == level].std() / voxels[truth == level].mean() for level in (100, 200, 300)]
    )


@pytest.mark.parametrize(
    "like",
    [COARSE, phantoms.grid((66, 26, 24), (2.4, 7.0, 6.0), phantoms.turned())],
    ids=["isotropic", "oblique, shrunk along one axis"],
)
def test_field_is_taken_out(tmp_path, here, like):
    truth = tissues(like)
    path, mask = write(tmp_path, like, truth * true_bias(like))
    corrected, info = n4(path, mask)
    voxels = to_array(read_image(corrected))
    assert corrected.parent == here
    assert phantoms.same_grid(read_image(corrected), read_image(path))
    # an estimate: nine tenths of the variation within tissues has to go
    assert spread(voxels, truth) < 0.1 * spread(to_array(read_image(path)), truth)
    inside = true_bias(like)[truth > 0]
    assert info.bias_max / info.bias_min == pytest.approx(inside.max() / inside.min(), rel=0.1)


def test_scale_of_the_scanner_does_not_matter_and_bytes_are_the_same_again(tmp_path, here):
    path, mask = write(tmp_path, COARSE, tissues(COARSE) * true_bias(COARSE))
    loud = write_image(read_image(path) * 1024.0, tmp_path / "loud.nii.gz")
    content = n4(path, mask)[0].read_bytes()
    first = to_array(read_image(here / "n4.nii.gz"))
    # a power of two changes no mantissa; what is left is the logarithm in single precision, through a fit
    np.testing.assert_allclose(to_array(read_image(n4(loud, mask)[0])), 1024 * first, rtol=1e-2)
    assert n4(path, mask)[0].read_bytes() == content


def test_outside_of_the_brain_is_zero_and_nothing_is_negative(tmp_path, here):
    voxels = tissues(COARSE)
    outside = voxels == 0
    voxels[outside] = 5.0
    voxels[11, 13, 11] = -2.0  # ringing of an interpolation
    voxels[12, 13, 11] = np.nan
    corrected = to_array(read_image(n4(*write(tmp_path, COARSE, voxels))[0]))
    assert corrected.min() == 0
    assert not corrected[outside].any()
    assert np.isfinite(corrected).all()


def test_anatomy_is_not_taken_for_bias(tmp_path, here):
    template = load_template("MNI152", 2)
    like = template.brain_mask
    inside = to_array(like) > 0
    signal = {"CSF": 300, "GM": 680, "WM": 1000}
    anatomy = sum(signal[name] * to_array(share) for name, share in template.tissues.items())
    inside &= anatomy > 0
    x, y, z = phantoms.positions(like) / 45
    bias = np.exp(0.06 * (np.sin(x) + np.sin(y + 1) + np.sin(z + 2)))
    image = write_image(from_array((anatomy * bias).astype(np.float32), like), tmp_path / "T1w.nii.gz")
    mask = write_image(like, tmp_path / "brain.nii.gz")
    left = to_array(read_image(n4(image, mask)[0]))[inside] / anatomy[inside]
    assert np.log(left).std() < 0.6 * np.log(bias[inside]).std()  # 0.49; 0.72 with a fourth level
