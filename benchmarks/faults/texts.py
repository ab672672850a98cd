"""Faults of tables, sidecars, options in files, and names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from .fault import RIGHT, Fault, Inject, Kind
from .images import cut, emptied, folder, locked, noise, pipe
from .world import World, permissions_hold

STRATA = ("--strata", "sex", "--min-cell", "1")
NOT_STARTED = (2,)

MARKUP = "<script>hostile()</script>"
PATHS = (
    "../../../hostile",
    "/hostile",
    "..",
    ".",
    "C:\\hostile",
    "~/hostile",
    "$(touch hostile)",
    "`touch hostile`",
)
FORMULA = '=HYPERLINK("http://hostile")'


def _tables(world: World, subject: str, rng: Random) -> bytes:
    return (world.bids / "participants.tsv").read_bytes()


def _participants(
    change: Callable[[list[list[str]], Random], str], codes: tuple[int, ...], said: str = ""
) -> Inject:
    """Rows of ``participants.tsv``, the head first, are changed; ``change`` returns the text."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        path = world.bids / "participants.tsv"
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        text = change(rows, rng)
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        return Fault(detail=repr(text[:120]), options=STRATA, codes=codes, said=said)

    return inject


def _spoilt_participants(spoil: Callable[[Path, Random], str], codes: tuple[int, ...]) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        detail = spoil(world.bids / "participants.tsv", rng)
        return Fault(
            detail=detail, options=STRATA, codes=codes, said="participants.tsv" if codes == (2,) else ""
        )

    return inject


def _joined(rows: list[list[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _all_sexes(text: Callable[[Random], str]) -> Callable[[list[list[str]], Random], str]:
    """One category is called otherwise."""

    def change(rows: list[list[str]], rng: Random) -> str:
        name = text(rng)
        return _joined([rows[0], *([who, name if sex == "M" else sex] for who, sex in rows[1:])])

    return change


def _twice(rows: list[list[str]], rng: Random) -> str:
    row = rng.choice(rows[1:])
    return _joined([*rows, [row[0], "F" if row[1] == "M" else "M"]])


def _hostile_ids(rows: list[list[str]], rng: Random) -> str:
    return _joined([*rows, *([f"sub-{text}", "F"] for text in (*PATHS, MARKUP, FORMULA))])


def _sidecar(world: World, subject: str, rng: Random) -> Fault:
    path = world.image(subject).with_name(f"sub-{subject}_T1w.json")
    path.write_bytes(rng.choice([b"\0" * 50, b"{", b"[" * 100000, rng.randbytes(300), MARKUP.encode()]))
    return Fault(detail=f"{path.name}: {path.read_bytes()[:20]!r}")


def _label_table(text: Callable[[Random], bytes], cause: str) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        path = world.table(subject)
        path.write_bytes(text(rng))
        detail = f"{path.name}: {path.read_bytes()[:40]!r}"
        scan = f"sub-{subject}"
        return Fault(detail=detail, failed={scan: cause}) if cause else Fault(detail=detail, may_fail=(scan,))

    return inject


def _spoilt_label_table(spoil: Callable[[Path, Random], str]) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        path = world.table(subject)
        return Fault(
            detail=f"{path.name}: {spoil(path, rng)}", failed={f"sub-{subject}": "cannot be read|table"}
        )

    return inject


NAMES = (
    "<img src=x onerror=hostile()>",
    "[red]hostile[bold]",
    "hostile\nsub-99\tdone",
    "hostile\x1b[2J\x1b]0;hostile\x07",
    "hos tile; touch hostile",
    "-hostile",
    "..hostile",
    "hostile\u202e\u0000"[:-1] + "gz",
    os.fsdecode(b"hostile-\xff\xfe"),
    "h" * 200 + "hostile",
)


def _subject_name(world: World, subject: str, rng: Random) -> Fault:
    name = f"sub-{rng.choice(NAMES)}"
    path = world.bids / name / "anat" / "sub-hostile_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(world.image(subject).read_bytes())
    return Fault(detail=f"folder {name!r}", may_fail=_labels_of(name), codes=(1,))


def _labels_of(name: str) -> tuple[str, ...]:
    """As the summary may write it."""
    return (name, name.encode("utf-8", "backslashreplace").decode(), ascii(name)[1:-1], repr(name)[1:-1])


def _session_name(world: World, subject: str, rng: Random) -> Fault:
    name = f"ses-{rng.choice(NAMES)}"
    path = world.bids / f"sub-{subject}" / name / "anat"
    path.mkdir(parents=True)
    labels = tuple(
        label for text in _labels_of(name) for label in (f"sub-{subject}_{text}", f"sub-{subject}")
    )
    return Fault(detail=f"folder sub-{subject}/{name!r}", may_fail=labels, codes=(0, 1))


def _mask_name(world: World, subject: str, rng: Random) -> Fault:
    label = rng.choice([text for text in NAMES if len(text) < 100])
    path = world.labels(subject)
    path.rename(path.with_name(f"sub-{subject}_label-tumor_desc-{label}_mask.nii.gz".replace("/", "-")))
    scan = f"sub-{subject}"
    return Fault(detail=f"mask with desc-{label!r}", may_fail=(scan,))


def _image_name(world: World, subject: str, rng: Random) -> Fault:
    label = rng.choice([text for text in NAMES if len(text) < 100]).replace("/", "-")
    path = world.image(subject).with_name(f"sub-{subject}_acq-{label}_T1w.nii.gz")
    path.write_bytes(b"no image")
    scan = f"sub-{subject}"  # right, and said to be one of several
    return Fault(
        detail=f"image with acq-{label!r} beside the other", answered={scan: RIGHT}, may_fail=(scan,)
    )


def _filters(text: bytes) -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        path = world.bids / "filters.json"
        path.write_bytes(text)
        options = ("--bids-filter-file", str(path))
        return Fault(detail=repr(text[:60]), options=options, codes=NOT_STARTED, said="--bids-filter-file")

    return inject


def _config(text: bytes, said: str = "--config-file") -> Inject:
    def inject(world: World, subject: str, rng: Random) -> Fault:
        path = world.bids / "config.toml"
        path.write_bytes(text)
        return Fault(
            detail=repr(text[:60]), options=("--config-file", str(path)), codes=NOT_STARTED, said=said
        )

    return inject


def _noise_config(world: World, subject: str, rng: Random) -> Fault:
    return _config(rng.randbytes(500))(world, subject, rng)


TABLES: dict[str, Inject] = {
    "random bytes": _spoilt_participants(noise, NOT_STARTED),
    "zero length": _spoilt_participants(emptied, NOT_STARTED),
    "cut short": _spoilt_participants(cut, (0, 2)),
    "folder in its place": _spoilt_participants(folder, NOT_STARTED),
    "pipe in its place": _spoilt_participants(pipe, NOT_STARTED),
    "NULs": _participants(lambda rows, rng: _joined(rows).replace("F", "\0\0"), (0, 2)),
    "Latin-1": _participants(_all_sexes(lambda rng: os.fsdecode(b"M\xe4nnlich")), (0,)),
    "byte-order mark": _participants(lambda rows, rng: "\ufeff" + _joined(rows), (0,)),
    "carriage returns": _participants(lambda rows, rng: _joined(rows).replace("\n", "\r\n"), (0,)),
    "a participant twice": _participants(_twice, (0, 2)),
    "no participant_id": _participants(
        lambda rows, rng: _joined([["who", "sex"], *rows[1:]]), NOT_STARTED, "participant_id"
    ),
    "paths, markup, formulas as ids": _participants(_hostile_ids, (0,)),
    "a path as category": _participants(_all_sexes(lambda rng: rng.choice(PATHS)), (0,)),
    "markup as category": _participants(_all_sexes(lambda rng: MARKUP), (0,)),
    "a formula as category": _participants(_all_sexes(lambda rng: FORMULA), (0,)),
    "a very long category": _participants(_all_sexes(lambda rng: "hostile" * 20000), (0, 2)),
    "an open quote": _participants(lambda rows, rng: _joined(rows).replace("F", '"F', 1), (0, 2)),
}
"""Faults of ``participants.tsv``, with ``--strata sex``."""

LABEL_TABLES: dict[str, Inject] = {
    "random bytes": _label_table(lambda rng: rng.randbytes(400), ""),
    "NULs": _label_table(lambda rng: b"index\tname\tabbreviation\n1\t\0\tNCR\n2\t\0\tED\n4\t\0\tET\n", ""),
    "an index twice": _label_table(
        lambda rng: b"index\tabbreviation\n1\tNCR\n1\tED\n4\tET\n", "index|twice|table"
    ),
    "no enhancing tumour": _label_table(lambda rng: b"index\tabbreviation\n1\tNCR\n2\tED\n", "ET"),
    "indices that are none": _label_table(
        lambda rng: b"index\tabbreviation\n1e999\tNCR\nx\tED\n-4\tET\n", "table|index|integer"
    ),
    "markup": _label_table(
        lambda rng: f"index\tabbreviation\tname\n1\tNCR\t{MARKUP}\n2\tED\t\n7\tET\t{MARKUP}\n".encode(),
        "dseg",
    ),
    "very long": _label_table(lambda rng: b"index\tabbreviation\n" + b"1\t" + b"x" * 300000 + b"\n", ""),
}

CONFIGS: dict[str, Inject] = {
    "random bytes": _noise_config,
    "no TOML": _config(b"resolution == [[["),
    "nested without end": _config(b"resolution = " + b"[" * 5000 + b"]" * 5000),
    "unknown option": _config(b'hostile = "rm -rf"'),
    "wrong type": _config(b'nprocs = "many"'),
    "a table for a value": _config(b"[registration]\nrigid = true"),
    "NUL in a path": _config(b'weights = "a\\u0000b"', ""),
}

FILTERS: dict[str, Inject] = {
    "random bytes": _filters(b"\xff\xfe\x00{"),
    "a list": _filters(b'["t1w"]'),
    "a number for entities": _filters(b'{"t1w": 5}'),
    "a list for entities": _filters(b'{"t1w": ["acquisition"]}'),
    "nested without end": _filters(b'{"t1w": ' + b"[" * 200000),
}

FOLDERS: dict[str, Inject] = {"subject": _subject_name, "session": _session_name}


def _description(world: World, subject: str, rng: Random) -> Fault:
    path = world.bids / "dataset_description.json"
    path.write_bytes(rng.choice([b"", b"{", rng.randbytes(200), json.dumps({"Name": MARKUP}).encode()]))
    return Fault(detail=f"{path.name}: {path.read_bytes()[:30]!r}")


def _permissions() -> str:
    return "" if permissions_hold() else "root reads everything, and setpriv is not installed"


def _locked_table(world: World, subject: str, rng: Random) -> Fault:
    detail = locked(world.bids / "participants.tsv", rng)
    return Fault(detail=detail, options=STRATA, codes=NOT_STARTED, said="participants.tsv")


def kinds() -> list[Kind]:
    """All of them."""
    found = [Kind(name=f"participants.tsv: {name}", inject=inject) for name, inject in TABLES.items()]
    found.append(Kind(name="participants.tsv: no permissions", inject=_locked_table, missing=_permissions))
    found += [
        Kind(name=f"dseg.tsv: {name}", inject=inject, single=True, together="scans")
        for name, inject in LABEL_TABLES.items()
    ]
    for name, spoil in {"folder in its place": folder, "pipe in its place": pipe}.items():
        found.append(
            Kind(name=f"dseg.tsv: {name}", inject=_spoilt_label_table(spoil), single=True, together="scans")
        )
    found += [Kind(name=f"--config-file: {name}", inject=inject) for name, inject in CONFIGS.items()]
    found += [Kind(name=f"--bids-filter-file: {name}", inject=inject) for name, inject in FILTERS.items()]
    found += [
        Kind(name=f"hostile name: {name}", inject=inject, single=True, together="scans", share=4)
        for name, inject in FOLDERS.items()
    ]
    found.append(Kind(name="hostile name: mask", inject=_mask_name, single=True, together="scans", share=5))
    found.append(Kind(name="hostile name: image", inject=_image_name, single=True, together="scans", share=3))
    found.append(
        Kind(name="JSON: sidecar of an image", inject=_sidecar, single=True, together="scans", share=2)
    )
    found.append(Kind(name="JSON: dataset_description", inject=_description, single=True, together="scans"))
    return found
