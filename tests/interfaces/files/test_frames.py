"""The frame of a file is NIfTI's own, or the file is refused: over orientations, codes, forms and voxel sizes."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from gliomorph.interfaces.files import frames
from gliomorph.interfaces.files.frames import FrameError, affine_of, described, frame_of
from gliomorph.interfaces.files.images import ImageError, image_and_notices, read_grid, read_image

SHAPE = (5, 6, 7)
CODES = (0, 1, 2, 4)
EDGES = ((1.0, 1.0, 1.0), (0.9375, 0.9375, 5.0), (2.0, 0.5, 1.2), (0.488281, 6.5, 0.488281))
ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]
FORMS = ("agreeing", "differing", "sheared", "rounded")


def turned(degrees: float, axis: int) -> np.ndarray:
    angle = np.deg2rad(degrees)
    i, j = (k for k in range(3) if k != axis)
    matrix = np.eye(4)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def affine_for(order, signs, edges, oblique: float) -> np.ndarray:
    """Voxels of an orientation, turned a little where ``oblique`` (degrees) is not 0, about some place."""
    affine = np.zeros((4, 4))
    for axis, (row, sign, edge) in enumerate(zip(order, signs, edges, strict=True)):
        affine[row, axis] = sign * edge
    affine[:, 3] = [-31.5, 12.25, 40.0, 1.0]
    return turned(oblique, 2) @ turned(oblique / 2, 0) @ affine


def header_of(affine: np.ndarray, qcode: int, scode: int, forms: str, edition: type = nib.Nifti1Header):
    """A header with both forms as ``forms`` says, its codes set afterwards: what is of no account stays in it."""
    header = edition()
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.float32)
    qform, sform = affine, affine.copy()
    if forms == "differing":
        qform = turned(3, 1) @ affine
        qform[:3, 3] += 8
    if forms == "sheared":
        sform[:3, :3] = sform[:3, :3] @ np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1]])
    if forms == "rounded":
        sform = np.round(sform, 4)
    header.set_qform(qform, 1)
    header.set_sform(sform, 1)
    header["qform_code"], header["sform_code"] = qcode, scode
    header.set_xyzt_units("mm")
    return header


@pytest.mark.parametrize("forms", FORMS)
def test_frame_is_nibabels_affine_or_the_file_is_refused(forms):
    refused = 0
    cases = list(itertools.product(ORIENTATIONS, CODES, CODES, (0.0, 17.0)))[::2]
    for number, ((order, signs), qcode, scode, oblique) in enumerate(cases):
        header = header_of(affine_for(order, signs, EDGES[number % 4], oblique), qcode, scode, forms)
        try:
            found = frame_of(header).affine
        except FrameError as error:
            refused += 1
            reason = "sheared" if scode else "qform_code and sform_code are both 0"
            assert reason in str(error)
            assert forms == "sheared" if scode else not qcode
        else:
            assert np.allclose(found, header.get_best_affine(), atol=1e-4), (order, signs, qcode, scode)
            assert qcode or scode
    without_codes = len(cases) // 16
    with_sform = len(cases) * 3 // 4
    assert refused == without_codes + (with_sform if forms == "sheared" else 0)


def write(path: Path, header, dtype=np.float32) -> Path:
    """A file of such a header, as nibabel would not write it."""
    header = header.copy()
    header.set_data_dtype(dtype)
    single = 544 if header["sizeof_hdr"] == 540 else 352
    header["vox_offset"] = single
    voxels = np.arange(np.prod(SHAPE)).astype(dtype).tobytes()
    path.write_bytes(header.binaryblock + bytes(single - len(header.binaryblock)) + voxels)
    return path


@settings(max_examples=80, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    codes=st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)),
    forms=st.sampled_from(FORMS),
    edges=st.tuples(*[st.floats(0.3, 7)] * 3),
    oblique=st.sampled_from([0.0, 0.7, 17.0, 45.0]),
    edition=st.sampled_from([nib.Nifti1Header, nib.Nifti2Header]),
)
def test_images_masks_and_grids_go_through_one_reader(
    tmp_path_factory, orientation, codes, forms, edges, oblique, edition
):
    header = header_of(affine_for(*orientation, edges, oblique), *codes, forms, edition)
    path = write(tmp_path_factory.getbasetemp() / "any.nii", header)
    try:
        image, mask, grid = read_image(path), read_image(path, sitk.sitkUInt8), read_grid(path)
    except ImageError:
        with pytest.raises(ImageError, match=r"any\.nii: the header"):
            read_grid(path)
        return
    expected = nib.load(path).affine
    for one in (image, mask, grid):
        assert one.GetSize() == SHAPE
        assert np.allclose(affine_of(one), expected, atol=1e-4)
        corner = one.TransformIndexToPhysicalPoint([4, 5, 6])
        assert np.allclose(np.array([-1, -1, 1]) * corner, (expected @ [4, 5, 6, 1])[:3], atol=1e-3)


def plain(**fields):
    header = header_of(affine_for((0, 1, 2), (1, 1, 1), EDGES[0], 0), 1, 1, "agreeing")
    for name, value in fields.items():
        header[name] = value
    return header


def test_forms_that_differ_are_said_and_the_sform_counts(tmp_path):
    header = header_of(affine_for((0, 1, 2), (1, 1, 1), EDGES[0], 0), 1, 2, "differing")
    image, notices = image_and_notices(write(tmp_path / "x.nii", header))
    assert np.allclose(affine_of(image), header.get_sform())
    assert len(notices) == 1
    assert "sform and qform differ by up to" in notices[0]


@pytest.mark.parametrize("oblique", [0.0, 5.9, 17.0])
def test_voxel_sizes_are_those_of_the_header_to_the_last_digit(tmp_path, oblique):
    """Columns of an oblique sform in single precision have lengths such as 1.5999999."""
    header = header_of(affine_for((0, 1, 2), (1, 1, 1), (1.6, 1.6, 0.4), oblique), 1, 1, "agreeing")
    image = read_image(write(tmp_path / "x.nii", header))
    assert image.GetSpacing() == tuple(header["pixdim"][1:4].astype(float))


def test_header_in_order_says_nothing(tmp_path):
    assert image_and_notices(write(tmp_path / "x.nii", plain()))[1] == []


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_sign_of_a_voxel_size_has_no_meaning(tmp_path, axis):
    header = plain()
    header["pixdim"][axis] *= -1
    image, notices = image_and_notices(write(tmp_path / "x.nii", header))
    assert np.allclose(affine_of(image), plain().get_sform())
    assert "negative voxel size" in notices[0]


@pytest.mark.parametrize("code", [0, 1])
def test_voxel_sizes_beside_the_sform_are_said(tmp_path, code):
    header = plain(sform_code=1, qform_code=code)
    header["pixdim"][1:4] = 1.5
    image, notices = image_and_notices(write(tmp_path / "x.nii", header))
    assert np.allclose(image.GetSpacing(), 1)
    assert (
        "pixdim has voxels of 1.5 × 1.5 × 1.5 mm, its sform of 1 × 1 × 1 mm: the sform counts" in notices[-1]
    )


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_units_that_cannot_be_meant_are_read_as_millimetres(tmp_path, unit):
    header = plain()
    header.set_xyzt_units(unit)
    image, notices = image_and_notices(write(tmp_path / "x.nii", header))
    assert np.allclose(affine_of(image), plain().get_sform())
    assert "are millimetres" in notices[0]


@pytest.mark.parametrize(
    ("unit", "edge", "word"), [("meter", 1e-3, "metres"), ("micron", 1e3, "micrometres")]
)
def test_units_that_are_meant_are_refused(tmp_path, unit, edge, word):
    header = header_of(np.diag([edge, edge, edge, 1]), 1, 1, "agreeing")
    header.set_xyzt_units(unit)
    with pytest.raises(
        ImageError, match=rf"x\.nii: the header has voxels of .* {word}, .* write the header in"
    ):
        read_image(write(tmp_path / "x.nii", header))


@pytest.mark.parametrize("length", [1.0000002, 1.00002])
def test_quaternion_longer_than_one_by_rounding_is_read(tmp_path, length):
    header = plain(sform_code=0, quatern_b=length)
    found = affine_of(read_image(write(tmp_path / "x.nii", header)))
    assert np.allclose(found[:3, :3], np.diag([1, -1, -1]), atol=1e-3)


def test_quaternion_that_is_none_is_refused_unless_the_sform_counts(tmp_path):
    broken = {"quatern_b": 0.9, "quatern_c": 0.9}
    with pytest.raises(ImageError, match=r"x\.nii: the header's frame is none"):
        read_image(write(tmp_path / "x.nii", plain(sform_code=0, **broken)))
    assert np.allclose(affine_of(read_image(write(tmp_path / "x.nii", plain(**broken)))), plain().get_sform())


@pytest.mark.parametrize("row", [np.zeros(4), np.full(4, np.nan)])
def test_axes_that_span_no_space_are_refused(tmp_path, row):
    with pytest.raises(ImageError, match=r"x\.nii: the header's (axes span no space|frame is none)"):
        read_image(write(tmp_path / "x.nii", plain(srow_y=row)))


def test_left_and_right_are_not_guessed(tmp_path):
    path = write(tmp_path / "x.nii", plain(sform_code=0, qform_code=0))
    with pytest.raises(ImageError, match=r"x\.nii: .*does not say which side is left.*--orientation"):
        read_image(path)


@pytest.mark.parametrize("letters", ["RAS", "LPS", "ial", "PIR"])
def test_orientation_that_is_asked_for_is_the_voxels(tmp_path, letters):
    path = write(tmp_path / "x.nii", plain(sform_code=0, qform_code=0))
    image, notices = image_and_notices(path, orientation=letters)
    affine = affine_of(image)
    assert "".join(nib.aff2axcodes(affine)) == letters.upper()
    assert np.allclose((affine @ [2, 2.5, 3, 1])[:3], 0)
    assert f"{letters.upper()} is trusted" in notices[0]
    known = write(tmp_path / "known.nii", plain())
    assert np.allclose(affine_of(read_image(known, orientation=letters)), plain().get_sform())


def test_frames_are_described_in_words():
    assert (
        described(np.diag([-1.0, 1, 2, 1])) == "LAS, voxels of 1 × 1 × 2 mm, first voxel at (0.0, 0.0, 0.0)"
    )


def test_frame_of_another_image_is_trusted_where_the_voxels_agree(tmp_path):
    like = read_image(write(tmp_path / "like.nii", plain()))
    other = write(tmp_path / "x.nii", plain(sform_code=0, qform_code=0))
    image, notices = image_and_notices(other, like=like)
    assert np.allclose(affine_of(image), plain().get_sform())
    assert "was not trusted (--trust-voxels)" in notices[0]
    assert image_and_notices(tmp_path / "like.nii", like=like)[1] == []
    with pytest.raises(ImageError, match="which side is left"):
        read_image(other, like=like[1:])


def test_grid_is_that_of_the_image_without_its_voxels(tmp_path):
    path = write(tmp_path / "x.nii", plain())
    path.write_bytes(path.read_bytes()[:360])
    assert frames.affine_of(read_grid(path)).tolist() == plain().get_sform().tolist()
