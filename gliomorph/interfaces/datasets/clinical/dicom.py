"""DICOM series: found by their headers, made NIfTI by dcm2niix, without what tells who the patient is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from ...files.sidecars import read_object
from ...files.text import printable, some
from .items import ClinicalError
from .recognise import Header

TAGS = (
    "PatientID", "StudyInstanceUID", "StudyDate", "SeriesInstanceUID", "SeriesNumber", "Modality", "SeriesDescription",
    "ProtocolName", "ImageType", "ScanningSequence", "ContrastBolusAgent", "EchoTime", "RepetitionTime",
    "InversionTime",
)  # fmt: skip
"""What is read of a file."""
KEPT = (
    "MagneticFieldStrength", "ImagingFrequency", "Manufacturer", "ManufacturersModelName", "MRAcquisitionType",
    "ScanningSequence", "SequenceVariant", "PulseSequenceType", "SliceThickness", "SpacingBetweenSlices", "EchoTime",
    "RepetitionTime", "InversionTime", "FlipAngle", "EchoTrainLength", "NumberOfAverages", "PixelBandwidth",
    "PercentPhaseFOV", "PercentSampling", "PartialFourier", "AcquisitionMatrixPE", "ReconMatrixPE",
    "ParallelReductionFactorInPlane", "ImageOrientationPatientDICOM", "ConversionSoftware",
    "ConversionSoftwareVersion",
)  # fmt: skip
"""What of dcm2niix's sidecar goes into the dataset: no text that a person types in, no date, no identifier."""
FREE_TEXT = (slice(4, 38), slice(148, 252), slice(328, 344))
"""Bytes of a NIfTI-1 header that hold text: data_type, db_name and session; descrip and aux_file; intent_name."""
INSTALL = "install it with: pip install 'gliomorph[dicom]'"


@attrs.frozen(kw_only=True)
class Series:
    """The files of one series, and what they say."""

    uid: str
    patient: str
    """PatientID; where there is none, the study's identifier."""
    date: str
    """StudyDate, YYYYMMDD; empty where there is none."""
    number: int
    """SeriesNumber."""
    header: Header
    files: tuple[Path, ...]


def require_tools() -> Path:
    """The program dcm2niix; :class:`ClinicalError` where it or pydicom is missing."""
    # beside this Python where its environment is not activated
    found = shutil.which("dcm2niix") or shutil.which("dcm2niix", path=str(Path(sys.executable).parent))
    if not found:
        raise ClinicalError(f"DICOM needs the program dcm2niix, which is missing: {INSTALL}")
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ClinicalError(f"DICOM needs the package pydicom, which is missing: {INSTALL}") from error
    return Path(found)


def find_series(src_dir: Path) -> list[Series]:
    """The series below a folder, by patient, date and number; files that are no DICOM image are passed over.

    Raises
    ------
    OSError
        A file cannot be read.
    ClinicalError
        No such folder, or no series in it.
    """
    if not src_dir.is_dir():
        raise ClinicalError(f"{src_dir}: no such folder")
    files: dict[str, list[Path]] = defaultdict(list)
    first: dict[str, Any] = {}
    with warnings.catch_warnings():
        # pydicom warns of values against the standard; a user cannot change them
        warnings.simplefilter("ignore")
        for path in sorted(src_dir.absolute().rglob("*")):
            if path.is_file() and (content := _read(path)):
                uid = str(content.SeriesInstanceUID)
                files[uid].append(path)
                first.setdefault(uid, content)
        found = [_series(uid, first[uid], tuple(paths)) for uid, paths in files.items()]
    if not found:
        raise ClinicalError(f"{src_dir}: no DICOM series found: name the folder that holds the files")
    return sorted(found, key=lambda series: (series.patient, series.date, series.number, series.uid))


def _read(path: Path) -> Any:
    """Tags of a DICOM file of a series, else None."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        content = dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
    except InvalidDicomError:
        return None
    return content if content.get("SeriesInstanceUID") else None


def _series(uid: str, content: Any, files: tuple[Path, ...]) -> Series:
    words = dict.fromkeys(_text(content, tag) for tag in ("SeriesDescription", "ProtocolName"))
    header = Header(
        modality=_text(content, "Modality"),
        description=" / ".join(filter(None, words)),
        image_type=_values(content, "ImageType"),
        scanning=_values(content, "ScanningSequence"),
        agent=_text(content, "ContrastBolusAgent"),
        echo_ms=_number(content, "EchoTime"),
        repetition_ms=_number(content, "RepetitionTime"),
        inversion_ms=_number(content, "InversionTime"),
    )
    return Series(
        uid=uid,
        patient=_text(content, "PatientID") or f"study {_text(content, 'StudyInstanceUID')}",
        date=_text(content, "StudyDate"),
        number=int(_number(content, "SeriesNumber") or 0),
        header=header,
        files=files,
    )


def _text(content: Any, tag: str) -> str:
    return printable(str(content.get(tag) or "").strip())


def _values(content: Any, tag: str) -> tuple[str, ...]:
    value = content.get(tag) or ()
    return (value,) if isinstance(value, str) else tuple(str(each).upper() for each in value)


def _number(content: Any, tag: str) -> float | None:
    try:
        return float(content.get(tag))
    except (TypeError, ValueError):
        return None


@contextmanager
def converted(series: Series, program: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A series as NIfTI, and what its sidecar may say; the file is gone after the block.

    Parameters
    ----------
    series : Series
    program : Path
        dcm2niix.

    Yields
    ------
    image : Path
        As dcm2niix makes it, without the texts of its header.
    sidecar : dict
        :data:`KEPT`, of what dcm2niix says.

    Raises
    ------
    ClinicalError
        dcm2niix fails, or makes of the series anything but one volume.
    """
    with tempfile.TemporaryDirectory(prefix="gliomorph-dicom-") as name:
        files, made = Path(name, "files"), Path(name, "made")
        files.mkdir()
        made.mkdir()
        for number, path in enumerate(series.files):
            (files / f"{number:06}.dcm").symlink_to(path)
        # -g i: without the user's own defaults; -ba y: without names and dates
        options = ["-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-w", "2", "-f", "image", "-o", str(made)]
        done = subprocess.run(
            [program, *options, str(files)], capture_output=True, text=True, errors="replace"
        )
        images = sorted(made.glob("*.nii"))
        if done.returncode or not images:
            raise ClinicalError(f"dcm2niix failed (exit code {done.returncode}): {_complaints(done)}")
        if len(images) > 1:
            names = some([path.name for path in images])
            raise ClinicalError(
                f"dcm2niix makes {len(images)} images of it ({names}), one is required: {_complaints(done)}"
            )
        (image,) = images
        said = read_object(image.with_suffix(".json"))
        _clear_texts(image)
        yield image, {key: said[key] for key in KEPT if key in said}


def _complaints(done: subprocess.CompletedProcess[str]) -> str:
    """What dcm2niix warns of, else the end of what it says."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    warned = [line for line in lines if line.startswith(("Warning", "Error"))]
    return printable(some(warned or lines[-1:], "; "))


def _clear_texts(image: Path) -> None:
    """Remove the texts of a NIfTI-1 header: dcm2niix writes the time and the operator's comment there."""
    with image.open("r+b") as file:
        for part in FREE_TEXT:
            file.seek(part.start)
            file.write(bytes(part.stop - part.start))
