"""What earlier runs have left, spoilt: outputs, records, logs, the work directory; and clocks that are wrong."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from .cohort import SUBJECTS
from .fault import Fault, Inject, Kind
from .images import cut, emptied, noise
from .world import World

DAY_S = 86400
Spoil = Callable[[Path, Random], str]


def deleted(path: Path, rng: Random) -> str:
    path.unlink()
    return "deleted"


def garbage_json(path: Path, rng: Random) -> str:
    """Valid JSON that is no record."""
    text = rng.choice(
        ["[]", "null", "5", '"hostile"', "{}", '{"key": []}', '{"outputs": [["../../hostile"]]}']
    )
    path.write_text(text)
    return text


def _some(pattern: str, spoils: tuple[Spoil, ...], most: int, forget: bool = False) -> Inject:
    """Some of the files that match a pattern below the root; ``forget``: the outputs of one scan are gone, too."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        if forget:
            world.forget(subject)
        files = sorted(path for path in world.root.glob(pattern) if path.is_file() and not path.is_symlink())
        hit = rng.sample(files, min(len(files), rng.randint(1, most)))
        told = [f"{path.relative_to(world.root)} {rng.choice(spoils)(path, rng)}" for path in hit]
        return Fault(detail="; ".join(told)[:300])

    return inject


def _folder_deleted(world: World, subject: str, rng: Random) -> Fault:
    name = rng.choice(
        [f"out/sub-{subject}", "out/tpl-Tiny", "out/logs", "out/figures", "work/hashes", "work/tmp"]
    )
    shutil.rmtree(world.root / name, ignore_errors=True)
    return Fault(detail=f"{name} deleted")


def _foreign_record(world: World, subject: str, rng: Random) -> Fault:
    """A record of a scan that is in no dataset, of somebody's making."""
    folder = world.out / "sub-99" / "anat"
    folder.mkdir(parents=True)
    (folder / "sub-99_T1w.nii.gz").write_bytes(b"nothing")
    record = rng.choice(
        [
            {"method": "rigid", "outputs": ["README.md"]},
            {"method": "rigid", "outputs": ["README.md"], "quality": {"status": "ok"}},
            {"method": "rigid", "outputs": ["../../bids/README"], "quality": [], "tumor": 5},
            {
                "method": "rigid",
                "outputs": ["sub-99/anat/sub-99_T1w.nii.gz"],
                "quality": {"status": "<b>hostile"},
                "tumor": {},
            },
        ]
    )
    path = folder / "sub-99_space-Tiny_res-4_desc-rigid_registration.json"
    path.write_text(json.dumps(record))
    return Fault(
        detail=json.dumps(record), undo=lambda: shutil.rmtree(world.out / "sub-99"), unread=("sub-99",)
    )


def _locks(world: World, subject: str, rng: Random) -> Fault:
    """Locks that processes have left which are not there any more."""
    world.forget(subject)
    (cache,) = world.work.glob("cache-*")
    jobs = [path.name for path in cache.glob("*-*/") if path.is_dir()]
    told = []
    for name in rng.sample(jobs, min(len(jobs), 5)):
        text = rng.choice(["", "999999\nnowhere\n", f"999999\n{os.uname().nodename}\n", "hostile"])
        (cache / f"{name}.lock").write_text(text)
        told.append(repr(text))
    hashes = sorted((world.work / "hashes").glob("*"))
    for path in rng.sample(hashes, min(len(hashes), 3)):
        path.with_suffix(".lock").write_text("")
    return Fault(detail=", ".join(told))


def _summaries(world: World, subject: str, rng: Random) -> Fault:
    path = world.out / "logs" / "20200101T000000Z-00000000" / "summary.tsv"
    path.parent.mkdir(parents=True)
    content = rng.choice(
        [b"", b"\0\xff\xfe" * 20, b"a\tb\n1\t2\n", rng.randbytes(500), b'scan\tstatus\n"sub-01']
    )
    path.write_bytes(content)
    return Fault(detail=f"{path.relative_to(world.out)}: {content[:20]!r}")


def _wrong_clock(world: World, subject: str, rng: Random) -> Fault:
    days = rng.choice([-1, 1]) * rng.uniform(0.01, 3000)
    environment = {
        "LD_PRELOAD": str(_faketime()),
        "FAKETIME": f"{days:+.3f}d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return Fault(detail=f"the clock is {days:+.1f} days off", environment=environment)


def _faketime() -> Path | None:
    found = [
        path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).glob("**/libfaketime.so.1")
    ]
    return found[0] if found else None


def _no_faketime() -> str:
    return "" if _faketime() else "libfaketime is not installed"


def _wrong_times(where: tuple[str, ...]) -> Inject:
    """Every file has another time, in the past and in the future."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        for name in rng.sample(SUBJECTS, 2):
            world.forget(name)
        for path in (path for name in where for path in (world.root / name).rglob("*")):
            when = rng.choice([0.0, 1.0, time.time() + rng.uniform(0, 4000) * DAY_S])
            os.utime(path, (when, when), follow_symlinks=False)
        return Fault(detail=f"times of {' and '.join(where)}")

    return inject


OUTPUTS: dict[str, Inject] = {
    "files deleted": _some("out/sub-*/anat/*", (deleted,), 6),
    "files emptied": _some("out/sub-*/anat/*", (emptied,), 4),
    "folder deleted": _folder_deleted,
    "record spoilt": _some("out/sub-*/anat/*_registration.json", (cut, emptied, noise, garbage_json), 3),
    "record of somebody's making": _foreign_record,
    "page or picture emptied": _some("out/**/sub-*.[hp][tn][mg]*", (emptied, deleted), 3),
    "atlas deleted": _some("out/tpl-*/**/*", (deleted,), 6),
    "atlas emptied": _some("out/tpl-*/**/*", (emptied,), 4),
    "tables and pages of the cohort emptied": _some("out/g*.*", (emptied,), 2),
    "description of the atlas spoilt": _some("out/atlas-*.json", (cut, emptied, noise, garbage_json), 1),
    "description of the dataset spoilt": _some("out/dataset_description.json", (cut, emptied, noise), 1),
    "summary of an earlier run spoilt": _summaries,
}

WORK: dict[str, Inject] = {
    "result cut short": _some("work/cache-*/*/_result.pklz", (cut, emptied, noise), 20, True),
    "result deleted": _some("work/cache-*/*/_*.pklz", (deleted,), 20, True),
    "file of a result deleted": _some("work/cache-*/*/*.nii.gz", (deleted,), 10, True),
    "file of a result emptied": _some("work/cache-*/*/*.nii.gz", (emptied,), 10, True),
    "hashes spoilt": _some("work/hashes/*", (cut, emptied, noise, deleted), 20, True),
    "template cut short": _some("work/cache-*/templates/**/*", (cut,), 2, True),
    "template emptied or deleted": _some("work/cache-*/templates/**/*", (emptied, deleted), 3, True),
    "sums of the atlas cut short": _some("work/atlas/*", (cut, emptied, noise), 1),
    "locks of the dead": _locks,
}


def kinds() -> list[Kind]:
    """All of them."""
    found = [
        Kind(name=f"outputs: {name}", inject=inject, together="state") for name, inject in OUTPUTS.items()
    ]
    found += [Kind(name=f"work: {name}", inject=inject, together="state") for name, inject in WORK.items()]
    found.append(
        Kind(name="clock: of the system", inject=_wrong_clock, start="half", share=2, missing=_no_faketime)
    )
    found.append(Kind(name="clock: times of inputs", inject=_wrong_times(("bids", "templates"))))
    found.append(Kind(name="clock: times of outputs and work", inject=_wrong_times(("out", "work"))))
    return found
