"""Images are read whole and right, or refused with the file's name; written whole or not at all."""

import gzip
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files import images
from gliomorph.interfaces.files.images import ImageError


def test_array_is_indexed_as_nibabel_does(heads, frame):
    path = heads[frame]["image"]
    assert np.array_equal(
        images.to_array(images.read_image(path)), nib.load(path).get_fdata(dtype=np.float32)
    )


def test_vector_array_has_its_components_first():
    like = phantoms.grid((4, 5, 6))
    vectors = np.random.default_rng(0).random((3, 4, 5, 6))
    image = images.from_array(vectors, like)
    assert image.GetPixel(1, 2, 3) == tuple(vectors[:, 1, 2, 3])
    assert np.array_equal(images.to_array(image), vectors)


def test_what_is_written_is_read_again(tmp_path, frame):
    image = phantoms.brain_image(phantoms.frame(frame))
    again = images.read_image(images.write_image(image, tmp_path / "new" / "image.nii.gz"))
    assert np.array_equal(images.to_array(again), images.to_array(image))
    # NIfTI keeps its frame in single precision
    assert phantoms.same_grid(again, image, tolerance_mm=1e-3)


def test_volume_axis_of_length_one_is_dropped(tmp_path, heads):
    flat = nib.load(heads["LAS"]["image"])
    path = tmp_path / "4d.nii.gz"
    nib.save(nib.Nifti1Image(flat.get_fdata(dtype=np.float32)[..., None], flat.affine), path)
    image = images.read_image(path)
    assert image.GetDimension() == 3
    assert phantoms.same_grid(image, images.read_image(heads["LAS"]["image"]))


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 7, 2)])
def test_anything_but_one_volume_is_refused(tmp_path, shape):
    path = tmp_path / "odd.nii.gz"
    nib.save(nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4)), path)
    with pytest.raises(ImageError, match=r"odd\.nii\.gz: one 3-D volume is required, this file has shape"):
        images.read_image(path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_truncated_file_is_refused(tmp_path, heads, share):
    content = heads["RAS"]["image"].read_bytes()
    path = tmp_path / "cut.nii.gz"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ImageError, match=r"cut\.nii\.gz: .*damaged"):
        images.read_image(path)


def test_truncated_uncompressed_file_is_refused(tmp_path, heads):
    path = tmp_path / "cut.nii"
    path.write_bytes(gzip.decompress(heads["RAS"]["image"].read_bytes())[:-100])
    with pytest.raises(ImageError, match=r"cut\.nii: .*damaged"):
        images.read_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x1f\x8b\x08\x00garbage"])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.nii\.gz: "):
        images.read_image(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"none\.nii\.gz: cannot be read"):
        images.read_image(tmp_path / "none.nii.gz")


def test_sheared_header_is_refused(tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.4
    path = tmp_path / "sheared.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8), np.float32), affine), path)
    with pytest.raises(ImageError, match=r"sheared\.nii\.gz: the header's axes are sheared"):
        images.read_image(path)


def test_failed_write_leaves_the_former_file_and_nothing_else(tmp_path):
    path = images.write_text("old", tmp_path / "table.tsv")
    with pytest.raises(RuntimeError, match="half way"), images.replacing(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.tsv"]


def test_written_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        path = images.write_text("x", tmp_path / "x.txt")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_corners_and_volume_of_a_known_grid():
    grid = phantoms.grid((3, 4, 5), (2.0, 3.0, 4.0), np.diag([-1, 1, 1]))
    corners = phantoms.corners(grid)
    assert np.allclose(corners.max(axis=0) - corners.min(axis=0), [4, 9, 16])
    assert images.voxel_volume_ml(grid) == pytest.approx(0.024)


def test_same_grid_sees_a_shift_and_a_flip():
    first, shifted = phantoms.frame("LPS"), phantoms.frame("LPS")
    assert phantoms.same_grid(first, shifted)
    shifted.SetOrigin((phantoms.CENTRE + 0.1).tolist())
    assert not phantoms.same_grid(first, shifted)
    assert not phantoms.same_grid(first, phantoms.frame("RAS"))
    assert not phantoms.same_grid(first, sitk.Image([40, 48, 41], sitk.sitkUInt8))


def test_header_in_single_precision_is_the_same_grid(tmp_path):
    like = phantoms.grid((4, 5, 6), (0.9, 1.1, 1.3), phantoms.turned())
    path = images.write_image(images.from_array(np.zeros((4, 5, 6), np.float32), like), tmp_path / "x.nii.gz")
    images.require_same_grid(written=images.read_image(path), computed=like)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image[:, :, 1:], r"size \(4, 5, 6\) against \(4, 5, 5\)"),
        (
            lambda image: image.SetSpacing((1, 2, 2.5)),
            r"spacing \(1\.0, 2\.0, 3\.0\) against \(1\.0, 2\.0, 2\.5\)",
        ),
        (lambda image: image.SetOrigin((0, 0, 0.01)), r"origin \(.*\) against \(0\.0, 0\.0, 0\.01\)"),
        (lambda image: image.SetDirection((1, 0, 0, 0, 0, 1, 0, 1, 0)), r"direction \(1\.0, .*\) against"),
    ],
)
def test_images_on_differing_grids_are_named_with_both_values(change, said):
    fixed, mask = phantoms.grid((4, 5, 6), (1, 2, 3)), phantoms.grid((4, 5, 6), (1, 2, 3))
    mask = change(mask) or mask
    with pytest.raises(
        ImageError, match=rf"fixed and mask have to lie on one grid: .*{said}.*; resample one"
    ):
        images.require_same_grid(fixed=fixed, moving=fixed, mask=mask)


def test_leftovers_of_ended_processes_go_and_those_of_living_ones_stay(tmp_path):
    (tmp_path / "sub-01" / "anat").mkdir(parents=True)
    with images.replacing(tmp_path / "sub-01" / "anat" / "living.txt") as living:
        ended = living.with_name(living.name.replace(f"-{os.getpid()}-", "-999999999-"))
        ended.write_text("half")
        assert images.remove_leftovers(tmp_path) == 1
        assert living.exists()
        assert not ended.exists()


def test_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header["dim"] = [3, 32767, 32767, 32767, 1, 1, 1, 1]
    header["vox_offset"] = 352
    path = tmp_path / "huge.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4000)))
    with pytest.raises(
        ImageError, match=r"huge\.nii\.gz: cannot be read.*140724603846652 bytes of voxels are required"
    ):
        images.read_image(path)


@pytest.mark.parametrize(
    ("dtype", "said"),
    [(np.complex64, "of type complex64"), ([("R", "u1"), ("G", "u1"), ("B", "u1")], "colours")],
)
def test_colours_and_complex_numbers_are_refused(tmp_path, dtype, said):
    path = tmp_path / "odd.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype), np.eye(4)), path)
    with pytest.raises(
        ImageError, match=rf"odd\.nii\.gz: one number a voxel is required, this file's are {said}"
    ):
        images.read_image(path)


FULL = """
import resource, sys
import SimpleITK as sitk
from gliomorph.interfaces.files.images import from_array, write_image
import numpy as np
image = sitk.GetImageFromArray(np.random.default_rng(0).random((30, 30, 30)).astype(np.float32))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    write_image(image, sys.argv[1])
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("name", ["full.nii.gz", "full.nii"])
@pytest.mark.parametrize("room", [1, 5000, 80000])
def test_image_for_which_there_is_no_room_is_an_error_and_no_file(tmp_path, name, room):
    """A limit of the file's size stands for a full disk: ITK tells of neither."""
    command = [sys.executable, "-c", FULL, str(tmp_path / name), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert list(tmp_path.iterdir()) == []
    assert "most often for want of room" in done.stdout or "Error" in done.stderr
