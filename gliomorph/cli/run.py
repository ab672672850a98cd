"""``gliomorph``: the BIDS App's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..config.settings import Settings
from ..environment import LOG_LEVEL, collect_rarely, prepare_environment, template_folders
from ..workflows.checks.validation import check_folders
from .config_file import read_config
from .parser import build_parser

INTERRUPTED = 130
ENDINGS = {
    signal.SIGINT: ("interrupted", INTERRUPTED),
    signal.SIGTERM: ("terminated", 143),
    signal.SIGHUP: ("hung up", 129),
}
"""Signals that ask a run to end: what is said then, and the exit code, as a shell has it. Slurm sends SIGTERM."""


def parse(argv: Sequence[str]) -> Settings:
    """Options from the command line, over those of ``--config-file``.

    Raises
    ------
    SettingsError
        An option that cannot be carried out.
    """
    parser = build_parser()
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    before.add_argument("--config-file", type=Path)
    config = before.parse_known_args(argv)[0].config_file
    if config is not None:
        parser.set_defaults(**read_config(config, parser))
    read = vars(parser.parse_intermixed_args(argv))
    given = {name: value for name, value in read.items() if value is not None}
    known = (path for path in template_folders() if path.is_dir())
    return Settings.of(**given | {"template_dirs": (*given.get("template_dirs", ()), *known)})


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gliomorph``.

    Parameters
    ----------
    argv : sequence of str, optional
        Without the program's name; ``sys.argv`` if not given.

    Returns
    -------
    code : int
        0: everything requested is on disk; 1: something is missing; 2: the run could not start; 129, 130, 143: hung
        up, interrupted, terminated.
    """
    collect_rarely()
    with _ending_on_signals():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
    from rich.console import Console

    console = Console(soft_wrap=True)
    verbose = 0
    try:
        settings = parse(argv)
        verbose = settings.verbose
        if verbose > 1:
            os.environ[LOG_LEVEL] = "INFO"
        check_folders(settings.output_dir, settings.resources.work_dir)
        prepare_environment(
            settings.resources.work_dir, settings.resources.threads(1), settings.resources.gpu_slots
        )
        # only now: matplotlib makes its folders where the environment says, when it is imported
        from ..workflows.run import run

        return run(settings, ["gliomorph", *argv], console)
    except KeyboardInterrupt as ending:
        word, code = ENDINGS[ending.args[0] if ending.args else signal.SIGINT]
        with suppress(OSError):  # the terminal may be gone
            console.print(f"{word}: run the same command again, what is done is kept")
        return code
    except (ValueError, OSError) as error:
        # errors of our own say all that there is to say
        if verbose and not type(error).__module__.startswith("gliomorph"):
            traceback.print_exc()
        print(f"gliomorph: {error}", file=sys.stderr)
        return 2


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """The first of :data:`ENDINGS` ends the block as Ctrl-C does, children too; those that follow are ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # under nohup SIGHUP is ignored already
    before = {number: signal.getsignal(number) for number in ENDINGS}
    numbers = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def end(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number))

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


if __name__ == "__main__":
    sys.exit(main())
