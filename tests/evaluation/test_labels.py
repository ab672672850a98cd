"""Native structures are carried by the published transforms and measured against the template's own."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import evaluations
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.evaluation.labels import evaluate_labels
from gliomorph.interfaces.derivatives.registrations import EvaluationError, find_registrations
from gliomorph.interfaces.files.images import ImageError, from_array, write_image

CENTRE, RADIUS = phantoms.at(20, 10, -8), 12
"""Centre and radius of the tiny template's nucleus."""
MASK = "label-nucleus_mask.nii.gz"


@pytest.fixture
def evaluate(tmp_path: Path, template_home: Path) -> Callable[..., list[dict[str, str]]]:
    """Run the evaluation; its rows. What was reported is in ``evaluate.said``."""
    said: list[str] = []
    (tmp_path / "labels").mkdir()

    def run(**options: object) -> list[dict[str, str]]:
        said.clear()
        table = evaluate_labels(
            find_registrations(tmp_path / "derivatives"),
            tmp_path / "out",
            tmp_path / "labels",
            template_folders=[template_home],
            report=said.append,
            **options,
        )
        with table.open(newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t"))

    run.said = said  # type: ignore[attr-defined]
    return run


def register(tmp_path: Path, scan: str, *transform: sitk.Transform, method: str = "syn-cfm") -> None:
    evaluations.write_registration(tmp_path / "derivatives", scan, method, *transform)


def write_ball(
    tmp_path: Path, scan: str, name: str = MASK, frame: str = "LPS", moved: object = (0, 0, 0), value: int = 1
) -> Path:
    like = phantoms.frame(frame)
    inside = phantoms.ball(like, CENTRE + np.array(moved), RADIUS)
    path = evaluations.anat(tmp_path / "labels", scan) / f"{scan}_{name}"
    return write_image(from_array((value * inside).astype(np.uint8), like), path)


def test_identity_carries_a_structure_onto_itself(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    write_ball(tmp_path, "sub-01")
    (row,) = evaluate()
    assert (row["scan"], row["method"], row["label"]) == ("sub-01", "syn-cfm", "nucleus")
    assert [row[key] for key in ("dice", "surface_mean_mm", "surface_p95_mm")] == ["1", "0", "0"]


def test_any_frame_is_carried_by_world_coordinates(tmp_path, evaluate, frame):
    register(tmp_path, "sub-01")
    write_ball(tmp_path, "sub-01", frame=frame)
    (row,) = evaluate()
    assert float(row["dice"]) > 0.85  # a ball of three voxels' radius, drawn on another grid
    assert float(row["surface_mean_mm"]) < 2


def test_a_shift_is_undone_by_the_transform_that_knows_it(tmp_path, evaluate):
    """The patient's nucleus lies 8 mm (two voxels) off: template points to native points is +8 mm."""
    register(tmp_path, "sub-01", evaluations.shift(8, 0, 0), method="syn")
    register(tmp_path, "sub-01", method="affine")
    register(tmp_path, "sub-01", evaluations.shift(-8, 0, 0), method="lddmm")
    write_ball(tmp_path, "sub-01", moved=(8, 0, 0))
    rows = {row["method"]: row for row in evaluate()}
    assert float(rows["syn"]["dice"]) == 1
    assert float(rows["affine"]["surface_p95_mm"]) == pytest.approx(8)
    assert float(rows["lddmm"]["surface_p95_mm"]) == pytest.approx(16)
    assert float(rows["lddmm"]["dice"]) < float(rows["affine"]["dice"]) < 1


def test_a_structure_that_is_carried_out_of_the_template_has_no_overlap_and_no_distance(tmp_path, evaluate):
    register(tmp_path, "sub-01", evaluations.shift(500, 0, 0))
    write_ball(tmp_path, "sub-01")
    (row,) = evaluate()
    assert (row["dice"], row["surface_mean_mm"], row["surface_p95_mm"]) == ("0", "n/a", "n/a")


@pytest.mark.parametrize("column", ["name", "abbreviation"])
def test_label_maps_are_read_by_their_table(tmp_path, evaluate, column):
    register(tmp_path, "sub-01_ses-pre")
    path = write_ball(tmp_path, "sub-01_ses-pre", "seg-deep_dseg.nii.gz", value=7)
    path.with_name(path.name.replace("nii.gz", "tsv")).write_text(
        f"index\t{column}\n7\tnucleus\n8\tother\n9\tnucleus\n"
    )
    (row,) = evaluate()
    assert (row["session_id"], row["dice"]) == ("ses-pre", "1")


def test_label_map_without_a_table_is_said(tmp_path, evaluate):
    for scan in ("sub-01", "sub-02"):
        register(tmp_path, scan)
    write_ball(tmp_path, "sub-01", "dseg.nii.gz")
    write_ball(tmp_path, "sub-02")
    assert len(evaluate()) == 1
    assert "sub-01_dseg.nii.gz: no dseg.tsv says what its labels are, passed over" in evaluate.said


def test_scans_without_the_structure_are_named(tmp_path, evaluate):
    for scan in ("sub-01", "sub-02"):
        register(tmp_path, scan)
    write_ball(tmp_path, "sub-02")
    write_ball(tmp_path, "sub-01", "space-MNI152_label-nucleus_mask.nii.gz")  # not native
    write_ball(tmp_path, "sub-01", "acq-other_label-nucleus_mask.nii.gz")  # of another image
    assert [row["scan"] for row in evaluate()] == ["sub-02"]
    assert evaluate.said == [
        f"sub-01: no nucleus in {tmp_path / 'labels'}",
        "sub-02: nucleus by syn-cfm",
    ]


def test_file_of_the_very_image_comes_first_and_two_alike_are_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01_ce-gadolinium")
    write_ball(tmp_path, "sub-01", moved=(40, 0, 0))
    write_ball(tmp_path, "sub-01", "ce-gadolinium_" + MASK)
    assert [row["dice"] for row in evaluate()] == ["1"]
    write_ball(tmp_path, "sub-01", "ce-gadolinium_label-nucleus_desc-expert_mask.nii.gz")
    with pytest.raises(
        EvaluationError, match=r"label nucleus: .*expert_mask.nii.gz and .* may both be meant"
    ):
        evaluate()


@pytest.mark.parametrize(
    ("name", "is_its"), [("run-2_space-anat", True), ("run-12", False), ("run-1", False)]
)
def test_numbers_in_names_are_compared_as_numbers(tmp_path, evaluate, name, is_its):
    register(tmp_path, "sub-01_run-02")
    write_ball(tmp_path, "sub-01", f"{name}_{MASK}")
    if is_its:
        assert [row["dice"] for row in evaluate()] == ["1"]
    else:
        with pytest.raises(EvaluationError, match="holds no label-NAME_mask"):
            evaluate()


def test_what_the_template_lacks_is_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    with pytest.raises(EvaluationError, match=r"--label ventricles: the template Tiny has nucleus"):
        evaluate(names=["ventricles"])


def test_no_structure_at_all_is_an_error_and_leaves_no_table(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    with pytest.raises(EvaluationError, match="no dseg with a table of nucleus for any of the 1 scans"):
        evaluate()
    assert not (tmp_path / "out").exists()


def test_mask_of_several_values_is_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    path = write_ball(tmp_path, "sub-01")
    values = sitk.ReadImage(str(path))
    values[0, 0, 0] = 3
    write_image(values, path)
    with pytest.raises(EvaluationError, match=r"a mask has one value besides 0, this one has 2 \(1, 3…\)"):
        evaluate()


def test_image_s_voxels_under_another_header_are_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    native = evaluations.anat(tmp_path / "derivatives", "sub-01") / "sub-01_desc-n4_T1w.nii.gz"
    write_image(phantoms.frame("RAS"), native)
    write_ball(tmp_path, "sub-01")
    with pytest.raises(EvaluationError, match=r"nucleus_mask\.nii\.gz has as many voxels as .*LPS.*RAS"):
        evaluate()
    write_ball(tmp_path, "sub-01", frame="RAS")
    assert float(evaluate()[0]["dice"]) == 1


def test_label_map_of_decimals_is_rounded_or_refused(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    path = write_ball(tmp_path, "sub-01", "dseg.nii.gz")
    path.with_name(path.name.replace("nii.gz", "tsv")).write_text("index\tname\n1\tnucleus\n")
    labels = sitk.ReadImage(str(path), sitk.sitkFloat32)
    write_image(labels * 0.9999, path)
    assert float(evaluate()[0]["dice"]) == 1
    write_image(labels * 0.6, path)
    with pytest.raises(ImageError, match=r"sub-01_dseg\.nii\.gz: .* such as 0\.6: was the map resampled"):
        evaluate()


def test_damaged_files_are_named(tmp_path, evaluate):
    register(tmp_path, "sub-01")
    path = write_ball(tmp_path, "sub-01", "dseg.nii.gz")
    table = path.with_name(path.name.replace("nii.gz", "tsv"))
    table.write_text("index\tname\nseven\tnucleus\n")
    with pytest.raises(
        EvaluationError, match=r"sub-01_dseg.tsv, line 2: a whole number as index is required"
    ):
        evaluate()
    table.write_text("index\tname\n1\tnucleus\n")
    path.write_bytes(b"none")
    with pytest.raises(ImageError, match=r"sub-01_dseg.nii.gz: cannot be read"):
        evaluate()
