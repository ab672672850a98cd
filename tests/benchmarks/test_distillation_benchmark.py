"""The distillation study on a tiny scale: every model, tables, figures, going on where it stopped."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.distillation import __main__ as command
from benchmarks.distillation.__main__ import main
from benchmarks.distillation.data import cohort, patient_path
from benchmarks.distillation.study import (
    AGAIN,
    BASELINE,
    MODELS,
    TEACHER,
    TEACHER_NO_SKIPS,
    Study,
    chosen,
    teacher_of,
)
from benchmarks.distillation.table import compared, differences_table, main_table
from benchmarks.distillation.train import _batch, _objective, figures_path, weights_path

STUDY = Study(
    template="Tiny",
    resolution=4,
    validation=1,
    test=3,
    width=2,
    steps=2,
    teacher_steps=2,
    every=1,
    box=(16, 16, 16),
)
SIZE = 4


def options(home):
    words = ["--template", "Tiny", "--template-dir", home, "--resolution", 4, "--validation", 1, "--test", 3]
    return [
        *map(
            str,
            [
                *words,
                "--width",
                2,
                "--steps",
                2,
                "--teacher-steps",
                2,
                "--every",
                1,
                "--box",
                16,
                16,
                16,
                "--sizes",
                SIZE,
            ],
        )
    ]


def write_patient(path, seed):
    """A ball of noise with a tumour in it; simulating one takes seconds."""
    random = torch.Generator().manual_seed(seed)
    axis = torch.arange(24.0) - 11.5
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    images = torch.randn((4, 24, 24, 24), generator=random) * (radius < 11)
    labels = torch.zeros((24, 24, 24), dtype=torch.uint8)
    for label, outer in ((2, 6), (3, 4), (1, 2)):
        labels[radius < outer] = label
    path.parent.mkdir(exist_ok=True)
    save_file({"images": images.half(), "labels": labels}, path)


@pytest.fixture(scope="module")
def finished(template_home, tmp_path_factory):
    """A whole study, in which all patients but the last are there already; read only."""
    out = tmp_path_factory.mktemp("study")
    for number in range(STUDY.validation + STUDY.test + SIZE - 1):
        write_patient(patient_path(out, number), number)
    main([str(out), *options(template_home)])
    return out


def figures_of(**values):
    """A table of patients: for each model the Dice of WT, all other figures constant."""
    rows = []
    for model, dices in values.items():
        for patient, dice in enumerate(dices):
            row = {f"{r}_{f}": 0.5 for r in ("ET", "TC", "WT") for f in ("dice", "hausdorff95", "hausdorff")}
            changed = {"WT_dice": dice, "WT_hausdorff95": 10 + 100 * dice}
            rows.append({"training": 12, "model": model, "patient": patient, **row, **changed})
    return pd.DataFrame(rows)


def row_of(table, model, region="WT", figure="dice"):
    found = table[(table.model == model) & (table.region == region) & (table.figure == figure)]
    assert len(found) == 1
    return found.iloc[0]


def test_every_model_is_in_the_tables_with_its_tests(finished):
    table = pd.read_csv(finished / "distillation.tsv", sep="\t")
    assert list(dict.fromkeys(table.model)) == list(MODELS)
    assert len(table) == len(MODELS) * 3 * 3
    tested = table[(table.model != BASELINE) & (table.figure == "dice")]
    assert (tested.pairs == 3).all()
    assert tested[["difference", "t_p", "wilcoxon_p"]].notna().all(axis=None)
    assert len(pd.read_csv(finished / "patients.tsv", sep="\t")) == 3 * len(MODELS)
    text = (finished / "distillation.md").read_text()
    assert all(f"| N = {SIZE} | {model} |" in text for model in MODELS)


def test_layers_are_compared_and_set_to_zero(finished):
    alike = pd.read_csv(finished / "svcca.tsv", sep="\t")
    assert len(alike.columns) == 2 + 4
    assert alike.layer.tolist()[:4] == ["skip1", "skip2", "skip3", "bottleneck"]
    assert alike.iloc[:, 2:].stack().between(0, 1).all()
    zeros = pd.read_csv(finished / "zeroed.tsv", sep="\t")
    assert zeros.model.tolist() == [TEACHER] * 5 + [BASELINE] * 5
    assert zeros.zeroed.tolist()[:5] == ["none", "bottleneck", "skip3", "skip2", "skip1"]


def test_figures_are_drawn(finished):
    for name in ("improvement", "svcca", "distribution", f"examples-N{SIZE:03d}"):
        assert (finished / f"{name}.png").stat().st_size > 5000


def test_going_on_trains_what_is_missing_to_the_same_figures(finished, template_home, monkeypatch):
    """All but one model, and its log, stay as they are; tables and pictures are made of these files alone."""
    monkeypatch.setattr(command, "report", lambda *_: "")
    files = sorted(finished.glob("N*/*"))
    before = {path: path.stat().st_mtime_ns for path in files}
    missing = figures_path(finished, SIZE, "kl+kd")
    told, weights = missing.read_text(), load_file(weights_path(finished, SIZE, "kl+kd"))
    missing.unlink()
    main([str(finished), *options(template_home), "--models", "kl+kd"])
    assert missing.read_text() == told
    again = load_file(weights_path(finished, SIZE, "kl+kd"))
    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())
    changed = {path for path in files if path.stat().st_mtime_ns != before[path]}
    assert {path.name.split(".")[0] for path in changed} == {"kl+kd"}


def test_another_study_is_refused(finished, template_home):
    with pytest.raises(SystemExit, match="width 2 there, 3 asked for"):
        main([str(finished), *options(template_home), "--width", "3"])


def test_a_training_set_smaller_than_a_batch_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="at least a batch, 2"):
        main([str(tmp_path), "--sizes", "1"])


@pytest.mark.parametrize("least_ml", ["50.1", "60", "1e3", "nan"])
def test_tumours_that_are_never_drawn_are_refused(tmp_path, least_ml):
    with pytest.raises(ValueError, match=r"least_ml of at most 50 is required.*draws tumours of 1 to 60 ml"):
        main([str(tmp_path), "--least-ml", least_ml])
    assert Study(least_ml=50).least_ml == 50


def test_simulated_patients_are_standardised_heads_with_a_tumour(finished):
    images, labels = cohort(STUDY, SIZE, 0, finished).training.read(0, 0)
    head = load_file(patient_path(finished, STUDY.validation + STUDY.test + SIZE - 1))
    brain = head["images"][0] != 0
    assert images.shape[1:] == labels.shape == (16, 16, 16)
    assert head["images"].shape[1:] == head["labels"].shape
    for image in head["images"].float():
        assert torch.equal(image != 0, brain)
        assert image[brain].mean().abs() < 0.01 and abs(image[brain].std() - 1) < 0.01
    assert head["labels"].unique().tolist() in ([0, 1, 2, 3], [0, 2, 3], [0, 1, 2])
    assert (head["labels"][~brain] == 0).all()


def test_nobody_is_in_two_parts_and_larger_sets_hold_smaller_ones(tmp_path):
    small, large = (cohort(STUDY, size, 0, tmp_path) for size in (4, 6))
    assert large.training.files[:4] == small.training.files
    assert (large.validation, large.test) == (small.validation, small.test)
    everyone = large.training.files + large.validation.files + large.test.files
    assert sorted(everyone) == [patient_path(tmp_path, number) for number in range(10)]


def test_students_begin_with_equal_weights_and_see_equal_batches(finished):
    networks = {m: _objective(STUDY, m, SIZE, finished)[1].state_dict() for m in (BASELINE, "ct+kd", AGAIN)}
    name = "down.0.0.0.weight"
    assert torch.equal(networks[BASELINE][name], networks["ct+kd"][name])
    assert not torch.equal(networks[BASELINE][name], networks[AGAIN][name])
    training = cohort(STUDY, SIZE, 0, finished).training
    first, again, later = (_batch(training, step, STUDY, 0) for step in (0, 0, 1))
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert first.images.shape == (2, 4, 16, 16, 16)
    assert not torch.equal(first.images, later.images)


def test_models_bring_their_teachers():
    assert chosen(["shared-decoder-no-skips"]) == [
        TEACHER,
        BASELINE,
        TEACHER_NO_SKIPS,
        "shared-decoder-no-skips",
    ]
    assert teacher_of("kd") == TEACHER
    assert teacher_of(TEACHER) is teacher_of(BASELINE) is teacher_of(AGAIN) is None


def test_marks_are_those_of_a_paired_t_test():
    """Differences of 1, 2, 3, 4 %: t = 2.5 / (1.291 / 2) = 3.87 of 3 degrees of freedom, p = 0.0305."""
    base = np.array([0.5, 0.6, 0.7, 0.8])
    steps = np.array([0.01, 0.02, 0.03, 0.04])
    table = compared(figures_of(baseline=base, better=base + steps, worse=base - steps, same=base))
    better = row_of(table, "better")
    assert better.difference == pytest.approx(0.025) and better.t_p == pytest.approx(0.0305, abs=1e-4)
    assert better.wilcoxon_p == pytest.approx(0.125)  # all of 4 in one direction: 2 / 2⁴
    marks = [row_of(table, model).mark for model in ("better", "worse", "same")]
    assert marks == ["*", "†", ""]
    assert [row_of(table, m, figure="hausdorff95").mark for m in ("better", "worse")] == ["†", "*"]
    assert pd.isna(row_of(table, BASELINE).mark)
    text = main_table(table, patients=4)
    assert "| N = 12 | better | 50.00 | 50.00 | 67.50* | 0.50 | 0.50 | 77.50† |" in text
    assert "| N = 12 | better | +0.00 (1.000; 1.000) | +0.00 (1.000; 1.000) | +2.50 (0.030; 0.125) |" in (
        differences_table(table)
    )


def test_patients_without_a_distance_are_counted():
    patients = figures_of(baseline=[0.5, 0.6, 0.7], student=[0.5, 0.6, 0.8])
    patients.loc[(patients.model == "student") & (patients.patient == 1), "WT_hausdorff95"] = np.nan
    table = compared(patients)
    row = row_of(table, "student", figure="hausdorff95")
    assert (row.finite, row.pairs) == (2, 2)
    assert row["mean"] == pytest.approx((60 + 90) / 2)
    assert "| 75.00 (1) |" in main_table(table, patients=3)
