"""Run again: nothing is computed twice, what changed is, and runs that were killed are finished.

The fixtures follow each other (``first``, ``again``, ``grown``, ``mended``, ``regrouped``): each adds one change to
the same folders and keeps what a test wants to know, so that every scan is computed once.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import cohorts
import psutil
import pytest
from cohorts import Place
from runs import Run, atlas_map, comparable, documented, every_method, ran, relocated, template_name

pytest_plugins = ["run_fixtures"]

AFFINE = ["--registration", "affine", "--skip-bids-validation"]
"""What comes after the runs that validate the dataset."""


@pytest.fixture(scope="module")
def again(first: Run) -> Run:
    """The same command."""
    return ran(first.place, *every_method(first.place), here=True)


@pytest.fixture(scope="module")
def grown(again: Run) -> Run:
    """One more subject, affine only, with HOME unset."""
    cohorts.write_subject(again.place.bids, "04")
    return ran(again.place, "--registration", "affine", HOME=None)


@pytest.fixture(scope="module")
def mended(grown: Run) -> Run:
    """One output of sub-02 deleted."""
    (grown.place.out / "sub-02" / "anat" / template_name("02", "label-tumor_desc-affine_mask")).unlink()
    return ran(grown.place, *AFFINE, here=True)


@pytest.fixture(scope="module")
def regrouped(mended: Run) -> Run:
    """The atlas alone, without a work directory and with one map deleted."""
    shutil.rmtree(mended.place.work)
    (mended.place.out / atlas_map("WT")).unlink()
    return ran(mended.place, *AFFINE, here=True, levels=["group"])


def test_second_run_computes_and_writes_nothing(first: Run, again: Run) -> None:
    assert again.answer.code == 0
    assert "3 scans: 0 to run, 3 done" in again.answer.text
    assert again.changed() == set()
    assert again.before.keys() == again.after.keys()
    assert again.executed == 0
    assert again.answer.seconds < first.answer.seconds / 2
    last = again.answer.text.strip().splitlines()[-2:]
    assert [line.split(":")[0] for line in last] == ["report", "atlas"]


def test_added_subject_is_the_only_one_that_runs(grown: Run) -> None:
    assert grown.answer.code == 0, grown.answer.text
    assert "4 scans: 1 to run, 3 done" in grown.answer.text
    changed = grown.changed()
    assert documented("04", {"affine": "affine"}) <= changed
    assert not any(name.startswith(("sub-01", "sub-02", "sub-03")) for name in changed)
    assert atlas_map("WT") in changed
    description = json.loads((grown.out / "atlas-gliomorph_description.json").read_text())
    assert description["AtlasSampleSize"] == 4


def test_home_unset_is_no_matter(grown: Run) -> None:
    root = grown.place.root
    assert [path for name in ("home", "tmp", "cwd") for path in (root / name).rglob("*")] == []


def test_deleted_output_is_made_again_from_the_work_directory(grown: Run, mended: Run) -> None:
    assert mended.answer.code == 0, mended.answer.text
    assert "4 scans: 1 to run, 3 done" in mended.answer.text
    name = f"sub-02/anat/{template_name('02', 'label-tumor_desc-affine_mask')}"
    assert mended.after[name][0] == grown.after[name][0]
    assert not any(changed.startswith(("sub-01", "sub-03", "sub-04")) for changed in mended.changed())
    # the publishing stage and the graphs around it; brain, N4, alignment and registration are taken as they are
    assert mended.executed <= 4


def test_atlas_alone_needs_no_work_directory(mended: Run, regrouped: Run) -> None:
    assert regrouped.answer.code == 0, regrouped.answer.text
    assert regrouped.after[atlas_map("WT")][0] == mended.after[atlas_map("WT")][0]
    assert not any(name.startswith("sub-") for name in regrouped.changed())


def test_a_test_that_fails_leaves_the_atlas_and_is_told(regrouped: Run) -> None:
    options = ["--tests", "adiffi:sex", "--min-cell", "1", "--min-lesions", "3", "--permutations", "19"]
    answers = [regrouped.place.run_here(*AFFINE, *options, levels=["group"]) for _ in range(2)]
    for answer in answers:  # the second is not taken for done
        assert answer.code == 1, answer.text
        assert "no tests: tests WT: " in answer.text and "are required" in answer.text
        assert "Traceback" not in answer.text
    description = json.loads((regrouped.place.out / "atlas-gliomorph_description.json").read_text())
    assert atlas_map("WT") in description["Outputs"]
    assert not any("_contrast-" in name for name in description["Outputs"])
    assert "No tests: tests WT: " in (regrouped.place.out / "gliomorph.html").read_text()
    assert list((regrouped.place.out / "logs").glob("*/group_tests-WT.txt"))


def test_atlas_alone_without_naming_the_masks_again(regrouped: Run) -> None:
    """``gliomorph BIDS OUT group``, as the help has it."""
    answer = regrouped.place.run_here(*AFFINE, levels=["group"], masks=False)
    assert answer.code == 0, answer.text
    description = json.loads((regrouped.place.out / "atlas-gliomorph_description.json").read_text())
    assert description["AtlasSampleSize"] == 4


# ---------------------------------------------------------------- slow: killed runs, network


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two subjects, affine and SyN, to the end."""
    place = Place(tmp_path_factory.mktemp("undisturbed")).prepare(["01", "02"])
    return ran(place, "--registration", "affine", "syn-cfm")


def start(place: Place) -> subprocess.Popen[bytes]:
    command = place.command("--registration", "affine", "syn-cfm")
    with (place.root / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, cwd=place.cwd, env=place.environment(), stdout=log, stderr=log, start_new_session=True
        )


def wait_until(place: Place, stages: int, driver: subprocess.Popen[bytes]) -> None:
    """Until so many stages have run."""
    while place.executed() < stages and driver.poll() is None:
        time.sleep(0.02)


def end(driver: subprocess.Popen[bytes], how: signal.Signals) -> tuple[int, list[psutil.Process]]:
    """Signal the driver only; its exit code, and those of its children that live on after 5 s."""
    children = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(how)
    code = driver.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=5)
    return code, [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def assert_finishes(place: Place, undisturbed: Run) -> None:
    """The same command ends well, keeps what was done, and gives the same outputs."""
    answer = place.run("--registration", "affine", "syn-cfm")
    assert answer.code == 0, answer.text
    assert place.executed(answer.started) < undisturbed.executed
    # one thread and a fixed seed: the same bytes
    assert comparable(place) == comparable(undisturbed.place)
    assert list(place.out.rglob(".tmp-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_run_is_finished_by_the_next(undisturbed: Run, tmp_path: Path, seed: int) -> None:
    place = relocated(undisturbed, tmp_path)
    driver = start(place)
    wait_until(place, random.Random(seed).randint(3, undisturbed.executed - 4), driver)
    code, orphans = end(driver, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert orphans == []
    assert_finishes(place, undisturbed)


@pytest.mark.slow
def test_interrupted_run_says_so_and_is_finished_by_the_next(undisturbed: Run, tmp_path: Path) -> None:
    place = relocated(undisturbed, tmp_path)
    driver = start(place)
    wait_until(place, 6, driver)
    code, orphans = end(driver, signal.SIGINT)
    text = (tmp_path / "log.txt").read_text()
    assert code == 130, text
    assert orphans == []
    assert "interrupted: run the same command again, what is done is kept" in text
    assert "Traceback" not in text
    assert_finishes(place, undisturbed)


@pytest.mark.slow
def test_network_makes_no_difference(undisturbed: Run, tmp_path: Path) -> None:
    prefix = cohorts.without_network()
    if not prefix:
        pytest.skip("this system does not let us cut off the network (unshare -n)")
    place = relocated(undisturbed, tmp_path)
    answer = place.run("--registration", "affine", "syn-cfm", before=prefix)
    assert answer.code == 0, answer.text
    assert comparable(place) == comparable(undisturbed.place)
