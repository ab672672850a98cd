"""Landmark files are read as they are written, or refused by file, line and what was required."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest

from gliomorph.interfaces.files.images import write_image
from gliomorph.interfaces.files.landmarks import LandmarkError, common, read_landmarks, require_inside

HEAD = "Landmark,X,Y,Z\n"


def write(tmp_path: Path, content: str, name: str = "sub-01_ses-00_landmarks.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode())
    return path


def test_ras_and_lps_are_the_same_points(tmp_path):
    ras = read_landmarks(write(tmp_path, HEAD + "1,10,-20,30.5\n"), "RAS")
    lps = read_landmarks(write(tmp_path, HEAD + "1,-10,20,30.5\n"), "LPS")
    assert ras.points.tolist() == lps.points.tolist() == [[-10, 20, 30.5]]
    assert ras.names == ("1",)


def test_order_case_spaces_further_columns_and_line_ends_do_not_matter(tmp_path):
    text = '\ufeffz , note,landmark,Y,X\r\n3,"a,b", tip ,2,1\r\n\r\n,,,,\r\n6,x,7,5,4\r\n'
    found = read_landmarks(write(tmp_path, text), "LPS")
    assert (found.names, found.lines) == (("tip", "7"), (2, 5))
    assert found.points.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"landmarks\.csv, line 1: the head Landmark,X,Y,Z is required, got ''"),
        ("1,2,3,4\n", r"line 1: the head Landmark,X,Y,Z is required, got '1,2,3,4'"),
        ("Landmark,X,X,Y,Z\n", r"line 1: the head"),
        (HEAD, "at least one landmark is required after the head"),
        (HEAD + "1,2,3,4\n2,3,4\n", r"line 3: cells for Landmark, X, Y, Z are required, got 3"),
        (HEAD + "1,2,left,4\n", r"line 2: a number \(mm\) as Y is required, got 'left'"),
        (HEAD + "1,2,3,nan\n", r"line 2: a number \(mm\) as Z is required, got 'nan'"),
        (HEAD + "1,1e999,3,4\n", r"line 2: a number \(mm\) as X is required"),
        (HEAD + ",2,3,4\n", r"line 2: a Landmark of its own is required, got ''"),
        (HEAD + "1,2,3,4\n1,5,6,7\n", r"line 3: a Landmark of its own is required, got '1' of line 2 again"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, content, message):
    with pytest.raises(LandmarkError, match=message):
        read_landmarks(write(tmp_path, content), "RAS")


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "sub-01_landmarks.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(LandmarkError, match="no comma-separated text in UTF-8"):
        read_landmarks(path, "RAS")


def test_landmarks_outside_their_image_are_refused_with_what_to_do(tmp_path, frame):
    """The grids are centred on the head, which is off the origin by 4, 9 and 13 mm."""
    image = write_image(phantoms.brain_image(phantoms.frame(frame)), tmp_path / "image.nii.gz")
    x, y, z = phantoms.CENTRE + np.array([0, 84, 0])
    path = write(tmp_path, HEAD + f"in,{-x},{-y},{z}\n")
    require_inside(read_landmarks(path, "RAS"), image, "give others")
    far = write(tmp_path, HEAD + f"in,0,0,0\nout,{x},{-y},{z + 150}\n")
    with pytest.raises(
        LandmarkError,
        match=r"line 3: landmark 'out' lies \d+ mm outside image.nii.gz; give others",
    ):
        require_inside(read_landmarks(far, "RAS"), image, "give others")


def test_the_reference_may_have_more_landmarks_but_none_less(tmp_path):
    few = read_landmarks(write(tmp_path, HEAD + "b,1,1,1\n"), "LPS")
    many = read_landmarks(write(tmp_path, HEAD + "a,2,2,2\nb,3,3,3\n", "sub-01_ses-01_landmarks.csv"), "LPS")
    names, points, places = common(few, many)
    assert (names, points.tolist(), places.tolist()) == (("b",), [[1, 1, 1]], [[3, 3, 3]])
    with pytest.raises(
        LandmarkError, match=r"ses-01_landmarks.csv, line 2: landmark 'a' is required in sub-01_ses-00"
    ):
        common(many, few)
