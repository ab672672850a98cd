"""The end of a run: table, causes, the command that runs failed scans again."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path, PurePosixPath

import attrs
import pytest
from rich.console import Console

from gliomorph.cli.run import parse
from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.query import Scan
from gliomorph.interfaces.derivatives.names import ScanNames
from gliomorph.interfaces.scan.records import Remarks
from gliomorph.workflows.engine.failures import Failure
from gliomorph.workflows.scan.plan import PlannedScan
from gliomorph.workflows.summary import (
    RunLog,
    last_causes,
    print_failures,
    print_remarks,
    remarks_of,
    rerun_command,
    rows_of,
)


def planned(label: str, status: str = "run", reason: str = "") -> PlannedScan:
    return PlannedScan(scan=Scan(label=label, subject=label[4:]), status=status, reason=reason)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("g B O participant", "g B O participant --participant-label 01 02"),
        (
            "g B O participant --participant-label 01 03 -w W",
            "g B O participant -w W --participant-label 01 02",
        ),
        ("g B O participant --participant_label 03", "g B O participant --participant-label 01 02"),
        ("g B O --participant-label=03 participant", "g B O participant --participant-label 01 02"),
        ("g --participant-label 03 -d m=M -- B O group", "g -d m=M -- B O group --participant-label 01 02"),
    ],
)
def test_rerun_names_the_failed_subjects_only(words: str, expected: str) -> None:
    command = rerun_command(words.split(), ["sub-02_ses-b", "sub-01", "sub-02_ses-a"])
    if "--" in words.split():
        expected = "g -d m=M -- B O group --participant-label 01 02"
    assert command == expected


def test_rerun_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    """Spaces and quotes survive, and the command means the same but for the subjects."""
    bids = tmp_path / "it's my data"
    bids.mkdir()
    argv = [
        "gliomorph",
        str(bids),
        str(tmp_path / "out $1"),
        "participant",
        "--participant-label",
        "01",
        "02",
        "03",
    ]
    words = shlex.split(rerun_command([*argv, "--resolution", "2"], ["sub-02"]))
    before, after = parse([*argv[1:], "--resolution", "2"]), parse(words[1:])
    assert after.inputs.participants == ("02",)
    assert (after.bids_dir, after.output_dir, after.levels) == (
        before.bids_dir,
        before.output_dir,
        before.levels,
    )
    assert after.processing.resolution == 2


def test_rows_tell_each_scan_once() -> None:
    failures = [Failure(scan="sub-02", stage="align", error=ValueError("dark\nmore"))]
    scans = [planned("sub-01", "done"), planned("sub-02"), planned("sub-03", "impossible", "no image")]
    remarks = {"sub-01": Remarks(flags=["two masks"], doubts=["another grid"])}
    assert rows_of(scans, failures, remarks) == [
        {
            "scan": "sub-01",
            "status": "done",
            "stage": "",
            "cause": "",
            "look_at": "another grid; two masks",
        },
        {"scan": "sub-02", "status": "failed", "stage": "align", "cause": "dark", "look_at": ""},
        {"scan": "sub-03", "status": "failed", "stage": "query", "cause": "no image", "look_at": ""},
    ]


def test_what_to_look_at_is_counted_doubts_first_with_the_way_out() -> None:
    console = Console(file=io.StringIO(), width=60)
    remarks = {f"sub-0{n}": Remarks(flags=["the network segmented"]) for n in range(1, 7)}
    remarks["sub-02"] = Remarks(flags=["11% lies [outside]"], doubts=["another grid"])
    remarks["sub-09"] = Remarks(flags=["7% lies [outside]"])
    remarks["sub-10"] = Remarks(notices=["the page alone says this"])
    print_remarks(console, remarks)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "Look at 7 of 8 scans:",
        "  1 scan, doubtful: another grid (sub-02)",
        "  5 scans: the network segmented (sub-01, sub-03, sub-04, sub-05, sub-06)",
        "  2 scans: … lies [outside] (sub-02, sub-09)",
        "Doubtful scans are kept out of the atlas; look at the page, and let it in with --confirm sub-02",
    ]
    print_remarks(console, {"sub-10": remarks["sub-10"]})
    assert len(console.file.getvalue().splitlines()) == 5
    print_remarks(console, {"sub-02": remarks["sub-02"]}, lambda scan: scan == "sub-02")
    assert "kept out" not in "".join(console.file.getvalue().splitlines()[5:])


def test_remarks_are_read_from_records_of_earlier_runs(tmp_path: Path) -> None:
    names = ScanNames(
        label="sub-01",
        folder=PurePosixPath("sub-01/anat"),
        stem="sub-01",
        template="T",
        resolution=2,
        source="m",
    )
    scan = attrs.evolve(planned("sub-01", "done"), names=names, input_keys={"affine": "i"})
    path = tmp_path / names.registration("affine")
    path.parent.mkdir(parents=True)
    record = {"method": "affine", "quality": {}, "key": scan.keys["affine"], "outputs": [names.report]}
    path.write_text(json.dumps(record | {"flags": ["two masks"], "doubts": 5}))
    assert remarks_of([scan, planned("sub-02", "impossible")], tmp_path) == {}
    (tmp_path / names.report).write_text("page")
    assert remarks_of([scan], tmp_path) == {"sub-01": Remarks(flags=["two masks"])}


def test_failures_are_a_table_and_a_command() -> None:
    console = Console(file=io.StringIO(), width=120)
    rows = rows_of([planned("sub-01"), planned("sub-02", "impossible", "no [bold] image")], [], {})
    print_failures(console, rows, ["gliomorph", "B", "O", "participant"])
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "1 of 2 scans failed" in text
    assert "  gliomorph B O participant --participant-label 02\n" in text
    assert "no [bold] image" in text


def test_success_prints_no_table() -> None:
    console = Console(file=io.StringIO())
    print_failures(console, rows_of([planned("sub-01")], [], {}), ["gliomorph"])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_newest_word_on_a_scan_counts(tmp_path: Path) -> None:
    def finish(run: str, *rows: tuple[str, str, str, str]) -> None:
        keys = ("scan", "status", "stage", "cause", "look_at")
        RunLog(folder=tmp_path / run).finish([dict(zip(keys, [*row, ""], strict=True)) for row in rows])

    assert last_causes(tmp_path) == {}
    finish(
        "20260101T000000Z-aaaa", ("sub-01", "failed", "n4", "old"), ("sub-02", "failed", "n4", 'a\tb\n"c"')
    )
    finish("20260102T000000Z-0000", ("sub-01", "done", "", ""), ("sub-03", "failed", "align", "new"))
    assert last_causes(tmp_path) == {"sub-02": ("n4", 'a\tb\n"c"'), "sub-03": ("align", "new")}


def test_summary_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000Z-aaaa").mkdir()
    text = "scan\tstatus\tstage\tcause\nsub-01\tfailed\tn4\tdark\n"
    (tmp_path / "20260101T000000Z-aaaa" / "summary.tsv").write_text(text)
    assert last_causes(tmp_path) == {"sub-01": ("n4", "dark")}


def test_log_holds_command_options_and_whole_tracebacks(tmp_path: Path) -> None:
    (tmp_path / "bids").mkdir()
    folders = {"bids_dir": tmp_path / "bids", "output_dir": tmp_path / "out", "work_dir": tmp_path / "work"}
    settings = Settings.of(**folders, registration=("affine",))
    log = RunLog(folder=tmp_path / "logs" / "1")
    log.start(settings.options(), ["gliomorph", "my data"])
    content = json.loads((log.folder / "run.json").read_text())
    assert content["command"] == "gliomorph 'my data'"
    assert content["options"]["bids_dir"] == str(tmp_path / "bids")
    try:
        raise ValueError("too dark")
    except ValueError as error:
        log.failure(Failure(scan="sub-01", stage="register syn", error=error))
    text = (log.folder / "sub-01_register-syn.txt").read_text()
    assert text.startswith("Traceback")
    assert "too dark" in text


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff\xfe", b"a\tb\n1\t2\n", b"scan\tstatus\nsub-01\tfailed\n", b'scan\t"' * 50000]
)
def test_damaged_summary_of_an_earlier_run_is_passed_over(tmp_path: Path, content: bytes) -> None:
    row = {"scan": "sub-02", "status": "failed", "stage": "n4", "cause": "dark", "look_at": ""}
    RunLog(folder=tmp_path / "20260101T000000Z-aaaa").finish([row])
    (tmp_path / "20260102T000000Z-aaaa").mkdir()
    (tmp_path / "20260102T000000Z-aaaa" / "summary.tsv").write_bytes(content)
    assert last_causes(tmp_path) == {"sub-02": ("n4", "dark")}
