"""Methods judged by people's own anatomies: painting, overlap and tables on two drawn heads; whole runs are slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from benchmarks.anatomies import cohort, measures, report
from benchmarks.anatomies.__main__ import parse
from benchmarks.anatomies.options import Options
from benchmarks.pipeline import Variant, command
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.derivatives.registrations import EvaluationError, Registration
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform

ROOT = Path(__file__).parents[2]


def draw_head(path: Path, ventricle_mm: float) -> None:
    """A label map with ventricle, thalamus, white matter, cortex, fluid and bone, left and right apart."""
    like = phantoms.frame("LPS")
    points = phantoms.positions(like)
    radius, left = phantoms.radius_at(points), points[0] > phantoms.CENTRE[0]
    labels = np.zeros(radius.shape, np.int16)
    for reach, *sides in ((1.1, 515, 515), (1.0, 24, 24), (0.92, 3, 42), (0.75, 2, 41)):
        labels[radius < reach] = np.where(left, *sides)[radius < reach]
    for x, one, other in ((-16, 43, 49), (16, 4, 10)):
        labels[phantoms.ball(like, phantoms.at(x, -8, 6), ventricle_mm)] = one
        labels[phantoms.ball(like, phantoms.at(x, 16, 0), 10)] = other
    write_image(from_array(labels, like), path)


@pytest.fixture(scope="module")
def words(template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line for two people."""
    root = tmp_path_factory.mktemp("anatomies")
    for name, ventricle_mm in (("person-1", 10.0), ("person-2", 14.0)):
        draw_head(root / "maps" / f"{name}_dseg.nii.gz", ventricle_mm)
    said = [str(root / "out"), "--maps", str(root / "maps"), "--template", "Tiny", "--resolution", "4"]
    return [*said, "--template-dir", str(template_home), "--gpu", "none", "--nprocs", "1"]


@pytest.fixture(scope="module")
def options(words: list[str]) -> Options:
    """Both people, painted; read only."""
    options = parse([*words, "--methods", "affine", "rigid"])
    cohort.paint_all(options)
    return options


def voxels(path: Path) -> np.ndarray:
    return to_array(read_image(path))


def test_people_are_painted_with_masks_and_structures(options: Options) -> None:
    assert list(options.maps) == ["person1", "person2"]
    for label in options.maps:
        scan = f"sub-{label}/anat/sub-{label}"
        truth = options.bids / "derivatives" / "truth"
        image, brain = (
            voxels(options.bids / f"{scan}_T1w.nii.gz"),
            voxels(truth / f"{scan}_desc-brain_mask.nii.gz"),
        )
        tumor = voxels(truth / f"{scan}_seg-brats_dseg.nii.gz")
        structures = voxels(options.anatomies / f"{scan}_desc-structures_dseg.nii.gz")
        np.testing.assert_array_equal(image > 0, brain > 0)
        assert tumor.any() and not tumor[brain == 0].any() and set(np.unique(tumor)) <= {0, 1, 2, 4}
        names = {cohort.NAMES[number - 1] for number in np.unique(structures[structures > 0]).astype(int)}
        assert names == {"cerebral white matter", "cerebral cortex", "lateral ventricles", "thalamus"}


def test_who_is_there_is_kept_and_another_seed_paints_anew(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    cohort.paint_all(options)
    assert capsys.readouterr().out == "sub-person1: kept\nsub-person2: kept\n"
    cohort.paint_all(attrs.evolve(options, out=tmp_path, seed=options.seed + 1))
    assert "kept" not in capsys.readouterr().out
    name = "sub-person1/anat/sub-person1_T1w.nii.gz"
    one, other = voxels(options.bids / name), voxels(tmp_path / "bids" / name)
    assert one.shape != other.shape or (one != other).any()


def registered(options: Options, method: str, shift_mm: float, folder: Path) -> dict[str, Registration]:
    """Both people, registered by a shift along an axis."""
    found = {}
    for label in options.maps:
        where = f"sub-{label}/anat"
        quality = {
            "brain_dice": 0.9,
            "folds": 3,
            "seconds": 2.0,
            "peak_memory_gb": 1.0,
            "inverse_consistency_mm": 0.1,
        }
        one = Registration(
            scan=f"sub-{label}", folder=folder / where, where=where, template="Tiny", resolution=4, method=method,
            quality=quality,
        )  # fmt: skip
        shift = sitk.AffineTransform(3)
        shift.SetTranslation((shift_mm if label == "person1" else 0.0, 0.0, 0.0))
        write_transform(shift, one.native_from_template)
        one.record.write_text(json.dumps({"method": method, "cpu_seconds": 4.5}))
        found[f"sub-{label}"] = one
    return found


def test_better_aligned_people_overlap_more_and_the_tables_say_so(options: Options, tmp_path: Path) -> None:
    found = {
        "rigid": registered(options, "rigid", 12.0, tmp_path),
        "affine": registered(options, "affine", 0.0, tmp_path),
    }
    rows, pairs = measures.measure_all(found, options)
    assert [(row["participant_id"], row["method"]) for row in pairs] == [
        ("sub-person1 sub-person2", "rigid"),
        ("sub-person1 sub-person2", "affine"),
    ]
    dice = {row["method"]: row for row in pairs}
    for name in ("dice", "cerebral cortex", "thalamus"):
        assert dice["rigid"][name] < dice["affine"][name]
    assert dice["affine"]["hippocampus"] is None
    assert {row["folds_percent"] for row in rows} == {100 * 3 / brain_voxels(options)}
    assert {row["cpu_seconds"] for row in rows} == {4.5}
    text = report.write(rows, pairs, attrs.evolve(options, out=tmp_path, against="rigid"))
    assert "| method | Dice of 13 structures | Dice of the brain with the template's |" in text
    assert "| minus rigid | Dice of 13 structures | p (t) | p (Wilcoxon) |" in text
    assert "over 2 of 2 people (person1, person2) and 1 pairs: template Tiny at 4 mm" in text
    for name in ("anatomies.tsv", "pairs.tsv", "anatomies.md"):
        assert (tmp_path / name).stat().st_size > 200


def brain_voxels(options: Options) -> int:
    return int((to_array(load_template("Tiny", 4, options.template_dir).brain_mask) > 0).sum())


def test_tumors_of_both_are_left_out_of_the_overlap() -> None:
    labels = np.ones((4, 4, 4), np.uint8)
    nowhere = np.zeros(labels.shape, bool)
    other = labels.copy()
    other[0] = 2
    one, two = (measures.Carried(labels=part, tumor=nowhere) for part in (labels, other))
    name = cohort.NAMES[0]
    assert measures.overlaps(one, one)[name] == 1.0
    assert measures.overlaps(one, two)[name] == pytest.approx(2 * 48 / (64 + 48))
    ill = attrs.evolve(two, tumor=other == 2)
    assert measures.overlaps(one, ill)[name] == measures.overlaps(ill, one)[name] == 1.0
    assert measures.overlaps(one, ill)[cohort.NAMES[1]] is None


def test_methods_that_registered_nobody_are_said(options: Options) -> None:
    with pytest.raises(EvaluationError, match="affine: 0 of 2 people could be registered"):
        measures.measure_all({"affine": {}}, options)


def test_variants_run_for_themselves_with_their_options(words: list[str]) -> None:
    options = parse([*words, "--methods", "affine", "--variant", "syn, seed 3: --random-seed 3"])
    assert options.labels == ("affine", "syn, seed 3")
    run = options.runs[1]
    assert run.folder.name == "derivatives-syn-seed-3"
    said = command(run, options)
    assert said[said.index("--registration") + 1] == "syn" and said[-2:] == ["--random-seed", "3"]
    assert Variant.parsed("syn, a: b").words == ("b",)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--subjects", "3"], "--subjects 3: one map is required"),
        (["--subjects", "1"], "at least two"),
        (["--variant", "syn: --random-seed 3"], "METHOD, NAME: OPTIONS OF GLIOMORPH is required"),
        (["--methods", "affine", "--against", "syn"], "--against syn: choose from affine"),
    ],
)
def test_what_cannot_be_compared_is_said_before(
    more: list[str], message: str, words: list[str], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        parse([*words, *more])
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_whole_runs_end_in_a_table(words: list[str]) -> None:
    # a process of its own: gliomorph sets the environment for its workers
    call = [sys.executable, "-m", "benchmarks.anatomies", *words, "--methods", "rigid", "affine"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    out = Path(words[0])
    rows = (out / "anatomies.tsv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2
    assert "| affine |" in (out / "anatomies.md").read_text()
    for name in ("anatomies_dice", "pairs_dice", "template", "mean_affine", "first_affine"):
        assert (out / f"{name}.png").stat().st_size > 2000
