"""A BIDS cohort of small heads at 4 mm that runs end to end in seconds a scan, and the command that runs it.

The heads are made of tissues with sharp borders: N4 would take the slow waves of :mod:`phantoms` for bias. A brain
of 0.5 l is small for a human and large enough for the checks of the ``brain`` stage.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from one_process import in_this_process

from gliomorph.cli import run as cli
from gliomorph.interfaces.files.images import from_array, write_image
from gliomorph.workflows.engine.pool import PoolWorker

SEMI_AXES = np.array([47.0, 58.0, 40.0])
RADII = {2: 17.0, 4: 12.0, 1: 8.0}
"""Oedema, enhancing rim, necrotic core (BraTS labels), concentric."""
SIZE, SPACING = (32, 38, 28), (4.0, 4.0, 4.0)

SUBJECTS = {
    "01": (np.eye(3), [0.0, 0.0, 0.0], 1.0, [-18.0, 15.0, 7.0]),
    "02": (np.diag([-1.0, -1.0, 1.0]), [5.0, -4.0, 3.0], 1.03, [-15.0, 12.0, 10.0]),
    "03": (phantoms.turned(), [-4.0, 3.0, -2.0], 0.97, [-17.0, 18.0, 4.0]),
    "04": (np.diag([1.0, -1.0, 1.0]), [2.0, 4.0, -3.0], 1.02, [17.0, -12.0, 8.0]),
}
"""Axes of the grid, the head's shift (mm) and size, the tumour's place from the head's centre (mm)."""

SEXES = {"01": "F", "02": "F", "03": "M"}

DSEG_TABLE = "index\tname\tabbreviation\n1\tnecrosis\tNCR\n2\toedema\tED\n4\tenhancing\tET\n"


def tissue_at(points: np.ndarray) -> np.ndarray:
    """Intensity, 0.3 to 0.9, at positions from the head's centre: folds of white matter, grey matter, a rim of CSF."""
    x, y, z = points
    folds = np.sin(2 * np.pi * x / 37 + 0.7) + np.cos(2 * np.pi * y / 43 - 0.4) + np.sin(2 * np.pi * z / 33)
    white = 1 / (1 + np.exp(-4 * (folds + 0.3)))
    radius = np.linalg.norm(points / SEMI_AXES.reshape(3, 1, 1, 1), axis=0)
    rim = 1 / (1 + np.exp(-30 * (radius - 0.9)))
    return (0.55 + 0.35 * white) * (1 - rim) + 0.3 * rim


def grid(axes: np.ndarray | None = None) -> sitk.Image:
    return phantoms.grid(SIZE, SPACING, axes)


def centred(like: sitk.Image) -> np.ndarray:
    """Voxel centres from the head's centre (LPS, mm), shape (3, X, Y, Z)."""
    return phantoms.positions(like) - phantoms.CENTRE.reshape(3, 1, 1, 1)


def inside(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points / SEMI_AXES.reshape(3, 1, 1, 1), axis=0) < 1


def head(subject: str) -> tuple[sitk.Image, sitk.Image]:
    """Image (skull-stripped, tumour drawn in) and BraTS labels of one of :data:`SUBJECTS`."""
    axes, shift, size, place = SUBJECTS[subject]
    like = grid(axes)
    points = (centred(like) - np.reshape(shift, (3, 1, 1, 1))) / size
    distance = np.linalg.norm(points - np.reshape(place, (3, 1, 1, 1)), axis=0)
    labels = np.zeros(distance.shape, np.uint8)
    for label, radius in RADII.items():
        labels[distance < radius] = label
    signal = np.select([labels == 1, labels == 2, labels == 4], [0.25, 0.45, 0.95], tissue_at(points))
    brain = inside(points)
    image = from_array((1000 * signal * brain).astype(np.float32), like)
    return image, from_array((labels * brain).astype(np.uint8), like)


def write_template(folder: Path) -> Path:
    """``tpl-Tiny`` in TemplateFlow's layout: the head without a tumour."""
    points = centred(grid())
    stem = folder / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain"
    brain = inside(points)
    write_image(from_array((tissue_at(points) * brain).astype(np.float32), grid()), f"{stem}_T1w.nii.gz")
    write_image(from_array(brain.astype(np.uint8), grid()), f"{stem}_mask.nii.gz")
    return folder


def image_path(bids: Path, subject: str) -> Path:
    return bids / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii.gz"


def labels_path(bids: Path, subject: str) -> Path:
    name = f"sub-{subject}_seg-brats_dseg.nii.gz"
    return bids / "derivatives" / "masks" / f"sub-{subject}" / "anat" / name


def write_subject(bids: Path, subject: str, like: str = "") -> None:
    """``T1w`` in ``bids``, ``seg-brats_dseg`` with its table in ``bids/derivatives/masks``, a row in the table."""
    image, labels = head(like or subject)
    write_image(image, image_path(bids, subject))
    path = write_image(labels, labels_path(bids, subject))
    path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text(DSEG_TABLE)
    names = sorted(folder.name for folder in bids.glob("sub-*"))
    rows = [f"{name}\t{SEXES.get(name.removeprefix('sub-'), 'n/a')}\n" for name in names]
    (bids / "participants.tsv").write_text("".join(["participant_id\tsex\n", *rows]))


def write_cohort(bids: Path, subjects: Iterable[str]) -> Path:
    """A valid BIDS dataset of some of :data:`SUBJECTS`."""
    masks = bids / "derivatives" / "masks"
    masks.mkdir(parents=True)
    description = {"Name": "heads", "BIDSVersion": "1.10.0", "License": "CC0"}
    (bids / "dataset_description.json").write_text(json.dumps(description))
    (bids / "README").write_text("Heads that were drawn, not scanned: the test data of gliomorph.\n" * 3)
    description |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": "tests"}]}
    (masks / "dataset_description.json").write_text(json.dumps(description))
    for subject in subjects:
        write_subject(bids, subject)
    return bids


@attrs.frozen(kw_only=True)
class Answer:
    """What a run left behind.

    Attributes
    ----------
    code : int
        Exit code.
    text : str
        Standard output and error together.
    seconds, started : float
        Duration, and the time of the start (seconds since the epoch).
    """

    code: int
    text: str
    seconds: float
    started: float


@attrs.frozen
class Place:
    """The folders of one cohort's runs.

    Attributes
    ----------
    root : Path
        Holds ``bids``, ``templates``, ``out``, ``work``, and ``home``, ``tmp``, ``cwd`` that stay empty.
    """

    root: Path

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def cwd(self) -> Path:
        return self.root / "cwd"

    def prepare(self, subjects: Iterable[str]) -> Place:
        """Write the dataset and the template."""
        write_cohort(self.bids, subjects)
        write_template(self.root / "templates")
        for name in ("home", "tmp", "cwd"):
            (self.root / name).mkdir()
        return self

    def command(
        self, *options: str, levels: Iterable[str] = ("participant", "group"), masks: bool = True
    ) -> list[str]:
        """The command line, as :func:`subprocess.run` takes it."""
        words = [sys.executable, "-m", "gliomorph", str(self.bids), str(self.out), *levels]
        words += ["-d", f"masks={self.bids / 'derivatives' / 'masks'}"] if masks else []
        words += ["--template", "Tiny", "--template-dir", str(self.root / "templates"), "--resolution", "4"]
        # one thread: sums in one order, so that runs can be compared byte by byte
        words += ["-w", str(self.work), "--nprocs", "2", "--omp-nthreads", "1", "--mem", "4", "--gpu", "none"]
        return [*words, *options]

    def environment(self, **changes: str | None) -> dict[str, str]:
        """Variables of the run; ``None`` unsets one."""
        variables: Mapping[str, str | None] = {
            **os.environ,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "GLIOMORPH_TEMPLATES": None,
            "COLUMNS": "200",
            **changes,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def run(
        self,
        *options: str,
        levels: Iterable[str] = ("participant", "group"),
        masks: bool = True,
        before: Iterable[str] = (),
        **changes: str | None,
    ) -> Answer:
        """Run the command to its end in another folder than that of the data."""
        started, clock = time.time(), time.monotonic()
        done = subprocess.run(
            [*before, *self.command(*options, levels=levels, masks=masks)],
            cwd=self.cwd,
            env=self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        return Answer(
            code=done.returncode, text=done.stdout, seconds=time.monotonic() - clock, started=started
        )

    def run_here(
        self, *options: str, levels: Iterable[str] = ("participant", "group"), masks: bool = True
    ) -> Answer:
        """As :meth:`run`, with its stages, in this process: a new one would import for seconds."""
        started, clock, text = time.time(), time.monotonic(), io.StringIO()
        words = self.command(*options, levels=levels, masks=masks)
        with (
            self._as_a_process_of_its_own(),
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
        ):
            code = cli.main(words[words.index("gliomorph") + 1 :])
        return Answer(code=code, text=text.getvalue(), seconds=time.monotonic() - clock, started=started)

    @contextlib.contextmanager
    def _as_a_process_of_its_own(self) -> Iterator[None]:
        """Folder and variables of the run, which may change them; warnings are its own affair."""
        before = dict(os.environ)
        try:
            with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                patch.setattr(PoolWorker, "run", in_this_process)
                patch.chdir(self.cwd)
                os.environ.clear()
                os.environ.update(self.environment())
                yield
                gc.collect()  # event loops that pydra leaves open would complain in another test
        finally:
            os.environ.clear()
            os.environ.update(before)

    def executed(self, since: float = 0.0) -> int:
        """Stages that ran after a time, as the work directory tells."""
        results = self.work.glob("cache-*/*/_result.pklz")
        return sum(path.stat().st_mtime > since for path in results)


def without_network() -> list[str]:
    """What to put before a command so that it has no network at all; nothing where the system forbids that."""
    tool = shutil.which("unshare")
    if tool is None or subprocess.run([tool, "-n", "true"], capture_output=True, check=False).returncode:
        return []
    return [tool, "-n"]


def listing(folder: Path, *, times: bool = True) -> dict[str, tuple[object, ...]]:
    """sha256 of every file below a folder, with its time of modification if wanted; folders are named too."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name] = ()
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (content, path.stat().st_mtime_ns) if times else (content,)
    return found


def outputs(out: Path, *, times: bool = True) -> dict[str, tuple[object, ...]]:
    """:func:`listing` without the logs, which every run adds to."""
    return {name: value for name, value in listing(out, times=times).items() if name.split("/")[0] != "logs"}
