"""What has to hold after a fault: every check returns sentences, one for each thing that does not."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from PIL import Image

HOSTILE = "hostile"
"""Occurs in every text that is injected to become HTML, a path or a command."""

INSIDE = ("bids", "templates", "out", "work", "home", "tmp", "cwd", "terminal.txt", "second.txt")
EMPTY = ("home", "tmp", "cwd")

VARYING = ("seconds", "cpu_seconds", "peak_memory_gb", "InputsKey")
"""What two runs differ in: how long they took, what memory they needed, and the hash of a table that says so."""

Listing = dict[str, str]

CENTRE_MM, VOLUME = 2.0, 0.05
"""How far a tumour may be from its place, half a voxel, and how far its volume from its own."""


def listing(out: Path) -> Listing:
    """sha256 of every file of an output folder by its name, without logs, what varies between runs left out."""
    return {name: _digest(path) for name, path in _files(out).items()}


def lost_or_altered(before: Mapping[str, str], after: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Outputs that are not there any more, or not as they were."""
    return [
        f"{name} is {'altered' if name in after else 'lost'}"
        for name in sorted(names)
        if before[name] != after.get(name)
    ]


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """How outputs differ from those of the undisturbed run."""
    extra = [f"{name} is too much" for name in sorted(found.keys() - expected.keys())]
    return lost_or_altered(expected, found, expected) + extra


def not_whole(out: Path) -> list[str]:
    """Files at final names that are cut short, empty or not of their kind."""
    wrong = []
    for name, path in _files(out).items():
        check = next((check for ending, check in WHOLE.items() if name.endswith(ending)), None)
        try:
            problem = "empty" if not path.stat().st_size else check(path) if check else ""
        except Exception as error:  # whatever a reader says of it, the file is not whole
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{name} is not whole: {problem}")
    return wrong


def leftovers(out: Path) -> list[str]:
    """Temporary files."""
    return [f"{path.relative_to(out)} is left over" for path in sorted(out.rglob(".tmp-*"))]


def strays(root: Path) -> list[str]:
    """What was written outside the output and the work folder."""
    known = [path for name in EMPTY for path in (root / name).rglob("*")]
    return [
        f"{path} was written outside"
        for path in [*known, *(p for p in root.iterdir() if p.name not in INSIDE)]
    ]


def injected(out: Path) -> list[str]:
    """Pages in which injected text has become markup; as text, and within an attribute's quotes, it does no harm."""
    wrong = []
    for path in sorted(out.rglob("*.html")):
        reader = _Markup()
        reader.feed(path.read_text(encoding="utf-8", errors="replace"))
        if reader.found:
            wrong.append(f"{path.relative_to(out)} has injected markup: {reader.found[0]}")
    return wrong


class _Markup(HTMLParser):
    """Elements, attributes and scripts that injected text has made."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        for name, value in attrs:
            runs = name.startswith("on") or name == "style"
            leads_away = name in ("src", "href") and re.match(r"\s*(\w+:|/|.*\.\./)", value or "")
            if HOSTILE in tag + name or ((runs or leads_away) and HOSTILE in (value or "")):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and HOSTILE in data:
            self.found.append("a script")


def unsaid(out: Path, since: set[str], failed: Mapping[str, str], may_fail: Iterable[str]) -> list[str]:
    """Failures that the summary of the run does not have with their cause, and failures that nobody injected.

    Parameters
    ----------
    out : Path
        Output folder.
    since : set of str
        Names of the log folders of earlier runs.
    failed : mapping of str to str
        Scan to the pattern that its cause has to match.
    may_fail : iterable of str
        Scans that may be done or may fail, with any cause.
    """
    rows = _summary(out, since)
    if not rows:
        return ["there is no summary.tsv of this run"]
    wrong = []
    for scan, pattern in failed.items():
        row = rows.get(scan, {"status": "not listed", "cause": ""})
        if row["status"] != "failed" or not re.search(pattern, row["cause"]):
            wrong.append(
                f"{scan} has to fail with /{pattern}/, the summary says {row['status']}: {row['cause']!r}"
            )
    for scan, row in rows.items():
        if row["status"] == "failed" and scan not in failed and scan not in may_fail:
            wrong.append(f"{scan} fails for no fault of its own: {row['cause']!r}")
        elif row["status"] == "failed" and not (row["cause"].strip() and row["stage"].strip()):
            wrong.append(f"{scan} fails without stage and cause")
    return wrong


def wrong_in_silence(out: Path, reference: Path, since: set[str], answered: Mapping[str, str]) -> list[str]:
    """Scans that failed, or whose tumour is elsewhere than without a fault, and the summary does not say why.

    Parameters
    ----------
    out, reference : Path
        Output folders of this run and of one without faults.
    since : set of str
        Names of the log folders of earlier runs.
    answered : mapping of str to str
        Scan to the pattern of what has to be said.
    """
    rows, wrong = _summary(out, since), []
    for scan, pattern in answered.items():
        row = rows.get(scan, {"status": "not listed", "cause": "", "look_at": ""})
        told = row["cause"] if row["status"] == "failed" else row["look_at"]
        found = "" if row["status"] != "done" else _displaced(out, reference, scan)
        if (row["status"] != "done" or found) and not re.search(pattern, told):
            wrong.append(f"{scan} is {row['status']}{found}, and the summary says {told!r}, not /{pattern}/")
    return wrong


def _displaced(out: Path, reference: Path, scan: str) -> str:
    """How far a scan's tumour in template space is from where it has to be; empty within the tolerances."""
    (centre, volume), (right, size) = (_tumor(folder, scan) for folder in (out, reference))
    distance = float(np.linalg.norm(centre - right))
    if distance < CENTRE_MM and abs(volume / size - 1) < VOLUME:
        return ""
    return f" with its tumour {distance:.1f} mm away and {volume / size:.0%} as large"


def _tumor(out: Path, scan: str) -> tuple[np.ndarray, float]:
    """Centre (mm) and number of voxels of a scan's tumour in template space."""
    found = out.glob(f"{scan}/anat/{scan}_*space-*_label-tumor_*_mask.nii.gz")
    path = max(found, key=lambda path: path.stat().st_mtime_ns)  # of another image there may be an older one
    image = nib.load(path)
    inside = np.argwhere(np.asarray(image.dataobj) > 0)
    return nib.affines.apply_affine(image.affine, inside.mean(axis=0)), float(len(inside))


def _summary(out: Path, since: set[str]) -> dict[str, dict[str, str]]:
    """Rows of the newest run's summary by scan; none where it has left none."""
    tables = [path for path in sorted(out.glob("logs/*/summary.tsv")) if path.parent.name not in since]
    if not tables:
        return {}
    with tables[-1].open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        return {row["scan"]: row for row in csv.DictReader(lines, delimiter="\t")}


def _files(out: Path) -> dict[str, Path]:
    """Files at final names, relative to the folder; logs, work files and temporary names are none."""
    return {
        path.relative_to(out).as_posix(): path
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "logs" and not path.name.startswith(".tmp-")
    }


def _digest(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"unreadable: {error.strerror}"
    kind = next((name for name in STEADY if path.name.endswith(name)), None)
    if kind is not None:
        with contextlib.suppress(ValueError):  # damaged: compared as it is
            content = STEADY[kind](content.decode()).encode()
    return hashlib.sha256(content).hexdigest()


def _steady_json(text: str) -> str:
    def drop(value: object) -> object:
        if isinstance(value, dict):
            return {key: drop(inner) for key, inner in value.items() if key not in VARYING}
        return [drop(inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(drop(json.loads(text)))


def _steady_table(text: str) -> str:
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))
    kept = [number for number, name in enumerate(rows[0] if rows else []) if name not in VARYING]
    return "\n".join("\t".join(row[number] for number in kept if number < len(row)) for row in rows)


def _steady_page(text: str) -> str:
    """Numbers in cells are those of ``group_quality.tsv``; pages are compared without them."""
    text = re.sub(r'<td( data-value="[^"]*")? class="number[^"]*">[^<]*</td>', "<td>number</td>", text)
    return re.sub(rf"(&#34;|\")({'|'.join(VARYING)})\1: [^,\n]*", "", text)


STEADY: Mapping[str, Callable[[str], str]] = {
    ".json": _steady_json,
    ".tsv": _steady_table,
    ".html": _steady_page,
}


def _whole_nifti(path: Path) -> str:
    content = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header.from_fileobj(BytesIO(content))
    needed = int(header["vox_offset"]) + header.get_data_dtype().itemsize * _product(header.get_data_shape())
    return "" if len(content) >= needed else f"{len(content)} bytes of {needed}"


def _whole_transform(path: Path) -> str:
    with h5py.File(path) as file:
        return "" if list(file) else "nothing in it"


def _whole_json(path: Path) -> str:
    json.loads(path.read_text(encoding="utf-8"))
    return ""


def _whole_table(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    widths = {len(row) for row in csv.reader(text.splitlines(), delimiter="\t")}
    return "" if text.endswith("\n") and len(widths) == 1 else f"rows of {sorted(widths)} cells"


def _whole_page(path: Path) -> str:
    return "" if path.read_text(encoding="utf-8").rstrip().endswith("</html>") else "it ends before </html>"


def _whole_picture(path: Path) -> str:
    with Image.open(path) as picture:
        picture.load()
    return ""


WHOLE: Mapping[str, Callable[[Path], str]] = {
    ".nii.gz": _whole_nifti,
    ".h5": _whole_transform,
    ".json": _whole_json,
    ".tsv": _whole_table,
    ".html": _whole_page,
    ".png": _whole_picture,
}


def _product(shape: Iterable[int]) -> int:
    total = 1
    for size in shape:
        total *= int(size)
    return total


def shows(text: str, pattern: str) -> bool:
    """Whether the terminal's text has a pattern, wherever lines were broken."""
    return re.search(pattern, " ".join(text.split())) is not None
