"""Who is in the atlas: scans with valid outputs on disk, of this run or of an earlier one."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import attrs
import contexts
import pytest
from changed_settings import changed
from contexts import context_of
from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.masks import TumorMask
from gliomorph.interfaces.datasets.query import Scan
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder, group_names
from gliomorph.interfaces.files import sidecars
from gliomorph.interfaces.group.regions.parcellation import Parcellation
from gliomorph.interfaces.reports.group.story import Excluded
from gliomorph.models.small_cells import SmallCells
from gliomorph.workflows.engine.failures import Failure
from gliomorph.workflows.group import run as group
from gliomorph.workflows.group.associations import Associations
from gliomorph.workflows.group.regions import Regional
from gliomorph.workflows.group.run import Outcome, find_members, run_group
from gliomorph.workflows.scan.plan import PlannedScan

TUMOR = {"kind": "dseg", "sources": ["bids:m:x"], "frame": "world", "share_of_brain": 0.02}
OK = {"method": "affine", "status": "ok", "reason": "", "flag": "", "ncc_outside": 0.9}
BAD = OK | {"status": "excluded", "reason": "warped brain overlaps the template's by 0.40 only (Dice)"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("bids", "masks", "out", "work"):
        (tmp_path / name).mkdir()
    return Settings.of(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        derivatives={"m": tmp_path / "masks"},
        template="Tiny",
        resolution=4,
        registration=("affine",),
    )


@pytest.fixture
def template(tmp_path: Path) -> TemplateFiles:
    path = tmp_path / "template.nii.gz"
    path.touch()
    return TemplateFiles(image=path, brain=path, fixed=path, fixed_brain=path)


def names_of(label: str) -> ScanNames:
    subject, _, session = label.removeprefix("sub-").partition("_ses-")
    folder = anat_folder(subject, session)
    return ScanNames(label=label, folder=folder, stem=label, template="Tiny", resolution=4, source="m")


def publish(settings: Settings, label: str, quality: dict[str, Any] = OK, **record: Any) -> Path:
    """What a finished scan leaves, a word in each file."""
    names = names_of(label)
    files = names.registered("affine")
    kept = [files[key] for key in ("warped", "mask", "dseg", "coverage")]
    for name in kept:
        path = settings.output_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{label} {name}")
    content = {"method": "affine", "key": f"k-{label}", "inputs_key": f"i-{label}", "outputs": kept}
    path = settings.output_dir / names.registration("affine")
    path.write_text(json.dumps({**content, "quality": quality, "tumor": TUMOR, **record}))
    return path


def planned(label: str, **changes: Any) -> PlannedScan:
    """As the plan says when the inputs are those of :func:`publish`."""
    scan = Scan(
        label=label,
        subject=label[4:],
        image=Path("x"),
        tumor=TumorMask(path=Path("m"), kind="dseg", source="m"),
    )
    plan = PlannedScan(scan=scan, names=names_of(label), input_keys={"affine": f"i-{label}"}, status="done")
    return attrs.evolve(plan, **changes)


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Graphs that would be run."""
    graphs: list[Any] = []
    monkeypatch.setattr(group, "_submit", lambda graph, *_: graphs.append(graph) or "")
    return graphs


def quality_rows(graph: Any) -> list[dict[str, str]]:
    """``group_quality.tsv``."""
    return list(csv.DictReader(io.StringIO(graph.plan.quality.read_text()), delimiter="\t"))


def run_and_graph(settings: Settings, template: TemplateFiles, submitted: list[Any]) -> Any:
    """The graph of one more run."""
    assert atlas(settings, template, []) == ""
    return submitted[-1]


def labels(graph: Any) -> list[str]:
    """Who is in the atlas."""
    return [scan.label for scan in graph.inputs.scans]


def atlas(
    settings: Settings,
    template: TemplateFiles,
    plans: list[PlannedScan],
    causes: dict[str, tuple[str, str]] | None = None,
) -> str:
    return run_group(context_of(settings, template), plans, causes or {}).problem


def test_members_are_sorted_and_complete(settings: Settings) -> None:
    for label in ("sub-02_ses-b", "sub-10", "sub-02_ses-a", "sub-03"):
        publish(settings, label)
    (settings.output_dir / names_of("sub-03").registered("affine")["coverage"]).unlink()
    members = find_members(settings.output_dir, "Tiny", 4)
    assert [member.scan for member in members] == ["sub-02_ses-a", "sub-02_ses-b", "sub-10"]
    assert find_members(settings.output_dir, "Tiny", 2) == []
    assert find_members(settings.output_dir, "Other", 4) == []


def test_a_session_of_which_another_image_counted_before_is_one_scan(settings: Settings) -> None:
    """With another filter a run has taken run-2: the results of run-1 are older, and nobody counts twice."""
    publish(settings, "sub-01")
    folder = settings.output_dir / "sub-01" / "anat"
    for path in [path for path in folder.iterdir() if path.name.startswith("sub-01_")]:
        content = path.read_bytes()
        if path.suffix == ".json":
            content = content.replace(b"sub-01_", b"sub-01_run-2_")
        copy = path.with_name(path.name.replace("sub-01_", "sub-01_run-2_"))
        copy.write_bytes(content)
        os.utime(copy, ns=(0, path.stat().st_mtime_ns + 10**9))
    (member,) = find_members(settings.output_dir, "Tiny", 4)
    assert member.stem == "sub-01_run-2"


def test_record_under_a_name_of_another_method_is_not_taken(settings: Settings) -> None:
    publish(settings, "sub-01", method="syn")
    assert find_members(settings.output_dir, "Tiny", 4) == []


@pytest.mark.parametrize(
    "broken", [{"quality": None}, {"quality": {}}, {"tumor": 5}, {"tumor": {}}, {"key": None}]
)
def test_record_of_somebody_elses_making_is_passed_over(settings: Settings, broken: dict[str, Any]) -> None:
    publish(settings, "sub-01")
    publish(settings, "sub-02", **broken)
    assert [member.scan for member in find_members(settings.output_dir, "Tiny", 4)] == ["sub-01"]


def test_scans_of_earlier_runs_count(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    """sub-02 is no longer in the input folder; sub-01 was not part of this run."""
    for label in ("sub-01", "sub-02"):
        publish(settings, label)
    assert atlas(settings, template, [planned("sub-01", status="run")]) == ""
    (graph,) = submitted
    assert labels(graph) == ["sub-01", "sub-02"]
    assert graph.story.excluded == ()
    assert [scan.kind for scan in graph.inputs.scans] == ["dseg", "dseg"]
    assert [scan.key for scan in graph.inputs.scans] == ["k-sub-01", "k-sub-02"]
    assert [str(scan.files["warped"]) for scan in graph.inputs.scans] == [
        str(settings.output_dir / names_of(label).registered("affine")["warped"])
        for label in ("sub-01", "sub-02")
    ]


def test_scan_whose_inputs_changed_is_left_out_and_listed(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    for label in ("sub-01", "sub-02", "sub-03"):
        publish(settings, label)
    changed = {"affine": "another"}
    plans = [
        planned("sub-01"),
        planned("sub-02", input_keys=changed, status="run"),
        planned("sub-03", input_keys=changed, status="run"),
    ]
    assert atlas(settings, template, plans, {"sub-03": ("n4", "too dark")}) == ""
    (graph,) = submitted
    assert labels(graph) == ["sub-01"]
    assert graph.story.excluded == (
        Excluded(scan="sub-02", stage="participant", cause="no outputs of affine yet"),
        Excluded(scan="sub-03", stage="n4", cause="too dark"),
    )


def test_scan_that_fails_the_quality_gate_is_left_out_and_listed(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01")
    publish(settings, "sub-02", BAD)
    assert atlas(settings, template, [planned("sub-01"), planned("sub-02")]) == ""
    (graph,) = submitted
    assert labels(graph) == ["sub-01"]
    assert graph.story.excluded == (Excluded(scan="sub-02", stage="measure", cause=BAD["reason"]),)
    # it stays in the table
    with (settings.resources.work_dir / "group_quality.tsv").open(newline="") as lines:
        rows = {row["participant_id"]: row for row in csv.DictReader(lines, delimiter="\t")}
    assert {label: row["status"] for label, row in rows.items()} == {"sub-01": "ok", "sub-02": "excluded"}
    assert rows["sub-02"]["reason"] == BAD["reason"]


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([{}, {"refine": 0}], "affine"),
        ([{"refine": 20}] * 2, "affine, refined by 20 iterations of optimisation"),
        ([{"refine": 20}, {}], "affine, refined by 0 or 20 iterations of optimisation"),
    ],
)
def test_the_page_says_how_far_the_methods_answers_were_refined(
    settings: Settings,
    template: TemplateFiles,
    submitted: list[Any],
    records: list[dict[str, int]],
    text: str,
) -> None:
    for number, record in enumerate(records):
        publish(settings, f"sub-{number}", **record)
    atlas(settings, template, [])
    (graph,) = submitted
    assert graph.story.used.registration == graph.plan.metadata["Registration"] == text
    assert graph.story.used.scans == 2


def test_scan_that_cannot_be_run_any_more_is_left_out_with_its_reason(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    for label in ("sub-01", "sub-02"):
        publish(settings, label)
    gone = planned("sub-02", names=None, input_keys={}, status="impossible", reason="no tumour mask")
    assert atlas(settings, template, [planned("sub-01"), gone]) == ""
    assert labels(submitted[0]) == ["sub-01"]
    assert submitted[0].story.excluded == (
        Excluded(scan="sub-02", stage="participant", cause="no tumour mask"),
    )


def test_where_no_masks_are_named_those_of_the_earlier_run_are_not_in_question(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    """``gliomorph BIDS OUT group``."""
    publish(settings, "sub-01")
    bare = planned("sub-01", names=None, input_keys={}, status="impossible", reason="no tumour mask")
    assert atlas(changed(settings, derivatives={}), template, [bare]) == ""
    assert labels(submitted[0]) == ["sub-01"]


def test_mask_without_sub_regions_is_taken_as_a_mask(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01", tumor=TUMOR | {"kind": "mask"})
    publish(settings, "sub-02")
    atlas(settings, template, [])
    assert [scan.kind for scan in submitted[0].inputs.scans] == ["mask", "dseg"]
    assert [scan.files["tumor"].name.split("_")[-1] for scan in submitted[0].inputs.scans] == [
        "mask.nii.gz",
        "dseg.nii.gz",
    ]


def test_without_outputs_there_is_no_atlas_and_a_reason(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01", BAD)
    problem = atlas(settings, template, [planned("sub-01")])
    assert problem.startswith("no scan has valid outputs of affine in ")
    assert submitted == []


def finish(settings: Settings, graph: Any) -> None:
    """What the graph would leave."""
    names = group_names("Tiny", 4, ["WT"])
    for name in names.values():
        path = settings.output_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        if name.endswith(".nii.gz"):
            sidecars.beside(path, ".json").write_text("{}")
    (settings.output_dir / names["description"]).write_text(json.dumps({"InputsKey": graph.plan.key}))


def test_atlas_that_is_up_to_date_is_left_alone(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01")
    atlas(settings, template, [planned("sub-01")])
    finish(settings, submitted[0])
    console = Console(file=io.StringIO())
    assert run_group(context_of(settings, template, console), [planned("sub-01")], {}) == Outcome()
    assert len(submitted) == 1
    assert isinstance(console.file, io.StringIO)
    assert "nothing to do" in console.file.getvalue()


def test_one_scan_of_each_participant_counts_and_the_others_are_listed(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    for label in ("sub-01_ses-post", "sub-01_ses-a", "sub-02"):
        publish(settings, label)
    assert atlas(settings, template, []) == ""
    assert labels(submitted[0]) == ["sub-01_ses-a", "sub-02"]
    cause = "one scan of each participant counts, and sub-01_ses-a does (the first by its label)"
    assert submitted[0].story.excluded == (Excluded(scan="sub-01_ses-post", stage="atlas", cause=cause),)


def test_session_that_nobody_chose_is_told_everywhere(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    for label in ("sub-01_ses-postop", "sub-01_ses-preop", "sub-02_ses-postop"):
        publish(settings, label)
    console = Console(file=io.StringIO(), width=200)
    run_group(context_of(settings, template, console), [], {})
    told = "1 participant with several scans: sub-01_ses-postop counts, the first by its label"
    assert isinstance(console.file, io.StringIO)
    assert told in console.file.getvalue()
    assert told in submitted[0].story.flow[-1][0]
    assert [row["flag"] for row in quality_rows(submitted[0])] == [
        "of the participant's scans the first by its label: choose with --atlas-session",
        "n/a",
        "n/a",
    ]
    table = settings.bids_dir / "sub-01" / "sub-01_sessions.tsv"
    table.parent.mkdir()
    table.write_text("session_id\tacq_time\nses-postop\t2020-02-01\nses-preop\t2020-01-01T10:00:00\n")
    atlas(settings, template, [])
    assert labels(submitted[1]) == ["sub-01_ses-preop", "sub-02_ses-postop"]
    assert "sub-01_ses-preop counts, the earliest by sessions.tsv" in submitted[1].story.flow[-1][0]
    assert quality_rows(submitted[1])[1]["flag"].startswith("of the participant's scans the earliest")


def test_session_that_was_chosen_counts_and_who_has_none_is_left_out(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    for label in ("sub-01_ses-postop", "sub-01_ses-preop", "sub-02_ses-postop", "sub-03"):
        publish(settings, label)
    console = Console(file=io.StringIO(), width=200)
    asked = changed(settings, atlas_session=("ses-preop",))
    run_group(context_of(asked, template, console), [], {})
    assert labels(submitted[0]) == ["sub-01_ses-preop", "sub-03"]
    assert {row.scan: row.cause for row in submitted[0].story.excluded} == {
        "sub-01_ses-postop": "one scan of each participant counts, and sub-01_ses-preop does (--atlas-session)",
        "sub-02_ses-postop": "no scan of ses-preop (--atlas-session)",
    }
    assert isinstance(console.file, io.StringIO)
    assert "several scans" not in console.file.getvalue()
    assert [row["flag"] for row in quality_rows(submitted[0])] == ["n/a"] * 4
    assert labels(
        run_and_graph(changed(settings, atlas_session=("post", "postop")), template, submitted)
    ) == [
        "sub-01_ses-postop",
        "sub-02_ses-postop",
        "sub-03",
    ]


def test_doubtful_scan_is_kept_out_until_it_is_confirmed(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    doubtful = OK | {"status": "doubtful", "reason": "another grid", "flag": "another grid"}
    publish(settings, "sub-01")
    publish(settings, "sub-02", doubtful)
    publish(settings, "sub-03_ses-1", doubtful)
    console = Console(file=io.StringIO(), width=200)
    run_group(context_of(settings, template, console), [], {})
    assert isinstance(console.file, io.StringIO)
    way_out = "kept out of the atlas; look at the page, and let it in with --confirm"
    assert f"2 doubtful scans are {way_out} sub-02 sub-03_ses-1" in console.file.getvalue()
    assert labels(submitted[0]) == ["sub-01"]
    assert submitted[0].story.excluded[0] == Excluded(
        scan="sub-02", stage="doubtful", cause=f"another grid: {way_out} sub-02"
    )
    assert submitted[0].story.flow[2:] == (
        ("passed the quality gate", 3),
        ("without doubts about the mask", 1),
        ("in the atlas, one of each participant", 1),
    )
    graph = run_and_graph(changed(settings, confirm=("sub-02", "03")), template, submitted)
    assert labels(graph) == ["sub-01", "sub-02", "sub-03_ses-1"]
    assert graph.story.flow[3] == ("without doubts about the mask, or confirmed (sub-02, sub-03_ses-1)", 3)
    assert graph.plan.atlas["ConfirmedScans"] == ["sub-02", "sub-03_ses-1"]
    assert [row["status"] for row in quality_rows(graph)] == ["ok", "confirmed", "confirmed"]
    assert "The masks of 2 scans were in doubt; 2 were confirmed and used." in graph.story.methods
    assert graph.plan.key != submitted[0].plan.key


def test_no_atlas_of_doubtful_scans_alone_says_why(settings: Settings, template: TemplateFiles) -> None:
    publish(settings, "sub-02", OK | {"status": "doubtful", "reason": "another grid"})
    problem = atlas(settings, template, [])
    assert problem.startswith("no scan is left (1 left out: another grid: kept out of the atlas")


def test_a_small_cohort_has_an_atlas_and_a_warning(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01")
    console = Console(file=io.StringIO(), width=200)
    assert run_group(context_of(settings, template, console), [], {}) == Outcome()
    assert isinstance(console.file, io.StringIO)
    warning = "1 patient: single patients can be read from these maps; do not share them"
    assert warning in console.file.getvalue()
    assert submitted[0].story.warning == warning
    assert submitted[0].inputs.cells == SmallCells(everybody=1, strata=5)


def test_fewer_participants_than_the_smallest_cell_that_is_asked_for_make_no_atlas(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    publish(settings, "sub-01")
    problem = atlas(changed(settings, min_cell=5), template, [])
    assert problem.startswith("an atlas of 1 participant would show nothing: --min-cell is 5")
    assert "earlier run" not in problem
    assert submitted == []
    (settings.output_dir / f"tpl-{settings.processing.template}").mkdir()
    problem = atlas(changed(settings, min_cell=5), template, [])
    assert "maps of an earlier run are left in" in problem


def test_strata_have_their_scans_and_what_is_withheld_is_told(
    settings: Settings, template: TemplateFiles, submitted: list[Any]
) -> None:
    rows = "".join(f"sub-{n}\t{sex}\n" for n, sex in enumerate("FFMMM"))
    (settings.bids_dir / "participants.tsv").write_text(f"participant_id\tsex\n{rows}")
    for number in range(5):
        publish(settings, f"sub-{number}")
    console = Console(file=io.StringIO(), width=200)
    asked = changed(settings, strata=("sex",), min_cell=3)
    assert run_group(context_of(asked, template, console), [], {}) == Outcome()
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    # women are two, so that men could be told from everybody minus men
    assert "no maps of sex = 'F': 2 participants, fewer than 3" in told
    assert submitted[0].inputs.strata == ()
    asked = changed(asked, min_cell=2)
    assert run_group(context_of(asked, template, console), [], {}) == Outcome()
    assert [(s.label, s.participants) for s in submitted[1].inputs.strata] == [
        ("sexF", ("0", "1")),
        ("sexM", ("2", "3", "4")),
    ]
    name = "tpl-Tiny/cohort-sexF/anat/tpl-Tiny_cohort-sexF_atlas-gliomorph_res-4_desc-coverage_probseg.nii.gz"
    assert submitted[1].plan.maps["sexF/coverage"] == name


@pytest.mark.parametrize(
    "change",
    [
        "a new scan",
        "another result",
        "an exclusion",
        "a missing map",
        "a missing sidecar",
        "an emptied page",
        "code",
        "an option",
        "a test",
        "regions",
    ],
)
def test_atlas_is_made_again_after_any_change(
    settings: Settings,
    template: TemplateFiles,
    submitted: list[Any],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish(settings, "sub-01")
    plans = [planned("sub-01")]
    atlas(settings, template, plans)
    finish(settings, submitted[0])
    if change == "a new scan":
        publish(settings, "sub-02")
    elif change == "another result":
        publish(settings, "sub-01", key="another")
    elif change == "an exclusion":
        plans.append(planned("sub-02", status="run"))
    elif change == "a missing map":
        (settings.output_dir / group_names("Tiny", 4, ["WT"])["frequency_WT"]).unlink()
    elif change == "a missing sidecar":
        image = settings.output_dir / group_names("Tiny", 4, ["WT"])["frequency_WT"]
        sidecars.beside(image, ".json").unlink()
    elif change == "an emptied page":
        os.truncate(settings.output_dir / group_names("Tiny", 4, ["WT"])["report"], 0)
    elif change == "a test":
        (settings.bids_dir / "participants.tsv").write_text("participant_id\tage\nsub-01\t50\n")
        settings = changed(settings, tests=("glm:age",))
        monkeypatch.setattr(group, "run_associations", lambda *_: Associations())
    elif change == "regions":
        settings = changed(settings, parcellation="hemispheres", levels=("group",))
        parcels = Parcellation(name="p", path=template.image, parcels=(), sizes=(), voxel_ml=1.0, digest="a")
        monkeypatch.setattr(contexts, "find_parcellation", lambda *_: parcels)
        monkeypatch.setattr(group, "run_regional", lambda *_: Regional())
    elif change == "an option":
        settings = changed(settings, min_coverage=0.9)
    else:
        monkeypatch.setattr(group, "group_code", lambda: "other")
    atlas(settings, template, plans)
    assert len(submitted) == 2


def test_tests_that_failed_are_told_and_not_taken_for_done(
    settings: Settings, template: TemplateFiles, submitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings, "sub-01")
    (settings.bids_dir / "participants.tsv").write_text("participant_id\tage\nsub-01\t50\n")
    asked = changed(settings, tests=("glm:age",))
    failure = Failure(scan="group", stage="tests WT", error=ValueError("too few"))
    monkeypatch.setattr(group, "run_associations", lambda *_: Associations(failure=failure))
    console = Console(file=io.StringIO())
    assert run_group(context_of(asked, template, console), [], {}) == Outcome(tests=failure)
    assert submitted[0].story.tests_problem == "tests WT: too few"
    finish(settings, submitted[0])
    assert run_group(context_of(asked, template, console), [], {}) == Outcome(tests=failure)
    assert len(submitted) == 2
    monkeypatch.setattr(group, "run_associations", lambda *_: Associations())
    assert run_group(context_of(asked, template, console), [], {}) == Outcome()
    finish(settings, submitted[2])
    assert run_group(context_of(asked, template, console), [], {}) == Outcome()
    assert len(submitted) == 3
