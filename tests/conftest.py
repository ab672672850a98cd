"""Fixtures that every test may use: a head in any frame, a tiny template, a folder to write into."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.environment import collect_rarely
from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.interfaces.files.transforms import write_transform

# ANTs repeats itself on one thread only, and reads this once: before its first use, whichever test that is in
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

collect_rarely()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # what a shell's background lets this process ignore, runs of tests of Ctrl-C would ignore, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which process runs which tests."""
    from scheduling import SharedFixtures

    return SharedFixtures(config, log)


def pytest_collection_finish() -> None:
    """What has been imported stays: a million objects that collections of garbage need not look at again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def hash_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pydra's hashes of files: nothing below ``HOME``, which tests leave alone and may not have."""
    os.environ["PYDRA_HASH_CACHE"] = str(tmp_path_factory.mktemp("hashes"))


@pytest.fixture(autouse=True)
def kept_environment(hash_cache: None) -> Iterator[None]:
    """A command that runs in this process sets threads and folders for its children: not for the next test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder: stages write where they run."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(params=phantoms.FRAMES)
def frame(request: pytest.FixtureRequest) -> str:
    """Every orientation in turn."""
    return str(request.param)


@pytest.fixture
def identity_xfm(tmp_path: Path) -> Path:
    """A transform file that moves nothing."""
    return write_transform(sitk.AffineTransform(3), tmp_path / "identity.h5")


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """``image``, ``brain`` and ``labels`` of the head by frame; read only."""
    folder = tmp_path_factory.mktemp("heads")
    return {name: phantoms.write_head(name, folder) for name in phantoms.FRAMES}


@pytest.fixture(scope="session")
def template_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tpl-Tiny`` in TemplateFlow's layout: 4 mm, LPS, with tissues and a structure."""
    home = tmp_path_factory.mktemp("templates")
    stem = home / "tpl-Tiny" / "tpl-Tiny"
    like = phantoms.frame("LPS")
    radius = phantoms.radius_at(phantoms.positions(like))
    tissues = np.select([radius < 0.75, radius < 0.92, radius < 1], [3, 2, 1], 0).astype(np.uint8)
    nucleus = phantoms.ball(like, phantoms.at(20, 10, -8), 12).astype(np.uint8)
    write_image(phantoms.brain_image(like), f"{stem}_res-4_desc-brain_T1w.nii.gz")
    write_image(phantoms.brain_mask(like), f"{stem}_res-4_desc-brain_mask.nii.gz")
    write_image(from_array(tissues, like), f"{stem}_res-4_seg-tissue_dseg.nii.gz")
    write_image(from_array(nucleus, like), f"{stem}_res-4_label-nucleus_mask.nii.gz")
    Path(f"{stem}_seg-tissue_dseg.tsv").write_text("index\tname\n1\tCSF\n2\tGM\n3\tWM\n")
    return home


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Data that are not part of the repository; what needs them is skipped without."""
    if not phantoms.SHARED_DATA.is_dir():
        pytest.skip(f"no data folder at {phantoms.SHARED_DATA} (set GLIOMORPH_SHARED_DATA)")
    return phantoms.SHARED_DATA
