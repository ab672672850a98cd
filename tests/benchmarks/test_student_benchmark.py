"""The students' benchmark around a pipeline that only pretends: what is measured, what is recorded, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import cohorts
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.student import quality as module
from benchmarks.student.__main__ import main
from gliomorph.interfaces.files.images import from_array, read_image, write_image
from gliomorph.interfaces.networks.files import weights_sha256
from gliomorph.interfaces.networks.segmentation import write_unet
from gliomorph.models.unet import SegmentationSettings

ROOT = Path(__file__).parents[2]
SUBJECTS = ("01", "02", "03")
LABELS = "seg-brats_desc-student_dseg.nii.gz"
RECORD = "space-Tiny_res-2_desc-affine_registration.json"


@attrs.define
class Pipeline:
    """Stands for ``gliomorph``: leaves the given labels, and a record, of all subjects but those that fail.

    Attributes
    ----------
    bids : Path
        Whose given labels it takes.
    code : int
        What it returns.
    failing : tuple of str
        Subjects that it leaves nothing of.
    calls : list of list of str
        The arguments of each call.
    """

    bids: Path
    code: int = 0
    failing: tuple[str, ...] = ()
    calls: list[list[str]] = attrs.field(factory=list)

    def __call__(self, argv: list[str]) -> int:
        self.calls.append(argv)
        if self.code in (0, 1):
            weights = Path(argv[argv.index("--weights") + 1])
            for subject in set(self.subjects) - set(self.failing):
                self.leave(Path(argv[1]), subject, weights_sha256(weights))
        return self.code

    @property
    def subjects(self) -> list[str]:
        """Subjects that the last call was for."""
        return self.calls[-1][self.calls[-1].index("--participant-label") + 1 :]

    def leave(self, derivatives: Path, subject: str, sha256: str) -> None:
        """What a network with this hash leaves of a subject."""
        stem = derivatives / f"sub-{subject}" / "anat" / f"sub-{subject}"
        write_image(read_image(cohorts.labels_path(self.bids, subject)), f"{stem}_{LABELS}")
        tumor = {"kind": "dseg", "frame": "network", "sources": [], "weights_sha256": sha256}
        record = {"method": "affine", "quality": {}, "tumor": tumor}
        Path(f"{stem}_{RECORD}").write_text(json.dumps(record))


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    return cohorts.write_cohort(tmp_path / "bids", SUBJECTS)


@pytest.fixture
def pipeline(bids: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    pretending = Pipeline(bids)
    monkeypatch.setattr(module, "run_gliomorph", pretending)
    return pretending


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network with its card, which tells of an earlier measurement."""
    return write_network(tmp_path / "net.safetensors")


def write_network(path: Path, seed: int = 0, modality: str = "T1w") -> Path:
    torch.manual_seed(seed)
    settings = SegmentationSettings(modalities=(modality,), width=2)
    write_unet(settings.build(), settings, path)
    card = {
        "role": "student",
        "weights": {"file": path.name, "sha256": weights_sha256(path)},
        "measured": {"earlier": {"scans": 8}},
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


@pytest.fixture
def measure(
    bids: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pd.DataFrame]:
    """Runs the benchmark with further options; its table, by scan. Without the picture, which takes a second."""
    monkeypatch.setattr(module, "draw_examples", lambda *_: None)

    def run(*options: object, network: Path = weights) -> pd.DataFrame:
        words = ["--bids", bids, "-d", f"masks={bids / 'derivatives' / 'masks'}", "--template", "Tiny"]
        words += ["--resolution", 2, "--weights", network, *options]
        main(["quality", *map(str, [tmp_path / "out", *words])])
        return pd.read_csv(tmp_path / "out" / "quality.tsv", sep="\t", index_col="scan")

    return run


def card_beside(weights: Path) -> dict[str, Any]:
    return json.loads(weights.with_suffix(".json").read_text())


def replace_labels_by_mask(bids: Path, subject: str) -> None:
    """A mask of the whole tumour where the label map was."""
    path = cohorts.labels_path(bids, subject)
    mask = read_image(path) > 0
    remove_labels(bids, subject)
    write_image(mask, path.with_name(f"sub-{subject}_label-tumor_mask.nii.gz"))


def remove_labels(bids: Path, subject: str) -> None:
    for path in cohorts.labels_path(bids, subject).parent.iterdir():
        path.unlink()


def test_labels_equal_to_the_given_ones_are_perfect(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path, tmp_path: Path
) -> None:
    table = measure("--record", "heads")
    assert table.index.tolist() == ["sub-01", "sub-02", "sub-03"]
    assert (table[["WT_dice", "TC_dice", "ET_dice"]] == 1).all(axis=None)
    text = (tmp_path / "out" / "quality.md").read_text()
    assert "| mean | 1 | 1 | 1 | 0 | 1 | 1 |" in text
    assert "Without labels" not in text and "Not measured" not in text
    measured = card_beside(weights)["measured"]["heads"]
    assert (measured["data"], measured["scans"]) == ("bids, the whole pipeline", 3)
    assert measured["without_labels"] == 0
    assert measured["metrics"]["WT_dice"] == {"mean": 1.0, "sd": 0.0, "n": 3}


def test_record_keeps_all_else_and_replaces_its_own(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path
) -> None:
    before = card_beside(weights)
    measure()
    assert card_beside(weights) == before
    measure("--record", "heads")
    pipeline.failing = ("02",)
    measure("--record", "others")
    after = card_beside(weights)
    assert list(after["measured"]) == ["earlier", "heads", "others"]
    assert after["measured"]["earlier"] == before["measured"]["earlier"]
    assert {**after, "measured": None} == {**before, "measured": None}
    measure("--record", "earlier")
    assert card_beside(weights)["measured"]["earlier"]["scans"] == 3


@pytest.mark.parametrize(
    ("code", "reason"), [(2, "could not start"), (130, "was interrupted"), (137, "ended with code 137")]
)
def test_run_that_did_not_come_to_its_end_is_not_measured(
    measure: Callable[..., pd.DataFrame],
    pipeline: Pipeline,
    weights: Path,
    tmp_path: Path,
    code: int,
    reason: str,
) -> None:
    before = card_beside(weights)
    pipeline.code = code
    with pytest.raises(SystemExit, match=f"gliomorph {reason}.*nothing is measured"):
        measure("--record", "heads")
    assert card_beside(weights) == before
    assert not (tmp_path / "out" / "quality.md").exists()


def test_given_labels_are_what_their_table_says(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, bids: Path
) -> None:
    """Necrosis and enhancing tumour change places: the network, which writes the labels of BraTS, is off."""
    table = cohorts.labels_path(bids, "01").with_name("sub-01_seg-brats_dseg.tsv")
    table.write_text("index\tname\n1\tET\n2\tED\n4\tNCR\n")
    found = measure()
    assert found.WT_dice.tolist() == found.TC_dice.tolist() == [1, 1, 1]
    assert found.ET_dice.tolist() == [0, 1, 1]


def test_scans_that_fail_count_as_nothing_found(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path, tmp_path: Path
) -> None:
    pipeline.code, pipeline.failing = 1, ("02",)
    table = measure("--record", "heads")
    assert table.WT_dice.tolist() == [1, 0, 1]
    assert "counted as nothing found: sub-02; why:" in (tmp_path / "out" / "quality.md").read_text()
    measured = card_beside(weights)["measured"]["heads"]
    assert (measured["scans"], measured["without_labels"]) == (3, 1)
    assert measured["metrics"]["WT_dice"]["mean"] == pytest.approx(2 / 3, abs=1e-4)


def test_labels_of_another_network_are_not_taken_for_this_ones(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path, tmp_path: Path
) -> None:
    other = write_network(tmp_path / "other.safetensors", seed=1)
    assert measure(network=other).WT_dice.tolist() == [1, 1, 1]
    pipeline.code, pipeline.failing = 1, ("02", "03")
    assert measure().WT_dice.tolist() == [1, 0, 0]


def test_labels_without_a_record_are_not_taken(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path, tmp_path: Path
) -> None:
    """An interrupted run leaves them."""
    pipeline.code, pipeline.failing = 1, ("01",)
    derivatives = tmp_path / "out" / "derivatives"
    pipeline.leave(derivatives, "01", weights_sha256(weights))
    (derivatives / "sub-01" / "anat" / f"sub-01_{RECORD}").unlink()
    assert measure().WT_dice.tolist() == [0, 1, 1]


def test_labels_of_an_earlier_run_are_not_taken_where_the_last_failed(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, tmp_path: Path
) -> None:
    """As after a change of code, with the same weights."""
    measure()
    pipeline.code, pipeline.failing = 1, ("03",)
    log = tmp_path / "out" / "derivatives" / "logs" / "20260101T000000Z-0000" / "summary.tsv"
    log.parent.mkdir(parents=True)
    log.write_text("scan\tstatus\tstage\tcause\nsub-02\tdone\t\t\nsub-03\tfailed\tsegment\tfound no tumour\n")
    assert measure().WT_dice.tolist() == [1, 1, 0]


def test_scans_whose_tumour_is_unknown_are_listed_and_not_run(
    measure: Callable[..., pd.DataFrame],
    pipeline: Pipeline,
    bids: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    remove_labels(bids, "01")
    replace_labels_by_mask(bids, "02")
    table = measure("--record", "heads")
    assert pipeline.subjects == table.index.str.removeprefix("sub-").tolist() == ["03"]
    text = (tmp_path / "out" / "quality.md").read_text()
    assert "- sub-01: no label map is given\n" in text
    assert "- sub-02: sub-02_label-tumor_mask.nii.gz is a mask of the whole tumour" in text
    assert "sub-01 is not measured: no label map is given\n" in capsys.readouterr().out
    measured = card_beside(weights)["measured"]["heads"]
    assert (measured["scans"], measured["without_labels"]) == (1, 0)


def test_unusable_scans_are_found_before_anything_is_run(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, bids: Path, tmp_path: Path
) -> None:
    """An empty label map, one elsewhere, no image of that modality."""
    empty, elsewhere = (cohorts.labels_path(bids, subject) for subject in ("01", "02"))
    write_image(from_array(np.zeros(cohorts.SIZE, np.uint8), read_image(empty)), empty)
    labels = read_image(elsewhere)
    labels.SetOrigin([1000.0, 0.0, 0.0])
    write_image(labels, elsewhere)
    for subject, name in (("04", "sub-04_ce-gadolinium_T1w.nii.gz"), ("05", "sub-05_T2w.nii.gz")):
        cohorts.write_subject(bids, subject, like="01")
        cohorts.image_path(bids, subject).rename(cohorts.image_path(bids, subject).with_name(name))
    assert measure().index.tolist() == ["sub-03"]
    assert pipeline.subjects == ["03"]
    text = (tmp_path / "out" / "quality.md").read_text()
    assert "- sub-01: sub-01_seg-brats_dseg.nii.gz: the tumour mask is empty" in text
    assert "- sub-02: sub-02_seg-brats_dseg.nii.gz lies outside the image\n" in text
    assert "- sub-04: no T1w image\n" in text
    assert "- sub-05: no T1w or T1ce image" in text


def test_nothing_is_run_without_a_known_tumour(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, bids: Path
) -> None:
    for subject in SUBJECTS:
        replace_labels_by_mask(bids, subject)
    with pytest.raises(SystemExit, match="none of 3 scans has a T1w image and a label map of its tumour"):
        measure()
    assert not pipeline.calls


def test_networks_that_cannot_read_the_scans_are_refused(
    measure: Callable[..., pd.DataFrame],
    pipeline: Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flair = write_network(tmp_path / "flair.safetensors", modality="FLAIR")
    with pytest.raises(SystemExit, match=r"flair\.safetensors reads FLAIR: give --modality, not T1w"):
        measure(network=flair)
    with pytest.raises(SystemExit, match=r"--weights: none\.safetensors: cannot be read"):
        measure(network=tmp_path / "none.safetensors")
    monkeypatch.setattr(module, "shipped_student", lambda modality: None)
    with pytest.raises(SystemExit, match="no network for T2w comes with gliomorph: give one with --weights"):
        main(["quality", str(tmp_path / "out"), "--modality", "T2w"])
    assert not pipeline.calls


def test_figures_go_to_no_card_of_other_weights(
    measure: Callable[..., pd.DataFrame], pipeline: Pipeline, weights: Path, tmp_path: Path
) -> None:
    write_network(tmp_path / "other.safetensors", seed=1).with_suffix(".json").rename(
        weights.with_suffix(".json")
    )
    with pytest.raises(SystemExit, match=r"a card that names the sha256 of net\.safetensors"):
        measure("--record", "heads")
    assert not pipeline.calls
    assert len(measure()) == 3


def test_simulated_cohort_is_compared_with_its_truth(
    pipeline: Pipeline, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def simulate(argv: list[str]) -> int:
        bids = cohorts.write_cohort(Path(argv[0]), SUBJECTS)
        (bids / "derivatives" / "masks").rename(bids / "derivatives" / "truth")
        return 0

    monkeypatch.setattr(module, "run_simulate", simulate)
    words = ["--template", "Tiny", "--template-dir", "templates", "--resolution", "2", "--subjects", "3"]
    words += ["--seed", "5", "--weights", str(weights), "--record", "heads"]
    main(["quality", str(tmp_path / "out"), *words])
    measured = card_beside(weights)["measured"]["heads"]
    assert measured["data"] == "gliomorph-simulate --seed 5 --template Tiny, the whole pipeline"
    assert measured["metrics"]["WT_dice"]["mean"] == 1
    assert (tmp_path / "out" / "quality.png").stat().st_size > 5000
    monkeypatch.setattr(module, "run_simulate", lambda argv: 1)
    with pytest.raises(SystemExit, match="the simulation failed"):
        main(["quality", str(tmp_path / "out"), *words])


@pytest.mark.parametrize("options", [[], ["-d", "masks"]])
def test_dataset_needs_a_named_folder_of_labels(
    weights: Path, bids: Path, tmp_path: Path, options: list[str]
) -> None:
    words = [str(tmp_path / "out"), "--bids", str(bids), "--weights", str(weights), *options]
    with pytest.raises(SystemExit, match="--bids needs -d NAME=PATH"):
        main(["quality", *words])


SPEED = """
import sys
from pathlib import Path
import benchmarks.student.speed as module
import gliomorph.interfaces.scan.segment as stage

assert "torch" not in sys.modules
module.SHAPE = (8, 8, 8)
loaded = []
stage.segment = lambda *_: loaded.extend(sys.modules)
assert module.measure(Path(sys.argv[1]))["seconds"] < 1
assert {"torch", "gliomorph.models.segmentation.inference"} <= set(loaded)
"""


def test_imports_are_no_part_of_the_time(weights: Path, tmp_path: Path) -> None:
    """In a process of its own, in which torch is not there yet."""
    command = [sys.executable, "-c", SPEED, str(weights)]
    environment = cohorts.Place(tmp_path).environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
