"""What is found in a folder, and what is said of a name without content."""

import os

import pytest

from gliomorph.interfaces.files.folders import files_in, missing_content


def test_hidden_files_are_never_found(tmp_path):
    for name in ("b.nii", "a.nii.gz", "._a.nii.gz", "._b.nii", ".hidden.nii", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in files_in(tmp_path, "*.nii", "*.nii.gz", "*")] == [
        "a.nii.gz",
        "b.nii",
        "c.txt",
    ]


def test_missing_folder_holds_nothing(tmp_path):
    assert files_in(tmp_path / "none", "*") == []


@pytest.mark.parametrize("target", ["../.git/annex/objects/a/b/c.nii.gz", "nowhere"])
def test_link_to_nothing_says_what_mends_it(tmp_path, target):
    (tmp_path / "x.nii.gz").symlink_to(target)
    reason = missing_content(tmp_path / "x.nii.gz")
    assert ("datalad get" in reason) == ("annex" in target)
    assert ("a link to nothing (nowhere)" in reason) == (target == "nowhere")


def test_unlocked_pointer_of_git_annex_has_no_content(tmp_path):
    path = tmp_path / "x.nii.gz"
    path.write_text("/annex/objects/MD5E-s4096--0123456789abcdef.nii.gz\n")
    assert "`git annex get`" in missing_content(path)


def test_name_with_content_or_without_file_has_no_reason(tmp_path):
    (tmp_path / "x").write_bytes(b"voxels")
    (tmp_path / "link").symlink_to("x")
    os.mkfifo(tmp_path / "pipe")  # nobody waits for its end
    assert [missing_content(tmp_path / name) for name in ("x", "link", "pipe", "none")] == [""] * 4
