"""The rounds of a campaign: what is injected into which, played one after the other, and kept."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from threading import Lock

import attrs

import gliomorph
from gliomorph.interfaces.files.checksums import sha256_of
from gliomorph.workflows.keys import group_code, scan_code

from . import cohort, invariants
from . import world as world_module
from .cohort import SUBJECTS
from .fault import Fault, Kind
from .invariants import Listing
from .storage import release
from .world import BOTH, Answer, World

TOGETHER = 7
"""Scans with a fault of their own in one run; the others are left in peace."""
FORGOTTEN = 2
"""Number of scans whose outputs are missing when the run starts."""
MOST_TOLD = 1500
"""Characters of a run's text that a violation quotes."""
MOST_NAMED = 10
"""Outputs that differ."""


class CampaignError(RuntimeError):
    """The campaign itself cannot go on: nothing is said of gliomorph."""


@attrs.frozen(kw_only=True)
class Round:
    """One disturbed run or several, and the one that has to complete after them.

    Attributes
    ----------
    number : int
    kinds : tuple of Kind
        One, or several that do not meet.
    seed : str
        Of all that is drawn.
    """

    number: int
    kinds: tuple[Kind, ...]
    seed: str


@attrs.frozen(kw_only=True)
class Record:
    """What became of a round.

    Attributes
    ----------
    number : int
    kinds, details : list of str
        Of every fault.
    counts : list of int
        How often each was injected: a signal may come after the run's end.
    violations : list of str
    seconds : float
        Of all runs.
    code : str
        :func:`version` of what was run.
    """

    number: int
    kinds: list[str]
    details: list[str]
    counts: list[int]
    violations: list[str]
    seconds: float
    code: str


def planned(kinds: Sequence[Kind], faults: int, seed: int) -> list[Round]:
    """Rounds with so many faults, of all kinds by their shares; the same for the same seed.

    Raises
    ------
    CampaignError
        No kinds.
    """
    if not kinds:
        raise CampaignError("at least one kind of fault is required")
    rng = Random(f"{seed}")
    bag = [kind for kind in kinds for _ in range(max(1, kind.share // kind.repeats))]
    drawn: list[Kind] = []
    while sum(kind.repeats for kind in drawn) < faults:
        turn = rng.sample(bag, len(bag))
        while turn and sum(kind.repeats for kind in drawn) < faults:
            drawn.append(turn.pop())
    rounds: list[tuple[Kind, ...]] = [(kind,) for kind in drawn if not kind.together]
    for word in sorted({kind.together for kind in drawn} - {""}):
        alike = [kind for kind in drawn if kind.together == word]
        rounds += [tuple(alike[start : start + TOGETHER]) for start in range(0, len(alike), TOGETHER)]
    # most faults first, then those that refuse a run at once: a campaign that is stopped has done the most
    rounds.sort(key=lambda kinds: (-sum(kind.repeats for kind in kinds), kinds[0].start == "half"))
    return [Round(number=n, kinds=found, seed=f"{seed}-{n}") for n, found in enumerate(rounds)]


def prepare(world: World) -> None:
    """The world's states: ``half``, all scans but one and their atlas; ``done``, all, which runs are compared with.

    Raises
    ------
    CampaignError
        A run without any fault fails.
    """
    marker = world.root.with_name("prepared")
    # what computes, and what is computed: other code than that leaves the states as they are
    made_by = (
        scan_code() + group_code() + sha256_of(Path(cohort.__file__)) + sha256_of(Path(world_module.__file__))
    )
    if marker.exists() and marker.read_text() == made_by:
        return
    if world.root.parent.exists():
        release(world.root)
        shutil.rmtree(world.root.parent)
    world.root.mkdir(parents=True)
    world.make()
    for name, options in (("half", ["--participant-label", *SUBJECTS[:-1]]), ("done", [])):
        answer = world.run(*options)
        if answer.code:
            raise CampaignError(f"the run without faults ends with {answer.code}:\n{answer.text}")
        world.keep(name)
    marker.write_text(made_by)


@cache
def version() -> str:
    """Version of gliomorph's code and of the campaign's."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(gliomorph.__file__).parent):
        for path in sorted(
            path for path in folder.rglob("*") if path.suffix in (".py", ".j2", ".safetensors")
        ):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def play(world: World, this: Round) -> Record:
    """Inject, run, look, undo, run again, compare."""
    rng = Random(this.seed)
    world.restore(this.kinds[0].start)
    expected = invariants.listing(world.kept("done") / "out")
    subjects = rng.sample(SUBJECTS, len(this.kinds))
    if this.kinds[0].single and rng.random() < 0.5:
        for subject in subjects[:FORGOTTEN]:
            world.forget(subject)
    before = invariants.listing(world.out)
    faults = [kind.inject(world, subject, rng) for kind, subject in zip(this.kinds, subjects, strict=True)]
    levels = BOTH if rng.random() < 0.3 or not this.kinds[0].single else ("participant",)
    faults = [attrs.evolve(fault, levels=levels) if this.kinds[0].single else fault for fault in faults]
    spoilt = before if faults[0].moved else invariants.listing(world.out)
    valid = {name: value for name, value in before.items() if spoilt.get(name) == value}
    counts, violations, seconds = [0] * len(faults), [], 0.0
    for _ in range(max(fault.repeats for fault in faults)):
        logs = world.logs()
        answer, came = disturbed(world, faults)
        counts = [count + arrived for count, arrived in zip(counts, came, strict=True)]
        seconds += answer.seconds
        violations += answer_violations(world, faults, answer, logs, came)
        violations += [] if faults[0].moved else output_violations(world, faults, valid)
    for fault in faults:
        if fault.undo is not None:
            fault.undo()
    world.restore("done", only=("bids", "templates"))
    if answer.code != 2 or invariants.listing(world.out) != expected:
        answer = world.run(levels=faults[0].levels)
        seconds += answer.seconds
        violations += [f"the next run: {text}" for text in next_violations(world, answer, expected)]
    told = [
        f"sub-{subject}, {fault.detail}" if kind.single else fault.detail
        for kind, subject, fault in zip(this.kinds, subjects, faults, strict=True)
    ]
    names = [kind.name for kind in this.kinds]
    return Record(
        number=this.number,
        kinds=names,
        details=told,
        counts=counts,
        violations=violations,
        seconds=seconds,
        code=version(),
    )


def disturbed(world: World, faults: Sequence[Fault]) -> tuple[Answer, list[bool]]:
    """The run, and which of the faults came before its end."""
    came = [True] * len(faults)

    def disturb(process: subprocess.Popen[bytes]) -> None:
        for number, fault in enumerate(faults):
            if fault.disturb is not None:
                came[number] = fault.disturb(world, process)

    answer = world.run(
        *(word for fault in faults for word in fault.options),
        levels=faults[0].levels,
        before=faults[0].before,
        disturb=disturb,
        **{name: value for fault in faults for name, value in fault.environment.items()},
    )
    return answer, came


def answer_violations(
    world: World, faults: Sequence[Fault], answer: Answer, logs: set[str], came: Sequence[bool]
) -> list[str]:
    """What is wrong with the exit code, with what the terminal shows, and with the summary of a disturbed run."""
    failed = {scan: pattern for fault in faults for scan, pattern in fault.failed.items()}
    may_fail = {scan for fault in faults for scan in fault.may_fail}
    codes = right_codes(faults, came)
    wrong = []
    if answer.hung or answer.code not in codes:
        wrong.append(f"it ends with {_ended(answer)}, not {sorted(codes)}: {answer.text[-MOST_TOLD:]}")
    if answer.orphans:
        wrong.append(f"{answer.orphans} processes live on")
    if "Traceback (most recent call last)" in answer.text and answer.code >= 0:
        wrong.append(f"a traceback on the terminal: {answer.text[-MOST_TOLD:]}")
    for fault, arrived in zip(faults, came, strict=True):
        if fault.said and arrived and not invariants.shows(answer.text, fault.said):
            wrong.append(f"the terminal does not show /{fault.said}/: {answer.text[-MOST_TOLD:]}")
        wrong += fault.check() if fault.check is not None else []
    if answer.code in (0, 1) and not any(fault.no_summary for fault in faults):
        wrong += invariants.unsaid(world.out, logs, failed, may_fail)
        answered = {scan: pattern for fault in faults for scan, pattern in fault.answered.items()}
        wrong += invariants.wrong_in_silence(world.out, world.kept("done") / "out", logs, answered)
        wrong += invariants.leftovers(world.out) if all(fault.check is None for fault in faults) else []
    return wrong


def right_codes(faults: Sequence[Fault], came: Sequence[bool]) -> set[int]:
    """Exit codes that a run with these faults may have."""
    codes = {code for fault, arrived in zip(faults, came, strict=True) if arrived for code in fault.codes}
    if codes:
        return codes
    if any(fault.failed for fault in faults):
        return {1}
    return {0, 1} if any(fault.may_fail for fault in faults) else {0}


def output_violations(world: World, faults: Sequence[Fault], valid: Listing) -> list[str]:
    """What is wrong with the folders after a disturbed run; ``valid`` are outputs that no fault has touched."""
    after = invariants.listing(world.out)
    renewed = {name.split("/")[0] for fault in faults for name in fault.changed}
    free = renewed | {scan for fault in faults for scan in fault.may_fail}
    scans = [
        name for name in valid if name.startswith("sub-") and name.split("/")[0].split(".")[0] not in free
    ]
    wrong = invariants.lost_or_altered(valid, after, scans)
    wrong += [
        f"{name} has to be made anew, it is as before"
        for fault in faults
        for name in fault.changed
        if valid.get(name) == after.get(name)
    ]
    unread = tuple(name for fault in faults for name in fault.unread)
    wrong += [text for text in invariants.not_whole(world.out) if not unread or not text.startswith(unread)]
    return wrong + invariants.strays(world.root) + invariants.injected(world.out)


def next_violations(world: World, answer: Answer, expected: Listing) -> list[str]:
    """What is wrong with the run after the fault was undone."""
    wrong = []
    if answer.code or answer.hung or answer.orphans:
        wrong.append(f"it ends with {_ended(answer)}: {answer.text[-MOST_TOLD:]}")
    differing = invariants.differences(expected, invariants.listing(world.out))
    wrong += differing[:MOST_NAMED]
    wrong += [f"{len(differing)} outputs differ in all"] if len(differing) > MOST_NAMED else []
    return wrong + invariants.leftovers(world.out) + invariants.strays(world.root)


def campaign(rounds: Sequence[Round], out: Path, jobs: int = 1, minutes: float = math.inf) -> list[Record]:
    """The rounds' records.

    Played are those that are not kept yet and those that did not hold, ``jobs`` at a time, each in a world of its own;
    after so many ``minutes`` no more are begun.
    """
    end = time.monotonic() + 60 * minutes
    path = out / "rounds.jsonl"
    known = kept_records(path)
    waiting: SimpleQueue[Round] = SimpleQueue()
    # the longest first
    for this in sorted(rounds, key=lambda this: (-this.kinds[0].repeats, this.kinds[0].start != "half")):
        if key_of(this) not in known or known[key_of(this)].violations:
            waiting.put(this)
    writing = Lock()

    def work(number: int) -> None:
        world = World(out / f"world-{number}" / "cohort")
        prepare(world)
        while time.monotonic() < end:
            try:
                this = waiting.get_nowait()
            except Empty:
                return
            record = play(world, this)
            if record.violations:
                shutil.copytree(
                    world.out, out / "violations" / f"{this.seed}-{version()}", dirs_exist_ok=True
                )
            with writing, path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"key": key_of(this), "record": attrs.asdict(record)}) + "\n")
                known[key_of(this)] = record
                _tell(record, sum(key_of(each) in known for each in rounds), len(rounds))

    if not waiting.empty():
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, range(jobs)))
    return [known[key] for key in map(key_of, rounds) if key in known]


def key_of(this: Round) -> str:
    """Key of a round's record: what is drawn, and the kinds."""
    return json.dumps([this.seed, [kind.name for kind in this.kinds]])


def kept_records(path: Path) -> dict[str, Record]:
    """Records by seed and kinds, the last of each; a line that was cut short is none."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[entry["key"]] = Record(**entry["record"])
    return found


def _tell(record: Record, played: int, rounds: int) -> None:
    verdict = f"{len(record.violations)} violations" if record.violations else "holds"
    told = f"{played} of {rounds}, {record.seconds:.0f} s, {', '.join(record.kinds)}: {verdict}"
    print("\n  ".join([told, *record.violations]), file=sys.stderr, flush=True)


def _ended(answer: Answer) -> str:
    return "a hang" if answer.hung else f"code {answer.code}"
