"""Headers and voxels are read of both editions and all ways of storing, also where nibabel refuses the rest."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliomorph.interfaces.files.images import ImageError, read_image, to_array
from gliomorph.interfaces.files.nifti import UNREADABLE, read_header, read_nifti

NIBABELS = Path(nib.__file__).parent / "tests" / "data"
VOXELS = np.random.default_rng(0).integers(0, 200, (4, 5, 6)).astype(np.int16)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("slope", [1.0, 0.25])
def test_voxels_are_nibabels(tmp_path, kind, order, slope):
    image = kind(VOXELS, np.diag([1.0, 2, 3, 1]), kind.header_class(endianness=order))
    image.header.set_slope_inter(slope, 3.0)
    path = tmp_path / ("x.hdr" if kind.files_types[0][1] != ".nii" else "x.nii")
    nib.save(image, path)
    header, voxels = read_nifti(path)
    assert np.array_equal(voxels, np.asanyarray(nib.load(path).dataobj))
    assert header.get_data_shape() == read_header(path).get_data_shape() == (4, 5, 6)


def test_name_does_not_decide_whether_a_file_is_compressed(tmp_path):
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), tmp_path / "x.nii")
    content = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(content)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    for name in ("plain.nii.gz", "packed.nii"):
        assert np.array_equal(to_array(read_image(tmp_path / name)), VOXELS)


def test_analyze_is_refused_for_it_has_no_sides(tmp_path):
    nib.save(nib.AnalyzeImage(VOXELS, np.eye(4)), tmp_path / "x.img")
    with pytest.raises(ImageError, match=r"x\.img: .*Analyze, which does not say which side is left"):
        read_image(tmp_path / "x.img")


def test_voxels_of_an_unknown_type_are_refused(tmp_path):
    header = nib.Nifti1Image(VOXELS, np.eye(4)).header
    header["datatype"] = 999
    (tmp_path / "x.nii").write_bytes(header.binaryblock + bytes(4 + VOXELS.nbytes))
    with pytest.raises(UNREADABLE):
        read_nifti(tmp_path / "x.nii")


FILES = (
    sorted(p for p in NIBABELS.glob("*.nii*") if p.name != "bad_colormap.dlabel.nii")
    if NIBABELS.is_dir()
    else []
)


@pytest.mark.skipif(not FILES, reason="nibabel was installed without its test files")
def test_nibabels_own_files_are_read_as_nibabel_reads_them_or_refused():
    read = 0
    for path in FILES:
        theirs = nib.load(path)
        try:
            ours = read_image(path)
        except ImageError as error:
            assert path.name in str(error)
            several = len(theirs.shape) < 3 or any(size > 1 for size in theirs.shape[3:])
            header = theirs.header if isinstance(theirs, nib.Nifti1Pair) else theirs.nifti_header
            assert several or not (header["qform_code"] or header["sform_code"])
            continue
        read += 1
        assert np.allclose(to_array(ours), theirs.get_fdata().reshape(theirs.shape[:3]), equal_nan=True)
    assert read
