"""Which files a .bidsignore names."""

from pathlib import Path

import pytest

from gliomorph.interfaces.datasets.bidsignore import ignored_paths

FILES = [Path("sub-01/anat/sub-01_T1w.nii.gz"), Path("sub-02/ses-a/anat/sub-02_ses-a_acq-bad_T1w.nii.gz")]


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("sub-01/", [0]),
        ("sub-01", [0]),
        ("/sub-02/**", [1]),
        ("**/*_acq-bad_*", [1]),
        ("*_acq-bad_*", [1]),
        ("sub-0?/", [0, 1]),
        ("anat/", [0, 1]),
        ("/anat/", []),
        ("sub-01/sub-01_T1w.nii.gz", []),
        ("# sub-01/\n\n*_bold.nii.gz\n", []),
        ("sub-*\n!sub-01\n", [1]),
        ("sub-01_T1w.nii", []),
        ("[x(", []),
    ],
)
def test_lines_are_read_as_in_gitignore(tmp_path, text, ignored):
    (tmp_path / ".bidsignore").write_text(text)
    assert ignored_paths(tmp_path, FILES) == [FILES[number] for number in ignored]


def test_dataset_without_the_file_ignores_nothing(tmp_path):
    assert ignored_paths(tmp_path, FILES) == []
