"""The campaign of faults: its checks see what is wrong with doctored outputs; and, slowly, a small campaign."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import nibabel as nib
import numpy as np
import pytest

from benchmarks.faults import campaign, invariants, storage
from benchmarks.faults.__main__ import report
from benchmarks.faults.campaign import CampaignError, Record, Round, kept_records, planned, right_codes
from benchmarks.faults.fault import Fault, Kind
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.world import Answer, World

ROOT = Path(__file__).parents[2]
SUMMARY = (
    "scan\tstatus\tstage\tcause\nsub-01\tdone\t\t\nsub-02\tfailed\tbrain\tsub-02_T1w.nii.gz: cannot be read\n"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Outputs of two scans, a file of each sort."""
    found = World(tmp_path / "cohort")
    anat = found.out / "sub-01" / "anat"
    anat.mkdir(parents=True)
    nib.save(
        nib.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.eye(4)),
        anat / "sub-01_T1w.nii.gz",
    )
    (anat / "sub-01_registration.json").write_text(
        json.dumps({"key": "k", "seconds": 1.5, "quality": {"seconds": 2}})
    )
    (found.out / "group_quality.tsv").write_text("scan\tseconds\nsub-01\t2\n")
    (found.out / "sub-01.html").write_text('<html><td class="number">2</td> &lt;hostile&gt; </html>\n')
    log = found.out / "logs" / "20260101T000000Z-aaaa"
    log.mkdir(parents=True)
    (log / "summary.tsv").write_text(SUMMARY)
    for name in ("home", "tmp", "cwd"):
        (found.root / name).mkdir()
    return found


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 9)


def test_nothing_is_wrong_with_good_outputs(world: World) -> None:
    listing = invariants.listing(world.out)
    assert len(listing) == 4
    assert invariants.differences(listing, listing) == []
    assert invariants.not_whole(world.out) == []
    assert (
        invariants.leftovers(world.out)
        == invariants.strays(world.root)
        == invariants.injected(world.out)
        == []
    )
    assert invariants.unsaid(world.out, set(), {"sub-02": "cannot be read"}, ()) == []


@pytest.mark.parametrize(
    "name", ["sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_registration.json", "sub-01.html"]
)
@pytest.mark.parametrize("spoil", [cut, lambda path: os.truncate(path, 0), Path.unlink])
def test_output_that_is_cut_emptied_or_lost_is_seen(
    world: World, name: str, spoil: Callable[[Path], None]
) -> None:
    before = invariants.listing(world.out)
    spoil(world.out / name)
    after = invariants.listing(world.out)
    assert len(invariants.lost_or_altered(before, after, before)) == 1
    assert [text.split(" ")[0] for text in invariants.not_whole(world.out)] == (
        [name] if name in after else []
    )


def test_voxels_that_are_missing_are_seen_though_the_file_can_be_unpacked(world: World) -> None:
    path = world.out / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-4]))
    assert "588 bytes of 592" in "".join(invariants.not_whole(world.out))


def test_times_may_differ_and_nothing_else(world: World) -> None:
    before = invariants.listing(world.out)
    record = world.out / "sub-01" / "anat" / "sub-01_registration.json"
    record.write_text(json.dumps({"key": "k", "seconds": 9, "quality": {"seconds": 9}}))
    (world.out / "group_quality.tsv").write_text("scan\tseconds\nsub-01\t9\n")
    (world.out / "sub-01.html").write_text('<html><td class="number">9</td> &lt;hostile&gt; </html>\n')
    assert invariants.listing(world.out) == before
    record.write_text(json.dumps({"key": "other", "seconds": 1.5, "quality": {"seconds": 2}}))
    (world.out / "group_quality.tsv").write_text("scan\tseconds\nsub-02\t2\n")
    (world.out / "more.json").write_text("{}")
    assert len(invariants.differences(before, invariants.listing(world.out))) == 3


@pytest.mark.parametrize(
    ("failed", "may_fail", "wrong"),
    [
        ({}, (), "sub-02 fails for no fault of its own"),
        ({"sub-02": "empty"}, (), "sub-02 has to fail with /empty/"),
        ({"sub-01": "empty"}, ("sub-02",), "sub-01 has to fail with /empty/, the summary says done"),
        ({"sub-03": "empty"}, ("sub-02",), "sub-03 has to fail with /empty/, the summary says not listed"),
    ],
)
def test_failure_that_is_not_said_or_not_injected_is_seen(
    world: World, failed: dict[str, str], may_fail: tuple[str, ...], wrong: str
) -> None:
    assert [text for text in invariants.unsaid(world.out, set(), failed, may_fail) if text.startswith(wrong)]


def test_summary_of_an_earlier_run_does_not_count(world: World) -> None:
    assert invariants.unsaid(world.out, world.logs(), {}, ("sub-02",)) == [
        "there is no summary.tsv of this run"
    ]


@pytest.mark.parametrize(
    ("shift", "size", "row", "seen"),
    [
        (0, 4, "done\t\t\t", ""),
        (3, 4, "done\t\t\t", "sub-01 is done with its tumour 3.0 mm away and 100% as large"),
        (0, 3, "done\t\t\t", "sub-01 is done with its tumour 0.5 mm away and 75% as large"),
        (3, 4, "done\t\t\tanother frame", ""),
        (3, 4, "done\t\t\tsomething else", "sub-01 is done with its tumour"),
        (0, 4, "failed\ttumor\tanother frame\t", ""),
        (0, 4, "failed\ttumor\tno memory\t", "sub-01 is failed, and the summary says 'no memory'"),
    ],
)
def test_tumour_in_a_wrong_place_is_seen_unless_the_summary_says_why(
    tmp_path: Path, shift: int, size: int, row: str, seen: str
) -> None:
    for name, start, length in (("out", shift, size), ("reference", 0, 4)):
        voxels = np.zeros((9, 3, 3), np.uint8)
        voxels[start : start + length, 1, 1] = 1
        path = tmp_path / name / "sub-01" / "anat" / "sub-01_space-T_res-1_label-tumor_desc-rigid_mask.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    log = tmp_path / "out" / "logs" / "1"
    log.mkdir(parents=True)
    (log / "summary.tsv").write_text(f"scan\tstatus\tstage\tcause\tlook_at\nsub-01\t{row}\n")
    folders = (tmp_path / "out", tmp_path / "reference")
    wrong = invariants.wrong_in_silence(*folders, set(), {"sub-01": "frame"})
    assert [text[: len(seen)] for text in wrong] == ([seen] if seen else [])
    wrong = invariants.wrong_in_silence(*folders, {"1"}, {"sub-01": "frame"})
    assert wrong == ["sub-01 is not listed, and the summary says '', not /frame/"]


def test_left_overs_and_strays_are_seen(world: World) -> None:
    (world.out / "sub-01" / "anat" / ".tmp-host-1-x.nii.gz").touch()
    (world.root / "cwd" / "hostile").touch()
    (world.root / "elsewhere").touch()
    assert len(invariants.leftovers(world.out)) == 1
    assert len(invariants.strays(world.root)) == 2


@pytest.mark.parametrize(
    ("page", "seen"),
    [
        ("<img src=x onerror=hostile()>", True),
        ("<script>hostile()</script>", True),
        ('<a href="javascript:hostile()">', True),
        ('<td data-value=""hostile>', True),
        ('<a href="tpl-Tiny/cohort-../../hostile/anat">', True),
        ('<a href="tpl-Tiny/cohort-hostile/anat">', False),
        (
            '<td data-value="hostile">[hostile] &lt;hostile&gt; &lt;script&gt;hostile()&lt;/script&gt;</td>',
            False,
        ),
    ],
)
def test_text_that_has_become_markup_is_seen(world: World, page: str, seen: bool) -> None:
    (world.out / "sub-02.html").write_text(f"<html>{page}</html>")
    assert bool(invariants.injected(world.out)) == seen


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answer(code=0, text=""), "it ends with code 0, not [1]"),
        (Answer(code=1, text="Traceback (most recent call last)"), "a traceback"),
        (Answer(code=1, text="", hung=True), "it ends with a hang"),
        (Answer(code=1, text="", orphans=2), "2 processes live on"),
        (Answer(code=1, text="nothing"), "the terminal does not show /no room/"),
    ],
)
def test_wrong_code_traceback_hang_orphan_and_silence_are_seen(
    world: World, answer: Answer, wrong: str
) -> None:
    faults = [Fault(failed={"sub-02": "cannot be read"}, said="no room")]
    assert [
        text
        for text in campaign.answer_violations(world, faults, answer, set(), [True])
        if text.startswith(wrong)
    ]
    told = Answer(code=1, text="there is no\nroom")
    assert campaign.answer_violations(world, faults, told, set(), [True]) == []


def test_exit_code_follows_from_the_faults_that_came_in_time() -> None:
    killed, failing, either = Fault(codes=(-9,)), Fault(failed={"sub-01": "x"}), Fault(may_fail=("sub-01",))
    assert right_codes([killed], [True]) == {-9}
    assert right_codes([killed], [False]) == {0}
    assert right_codes([failing, either], [True, True]) == {1}
    assert right_codes([either], [True]) == {0, 1}


def kind(name: str, **more: object) -> Kind:
    return Kind(name=name, inject=lambda *_: Fault(), **more)  # type: ignore[arg-type]


def test_same_seed_gives_the_same_rounds_with_so_many_faults() -> None:
    rounds = planned(KINDS, 300, 5)
    assert rounds == planned(KINDS, 300, 5) != planned(KINDS, 300, 6)
    count = sum(kind.repeats for this in rounds for kind in this.kinds)
    assert 300 <= count < 304
    assert {kind.name for this in rounds for kind in this.kinds} == {kind.name for kind in KINDS}
    assert all(len({kind.start for kind in this.kinds}) == 1 for this in rounds)
    assert all(len(this.kinds) == 1 or all(kind.together for kind in this.kinds) for this in rounds)
    with pytest.raises(CampaignError, match="at least one kind"):
        planned([], 1, 0)


def test_names_of_kinds_differ() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def record(number: int, *kinds: str, **more: Any) -> Record:
    known = {
        "details": ["1 MB"],
        "counts": [1],
        "violations": [],
        "seconds": 60.0,
        "code": campaign.version(),
    }
    return Record(number=number, kinds=list(kinds), **known | more)


def test_records_are_kept_by_seed_and_kinds(tmp_path: Path) -> None:
    this = Round(number=0, kinds=(kind("disk: full"),), seed="1-0")
    path = tmp_path / "rounds.jsonl"
    assert kept_records(path) == {}
    kept = [record(0, "disk: full", violations=["lost"]), record(0, "disk: full")]
    lines = [json.dumps({"key": campaign.key_of(this), "record": attrs.asdict(each)}) for each in kept]
    path.write_text("\n".join([*lines, '{"key": "cut']))
    assert kept_records(path) == {campaign.key_of(this): kept[1]}
    assert campaign.key_of(this) != campaign.key_of(attrs.evolve(this, seed="2-0"))


def test_report_counts_faults_and_violations_by_group() -> None:
    kinds = [kind("disk: full"), kind("disk: read-only"), kind("clock: off")]
    records = [
        record(0, "disk: full", violations=["lost"]),
        record(1, "disk: read-only", counts=[4], code="older"),
    ]
    text = report(kinds, records, {"clock: off": "no tool"}, 7)
    assert "5 faults of 2 kinds in 2 rounds, seed 7" in text
    assert "| disk | full, read-only | 5 | 1 |" in text
    assert "1 of the rounds were played with other code" in text
    assert "Not injected: clock: off: no tool." in text
    assert "round 0, 1 MB: lost" in text


@pytest.mark.slow
def test_small_campaign_holds_and_is_not_played_twice(tmp_path: Path) -> None:
    words = ["--faults", "4", "--seed", "3", "--kinds", "image: cut", "a pickle", "kill -9 of a child"]
    command = [sys.executable, "-m", "benchmarks.faults", str(tmp_path / "out"), *words]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert ": 0 violations." in first.stdout
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.stdout == first.stdout
    assert "holds" in first.stderr and again.stderr == ""


@pytest.mark.skipif(bool(storage._no_mounts()), reason=f"a mount is made: {storage._no_mounts()}")
def test_a_mount_that_a_killed_campaign_left_is_released(tmp_path: Path) -> None:
    left, plain = tmp_path / "out", tmp_path / "work"
    left.mkdir()
    plain.mkdir()
    storage._mounted(left, 1)
    assert left.is_mount()
    storage.release(tmp_path)
    assert not left.is_mount()
    assert plain.is_dir()
