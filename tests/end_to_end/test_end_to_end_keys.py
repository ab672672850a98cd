"""A finished cohort meets other code: only what that code computes is computed again.

Each run is by a copy of the package in which something was edited. The fixtures follow each other, each adds one edit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cohorts import Place
from runs import Run, atlas_map, ran

import gliomorph

IDLE = (
    "training/passes.py",
    "evaluation/study.py",
    "cli/train.py",
    "workflows/engine/progress.py",
    "interfaces/datasets/simulate.py",
    "models/synthesis/tumor.py",
)
"""Modules that no stage of a scan imports."""
TEMPLATE = "interfaces/reports/html/scan.html.j2"
STAGE = "interfaces/scan/n4.py"


def edited(package: Path, name: str) -> None:
    """Add an empty line."""
    path = package / name
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def run(place: Place, *options: str) -> Run:
    """One scan after the other: a second process would start for longer than it works."""
    alone = ["--nprocs", "1", "--skip-bids-validation"]
    return ran(place, "--registration", "affine", *alone, *options, PYTHONPATH=str(place.root / "code"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to be edited."""
    source = Path(gliomorph.__file__).parent
    return Path(shutil.copytree(source, tmp_path_factory.mktemp("cohort") / "code" / "gliomorph"))


@pytest.fixture(scope="module")
def finished(package: Path) -> Run:
    """Two subjects and their atlas."""
    return run(Place(package.parents[1]).prepare(["01", "02"]))


@pytest.fixture(scope="module")
def idle(package: Path, finished: Run) -> Run:
    """After edits of everything that computes nothing of a scan: other networks, cards and the version, too."""
    for name in IDLE:
        edited(package, name)
    init = package / "__init__.py"
    init.write_text(init.read_text().replace(f'"{gliomorph.__version__}"', '"9.9.9"'))
    for card in (package / "models" / "weights").glob("*.json"):
        card.write_text("{}")
    (package / "models" / "weights" / "student-T1w.safetensors").write_bytes(b"another network")
    return run(finished.place)


@pytest.fixture(scope="module")
def repaged(package: Path, idle: Run) -> Run:
    """After an edit of the scans' page."""
    edited(package, TEMPLATE)
    return run(idle.place)


@pytest.fixture(scope="module")
def unkept(package: Path, repaged: Run) -> Run:
    """After another one, when the work directory is gone."""
    edited(package, TEMPLATE)
    shutil.rmtree(repaged.place.work)
    return run(repaged.place)


@pytest.fixture(scope="module")
def restaged(package: Path, unkept: Run) -> Run:
    """After an edit of a stage."""
    edited(package, STAGE)
    return run(unkept.place)


def test_edits_elsewhere_and_a_new_version_compute_nothing(finished: Run, idle: Run) -> None:
    assert finished.answer.code == 0, finished.answer.text
    assert idle.answer.code == 0, idle.answer.text
    assert "2 scans: 0 to run, 2 done" in idle.answer.text
    assert idle.executed == 0
    assert idle.changed() == {"dataset_description.json"}  # says which version it was


def test_edited_template_makes_pages_anew_and_no_stage(repaged: Run) -> None:
    assert repaged.answer.code == 0, repaged.answer.text
    assert "2 scans: 0 to run, 0 done, 0 cannot be run; 2 pages to make anew" in repaged.answer.text
    # of each scan its graph, its page and its publication
    assert repaged.executed == 2 * 3
    assert len(list(repaged.place.work.glob("cache-*"))) == 1
    assert {"sub-01.html", "sub-02.html"} <= repaged.changed()
    assert "gliomorph.html" not in repaged.changed()


@pytest.mark.slow
def test_old_pages_stay_where_the_intermediate_results_are_gone(unkept: Run) -> None:
    assert unkept.answer.code == 0, unkept.answer.text
    assert "2 scans: 0 to run, 2 done" in unkept.answer.text
    assert "2 pages were made by another version of gliomorph and stay as they are" in unkept.answer.text
    assert not {"sub-01.html", "sub-02.html"} & unkept.changed()


@pytest.mark.slow
def test_edited_stage_computes_every_scan_again(restaged: Run) -> None:
    assert restaged.answer.code == 0, restaged.answer.text
    assert "2 scans: 2 to run, 0 done" in restaged.answer.text
    assert {"sub-01.html", "sub-02.html", atlas_map("WT")} <= restaged.changed()
