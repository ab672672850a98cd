"""Small MR series as DICOM files of a patient with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

VOXELS = np.random.default_rng(0).integers(0, 900, (24, 20, 12)).astype(np.uint16)
"""X, Y, Z; a DICOM slice has its rows along Y."""
SECRETS = (
    "Doe^Jane", "Jane", "PAT-77", "19500607", "1950-06-07", "ACC987", "Nowhere", "Ref^Phys", "113355", "11:33:55",
)  # fmt: skip
"""Texts of every file that tell who the patient is, or when."""
T1 = {"SeriesDescription": "t1_mprage_sag", "EchoTime": 2.5, "RepetitionTime": 1900.0, "InversionTime": 900.0}
T1CE = T1 | {"SeriesNumber": 5, "ContrastBolusAgent": "Gadovist", "ImageComments": "Jane after operation"}
FLAIR = {
    "SeriesDescription": "dark-fluid", "EchoTime": 120.0, "RepetitionTime": 9000.0, "InversionTime": 2500.0,
    "SeriesNumber": 4,
}  # fmt: skip
LOCALISER = {"SeriesDescription": "localizer", "EchoTime": 5.0, "RepetitionTime": 20.0, "SeriesNumber": 1}


def write_series(
    folder: Path,
    tags: dict[str, Any],
    *,
    patient: str = "PAT-77",
    date: str = "20200102",
    slices: int = VOXELS.shape[2],
) -> Path:
    """Write the files of one series.

    Parameters
    ----------
    folder : Path
        New; its name tells series apart.
    tags : dict
        What this series says beyond, or other than, the others.
    patient, date : str
        PatientID and StudyDate.
    slices : int
        Number of files.

    Returns
    -------
    folder : Path
    """
    folder.mkdir(parents=True)
    uids = {
        "StudyInstanceUID": generate_uid(entropy_srcs=[patient, date]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[patient, date, folder.name]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[patient, date, "frame"]),
    }
    for number in range(slices):
        content = Dataset()
        content.file_meta = FileMetaDataset()
        content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        content.file_meta.MediaStorageSOPClassUID = MRImageStorage
        content.SOPClassUID = MRImageStorage
        content.SOPInstanceUID = generate_uid(entropy_srcs=[uids["SeriesInstanceUID"], str(number)])
        content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
        who = {
            "PatientName": "Doe^Jane",
            "PatientID": patient,
            "PatientBirthDate": "19500607",
            "PatientSex": "F",
        }
        where = {
            "AccessionNumber": "ACC987",
            "InstitutionName": "Nowhere",
            "ReferringPhysicianName": "Ref^Phys",
        }
        when = {
            "StudyDate": date,
            "AcquisitionDate": date,
            "StudyTime": "113355",
            "AcquisitionTime": "113355",
        }
        for tag, value in (uids | who | where | when | _image(number) | tags).items():
            setattr(content, tag, value)
        content.save_as(folder / f"{number:03}.dcm", enforce_file_format=True)
    return folder


def _image(number: int) -> dict[str, Any]:
    plane = VOXELS[:, :, number].T
    return {
        "Modality": "MR", "Manufacturer": "SIEMENS", "MagneticFieldStrength": 3.0, "MRAcquisitionType": "3D",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"], "ScanningSequence": "GR", "SequenceVariant": "SP",
        "PatientPosition": "HFS", "SeriesNumber": 3, "InstanceNumber": number + 1, "FlipAngle": 9.0,
        "ImagePositionPatient": [-20.0, -15.0, 2.5 * number - 10], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1.5, 2.0], "SliceThickness": 2.5, "SpacingBetweenSlices": 2.5,
        "Rows": plane.shape[0], "Columns": plane.shape[1], "SamplesPerPixel": 1, "BitsAllocated": 16,
        "PhotometricInterpretation": "MONOCHROME2", "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
        "PixelData": plane.tobytes(),
    }  # fmt: skip
