"""A whole run: checks, participants, group, summary, exit code."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs
from rich.console import Console
from rich.markup import escape

from ..config.settings import Settings
from ..environment import prepare_environment
from ..interfaces.datasets.template_files import TemplateFiles, prepare_template
from ..interfaces.derivatives.names import group_names
from ..interfaces.files.images import remove_leftovers
from ..interfaces.files.text import listed
from .checks.atlas import atlas_notices
from .checks.validation import check_gpu, check_resources, network_notices, summary_of, validate_bids
from .checks.worker import check_worker
from .dataset import write_dataset
from .engine.failures import Failure, cause_of
from .engine.sweep import Hold, swept
from .engine.workers import describe_worker, taken_over
from .group.regions import find_parcellation
from .group.run import run_group
from .keys import cache_folder
from .scan.participants import run_participants
from .scan.plan import PlannedScan, plan_scans
from .summary import RunLog, last_causes, new_run_id, print_failures, rows_of


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
    check_worker(settings)
    check_gpu(settings)
    if not settings.inputs.skip_bids_validation:
        for text in summary_of(validate_bids(settings.bids_dir)):
            console.print(f"[yellow]BIDS[/yellow] {text}", highlight=False)
    _notice(console, atlas_notices(settings))
    with swept(cache_folder(settings.resources.work_dir)) as hold:
        code = _held_run(settings, argv, console)
        if settings.resources.clean_workdir and not settings.dry_run:
            _clean(hold, settings, console)
    return code


def _held_run(settings: Settings, argv: Sequence[str], console: Console) -> int:
    """The run, while its cache is held."""
    template = prepare_template(
        settings.processing.template,
        settings.processing.resolution,
        settings.processing.template_dirs,
        cache_folder(settings.resources.work_dir) / "templates",
    )
    parcellation = find_parcellation(settings, template)
    _notice(console, parcellation.notices if parcellation else ())
    planned = plan_scans(settings, template)
    if "participant" in settings.levels:
        _announce(console, settings, planned)
    run_id = new_run_id()
    log = RunLog(folder=settings.output_dir / "logs" / run_id)
    if settings.dry_run:
        return 0
    remove_leftovers(settings.output_dir)
    write_dataset(settings)
    log.start(settings, argv)
    code = 0
    if "participant" in settings.levels:
        failures = _participants(settings, template, planned, run_id, console)
        code = _conclude(console, settings, planned, failures, log, argv)
    if "group" in settings.levels and not (code and settings.resources.stop_on_first_crash):
        code = max(code, _try_group(settings, template, planned, log, console))
    return code


def _notice(console: Console, texts: Iterable[str]) -> None:
    for text in texts:
        console.print(f"[yellow]notice[/yellow] {escape(text)}", highlight=False)


def _clean(hold: Hold, settings: Settings, console: Console) -> None:
    if hold.remove_if_last():
        shutil.rmtree(settings.resources.work_dir / "tmp", ignore_errors=True)
    else:
        console.print(
            f"{settings.resources.work_dir} is kept: another run uses it", highlight=False, soft_wrap=True
        )


def _participants(
    settings: Settings,
    template: TemplateFiles,
    planned: Sequence[PlannedScan],
    run_id: str,
    console: Console,
) -> list[Failure]:
    todo = [p for p in planned if p.status in ("run", "page")]
    if not todo:
        return []
    prepare_environment(
        settings.resources.work_dir, settings.resources.threads(len(todo)), settings.resources.gpu_slots
    )
    return run_participants(todo, settings, template, run_id, console, settings.verbose)


def _conclude(
    console: Console,
    settings: Settings,
    planned: Sequence[PlannedScan],
    failures: Sequence[Failure],
    log: RunLog,
    argv: Sequence[str],
) -> int:
    """Log and tell who failed and who is done; 1 if anything that was asked for is missing."""
    rows = rows_of(planned, failures)
    print_failures(console, rows, argv)
    try:
        for failure in failures:
            log.failure(failure)
        log.finish(rows)
    except OSError as error:
        console.print(f"[red]no log[/red]: {escape(cause_of(error))}", highlight=False, soft_wrap=True)
    done = [row for row in rows if row["status"] == "done"]
    if done:
        pages = f"{settings.output_dir / done[0]['scan']}.html" + (" …" if len(done) > 1 else "")
        console.print(f"{len(done)} of {len(rows)} scans done: {pages}", highlight=False, soft_wrap=True)
    return int(len(done) < len(rows))


def _announce(console: Console, settings: Settings, planned: Sequence[PlannedScan]) -> None:
    """Will run N, done M, cannot run K because…"""
    processing = settings.processing
    count = Counter(p.status for p in planned)
    console.print(
        f"{len(planned)} scans: {count['run']} to run, {count['done']} done, {count['impossible']} cannot be run; "
        + f"{count['page']} pages to make anew; " * bool(count["page"])
        + f"template {processing.template} at {processing.resolution} mm, {', '.join(processing.registration)}",
        highlight=False,
    )
    for p in planned:
        if p.status == "impossible":
            console.print(f"  {p.scan.label}: {p.reason}", highlight=False, markup=False)
    if old := [p.scan.label for p in planned if p.status == "done" and p.reason]:
        _notice(
            console,
            [
                f"{len(old)} pages were made by another version of gliomorph and stay as they are ({listed(old)}): the "
                "intermediate results that they are made of are gone; to compute a scan again, remove its page"
            ],
        )
    if count["run"]:
        _notice(console, network_notices(settings))
        console.print(
            f"{describe_worker(settings, count['run'])}; "
            + "; ".join(check_resources(settings, count["run"])),
            highlight=False,
        )


def _try_group(
    settings: Settings,
    template: TemplateFiles,
    planned: Sequence[PlannedScan],
    log: RunLog,
    console: Console,
) -> int:
    """:func:`_group`; a disk that is full, or a folder that cannot be written any more, keeps it from its atlas."""
    try:
        return _group(settings, template, planned, log, console)
    except OSError as error:
        console.print(f"[red]no atlas[/red]: {escape(cause_of(error))}", highlight=False, soft_wrap=True)
        return 1


def _group(
    settings: Settings,
    template: TemplateFiles,
    planned: Sequence[PlannedScan],
    log: RunLog,
    console: Console,
) -> int:
    """The atlas over the whole output folder, whatever subjects this run was restricted to."""
    everyone = planned
    if settings.inputs.participants or settings.inputs.sessions:
        inputs = attrs.evolve(settings.inputs, participants=(), sessions=())
        everyone = plan_scans(attrs.evolve(settings, inputs=inputs), template)
    causes = last_causes(settings.output_dir / "logs")
    run_id = taken_over(cache_folder(settings.resources.work_dir)).get("group", log.folder.name)
    outcome = run_group(settings, template, everyone, causes, run_id, console, settings.verbose)
    if outcome.problem:
        console.print(f"[red]no atlas[/red]: {escape(outcome.problem)}", highlight=False)
        return 1
    if failure := outcome.tests:
        log.failure(failure)
        text = f"{failure.stage}: {cause_of(failure.error)}; the atlas has none of them, the log is in {log.folder}"
        console.print(f"[red]no tests[/red]: {escape(text)}", highlight=False, soft_wrap=True)
    names = group_names(settings.processing.template, settings.processing.resolution, ["WT"])
    for what, name in (("report", names["report"]), ("atlas", names["frequency_WT"])):
        console.print(f"{what}: {settings.output_dir / name}", highlight=False, soft_wrap=True)
    return int(outcome.tests is not None)
