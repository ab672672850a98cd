"""A cohort in which every third scan has a file that says something else than what was meant: frames, masks, names.

The others are done as if nothing were; and no tumour comes to lie in a wrong place without a word.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from random import Random

import attrs
import nibabel as nib
import numpy as np
import pytest

from benchmarks.faults import cohort, meanings
from benchmarks.faults.fault import RIGHT
from benchmarks.faults.world import Answer, World

pytestmark = pytest.mark.slow

KINDS = [kind for kind in meanings.kinds() if kind.single]
SUBJECTS = [f"{number:03d}" for number in range(3 * len(KINDS))]
MM = 4.0
"""A voxel: how far a tumour may be from where it was drawn in the template."""


@attrs.frozen(kw_only=True)
class Cohort:
    """What a run has left."""

    world: World
    answer: Answer
    said: dict[str, tuple[str, str]]
    """Scans with a fault: its kind, and the pattern of what has to be said where the result is not right."""
    rows: dict[str, dict[str, str]]
    """Rows of ``summary.tsv``."""
    quality: dict[str, dict[str, str]]
    """Rows of ``group_quality.tsv``."""
    participants: list[str]
    """In the atlas."""

    def is_right(self, scan: str) -> bool:
        """Whether the tumour is where it was drawn."""
        (path,) = self.world.out.glob(f"{scan}/anat/{scan}_*space-*_label-tumor_*_mask.nii.gz")
        image = nib.load(path)
        inside = np.argwhere(np.asarray(image.dataobj) > 0).mean(axis=0)
        place = np.array(cohort.drawn(scan.removeprefix("sub-"))[2]) * [-1, -1, 1]
        return bool(np.linalg.norm(nib.affines.apply_affine(image.affine, inside) - place) < MM)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    world = World(tmp_path_factory.mktemp("files") / "cohort")
    world.root.mkdir()
    world.make(SUBJECTS)
    world.keep("done")
    rng, said = Random(1), {}
    for kind, subject in zip(KINDS, SUBJECTS[::3], strict=True):
        for scan, pattern in kind.inject(world, subject, rng).answered.items():
            said[scan] = (kind.name, pattern)
    answer = world.run("--registration", "affine", limit_s=3600)
    (summary,) = world.out.glob("logs/*/summary.tsv")
    (sidecar,) = world.out.glob("tpl-*/anat/*label-WT*probseg.json")
    return Cohort(
        world=world,
        answer=answer,
        said=said,
        rows={row["scan"]: row for row in table(summary)},
        quality={row["participant_id"]: row for row in table(world.out / "group_quality.tsv")},
        participants=json.loads(sidecar.read_text())["Participants"],
    )


def test_scans_without_a_fault_are_done_and_in_the_atlas(found: Cohort) -> None:
    good = {f"sub-{name}" for name in SUBJECTS} - set(found.said)
    assert {scan for scan in good if found.rows[scan]["status"] != "done"} == set()
    assert {scan for scan in good if found.rows[scan]["look_at"]} == set()
    assert {scan for scan in good if not found.is_right(scan)} == set()
    assert good <= set(found.participants)


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_result_is_right_or_the_summary_says_why_not(found: Cohort, number: int) -> None:
    scan = f"sub-{SUBJECTS[3 * number]}"
    _, pattern = found.said[scan]
    row = found.rows[scan]
    if row["status"] == "done" and found.is_right(scan):
        return
    assert pattern != RIGHT, row
    assert re.search(pattern, row["cause"] if row["status"] == "failed" else row["look_at"]), row


def test_doubtful_scans_are_not_in_the_atlas_and_the_terminal_says_how_to_let_them_in(found: Cohort) -> None:
    doubtful = {scan for scan, row in found.quality.items() if row["status"] == "doubtful"}
    assert doubtful & set(found.participants) == set()
    assert not doubtful or "--confirm" in found.answer.text
    assert all(row["reason"] in row["flag"] for scan, row in found.quality.items() if scan in doubtful)


def test_terminal_says_what_the_summary_says(found: Cohort) -> None:
    assert "Traceback" not in found.answer.text
    failed = [scan for scan, row in found.rows.items() if row["status"] == "failed"]
    assert all(scan in found.answer.text for scan in failed)
    looked_at = [scan for scan, row in found.rows.items() if row["look_at"]]
    assert f"Look at {len(looked_at)} of {len(found.rows) - len(failed)} scans" in found.answer.text
    assert found.answer.code == int(bool(failed))
