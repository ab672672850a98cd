"""One scan for the atlas: the deformation's det J without the affine part, what is averaged where, its row."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, to_array, write_image
from gliomorph.interfaces.files.transforms import compose, jacobian_determinant, write_transform
from gliomorph.interfaces.group.atlas.scan import Frame, log_determinant, ras_affine, read_scan
from gliomorph.interfaces.group.records import GroupScan
from gliomorph.models.atlas import LIMIT, Grid
from gliomorph.models.regions import CAVITY

GRID = phantoms.grid((20, 18, 16), (2.0, 2.0, 2.5), np.diag([-1, -1, 1]))


def warp():
    return sitk.DisplacementFieldTransform(phantoms.smooth_displacement(GRID, 4.0))


def affine():
    linear = sitk.AffineTransform(3)
    linear.SetMatrix([1.1, 0.1, 0.0, 0.0, 0.9, 0.0, 0.05, 0.0, 1.2])
    linear.SetTranslation([3.0, -2.0, 1.0])
    return linear


def test_log_of_det_j_is_that_of_the_deformable_part():
    inside = phantoms.ball(GRID, phantoms.CENTRE, 9)
    expected = np.log(to_array(jacobian_determinant(phantoms.smooth_displacement(GRID, 4.0))))
    found, known = log_determinant(compose(affine(), warp()), inside, GRID)
    assert (known == inside).all() and np.abs(expected[inside]).max() > 0.02
    # the affine part is stored in double precision, the determinant is single
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_affine_map_has_no_deformation_to_tell_of():
    inside = phantoms.ball(GRID, phantoms.CENTRE, 9)
    assert log_determinant(compose(affine()), inside, GRID) is None
    assert log_determinant(compose(warp()), np.zeros(GRID.GetSize(), bool), GRID) is None


def test_indices_become_ras():
    index = [3, 5, 7]
    x, y, z = GRID.TransformIndexToPhysicalPoint(index)
    np.testing.assert_allclose(ras_affine(GRID) @ [*index, 1], [-x, -y, z, 1], atol=1e-9)


@pytest.fixture
def scan(tmp_path):
    """Files of a metamorphic scan with a tumour on the left; one side is not seen."""
    frame = Frame(
        image=GRID,
        brain=np.ones(GRID.GetSize(), bool),
        grid=Grid(shape=GRID.GetSize(), affine=ras_affine(GRID)),
        midline_mm=float((ras_affine(GRID) @ [9.5, 0, 0, 1])[0]),
    )
    labels = np.zeros(GRID.GetSize(), np.uint8)
    labels[4:8, 8:12, 6:10] = 2
    labels[5:7, 9:11, 7:9] = 4
    seen = np.ones_like(labels)
    seen[:5] = 0
    arrays = {
        "warped": np.full(labels.shape, 200.0, np.float32),
        "healthy": np.full(labels.shape, 0.5, np.float32),
        "residual": np.where(labels > 0, -0.25, 0).astype(np.float32),
        "tumor": labels,
        "coverage": seen,
    }
    arrays["warped"][0, 0, 0] = 1e6
    files = {
        name: write_image(from_array(a, GRID), tmp_path / f"{name}.nii.gz") for name, a in arrays.items()
    }
    files["forward_xfm"] = write_transform(compose(affine(), warp()), tmp_path / "forward.h5")
    return files, labels, seen > 0, frame


def group_scan(files, kind):
    return GroupScan(label="sub-1", kind=kind, key="key", files={n: path for n, path in files.items()})


def test_images_count_where_they_tell_something(scan):
    files, labels, seen, frame = scan
    participant, _ = read_scan(group_scan(files, "dseg"), ["sexF"], frame)
    assert set(participant.values) == {"image", "healthy", "appearance", "logjacobian"}
    assert (participant.where["appearance"] == (seen & (labels > 0))).all()
    around = participant.where["logjacobian"]
    assert around.any() and not around[labels > 0].any() and not around[~seen].any()
    assert participant.values["image"].max() == LIMIT  # one hot voxel does not keep a scan out
    assert np.median(participant.values["image"]) == 1


def test_row_tells_volumes_side_and_place(scan):
    files, labels, _, frame = scan
    _, row = read_scan(group_scan(files, "dseg"), [], frame)
    assert row["WT_ml"] == pytest.approx((labels > 0).sum() * 0.01)
    assert row["ET_ml"] == pytest.approx((labels == 4).sum() * 0.01)
    # x of the grid runs from left to right in RAS here
    assert np.sign(row["laterality_index"]) == np.sign(row["centroid_x_mm"] - frame.midline_mm)
    assert abs(row["laterality_index"]) == 1
    assert row["foci"] == 1


def test_foci_of_both_hemispheres_are_two_and_on_no_side(scan):
    files, labels, _, frame = scan
    both = labels + labels[::-1]
    files["tumor"] = write_image(from_array(both, GRID), files["tumor"].with_name("both.nii.gz"))
    _, row = read_scan(group_scan(files, "mask"), [], frame)
    assert row["foci"] == 2
    assert row["laterality_index"] == pytest.approx(0, abs=0.01)
    assert row["WT_ml"] == pytest.approx(2 * (labels > 0).sum() * 0.01)


def test_resection_cavity_is_neither_tumour_nor_its_surroundings(scan):
    files, labels, _, frame = scan
    treated = np.where(labels == 4, CAVITY, labels).astype(np.uint8)
    files["tumor"] = write_image(from_array(treated, GRID), files["tumor"].with_name("treated.nii.gz"))
    participant, row = read_scan(group_scan(files, "dseg"), [], frame)
    assert np.array_equal(participant.labels, np.where(labels == 2, 2, 0))
    assert (row["WT_ml"], row["TC_ml"], row["ET_ml"]) == (row["ED_ml"], 0, 0)
    for where in ("appearance", "logjacobian"):
        assert not participant.where[where][treated == CAVITY].any()


def test_scan_without_further_files_has_its_image_alone(scan):
    files, _, _, frame = scan
    files = {name: files[name] for name in ("warped", "tumor", "coverage")}
    participant, row = read_scan(group_scan(files, "mask"), [], frame)
    assert set(participant.values) == {"image"}
    assert "ET_ml" not in row
    del files["warped"]
    participant, again = read_scan(group_scan(files, "mask"), [], frame)
    assert (participant.values, again) == ({}, row)
