"""The study of registration methods: end to end where its figures mean nothing, and its tables of rows made by hand."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
from tiny_networks import write_tiny

from benchmarks import comparison
from benchmarks.pipeline import command, processing_of
from benchmarks.registration_study import measures, report, twins
from benchmarks.registration_study.__main__ import parse
from benchmarks.registration_study.ventricles import template_ventricles
from gliomorph.interfaces.datasets.templates import Template, load_template
from gliomorph.interfaces.derivatives.registrations import EvaluationError
from gliomorph.interfaces.files.images import from_array, to_array, write_image
from gliomorph.interfaces.methods import METHODS, NEEDED, SPEEDS

ROOT = Path(__file__).parents[2]
METHODS_RUN = ("rigid", "affine", "greedy-cfm", "metamorph-r")
VARIANT = "metamorph-r, network alone"
LABELS = (*METHODS_RUN, VARIANT)
TWINS = ("greedy-cfm", "metamorph-r")


@pytest.fixture(scope="module")
def template_dir(template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny template with ventricles, which are fluid."""
    home = Path(shutil.copytree(template_home, tmp_path_factory.mktemp("home") / "templates"))
    like = phantoms.frame("LPS")
    both = phantoms.ball(like, phantoms.at(14, 0, 0), 10) | phantoms.ball(like, phantoms.at(-8, -14, 4), 10)
    name = "tpl-Tiny_res-4_label-ventricles_mask.nii.gz"
    write_image(from_array(both.astype(np.uint8), like), home / "tpl-Tiny" / name)
    return home


@pytest.fixture(scope="module")
def study(template_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two patients; read only."""
    root = tmp_path_factory.mktemp("study")
    write_tiny(root, "metamorph-r", voxel_mm=8.0)
    run(root, template_dir)
    return root / "out"


def run(root: Path, template_dir: Path) -> str:
    # a process of its own: gliomorph sets the environment for its workers
    words = [sys.executable, "-m", "benchmarks.registration_study", str(root / "out"), "--subjects", "2"]
    words += ["--seed", "5", "--template", "Tiny", "--template-dir", str(template_dir), "--resolution", "4"]
    words += ["--methods", *METHODS_RUN, "--variant", f"{VARIANT}: --refine 0"]
    words += ["--registration-weights", str(root / "metamorph-r.safetensors")]
    words += ["--twins", *TWINS, "--nprocs", "1", "--gpu", "none"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def rows_of(study: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (study / "study.tsv").open(newline="") as lines:
        return {(row["participant_id"], row["method"]): row for row in csv.DictReader(lines, delimiter="\t")}


@pytest.mark.slow
def test_every_patient_and_method_is_a_row(study: Path) -> None:
    rows = rows_of(study)
    methods = {*LABELS, "truth"}
    assert set(rows) == {(f"sub-0{k}", method) for k in (1, 2) for method in methods}
    for (_, method), row in rows.items():
        if method == "truth":
            continue
        unknown = {name for name in measures.MEASURES if row[name] == "n/a"}
        expected = set() if method.split(",")[0] in TWINS else {"twin_mean_mm", "twin_p95_mm"}
        assert unknown == expected
        assert 0 < float(row["outside_mean_mm"]) < 30
        assert float(row["jacobian_tumor_true"]) > 1  # the mass effect


@pytest.mark.slow
def test_true_map_has_the_best_ventricles_and_twins_have_other_maps(study: Path) -> None:
    rows = rows_of(study)
    for scan in ("sub-01", "sub-02"):
        dice = {method: float(row["ventricles_dice"]) for (one, method), row in rows.items() if one == scan}
        assert max(dice, key=lambda method: dice[method]) == "truth"
        maps = {method: float(rows[scan, method]["twin_mean_mm"]) for method in (*TWINS, VARIANT)}
        assert all(0 < apart < 20 for apart in maps.values())
        assert maps["metamorph-r"] != maps[VARIANT]  # the twin of each was refined as its patient was


@pytest.mark.slow
def test_table_names_methods_tests_and_what_it_was_made_with(study: Path) -> None:
    text = (study / "study.md").read_text()
    assert "| method | TRE, mean (mm) |" in text
    assert "| minus metamorph-r | TRE, mean (mm) | p (t) | p (Wilcoxon) |" in text
    assert "over 2 of 2 simulated patients: template Tiny at 4 mm, seed 5" in text
    assert "the label-ventricles mask of the template" in text
    assert "antspyx" in text and "threads of each process: 1" in text
    for name in report.TESTED:
        assert (study / f"study_{name}.png").stat().st_size > 2000


@pytest.mark.slow
def test_what_is_there_is_kept(study: Path, template_dir: Path) -> None:
    files = [*study.glob("derivatives*/sub-*/anat/*.h5"), *study.glob("twin-registrations/**/*.h5")]
    before = {path: path.stat().st_mtime_ns for path in files}
    said = run(study.parent, template_dir)
    assert "twin of sub-01, metamorph-r: kept" in said
    assert len(before) == 2 * 2 * len(LABELS) + 2 * (len(TWINS) + 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def row(scan: str, method: str, error: float, **figures: float | None) -> dict[str, object]:
    known = {"outside_mean_mm": error, "ventricles_dice": 1 - error / 10, **figures}
    return {"participant_id": scan, "method": method, **{name: known.get(name) for name in measures.MEASURES}}


def hand_made() -> list[dict[str, object]]:
    """Three patients; ``near`` is known to one method alone, and of two patients."""
    errors = {"affine": (4.0, 5.0, 6.0), "syn": (2.0, 2.5, 4.0), "truth": (0.0, 0.0, 0.0)}
    rows = [
        row(f"sub-{k}", method, error) for method, found in errors.items() for k, error in enumerate(found)
    ]
    for one in rows[3:5]:
        one["near_mean_mm"] = 3.0
    return rows


def test_means_and_tests_are_those_of_the_rows() -> None:
    columns, left_out = comparison.columns_of(hand_made(), measures.MEASURES, ("affine", "syn"), "affine")
    assert not left_out
    assert list(columns) == ["outside_mean_mm", "near_mean_mm", "ventricles_dice"]
    table = comparison.table_of_means(
        columns, ("affine", "syn"), {"frequency r": {"affine": 0.5, "syn": float("nan")}}
    )
    assert table.splitlines()[2:] == [
        "| affine | 5 (1) | – | 0.5 (0.1) | 0.5 |",
        "| syn | 2.83 (1.04) | 3 (0) | 0.717 (0.104) | – |",
    ]
    tests = comparison.table_of_tests(columns, report.TESTED, ("affine", "syn"), "affine")
    assert len(tests.splitlines()) == 3
    # differences −2, −2.5, −2: t = −13 with 2 degrees of freedom; Wilcoxon 2/2³
    assert "| syn | -2.17 | 0.006 | 0.250 | +0.217 | 0.006 | 0.250 |" in tests


def test_patients_without_all_methods_are_left_out_and_named() -> None:
    rows = [one for one in hand_made() if (one["participant_id"], one["method"]) != ("sub-1", "syn")]
    columns, left_out = comparison.columns_of(rows, measures.MEASURES, ("affine", "syn"), "syn")
    assert left_out == {"sub-1": ["syn"]}
    assert columns["outside_mean_mm"].scans == ("sub-0", "sub-2")
    said = report.notes(rows, columns, left_out, "a mask", parse(["out", "--subjects", "4"]))
    assert said[0].startswith("- Means (sd) over 2 of 4 simulated patients")
    assert "- Fewer patients have TRE near the tumour (mm) 1." in said
    assert "- Left out: sub-1, without syn." in said
    with pytest.raises(EvaluationError, match="no patient has all of affine, lddmm"):
        comparison.columns_of(rows, measures.MEASURES, ("affine", "lddmm"), "affine")


def test_equal_maps_of_frequency_have_correlation_one_and_constant_ones_none() -> None:
    assert measures.pearson([0, 1, 2], [0, 2, 4]) == pytest.approx(1)
    assert np.isnan(measures.pearson([1, 1, 1], [0, 1, 2]))


def test_learned_methods_run_once_as_gliomorph_refines_them_and_variants_take_their_networks(
    tmp_path: Path,
) -> None:
    weights = write_tiny(tmp_path, "metamorph-r")
    words = [str(tmp_path), "--methods", "syn", "metamorph-r", "--registration-weights", str(weights)]
    options = parse([*words, "--variant", f"{VARIANT}: --refine 0", "metamorph-r, fast: --speed fast"])
    assert options.labels == ("syn", "metamorph-r", VARIANT, "metamorph-r, fast")
    assert options.against == "metamorph-r"
    run, alone, fast = options.runs
    assert run.folder.name == "derivatives" and run.weights == alone.weights == fast.weights == (weights,)
    assert "--refine" not in command(run, options)
    (options.bids / "derivatives" / "truth").mkdir(parents=True)
    settings = [processing_of(one, options) for one in options.runs]
    assert [how.refinement("metamorph-r") for how in settings] == [
        SPEEDS["default"][-1],
        0,
        SPEEDS["fast"][-1],
    ]
    assert [how.speed_of("metamorph-r") for how in settings] == ["default", "default", "fast"]


def test_learned_methods_run_once_for_each_refinement_the_others_once(tmp_path: Path) -> None:
    words = [str(tmp_path), "--registration-weights", str(write_tiny(tmp_path, "metamorph-r"))]
    options = parse([*words, "--refine", "0", "15", "15"])
    assert [run.folder.name for run in options.runs] == [
        "derivatives",
        "derivatives-refine-0",
        "derivatives-refine-15",
    ]
    assert {VARIANT, "metamorph-r, refined 15"} < set(options.labels)
    assert options.methods == METHODS  # networks that were not given come with gliomorph
    assert options.against == VARIANT
    assert set(options.twins) == set(twins.DEFAULT)
    said = command(options.runs[2], options)
    assert said[said.index("--refine") + 1] == "15"
    first = said.index("--registration") + 1
    assert set(said[first : said.index("--gpu")]) == set(NEEDED)
    assert "--refine" not in command(options.runs[0], options)
    only = parse([*words, "--methods", "metamorph-r", "affine", "--refine", "15", "--twins"])
    assert (only.against, only.twins, only.methods) == (
        "metamorph-r, refined 15",
        (),
        ("affine", "metamorph-r"),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--methods", "affine", "--registration-weights", "WEIGHTS"],
            "no method of affine takes metamorph-r",
        ),
        (["--methods", "affine", "--twins", "syn"], "--twins syn: choose from what is run: affine"),
        (["--methods", "affine", "--twins", "rigid"], "invalid choice"),
        (["--methods", "affine", "--against", "syn"], "--against syn: choose from affine"),
        (["--refine", "-1"], "0 or more iterations are required, got -1"),
    ],
)
def test_what_cannot_be_run_is_said_before(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = str(write_tiny(tmp_path, "metamorph-r"))
    with pytest.raises(SystemExit):
        parse([str(tmp_path / "out"), *(word.replace("WEIGHTS", weights) for word in words)])
    assert message in capsys.readouterr().err


def test_ventricles_are_the_given_mask_else_deep_fluid(template_dir: Path) -> None:
    template = load_template("Tiny", 4, [template_dir])
    given, source = template_ventricles(template)
    np.testing.assert_array_equal(given, to_array(template.labels["ventricles"]) > 0)
    assert "mask" in source
    deep, source = template_ventricles(with_fluid(template, given))
    assert "20 mm below the brain's surface" in source
    assert deep.any() and not (deep & ~given).any()  # nothing of the rim, which is fluid too


def with_fluid(template: Template, where: np.ndarray) -> Template:
    """Without the mask, and with fluid there instead."""
    tissues = {
        name: from_array(np.where(where, float(name == "CSF"), to_array(image)).astype(np.float32), image)
        for name, image in template.tissues.items()
    }
    return attrs.evolve(template, labels={}, tissues=tissues)
