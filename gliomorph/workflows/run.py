"""A whole run: checks, participants, group, summary, exit code."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs
from rich.console import Console
from rich.markup import escape

from ..config.settings import Settings
from ..environment import prepare_environment
from ..interfaces.datasets.query import folder_names
from ..interfaces.derivatives.names import group_names
from ..interfaces.files.images import remove_leftovers
from ..interfaces.files.text import listed
from ..models.regions import AUTO
from .checks.atlas import atlas_notices
from .checks.resources import check_disk, check_memory, needs_of
from .checks.validation import check_gpu, network_notices, summary_of, validate_bids
from .checks.worker import check_worker
from .context import RunContext, notice, resolve
from .dataset import write_dataset
from .engine.failures import Failure, NotStarted, cause_of
from .engine.sweep import Hold, swept
from .engine.workers import describe_worker, taken_over
from .group.run import run_group
from .keys import cache_folder
from .longitudinal.inputs import graph_of, stages_of
from .longitudinal.plan import PlannedSubject, announced, plan_subjects
from .scan.participants import run_graphs, run_ids, run_participants, with_pages_settled
from .scan.plan import PlannedScan, plan_scans
from .scan.selection import chosen_files, summary_of_files
from .summary import RunLog, last_causes, print_failures, print_remarks, remarks_of, rows_of


def run(settings: Settings, argv: Sequence[str], console: Console) -> int:
    """Carry out what was asked for.

    Parameters
    ----------
    settings : Settings
        Options.
    argv : sequence of str
        The command, for the log and for the line that runs failed scans again.
    console : Console
        Where messages go.

    Returns
    -------
    code : int
        0 if everything that was requested is on disk, else 1.

    Raises
    ------
    SettingsError, QueryError, TemplateError
        What keeps the run from starting.
    """
    check_worker(settings.cluster)
    check_gpu(settings.resources, settings.cluster.worker)
    if not settings.inputs.skip_bids_validation:
        for text in summary_of(validate_bids(settings.bids_dir)):
            console.print(f"[yellow]BIDS[/yellow] {text}", highlight=False)
    notice(console, atlas_notices(settings))
    with swept(cache_folder(settings.resources.work_dir)) as hold:
        code = _levels(resolve(settings, console), argv)
        if settings.resources.clean_workdir and not settings.dry_run:
            _clean(hold, settings.resources.work_dir, console)
    return code


def _levels(context: RunContext, argv: Sequence[str]) -> int:
    """The run, while its cache is held."""
    settings = context.settings
    notices = [*(context.parcellation.notices if context.parcellation else ()), *settings.inputs.notices]
    planned = plan_scans(settings, context.template, notices)
    notice(context.console, notices)
    if "participant" in settings.levels:
        planned = with_pages_settled(planned, context)
        _announce(context, planned)
    if settings.dry_run:
        return 0
    log = RunLog(folder=settings.output_dir / "logs" / context.run_id)
    remove_leftovers(settings.output_dir)
    write_dataset(settings.bids_dir, settings.inputs.derivatives, settings.output_dir)
    log.start(settings.options(), argv)
    code = 0
    if "participant" in settings.levels:
        failures = _participants(context, planned)
        code = _conclude(context, planned, failures, log, argv)
        if settings.processing.longitudinal and not (code and settings.resources.stop_on_first_crash):
            code = max(code, _sessions(context, planned, log))
    if "group" in settings.levels and not (code and settings.resources.stop_on_first_crash):
        try:
            code = max(code, _group(context, planned, log))
        except OSError as error:  # a disk that is full, or a folder that cannot be written any more
            _no_atlas(context, cause_of(error))
            code = 1
    return code


def _clean(hold: Hold, work_dir: Path, console: Console) -> None:
    if hold.remove_if_last():
        shutil.rmtree(work_dir / "tmp", ignore_errors=True)
    else:
        console.print(f"{work_dir} is kept: another run uses it", highlight=False, soft_wrap=True)


def _participants(context: RunContext, planned: Sequence[PlannedScan]) -> list[Failure]:
    todo = [p for p in planned if p.status in ("run", "page")]
    if not todo:
        return []
    resources = context.settings.resources
    prepare_environment(resources.work_dir, resources.threads(len(todo)), resources.gpu_slots)
    return run_participants(todo, context)


def _conclude(
    context: RunContext,
    planned: Sequence[PlannedScan],
    failures: Sequence[Failure],
    log: RunLog,
    argv: Sequence[str],
) -> int:
    """Log and tell who failed and who is done; 1 if anything that was asked for is missing."""
    console, remarks = context.console, remarks_of(planned, context.settings.output_dir)
    rows = rows_of(planned, failures, remarks)
    print_remarks(console, remarks, context.settings.atlas.confirms)
    print_failures(console, rows, argv)
    try:
        for failure in failures:
            log.failure(failure)
        log.finish(rows)
    except OSError as error:
        console.print(f"[red]no log[/red]: {escape(cause_of(error))}", highlight=False, soft_wrap=True)
    done = [row for row in rows if row["status"] == "done"]
    if done:
        pages = f"{context.settings.output_dir / done[0]['scan']}.html" + (" …" if len(done) > 1 else "")
        console.print(f"{len(done)} of {len(rows)} scans done: {pages}", highlight=False, soft_wrap=True)
    return int(len(done) < len(rows))


def _announce(context: RunContext, planned: Sequence[PlannedScan]) -> None:
    """Will run N, done M, cannot run K because…"""
    console, settings, processing = context.console, context.settings, context.settings.processing
    count = Counter(p.status for p in planned)
    console.print(
        f"{len(planned)} scans: {count['run']} to run, {count['done']} done, {count['impossible']} cannot be run; "
        + f"{count['page']} pages to make anew; " * bool(count["page"])
        + f"template {processing.template} at {processing.resolution} mm, {', '.join(processing.registration)}",
        highlight=False,
    )
    lines = [f"  {p.scan.label}: {p.reason}" for p in planned if p.status == "impossible"]
    lines += summary_of_files(planned, settings.inputs, folder_names(settings.bids_dir))
    if settings.dry_run and settings.verbose:
        lines += chosen_files(planned)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if old := [p.scan.label for p in planned if p.status == "done" and p.reason]:
        notice(
            console,
            [
                f"{len(old)} pages were made by another version of gliomorph and stay as they are ({listed(old)}), "
                "without what was found of the files since: the intermediate results that they are made of are gone; "
                "to compute a scan again, remove its page"
            ],
        )
    if processing.longitudinal:
        subjects, notices = plan_subjects(processing, settings.bids_dir, planned)
        notice(console, notices)
        for line in announced(subjects, settings.output_dir):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if count["run"]:
        chosen = {p.scan.modality for p in planned if p.status == "run"}
        primaries = sorted(chosen) if settings.inputs.modality == AUTO else [settings.inputs.modality]
        texts = [text for each in primaries for text in network_notices(settings.processing, each)]
        notice(console, list(dict.fromkeys(texts)))
        resources, scans = settings.resources, count["run"]
        where = describe_worker(settings.cluster, resources, scans)
        memory = check_memory(settings.processing, resources, scans)
        at_once = settings.cluster.scans_at_once(scans, resources.processes(scans))
        further = max(len(p.further.paths) for p in planned if p.status == "run")
        needs = needs_of(settings.processing, resources, settings.output_dir, scans, at_once, further)
        disk = check_disk(needs, resources.clean_workdir)
        console.print("; ".join([where, memory, disk]), highlight=False)


def _sessions(context: RunContext, planned: Sequence[PlannedScan], log: RunLog) -> int:
    """The sessions of each subject registered to each other; 1 if anything of that is missing."""
    settings, console = context.settings, context.console
    subjects, _ = plan_subjects(settings.processing, settings.bids_dir, planned)
    failures = _register_sessions(context, subjects)
    for failure in failures:
        log.failure(failure)
        text = f"{failure.scan}: {failure.stage}: {cause_of(failure.error)}; the log is in {log.folder}"
        console.print(f"[red]not followed[/red]: {escape(text)}", highlight=False, soft_wrap=True)
    if done := len(subjects) - len(failures):
        console.print(
            f"{done} of {len(subjects)} subjects' sessions are registered to each other", highlight=False
        )
    return int(bool(failures))


def _register_sessions(context: RunContext, subjects: Sequence[PlannedSubject]) -> list[Failure]:
    """Run what is not done; a failure for each subject whose outputs are not all on disk."""
    settings, out, resources = context.settings, context.settings.output_dir, context.settings.resources
    todo = {f"sub-{each.subject}": each for each in subjects if not each.is_published(out)}
    lacking = {name: scans for name, each in todo.items() if (scans := each.without_outputs(out))}
    failures = [
        Failure(scan=name, stage="sessions", error=NotStarted(f"no outputs of {', '.join(scans)}"))
        for name, scans in lacking.items()
    ]
    ready = {name: each for name, each in todo.items() if name not in lacking}
    if not ready:
        return failures
    prepare_environment(resources.work_dir, resources.threads(len(ready)), resources.gpu_slots)
    runs = run_ids([*ready], context)
    graphs = {name: graph_of(each, settings.processing, out, runs[name]) for name, each in ready.items()}
    found = run_graphs("sessions", graphs, sum(map(stages_of, ready.values())), runs, context)
    return failures + [found[name] for name, each in ready.items() if not each.is_published(out)]


def _group(context: RunContext, planned: Sequence[PlannedScan], log: RunLog) -> int:
    """The atlas over the whole output folder, whatever subjects this run was restricted to."""
    settings = context.settings
    everyone = planned
    if settings.inputs.participants or settings.inputs.sessions:
        inputs = attrs.evolve(settings.inputs, participants=(), sessions=())
        everyone = plan_scans(attrs.evolve(settings, inputs=inputs), context.template)
    causes = last_causes(settings.output_dir / "logs")
    run_id = taken_over(context.cache).get("group", context.run_id)
    outcome = run_group(attrs.evolve(context, run_id=run_id), everyone, causes)
    if outcome.problem:
        _no_atlas(context, outcome.problem)
        return 1
    if failure := outcome.tests:
        log.failure(failure)
        text = f"{failure.stage}: {cause_of(failure.error)}; the atlas has none of them, the log is in {log.folder}"
        context.console.print(f"[red]no tests[/red]: {escape(text)}", highlight=False, soft_wrap=True)
    names = group_names(settings.processing.template, settings.processing.resolution, ["WT"])
    for what, name in (("report", names["report"]), ("atlas", names["frequency_WT"])):
        context.console.print(f"{what}: {settings.output_dir / name}", highlight=False, soft_wrap=True)
    return int(outcome.tests is not None)


def _no_atlas(context: RunContext, problem: str) -> None:
    context.console.print(f"[red]no atlas[/red]: {escape(problem)}", highlight=False, soft_wrap=True)
