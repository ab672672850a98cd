"""The benchmark of brain extraction: what it measures, on a head whose brain is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import phantoms
import pytest
import SimpleITK as sitk

from benchmarks.brain_extraction import cases, measure, report
from benchmarks.brain_extraction.cases import Case, real_cases, within_membranes
from gliomorph.interfaces.files.images import ImageError, write_image

LIKE = phantoms.grid((20, 24, 20), (8.0, 8.0, 8.0))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One head with a tumour, T1w and FLAIR."""
    root = tmp_path / "real" / "heads-native"
    for end in ("T1w", "FLAIR"):
        write_image(phantoms.with_skull(LIKE), root / "sub-A" / "anat" / f"sub-A_{end}.nii.gz")
    tumor = root / "derivatives" / "masks" / "sub-A" / "anat" / "sub-A_label-tumor_mask.nii.gz"
    write_image(phantoms.labels_image(LIKE), tumor)
    return tmp_path / "real"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tool that finds the brain in T1w and none in FLAIR; the names that it was asked for."""
    asked = []

    def extracted(image: sitk.Image, _: object, scratch: Path, name: str) -> tuple[sitk.Image, list[str]]:
        asked.append(name)
        if "FLAIR" in name:
            raise ImageError(f"{name}: no brain is found")
        return phantoms.brain_mask(LIKE), []

    monkeypatch.setattr(measure, "extracted", extracted)
    return asked


def test_rows_say_what_failed_and_how_much_of_the_tumour_is_inside(
    data: Path, tmp_path: Path, tool: list[str]
) -> None:
    found = list(real_cases(data))
    assert [case.name for case in found] == ["sub-A_T1w", "sub-A_FLAIR"]
    for _ in range(2):  # what is kept is not made again
        rows = [measure.extract("shipped", case, tmp_path) for case in found]
    assert tool == ["sub-A_T1w.nii.gz", "sub-A_FLAIR.nii.gz"]
    assert rows[0]["tumor_inside"] == 1
    assert rows[1]["failure"] == "sub-A_FLAIR.nii.gz: no brain is found"
    agreement = pd.DataFrame(measure.agreements("shipped", found, tmp_path), columns=["tool", "dice"])
    text = report.write(pd.DataFrame(rows), agreement, tmp_path)
    assert "| images, failures | no failure | 2, 1 |" in text
    (picture,) = report.draw_worst(pd.DataFrame(rows), agreement, found, tmp_path)
    assert picture.name == "worst_shipped_01_sub-A_T1w.png"


def test_masks_of_one_head_are_compared_pair_by_pair(data: Path, tmp_path: Path) -> None:
    found = list(real_cases(data))
    for case in found:
        write_image(phantoms.brain_mask(LIKE), measure.mask_path("shipped", case, tmp_path))
    (row,) = measure.agreements("shipped", found, tmp_path)
    assert (row["first"], row["second"], row["dice"]) == ("T1w", "FLAIR", 1)


def test_brain_of_a_label_map_has_its_fluid_and_nothing_outside() -> None:
    labels = np.zeros((7, 7, 7))
    labels[1:6, 1:6, 1:6] = 24  # fluid
    labels[2:5, 2:5, 2:5] = 3
    labels[6] = 515  # bone
    assert within_membranes(labels).sum() == 125


def test_painted_head_is_kept(tmp_path: Path) -> None:
    """Its image and its brain's mask, of a small head of bone, fluid and white matter."""
    place = np.indices((24, 24, 24)) - 11.5
    radius = np.linalg.norm(place, axis=0)
    labels = np.select([radius < 6, radius < 8, radius < 10], [2, 24, 515], 0).astype(np.uint16)
    path = write_image(sitk.GetImageFromArray(labels), tmp_path / "a_dseg.nii.gz")
    image, brain = tmp_path / "a.nii.gz", tmp_path / "a_mask.nii.gz"
    cases.paint(path, image, brain)
    written = image.stat().st_mtime_ns
    cases.paint(path, image, brain)
    assert image.stat().st_mtime_ns == written
    case = Case(head="a", sequence="painted", image=image, brain=brain, labels=path)
    whole = sitk.GetImageFromArray((radius < 8).astype(np.uint8))
    judged = measure.judged(whole, case)
    assert judged["dice"] == 1
    assert judged["dice_without_fluid"] < 0.95
