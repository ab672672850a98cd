"""DICOM series become what dcm2niix makes of them, without what tells who the patient is."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_series import LOCALISER, SECRETS, T1CE, VOXELS, write_series

from gliomorph.interfaces.datasets.clinical import dicom
from gliomorph.interfaces.datasets.clinical.dicom import converted, find_series, require_tools
from gliomorph.interfaces.datasets.clinical.items import ClinicalError


def test_series_are_found_with_their_headers(tmp_path: Path) -> None:
    write_series(tmp_path / "deep" / "er" / "a", T1CE, slices=2)
    write_series(tmp_path / "b", LOCALISER, patient="", slices=1)
    (tmp_path / "notes.txt").write_text("no image")
    first, second = find_series(tmp_path)
    assert (first.patient, first.date, first.number, len(first.files)) == ("PAT-77", "20200102", 5, 2)
    assert (first.header.agent, first.header.echo_ms, first.header.image_type[0]) == (
        "Gadovist",
        2.5,
        "ORIGINAL",
    )
    assert second.patient.startswith("study 1.2")


def test_folders_without_series_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClinicalError, match="no DICOM series found: name the folder"):
        find_series(tmp_path)
    with pytest.raises(ClinicalError, match="no such folder"):
        find_series(tmp_path / "none")


def test_voxels_frame_and_times_are_those_of_the_files(tmp_path: Path) -> None:
    (series,) = find_series(write_series(tmp_path / "a", T1CE))
    with converted(series, require_tools()) as (path, sidecar):
        image = nib.load(path)
        voxels, affine, content = np.asarray(image.dataobj), image.affine, path.read_bytes()
    i, j, k = np.indices(VOXELS.shape).reshape(3, -1)
    # DICOM's positions are LPS, NIfTI's RAS; dcm2niix may store rows the other way round
    world = np.stack([20 - 2.0 * i, 15 - 1.5 * j, 2.5 * k - 10])
    inverse = np.linalg.inv(affine)
    indices = inverse[:3, :3] @ world + inverse[:3, 3:]
    np.testing.assert_allclose(indices, indices.round(), atol=1e-4)
    np.testing.assert_array_equal(voxels[tuple(indices.round().astype(int))], VOXELS[i, j, k])
    assert (sidecar["EchoTime"], sidecar["RepetitionTime"], sidecar["InversionTime"]) == (0.0025, 1.9, 0.9)
    assert sidecar["MagneticFieldStrength"] == 3
    assert [secret for secret in SECRETS if secret.encode() in content or secret in str(sidecar)] == []
    assert not path.exists()


def test_a_series_that_dcm2niix_cannot_convert_says_so(tmp_path: Path) -> None:
    (series,) = find_series(write_series(tmp_path / "a", T1CE, slices=1))
    series.files[0].write_bytes(series.files[0].read_bytes()[:400])
    with (
        pytest.raises(ClinicalError, match=r"dcm2niix failed \(exit code"),
        converted(series, require_tools()),
    ):
        pass


def test_missing_tools_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(dicom.shutil, "which", lambda *arguments, **options: None)
        with pytest.raises(ClinicalError, match=r"program dcm2niix, .* pip install 'gliomorph\[dicom\]'"):
            require_tools()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ClinicalError, match=r"package pydicom, .* pip install 'gliomorph\[dicom\]'"):
        require_tools()
