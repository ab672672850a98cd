"""Templates are found, scaled and cropped without leaving their physical frame."""

import os
import shutil

import nibabel as nib
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.datasets.template_files import NEAREST, prepare_template, template_notices
from gliomorph.interfaces.datasets.templates import (
    TISSUES,
    Template,
    TemplateError,
    load_template,
    working_grid,
)
from gliomorph.interfaces.files.images import from_array, read_image, to_array, voxel_volume_ml, write_image


@pytest.fixture(scope="module")
def tiny(template_home) -> Template:
    return load_template("Tiny", 4, [template_home])


@pytest.fixture
def own_home(template_home, tmp_path):
    """A copy of the template's folder, to be changed."""
    return shutil.copytree(template_home, tmp_path / "own")


def test_template_on_its_own_grid_is_not_resampled(tiny, template_home):
    stored = read_image(template_home / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_T1w.nii.gz")
    assert phantoms.same_grid(tiny.image, stored)
    inside = to_array(tiny.brain_mask) > 0
    top = np.percentile(to_array(stored)[inside], 99.5)
    np.testing.assert_allclose(
        to_array(tiny.image)[inside], np.minimum(to_array(stored)[inside] / top, 1), rtol=1e-6
    )


def test_intensities_lie_between_0_and_1_and_end_with_the_brain(tiny):
    voxels, inside = to_array(tiny.image), to_array(tiny.brain_mask) > 0
    assert voxels.min() == 0
    assert voxels.max() == 1
    assert not voxels[~inside].any()


def test_tissues_follow_the_table_and_fill_the_brain(tiny):
    assert set(tiny.tissues) == set(TISSUES)
    total = sum(to_array(tiny.tissues[name]) for name in TISSUES)
    assert np.array_equal(total > 0, to_array(tiny.brain_mask) > 0)
    assert to_array(tiny.tissues["WM"])[tuple(s // 2 for s in tiny.image.GetSize())] == 1


def test_structures_are_read_by_their_label(tiny):
    assert set(tiny.labels) == {"nucleus"}
    where = np.argwhere(to_array(tiny.labels["nucleus"]) > 0).mean(axis=0)
    centre = tiny.image.TransformContinuousIndexToPhysicalPoint(where.tolist())
    # a ball on a grid of 4 mm
    np.testing.assert_allclose(centre, phantoms.at(20, 10, -8), atol=1.0)


@pytest.mark.parametrize("resolution", [2, 3])
def test_another_resolution_covers_the_same_place(tiny, template_home, resolution):
    other = load_template("Tiny", resolution, [template_home])
    assert other.image.GetSpacing() == (resolution,) * 3
    # the fields of view end within half a voxel of each other
    outer = [
        phantoms.corners(t.image) + np.sign(phantoms.corners(t.image) - phantoms.CENTRE) * t.resolution / 2
        for t in (tiny, other)
    ]
    assert np.abs(outer[0] - outer[1]).max() <= resolution / 2 + 1e-6
    volumes = [to_array(t.brain_mask).sum() * voxel_volume_ml(t.image) for t in (tiny, other)]
    # a surface of 4 mm voxels drawn on finer ones
    assert volumes[1] == pytest.approx(volumes[0], rel=0.02)
    again = sitk.Resample(other.image, tiny.image, sitk.Transform(), sitk.sitkLinear)
    inner = phantoms.radius_at(phantoms.positions(tiny.image)) < 0.8
    # interpolated there and back: twice the bound of 0.01
    assert np.abs(to_array(again) - to_array(tiny.image))[inner].max() < 0.02


@pytest.mark.parametrize("brain_ml", [900.0, 1500.0])
def test_a_head_of_another_size_is_the_same_head(template_home, tiny, brain_ml):
    other = load_template("Tiny", 4, [template_home], brain_ml)
    assert other.image.GetSpacing() == (4.0,) * 3
    volumes = [to_array(t.brain_mask).sum() * voxel_volume_ml(t.image) for t in (tiny, other)]
    assert volumes[1] == pytest.approx(brain_ml, rel=0.02)  # the surface, on voxels of 4 mm
    factor = sitk.AffineTransform(3)
    factor.Scale((volumes[0] / brain_ml) ** (1 / 3))
    again = sitk.Resample(tiny.image, other.image, factor, sitk.sitkLinear)
    places = phantoms.mapped(factor, phantoms.positions(other.image))
    inner = phantoms.radius_at(places) < 0.8
    assert np.abs(to_array(again) - to_array(other.image))[inner].max() < 0.03
    assert other.tissues.keys() == tiny.tissues.keys()


@pytest.mark.parametrize("resolution", [2, 3, 4])
def test_working_grid_has_sides_for_four_halvings_and_holds_the_brain(template_home, resolution):
    template = load_template("Tiny", resolution, [template_home])
    grid = working_grid(template)
    assert all(side % 16 == 0 for side in grid.GetSize())
    kept = sitk.Resample(template.brain_mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert to_array(kept).sum() == to_array(template.brain_mask).sum()
    start = template.image.TransformPhysicalPointToContinuousIndex(grid.GetOrigin())
    # a voxel coordinate of some tens, computed in double precision
    np.testing.assert_allclose(start, np.round(start), atol=1e-6)
    assert grid.GetSpacing() == template.image.GetSpacing()
    assert grid.GetDirection() == template.image.GetDirection()


def test_working_grid_reaches_beyond_a_template_that_is_too_small():
    voxels = np.zeros((40, 40, 40), np.uint8)
    voxels[3:39, 5:25, 8:28] = 1
    mask = from_array(voxels, phantoms.grid((40, 40, 40)))
    grid = working_grid(Template(name="Box", resolution=4, image=mask, brain_mask=mask))
    assert grid.GetSize() == (48, 32, 32)
    assert to_array(sitk.Resample(mask, grid)).sum() == voxels.sum()


@pytest.mark.parametrize("place", [0, 20])
def test_working_grid_stays_on_the_template_where_there_is_room(place):
    voxels = np.zeros((64, 64, 64), np.uint8)
    voxels[place : place + 20, 30:44, 44:64] = 1
    mask = from_array(voxels, phantoms.grid((64, 64, 64)))
    grid = working_grid(Template(name="Box", resolution=4, image=mask, brain_mask=mask))
    start = np.round(mask.TransformPhysicalPointToContinuousIndex(grid.GetOrigin()))
    assert (start >= 0).all()
    assert (start + grid.GetSize() <= 64).all()
    assert to_array(sitk.Resample(mask, grid)).sum() == voxels.sum()


def test_prepared_files_are_the_template_and_its_working_grid(tiny, template_home, tmp_path):
    files = prepare_template("Tiny", 4, [template_home], tmp_path)
    assert phantoms.same_grid(read_image(files.image), tiny.image)
    assert phantoms.same_grid(read_image(files.fixed), working_grid(tiny))
    again = sitk.Resample(read_image(files.fixed), tiny.image, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert np.array_equal(to_array(again), to_array(tiny.image))
    first, written = files.fixed.read_bytes(), files.fixed.stat().st_mtime_ns
    assert prepare_template("Tiny", 4, [template_home], tmp_path).fixed.stat().st_mtime_ns == written
    for spoilt in (files.image, files.fixed, files.fixed_brain):
        os.truncate(spoilt, 100)
        again = prepare_template("Tiny", 4, [template_home], tmp_path)
        assert again.fixed.read_bytes() == first
        assert spoilt.stat().st_size > 100


def test_contrasts_lie_on_the_working_grid_and_the_most_alike_is_taken(tiny, own_home, tmp_path):
    bare = prepare_template("Tiny", 4, [own_home], tmp_path)
    assert bare.contrasts == {}
    assert {name: bare.nearest(name) for name in NEAREST} == dict.fromkeys(NEAREST, ("T1w", bare.fixed))
    stored = read_image(own_home / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_T1w.nii.gz")
    other = from_array((500 - to_array(stored)).astype(np.float32), stored)  # with a skull, so to say
    write_image(
        sitk.ConstantPad(other, [3, 0, 0], [0, 0, 2]), own_home / "tpl-Tiny" / "tpl-Tiny_res-4_T2w.nii.gz"
    )
    for _ in range(2):  # prepared, and found again
        files = prepare_template("Tiny", 4, [own_home], tmp_path)
        assert files.fixed.read_bytes() == bare.fixed.read_bytes()
        assert [files.nearest(name)[0] for name in ("T1w", "T1ce", "T2w", "FLAIR")] == [
            "T1w",
            "T1w",
            "T2w",
            "T2w",
        ]
    contrast, brain = read_image(files.contrasts["T2w"]), to_array(read_image(files.fixed_brain)) > 0
    assert phantoms.same_grid(contrast, working_grid(tiny))
    assert to_array(contrast).max() == 1 and not to_array(contrast)[~brain].any()
    assert np.corrcoef(to_array(contrast)[brain], to_array(read_image(files.fixed))[brain])[0, 1] < -0.9


def test_missing_template_is_refused_with_the_places_and_the_remedy(tmp_path):
    with pytest.raises(
        TemplateError, match=rf"'SRI24': no folder tpl-SRI24 found in {tmp_path}.*gliomorph-fetch SRI24"
    ):
        load_template("SRI24", folders=[tmp_path])
    with pytest.raises(TemplateError, match=r"'Other'.*found in nowhere.*or use --template MNI152"):
        load_template("Other")


@pytest.mark.parametrize("name", ["../x", "SRI-24", ""])
def test_name_that_is_no_bids_label_is_refused(name):
    with pytest.raises(TemplateError, match="alphanumeric"):
        load_template(name)


def test_folder_without_an_image_is_refused(tmp_path):
    (tmp_path / "tpl-Empty").mkdir()
    with pytest.raises(TemplateError, match=r"no tpl-Empty_…_T1w\.nii\.gz in"):
        load_template("Empty", folders=[tmp_path])


def test_head_with_its_skull_needs_a_mask(own_home):
    home = own_home / "tpl-Tiny"
    (home / "tpl-Tiny_res-4_desc-brain_T1w.nii.gz").rename(home / "tpl-Tiny_res-4_T1w.nii.gz")
    assert load_template("Tiny", 4, [own_home]).name == "Tiny"
    (home / "tpl-Tiny_res-4_desc-brain_mask.nii.gz").unlink()
    with pytest.raises(TemplateError, match=r"no desc-brain_mask beside tpl-Tiny_res-4_T1w\.nii\.gz"):
        load_template("Tiny", 4, [own_home])


def test_damaged_image_is_refused_with_the_templates_name(own_home):
    path = own_home / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_T1w.nii.gz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(TemplateError, match=r"'Tiny': tpl-Tiny_res-4_desc-brain_T1w\.nii\.gz: .*damaged"):
        load_template("Tiny", 4, [own_home])


def with_header(path, change):
    """The file with another header, its voxels as they were."""
    image = nib.load(path)
    again = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    change(again)
    nib.save(again, path)


def test_header_of_a_template_that_disagrees_is_said_by_every_run(own_home, tmp_path):
    path = next(own_home.glob("tpl-*/*T1w.nii.gz"))
    with_header(path, lambda image: image.set_qform(image.affine + np.eye(4, k=3) * 9, 1))
    for _ in range(2):
        files = prepare_template("Tiny", 4, [own_home], tmp_path / "prepared")
        (said,) = template_notices(files)
        assert f"template Tiny, {path.name}: the header's sform and qform differ by up to 9.0 mm" in said


def test_mask_on_the_template_s_voxels_with_another_header_is_refused(own_home):
    mask = next(own_home.glob("tpl-*/*desc-brain_mask.nii.gz"))
    with_header(mask, lambda image: image.set_sform(np.eye(4), 1))
    with pytest.raises(
        TemplateError, match=rf"{mask.name} has as many voxels as .*T1w\.nii\.gz, but a header"
    ):
        load_template("Tiny", 4, [own_home])


def test_template_without_tissues_says_so_by_having_none(own_home):
    (own_home / "tpl-Tiny" / "tpl-Tiny_seg-tissue_dseg.tsv").unlink()
    assert load_template("Tiny", 4, [own_home]).tissues == {}


def test_stripped_template_brings_its_own_mask(own_home):
    (own_home / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_mask.nii.gz").unlink()
    template = load_template("Tiny", 4, [own_home])
    expected = to_array(phantoms.brain_mask(phantoms.frame("LPS")))
    assert np.array_equal(to_array(template.brain_mask), expected)


def test_folders_are_searched_in_order(own_home, template_home):
    path = own_home / "tpl-Tiny" / "tpl-Tiny_res-4_label-nucleus_mask.nii.gz"
    path.unlink()
    assert load_template("Tiny", 4, [own_home, template_home]).labels == {}
    assert set(load_template("Tiny", 4, [template_home, own_home]).labels) == {"nucleus"}


def test_orientation_of_the_file_does_not_matter(own_home, tiny):
    home = own_home / "tpl-Tiny"
    for path in home.glob("*.nii.gz"):
        write_image(sitk.DICOMOrient(read_image(path), "SAR"), path)
    turned = load_template("Tiny", 4, [own_home])
    again = sitk.DICOMOrient(turned.image, "LPS")
    assert phantoms.same_grid(again, tiny.image)
    assert np.array_equal(to_array(again), to_array(tiny.image))


def test_sri24_as_published_is_the_brats_one_mirrored(shared_data):
    home = shared_data / "templates" / "tpl-SRI24"
    brats = read_image(home / "tpl-SRI24_res-1_desc-brain_T1w.nii.gz")
    published = read_image(home / "original_LAS_4D_T1.nii.gz")
    assert np.array_equal(to_array(brats), to_array(published)[:, ::-1])
    there = sitk.Resample(published, brats, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert np.array_equal(to_array(there), to_array(brats))
    assert phantoms.same_grid(sitk.DICOMOrient(published, "LPS"), sitk.DICOMOrient(brats, "LPS"))


def test_sri24_working_grid_is_its_brain_and_8_mm(shared_data):
    template = load_template("SRI24", 1, [shared_data / "templates"])
    grid = working_grid(template)
    # a brain of 133 x 171 x 134 voxels; 160 along z would not fit into the template (155)
    assert grid.GetSize() == (160, 192, 144)
    cropped = sitk.Resample(template.brain_mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert to_array(cropped).sum() == to_array(template.brain_mask).sum()
    assert set(template.tissues) == set(TISSUES)


def test_embedded_mni152_is_a_brain_with_tissues():
    template = load_template("MNI152", 4)
    volume = to_array(template.brain_mask).sum() * voxel_volume_ml(template.image)
    # the MNI152 average is larger than a typical brain
    assert 1700 < volume < 2000
    total = sum(to_array(template.tissues[name]) for name in TISSUES)
    # probabilities that were smoothed and resampled; away from the rim they add up
    assert np.median(total[to_array(template.brain_mask) > 0]) == pytest.approx(1, abs=0.01)
    assert (
        sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(template.image.GetDirection()) == "RAS"
    )


@pytest.mark.parametrize("table", ["id\n1\n", "index\tname\nx\tfrontal\n", ""])
def test_label_maps_of_something_else_are_passed_over(own_home, table):
    folder = own_home / "tpl-Tiny"
    name = "tpl-Tiny_atlas-a_dseg"
    shutil.copy(folder / "tpl-Tiny_res-4_seg-tissue_dseg.nii.gz", folder / f"{name}.nii.gz")
    (folder / f"{name}.tsv").write_text(table)
    assert set(load_template("Tiny", 4, [own_home]).tissues) == set(TISSUES)
