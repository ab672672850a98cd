"""What is written in template space, and the transforms written beside it, say the same."""

import ants
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import (
    apply_to_points,
    compose,
    displacement_from_itk,
    jacobian_determinant,
    read_transform,
    write_transform,
)
from gliomorph.interfaces.records import as_dict
from gliomorph.interfaces.registration.ants import to_ants
from gliomorph.interfaces.scan.records import Registered
from gliomorph.interfaces.scan.warp import warp
from gliomorph.models.regions import CAVITY, NESTED

POINTS = phantoms.CENTRE + 30 * np.array([[0, 0, 0], [1, 0.5, 0.2], [-0.4, 1, -0.6], [0.1, -1, 0.7]])


@pytest.fixture(scope="module")
def transforms(tmp_path_factory):
    """A known affine, and a smooth deformation with its inverse on the template's grid."""
    folder = tmp_path_factory.mktemp("transforms")
    field = phantoms.smooth_displacement(phantoms.frame("LPS"))
    inverse = sitk.InvertDisplacementField(field, 50, maxErrorToleranceThreshold=1e-3)
    (folder / "used.json").write_text("{}")
    return {
        "affine": write_transform(phantoms.some_affine(), folder / "affine.h5"),
        "forward": write_transform(sitk.DisplacementFieldTransform(field), folder / "forward.h5"),
        "inverse": write_transform(sitk.DisplacementFieldTransform(inverse), folder / "inverse.h5"),
        "used": folder / "used.json",
    }


def warped_head(head, transforms, heads, appearance=None, probabilities=()):
    files = warp(
        image=head["image"],
        matched=head["image"],
        labels=head["labels"],
        probabilities=list(probabilities),
        affine=transforms["affine"],
        registered=Registered(
            **{name: path for name, path in transforms.items() if name != "affine"}, appearance=appearance
        ),
        template=heads["LPS"]["image"],
    )
    return as_dict(files)


def test_same_content_in_any_frame_gives_the_same_result(heads, frame, transforms, here):
    files = warped_head(heads[frame], transforms, heads)
    warped, dseg = read_image(files["warped"]), read_image(files["dseg"], sitk.sitkUInt8)
    truth = compose(phantoms.some_affine(), read_transform(transforms["forward"]))
    places = phantoms.mapped(truth, phantoms.positions(warped))
    inner = phantoms.radius_at(places) < 0.9
    assert phantoms.same_grid(warped, read_image(heads["LPS"]["image"]))
    # linear interpolation at 3 to 5 mm of waves of 90 mm and a dip of 16 mm
    assert np.abs(to_array(warped) - phantoms.tissue_at(places))[inner].max() < 0.02
    expected = phantoms.labels_at(places)
    # a sphere of 24 mm: half a voxel of error all over its surface would give 0.87
    assert phantoms.dice(to_array(dseg) > 0, expected > 0) > 0.94
    assert (to_array(dseg) > 0).sum() == pytest.approx((expected > 0).sum(), rel=0.05)
    assert np.array_equal(to_array(read_image(files["mask"])), to_array(dseg) > 0)


def test_resection_cavity_is_in_the_warped_labels_and_not_in_the_tumour(heads, transforms, tmp_path, here):
    """The rim that enhances elsewhere is a cavity here: the other labels stay where they are."""
    head = heads["LAS"]
    given = read_image(head["labels"], sitk.sitkUInt8)
    voxels = to_array(given)
    treated = write_image(
        from_array(np.where(voxels == 4, CAVITY, voxels).astype("uint8"), given), tmp_path / "l.nii.gz"
    )
    untouched = to_array(read_image(warped_head(head, transforms, heads)["dseg"]))
    files = warped_head(head | {"labels": treated}, transforms, heads)
    dseg = to_array(read_image(files["dseg"]))
    assert ((dseg > 0) == (untouched > 0)).all()
    # between three tissues a voxel may belong to another one than between two of them
    assert phantoms.dice(dseg == CAVITY, untouched == 4) > 0.85
    assert np.array_equal(to_array(read_image(files["mask"])) > 0, (dseg > 0) & (dseg != CAVITY))


def test_transform_files_give_the_written_images(heads, frame, transforms, here):
    head = heads[frame]
    files = warped_head(head, transforms, heads)
    grid, native, written = (
        read_image(heads["LPS"]["image"]),
        read_image(head["image"]),
        read_image(files["warped"]),
    )
    by_itk = sitk.Resample(native, grid, read_transform(files["forward_xfm"]), sitk.sitkLinear)
    by_ants = ants.apply_transforms(to_ants(grid), to_ants(native), [str(files["forward_xfm"])]).numpy()
    # 0.0005 mm of rounding at an edge of 0.9 within one voxel of 3 mm
    assert np.abs(to_array(by_itk) - to_array(written)).max() < 5e-4
    # ANTs ends the field of view half a voxel later: compared where the head is
    inside = (
        phantoms.radius_at(phantoms.mapped(read_transform(files["forward_xfm"]), phantoms.positions(grid)))
        < 1.2
    )
    assert np.abs(by_ants - to_array(written))[inside].max() < 5e-4


def test_inverse_undoes_forward(heads, transforms, here):
    files = warped_head(heads["oblique"], transforms, heads)
    round_trip = compose(read_transform(files["inverse_xfm"]), read_transform(files["forward_xfm"]))
    # the field was inverted to 0.001 of a voxel at voxels; between them, by interpolation at 4 mm
    assert np.linalg.norm(apply_to_points(round_trip, POINTS) - POINTS, axis=1).max() < 0.1


def test_template_mask_goes_back_to_its_native_place(heads, frame, transforms, here):
    files = warped_head(heads[frame], transforms, heads)
    native = read_image(heads[frame]["labels"], sitk.sitkUInt8)
    back = sitk.Resample(
        sitk.Cast(read_image(files["mask"]) > 0, sitk.sitkFloat32),
        native,
        read_transform(files["inverse_xfm"]),
        sitk.sitkLinear,
    )
    # interpolated twice, between voxels of 3 to 5 mm
    assert phantoms.dice(to_array(back) >= 0.5, to_array(native) > 0) > 0.92


def test_identity_changes_nothing(heads, identity_xfm, tmp_path, here):
    (tmp_path / "used.json").write_text("{}")
    still = {
        "affine": identity_xfm,
        "forward": identity_xfm,
        "inverse": identity_xfm,
        "used": tmp_path / "used.json",
    }
    head = heads["LPS"]
    files = warped_head(head, still, heads)
    # positions go through the header's single-precision origin and back
    np.testing.assert_allclose(
        to_array(read_image(files["warped"])), to_array(read_image(head["image"])), atol=1e-5
    )
    assert np.array_equal(to_array(read_image(files["dseg"])), to_array(read_image(head["labels"])))
    assert np.all(to_array(read_image(files["jacobian"])) == 1)
    assert np.all(to_array(read_image(files["coverage"])) == 1)
    assert not to_array(sitk.ReadImage(str(files["displacement"]))).any()
    assert "healthy" not in files


def test_displacement_is_forward_minus_identity(heads, transforms, here):
    files = warped_head(heads["RAS"], transforms, heads)
    field = to_array(sitk.ReadImage(str(files["displacement"])))
    expected = to_array(phantoms.smooth_displacement(phantoms.frame("LPS")))
    # 0.0005 mm of rounding
    np.testing.assert_allclose(field, expected, atol=5e-4)


def test_coverage_ends_with_the_native_field_of_view(heads, transforms, tmp_path, here):
    head = heads["LPS"]
    half = {}
    for key in ("image", "labels"):
        half[key] = write_image(read_image(head[key])[:, :24, :], tmp_path / f"{key}.nii.gz")
    files = warped_head(half, transforms, heads)
    covered = to_array(read_image(files["coverage"])) > 0
    places = phantoms.mapped(
        read_transform(files["forward_xfm"]), phantoms.positions(read_image(head["image"]))
    )
    cut = read_image(half["image"])
    index = np.linalg.inv(np.array(cut.GetDirection()).reshape(3, 3) * cut.GetSpacing()) @ (
        places.reshape(3, -1) - np.array(cut.GetOrigin())[:, None]
    )
    expected = ((index > -0.5) & (index < np.array(cut.GetSize())[:, None] - 0.5)).all(axis=0)
    # rounding decides for points on the border
    assert (covered == expected.reshape(covered.shape)).mean() > 0.999
    assert 0.2 < covered.mean() < 0.8


def test_probabilities_are_warped_as_the_image_is(heads, transforms, here):
    image = heads["anisotropic"]["image"]
    given = [image] * len(NESTED)
    files = warped_head(heads["anisotropic"], transforms, heads, probabilities=given)
    expected = to_array(read_image(files["warped"]))
    for region in NESTED:
        assert np.array_equal(to_array(read_image(files[f"probability_{region}"])), expected)
    assert not any(name.startswith("probability_") for name in warped_head(heads["LPS"], transforms, heads))


def test_appearance_is_added_after_the_warp(heads, transforms, tmp_path, here):
    crop = phantoms.grid((32, 32, 32))
    residual = (0.2 * phantoms.ball(crop, phantoms.TUMOR_AT, 15) - 0.05).astype(np.float32)
    path = write_image(from_array(residual, crop), tmp_path / "appearance.nii.gz")
    files = warped_head(heads["RAS"], transforms, heads, path)
    embedded = to_array(read_image(files["residual"]))
    assert np.array_equal(embedded[4:36, 8:40, 4:36], residual)
    assert np.count_nonzero(embedded) == residual.size
    expected = np.clip(to_array(read_image(files["warped"])) + embedded, 0, 1)
    np.testing.assert_allclose(to_array(read_image(files["healthy"])), expected, atol=1e-6)


def affine_field(like, matrix):
    """Displacement (LPS, mm) of the linear map about the centre."""
    points = phantoms.positions(like) - phantoms.CENTRE[:, None, None, None]
    return from_array(np.einsum("ij,jxyz->ixyz", matrix - np.eye(3), points), like)


def test_linear_map_has_its_determinant_in_every_frame(frame):
    matrix = np.array([[1.2, 0.1, -0.2], [0.05, 0.8, 0.1], [0.0, -0.15, 1.1]])
    determinant = to_array(jacobian_determinant(affine_field(phantoms.frame(frame), matrix)))
    # central differences are exact for linear maps; computed in single precision
    np.testing.assert_allclose(determinant, np.linalg.det(matrix), rtol=1e-4)


def test_no_displacement_has_determinant_exactly_one(frame):
    like = phantoms.frame(frame)
    determinant = to_array(jacobian_determinant(from_array(np.zeros((3, *like.GetSize())), like)))
    assert np.all(determinant == 1)


def test_mirror_folds_everywhere(frame):
    determinant = jacobian_determinant(affine_field(phantoms.frame(frame), np.diag([-1.0, 1.0, 1.0])))
    assert (to_array(determinant) < 0).all()
    assert phantoms.same_grid(determinant, phantoms.frame(frame))


def test_determinant_is_that_of_the_displacement_in_voxels(frame):
    """A slow judge: the 3×3 matrix of central differences, voxel by voxel."""
    field = phantoms.smooth_displacement(phantoms.frame(frame), 12.0)
    u = displacement_from_itk(field)
    determinant = to_array(jacobian_determinant(field))
    for x, y, z in [(12, 20, 15), (20, 24, 20), (25, 18, 22)]:
        columns = [
            (u[:, x + 1, y, z] - u[:, x - 1, y, z]) / 2,
            (u[:, x, y + 1, z] - u[:, x, y - 1, z]) / 2,
            (u[:, x, y, z + 1] - u[:, x, y, z - 1]) / 2,
        ]
        expected = np.linalg.det(np.eye(3) + np.stack(columns, axis=1))
        assert determinant[x, y, z] == pytest.approx(expected, abs=1e-5)  # single precision
