"""``gliomorph-fetch``: from a file of this machine, in place of the network."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.cli import fetch as cli_fetch
from gliomorph.cli.fetch import FetchError, fetch
from gliomorph.interfaces.datasets.simulate import anatomy_of
from gliomorph.interfaces.datasets.templates import TISSUES, load_template
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RAS template under the public one's sha256."""
    like = phantoms.frame("RAS")
    path = write_image(from_array(to_array(phantoms.brain_image(like)), like), tmp_path / "public.nii.gz")
    _, _, title, licence = cli_fetch.SOURCES["SRI24"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(cli_fetch.SOURCES, "SRI24", ("http://nowhere.invalid/x", digest, title, licence))
    return path


def test_fetched_template_is_found_by_its_name(source: Path, tmp_path: Path) -> None:
    home = fetch("SRI24", tmp_path / "templates", source.as_uri())
    assert home == tmp_path / "templates" / "tpl-SRI24"
    assert {path.name for path in home.iterdir()} == {
        "tpl-SRI24_res-1_desc-brain_T1w.nii.gz",
        "tpl-SRI24_res-1_desc-brain_mask.nii.gz",
        "tpl-SRI24_res-1_seg-tissue_dseg.nii.gz",
        "tpl-SRI24_seg-tissue_dseg.tsv",
        "template_description.json",
    }
    template = load_template("SRI24", 4, [tmp_path / "templates"])
    assert to_array(template.brain_mask).any()
    assert template.image.GetDirection() == tuple(np.eye(3).ravel())


def test_patients_can_be_simulated_on_what_was_fetched(source: Path, tmp_path: Path) -> None:
    """They need tissues: every voxel of the brain is of one, and the brighter of the brighter one."""
    fetch("SRI24", tmp_path, source.as_uri())
    template = load_template("SRI24", 4, [tmp_path])
    anatomy_of(template)
    image, brain = to_array(template.image), to_array(template.brain_mask) > 0
    tissues = [to_array(template.tissues[name]) > 0 for name in TISSUES]
    np.testing.assert_array_equal(sum(tissue.astype(int) for tissue in tissues), brain)
    for darker, brighter in pairwise(tissues):
        assert darker.any()
        assert image[darker].max() <= image[brighter].min()


def test_turned_to_lps_it_is_the_same_head_in_space(source: Path, tmp_path: Path) -> None:
    home = fetch("SRI24", tmp_path, source.as_uri())
    written = read_image(home / "tpl-SRI24_res-1_desc-brain_T1w.nii.gz")
    again = sitk.Resample(read_image(source), written, sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(to_array(again), to_array(written))


def test_file_with_another_sha256_is_refused_and_nothing_is_written(source: Path, tmp_path: Path) -> None:
    source.write_bytes(source.read_bytes()[:-1] + b"?")
    with pytest.raises(
        FetchError, match=r"public\.nii\.gz: sha256 [0-9a-f]{64} is required, the file has [0-9a-f]{64}"
    ):
        fetch("SRI24", tmp_path / "templates", source.as_uri())
    assert not (tmp_path / "templates").exists()


def test_place_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"missing\.nii\.gz could not be fetched: .*No such file"):
        fetch("SRI24", tmp_path, (tmp_path / "missing.nii.gz").as_uri())


def test_command_says_where_it_is_and_how_to_use_it(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "templates"
    assert cli_fetch.main(["SRI24", "--template-dir", str(folder), "--url", source.as_uri()]) == 0
    assert f"--template SRI24 --template-dir {folder}" in capsys.readouterr().out


def test_folder_comes_from_the_environment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLIOMORPH_TEMPLATES", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    assert cli_fetch.main(["SRI24", "--url", source.as_uri()]) == 0
    assert (tmp_path / "one" / "tpl-SRI24").is_dir()
    monkeypatch.delenv("GLIOMORPH_TEMPLATES")
    with pytest.raises(SystemExit, match="2"):
        cli_fetch.main(["SRI24"])
    assert "give --template-dir, or set GLIOMORPH_TEMPLATES" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["file:///nowhere/x.nii.gz", "no url at all"])
def test_failure_is_one_line_and_exit_one(
    source: Path, tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli_fetch.main(["SRI24", "--template-dir", str(tmp_path), "--url", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gliomorph-fetch: ")
    assert len(error.splitlines()) == 1
