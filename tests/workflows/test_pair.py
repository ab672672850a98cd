"""A pair from its files to its folder: linear alone, which is quick."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import ImageError, read_image, to_array, write_image
from gliomorph.interfaces.files.landmarks import read_landmarks
from gliomorph.interfaces.files.transforms import read_transform
from gliomorph.workflows.pair import NAMES, PAGE, RECORD, Given, Request, register_images

WAY = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.08, -0.05, 0.1, (6.0, -5.0, 4.0))


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """A head in an oblique frame, and the same head turned."""
    folder = tmp_path_factory.mktemp("given")
    fixed = phantoms.write_head("oblique", folder)
    like = phantoms.grid()
    landmarks = folder / "turned.csv"
    landmarks.write_text(
        "Landmark,X,Y,Z\n" + ",".join(["1", *map(str, WAY.GetInverse().TransformPoint(MARK))])
    )
    turned = {
        part: write_image(
            sitk.Resample(read_image(fixed[part]), like, WAY, how), folder / f"turned_{part}.nii.gz"
        )
        for part, how in (("image", sitk.sitkLinear), ("labels", sitk.sitkNearestNeighbor))
    }
    return Request(
        moving=Given(image=turned["image"], lesion=turned["labels"]),
        fixed=Given(image=fixed["image"], brain=fixed["brain"], lesion=fixed["labels"]),
        deformable="",
        gpu="none",
        applied=(turned["labels"],),
        landmarks=landmarks,
        coordinates="LPS",
    )


MARK = phantoms.at(20, -15, 10).tolist()


@pytest.fixture(scope="module")
def written(request_: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "pair"
    assert register_images(request_, out, tmp_path_factory.mktemp("scratch")) == out / RECORD
    return out


def test_every_output_is_there_and_listed(written: Path) -> None:
    record = json.loads((written / RECORD).read_text())
    assert {*NAMES.values(), PAGE, "turned_labels_space-fixed.nii.gz"} <= set(record["outputs"])
    found = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert found == {*record["outputs"], RECORD}
    assert record["fixed"]["lesion"]["name"] == "oblique_labels.nii.gz"


def test_transforms_carry_points_both_ways(written: Path) -> None:
    points = [phantoms.at(*place).tolist() for place in [(0, 0, 0), (40, 10, -10), (-20, -40, 20)]]
    forward, inverse = (read_transform(written / NAMES[name]) for name in ("forward_xfm", "inverse_xfm"))
    for point in points:
        there = WAY.GetInverse().TransformPoint(point)
        assert np.linalg.norm(np.subtract(forward.TransformPoint(point), there)) < 1
        assert (
            np.linalg.norm(np.subtract(inverse.TransformPoint(forward.TransformPoint(point)), point)) < 1e-3
        )


def test_what_is_carried_along_lies_on_the_fixed_grid(written: Path, request_: Request) -> None:
    labels = read_image(written / "turned_labels_space-fixed.nii.gz", sitk.sitkUInt8)
    own = read_image(request_.fixed.files["lesion"], sitk.sitkUInt8)
    assert phantoms.same_grid(labels, own)
    assert phantoms.dice(to_array(labels) > 0, to_array(own) > 0) > 0.9


def test_landmarks_arrive_where_they_belong(written: Path) -> None:
    (point,) = read_landmarks(written / "turned_space-fixed.csv", "LPS").points
    assert np.linalg.norm(point - MARK) < 1


def test_the_page_has_its_pictures_and_loads_nothing(written: Path) -> None:
    page = (written / PAGE).read_text()
    assert page.count("<img") == len(list((written / "figures").glob("*.png"))) == 6
    assert 'src="http' not in page
    assert "turned_image registered to oblique_T1w" in page


def test_a_file_that_is_not_there_is_named_before_anything_is_done(request_: Request, tmp_path: Path) -> None:
    lost = attrs.evolve(request_, fixed=Given(image=tmp_path / "lost.nii.gz"))
    with pytest.raises(ImageError, match=r"lost\.nii\.gz: no such file"):
        register_images(lost, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_files_that_would_get_one_name_are_refused(request_: Request, tmp_path: Path) -> None:
    path = request_.moving.image
    (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ImageError, match="--apply: files whose names differ"):
        register_images(
            attrs.evolve(request_, applied=(path, tmp_path / path.name)), tmp_path / "out", tmp_path
        )
