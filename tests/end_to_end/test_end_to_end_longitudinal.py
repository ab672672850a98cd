"""Two sessions of a patient, from BIDS to the table of change: registered to each other, joined to the template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cohorts
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from cohorts import Place
from runs import Run, ran

from gliomorph.interfaces.files.images import read_image, to_array, write_image
from gliomorph.interfaces.files.tables import read_tsv
from gliomorph.interfaces.files.transforms import apply_to_points, read_transform

pytestmark = pytest.mark.slow

OPTIONS = ("--longitudinal", "--reference-session", "pre", "--registration", "affine")
POST = (np.diag([-1.0, 1.0, 1.0]), [6.0, -4.0, 5.0], 1.0, [-18.0, 15.0, 7.0])
"""The head of sub-01 in another place, on another grid."""
GROWTH_MM = 4.0


def write_session(bids: Path, subject: str, session: str) -> None:
    image, labels = cohorts.head(subject)
    for root, name, picture in (
        (bids, "T1w", image),
        (bids / "derivatives" / "masks", "seg-brats_dseg", labels),
    ):
        folder = root / "sub-01" / f"ses-{session}" / "anat"
        path = write_image(picture, folder / f"sub-01_ses-{session}_{name}.nii.gz")
        if name != "T1w":
            path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text(cohorts.DSEG_TABLE)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = Place(tmp_path_factory.mktemp("sessions")).prepare([])
    (place.bids / "participants.tsv").write_text("participant_id\nsub-01\n")
    with pytest.MonkeyPatch.context() as patch:
        write_session(place.bids, "01", "pre")
        patch.setitem(cohorts.SUBJECTS, "01", POST)
        patch.setattr(
            cohorts, "RADII", {label: radius + GROWTH_MM for label, radius in cohorts.RADII.items()}
        )
        write_session(place.bids, "01", "post")
    return ran(place, *OPTIONS, levels=["participant"])


@pytest.fixture(scope="module")
def record(first: Run) -> dict[str, Any]:
    assert first.answer.code == 0, first.answer.text
    content: dict[str, Any] = json.loads((first.out / "sub-01" / "sub-01_longitudinal.json").read_text())
    return content


def output(first: Run, tail: str) -> Path:
    return first.out / "sub-01" / "ses-post" / "anat" / f"sub-01_ses-post_{tail}"


def test_the_run_says_what_it_will_register(first: Run) -> None:
    assert "sessions of 1 subjects: 1 to register, 0 done" in first.answer.text
    assert "1 of 1 subjects' sessions are registered to each other" in first.answer.text
    assert "  sub-01: ses-post to ses-pre" in first.answer.text


def test_sessions_are_registered_to_the_reference(first: Run, record: dict[str, Any]) -> None:
    assert record["reference"] == "ses-pre"
    forward = read_transform(output(first, "from-post_to-pre_mode-image_desc-greedycfm_xfm.h5"))
    points = phantoms.CENTRE + 25 * np.array([[0, 0, 0], [1, 0.5, 0.2], [0.1, -1, 0.7], [-0.4, -1, -0.6]])
    np.testing.assert_allclose(apply_to_points(forward, points), points + POST[1], atol=2.0)


def test_maps_to_the_template_are_those_of_both_joined(first: Run, record: dict[str, Any]) -> None:
    pre = first.out / "sub-01" / "ses-pre" / "anat" / "sub-01_ses-pre"
    own, joined, between = (
        read_transform(path)
        for path in (
            f"{pre}_from-native_to-Tiny_mode-image_desc-affine_xfm.h5",
            output(first, "from-post_to-Tiny_mode-image_desc-affine_xfm.h5"),
            output(first, "from-post_to-pre_mode-image_desc-greedycfm_xfm.h5"),
        )
    )
    back = read_transform(output(first, "from-Tiny_to-post_mode-image_desc-affine_xfm.h5"))
    for point in (phantoms.at(10, 20, -5).tolist(), phantoms.at(-15, -25, 12).tolist()):
        there = joined.TransformPoint(point)
        np.testing.assert_allclose(there, between.TransformPoint(own.TransformPoint(point)), atol=1e-3)
        np.testing.assert_allclose(back.TransformPoint(there), point, atol=0.5)


def test_growth_is_measured_and_shrinkage_is_none(first: Run, record: dict[str, Any]) -> None:
    columns, rows = read_tsv(first.out / "sub-01" / "sub-01_longitudinal.tsv")
    assert columns[:4] == ["participant_id", "session_id", "region", "volume_ml"]
    whole = {row.cells["session_id"]: row.cells for row in rows if row.cells["region"] == "WT"}
    assert whole["ses-pre"]["change_ml"] == "n/a"
    expected = 100 * (((cohorts.RADII[2] + GROWTH_MM) / cohorts.RADII[2]) ** 3 - 1)
    assert float(whole["ses-post"]["change_percent"]) == pytest.approx(expected, rel=0.2)
    old, growth, shrinkage = (
        float(whole["ses-post"][name]) for name in ("overlap_ml", "growth_ml", "shrinkage_ml")
    )
    assert growth > 0.5 * old > 10 * shrinkage
    carried = read_image(output(first, "space-pre_label-tumor_desc-greedycfm_mask.nii.gz"), sitk.sitkUInt8)
    assert to_array(carried).sum() * 0.064 == pytest.approx(
        float(whole["ses-post"]["reference_space_ml"]), abs=1e-3
    )


def test_everything_is_listed_and_there(first: Run, record: dict[str, Any]) -> None:
    assert all((first.out / name).stat().st_size for name in record["outputs"])
    page = (first.out / "sub-01_longitudinal.html").read_text()
    assert page.count("<img") == sum(name.endswith(".png") for name in record["outputs"]) >= 7


def test_a_second_run_computes_and_writes_nothing(first: Run) -> None:
    again = ran(first.place, *OPTIONS, levels=["participant"])
    assert again.answer.code == 0
    assert "0 to register, 1 done" in again.answer.text
    assert again.changed() == set()
    assert again.executed == 0
