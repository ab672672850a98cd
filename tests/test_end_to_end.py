"""The command, run as users run it: a tiny cohort, a faulty one, a closed environment, runs that are killed.

The fixtures of one cohort follow each other (``first``, ``again``, ``grown``, ``mended``, ``regrouped``): each
adds one change to the same folders and keeps what a test wants to know, so that every scan is computed once.
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import attrs
import cohorts
import numpy as np
import phantoms
import psutil
import pytest
import SimpleITK as sitk
import tiny_networks
from cohorts import Answer, Place

from gliomorph.interfaces.aligned_scans import prepare_pairs
from gliomorph.interfaces.evaluate_compare import evaluate_compare
from gliomorph.interfaces.evaluate_landmarks import evaluate_landmarks
from gliomorph.interfaces.images import read_image, to_array
from gliomorph.interfaces.registration_data import PreparedPairs, target_of
from gliomorph.interfaces.stored_network import weights_sha256
from gliomorph.interfaces.templates import load_template
from gliomorph.workflows.validation import validator_issues

METHODS = {
    "affine": "affine",
    "syn-cfm": "syncfm",
    "metamorphosis": "metamorphosis",
    "metamorph-r": "metamorphr",
}
NETWORK = "network.safetensors"
REGIONS = ("ET", "NCR", "ED", "TC", "WT")


@attrs.frozen(kw_only=True)
class Run:
    """A run and the folders as it left them.

    Attributes
    ----------
    place : Place
    answer : Answer
    out : Path
        A copy of the output folder.
    before, after : dict
        Listings of the output folder, without logs.
    """

    place: Place
    answer: Answer
    out: Path
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def executed(self) -> int:
        """Stages that ran."""
        return self.place.executed(self.answer.started)

    def changed(self) -> set[str]:
        """Files written by this run, new ones included."""
        return {name for name, value in self.after.items() if self.before.get(name) != value}


def ran(place: Place, *options: str, **more: Any) -> Run:
    """Run and keep a copy of the outputs; nothing may be left in the folders that must stay empty."""
    before = cohorts.outputs(place.out) if place.out.exists() else {}
    answer = place.run(*options, **more)
    copy = place.root / f"copy-{len(list(place.root.glob('copy-*')))}"
    shutil.copytree(place.out, copy)
    return Run(place=place, answer=answer, out=copy, before=before, after=cohorts.outputs(place.out))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three subjects, four methods (one by random weights), cut off from the network where the system lets us."""
    place = Place(tmp_path_factory.mktemp("cohort")).prepare(["01", "02", "03"])
    (place.root / "input.json").write_text(json.dumps(cohorts.listing(place.bids)))
    tiny_networks.write_tiny(place.root, "metamorph-r", NETWORK)
    return ran(place, *every_method(place), before=cohorts.without_network())


@pytest.fixture(scope="module")
def again(first: Run) -> Run:
    """The same command."""
    return ran(first.place, *every_method(first.place))


@pytest.fixture(scope="module")
def grown(again: Run) -> Run:
    """One more subject, affine only, with HOME unset."""
    cohorts.write_subject(again.place.bids, "04")
    return ran(again.place, "--registration", "affine", HOME=None)


@pytest.fixture(scope="module")
def mended(grown: Run) -> Run:
    """One output of sub-02 deleted."""
    (grown.place.out / "sub-02" / "anat" / template_name("02", "label-tumor_desc-affine_mask")).unlink()
    return ran(grown.place, "--registration", "affine")


@pytest.fixture(scope="module")
def regrouped(mended: Run) -> Run:
    """The atlas alone, without a work directory and with one map deleted."""
    shutil.rmtree(mended.place.work)
    (mended.place.out / atlas_map("WT")).unlink()
    return ran(mended.place, "--registration", "affine", levels=["group"])


def every_method(place: Place) -> list[str]:
    learned = ["--registration-weights", str(place.root / NETWORK), "--refine", "1"]
    return ["--registration", *METHODS, *learned]


def template_name(subject: str, tail: str) -> str:
    return f"sub-{subject}_space-Tiny_res-4_{tail}.nii.gz"


def atlas_map(region: str) -> str:
    return f"tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_label-{region}_desc-frequency_probseg.nii.gz"


def documented_images(subject: str, methods: dict[str, str]) -> list[str]:
    """Images of a subject, spelled out as in the design."""
    names = ["desc-n4_T1w", "seg-brats_desc-masks_dseg"]
    names += [f"label-{label}_desc-masks_mask" for label in ("tumor", "TC", "ET")]
    names.append("space-Tiny_res-4_desc-preproc_T1w")
    for label in methods.values():
        names += [
            f"space-Tiny_res-4_desc-{label}_T1w",
            f"space-Tiny_res-4_label-tumor_desc-{label}_mask",
            f"space-Tiny_res-4_label-coverage_desc-{label}_mask",
            f"space-Tiny_seg-brats_res-4_desc-{label}_dseg",
        ]
    for label in {"metamorphosis", "metamorphr"} & set(methods.values()):
        names += [f"space-Tiny_res-4_desc-{label}{what}_T1w" for what in ("healthy", "appearance")]
    return [f"sub-{subject}/anat/sub-{subject}_{name}" for name in names]


def documented(subject: str, methods: dict[str, str]) -> set[str]:
    """All files of a subject's ``anat`` folder."""
    images = documented_images(subject, methods)
    names = {f"{image}{end}" for image in images for end in (".nii.gz", ".json")}
    names |= {f"{image}.tsv" for image in images if image.endswith("dseg")}
    stem = f"sub-{subject}/anat/sub-{subject}"
    for label in methods.values():
        names.add(f"{stem}_space-Tiny_res-4_desc-{label}_registration.json")
        names.add(f"{stem}_from-native_to-Tiny_mode-image_desc-{label}_xfm.h5")
        names.add(f"{stem}_from-Tiny_to-native_mode-image_desc-{label}_xfm.h5")
    return names


def test_run_succeeds_and_ends_with_report_and_atlas(first: Run) -> None:
    assert first.answer.code == 0, first.answer.text
    last = first.answer.text.strip().splitlines()[-2:]
    assert last == [
        f"report: {first.place.out / 'gliomorph.html'}",
        f"atlas: {first.place.out / atlas_map('WT')}",
    ]
    assert "3 scans: 3 to run, 0 done, 0 cannot be run" in first.answer.text
    assert "Traceback" not in first.answer.text
    assert "Warning" not in first.answer.text


def test_every_documented_file_is_written_and_no_other(first: Run) -> None:
    for subject in ("01", "02", "03"):
        found = {name for name in first.after if name.startswith(f"sub-{subject}/anat/")}
        assert found == documented(subject, METHODS)
        assert f"sub-{subject}.html" in first.after
        assert any(name.startswith(f"sub-{subject}/figures/") for name in first.after)
    top = {name for name, value in first.after.items() if "/" not in name and value}
    assert top - {f"sub-{subject}.html" for subject in ("01", "02", "03")} == {
        ".bidsignore",
        "README.md",
        "atlas-gliomorph_description.json",
        "dataset_description.json",
        "gliomorph.html",
        "group_quality.tsv",
        "group_regions.tsv",
    }
    maps = {atlas_map(region) for region in REGIONS}
    maps |= {
        "tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_desc-coverage_probseg.nii.gz",
        "tpl-Tiny/anat/tpl-Tiny_res-4_desc-mean_T1w.nii.gz",
    }
    assert {name for name in first.after if name.startswith("tpl-") and name.endswith(".nii.gz")} == maps
    assert all(name.replace(".nii.gz", ".json") in first.after for name in maps)


def test_record_names_the_network_and_its_refinement(first: Run) -> None:
    path = first.out / "sub-01" / "anat" / "sub-01_space-Tiny_res-4_desc-metamorphr_registration.json"
    used = json.loads(path.read_text())
    network = first.place.root / NETWORK
    assert (used["weights"], used["weights_sha256"]) == (NETWORK, weights_sha256(network))
    assert (used["refine"], used["refinement"]["masking"]) == (1, "local")
    assert (first.out / "sub-01" / "figures" / "sub-01_desc-metamorphrhealthy_T1w.png").exists()


def test_outputs_are_valid_bids_derivatives(first: Run) -> None:
    assert [issue for issue in validator_issues(first.out) if issue["severity"] == "error"] == []


def test_frequency_is_the_mean_of_the_written_masks(first: Run) -> None:
    def volumes(tail: str) -> np.ndarray:
        paths = [first.out / f"sub-{s}" / "anat" / template_name(s, tail) for s in ("01", "02", "03")]
        return np.stack([to_array(read_image(path)) for path in paths])

    masks, seen = volumes("label-tumor_desc-affine_mask"), volumes("label-coverage_desc-affine_mask")
    frequency = to_array(read_image(first.out / atlas_map("WT")))
    everyone = seen.all(axis=0)
    assert masks.any(axis=0)[everyone].any()
    # thirds in single precision
    np.testing.assert_allclose(frequency[everyone], masks.mean(axis=0)[everyone], atol=1e-6)
    share = np.divide(
        masks.sum(axis=0), seen.sum(axis=0), out=np.zeros_like(frequency), where=seen.any(axis=0)
    )
    np.testing.assert_allclose(frequency, share, atol=1e-6)


def test_regions_of_the_atlas_are_nested(first: Run) -> None:
    maps = {region: to_array(read_image(first.out / atlas_map(region))) for region in REGIONS}
    for small, large in (("ET", "TC"), ("NCR", "TC"), ("TC", "WT"), ("ED", "WT")):
        assert (maps[small] <= maps[large] + 1e-6).all()
    sidecar = json.loads((first.out / atlas_map("ET").replace(".nii.gz", ".json")).read_text())
    assert (sidecar["SampleSize"], sidecar["Region"]) == (3, "ET")
    assert sidecar["Participants"] == ["sub-01", "sub-02", "sub-03"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("subject", ["01", "03"])
def test_written_transform_gives_the_written_image(first: Run, subject: str, method: str) -> None:
    import ants

    folder, label = first.out / f"sub-{subject}" / "anat", METHODS[method]
    native = folder / f"sub-{subject}_desc-n4_T1w.nii.gz"
    xfm = folder / f"sub-{subject}_from-native_to-Tiny_mode-image_desc-{label}_xfm.h5"
    written = read_image(folder / template_name(subject, f"desc-{label}_T1w"))
    expected = to_array(written)
    by_itk = sitk.Resample(read_image(native), written, sitk.ReadTransform(str(xfm)), sitk.sitkLinear)
    # transforms are stored to 0.0005 mm, voxels in single precision: 1e-3 of the range is generous
    tolerance = 1e-3 * float(expected.max())
    np.testing.assert_allclose(to_array(by_itk), expected, atol=tolerance)
    grid = ants.image_read(str(folder / template_name(subject, f"desc-{label}_T1w")))
    by_ants = ants.apply_transforms(grid, ants.image_read(str(native)), [str(xfm)], interpolator="linear")
    # the two libraries differ in the outermost half voxel of the field of view
    seen = to_array(read_image(folder / template_name(subject, f"label-coverage_desc-{label}_mask"))) > 0
    interior = to_array(sitk.BinaryErode(sitk.GetImageFromArray(seen.astype(np.uint8).T), [1, 1, 1])) > 0
    np.testing.assert_allclose(by_ants.numpy()[interior], expected[interior], atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_written_inverse_undoes_the_forward_transform(first: Run, method: str) -> None:
    stem = f"{first.out}/sub-02/anat/sub-02_from-"
    forward = sitk.ReadTransform(f"{stem}native_to-Tiny_mode-image_desc-{METHODS[method]}_xfm.h5")
    inverse = sitk.ReadTransform(f"{stem}Tiny_to-native_mode-image_desc-{METHODS[method]}_xfm.h5")
    brain = read_image(first.place.root / "templates" / "tpl-Tiny" / "tpl-Tiny_res-4_desc-brain_mask.nii.gz")
    indices = np.argwhere(to_array(brain) > 0)[::25].tolist()
    points = np.array([brain.TransformIndexToPhysicalPoint(index) for index in indices])
    back = np.array([inverse.TransformPoint(forward.TransformPoint(p)) for p in points.tolist()])
    error = np.linalg.norm(back - points, axis=1)
    # linear parts invert to the stored precision, fields on a 4 mm grid to a quarter of a voxel on average
    assert error.mean() < (1e-3 if method == "affine" else 1.0)


def test_evaluation_compares_what_the_run_measured(first: Run, tmp_path: Path) -> None:
    study, (_, scans, _) = evaluate_compare(first.out, tmp_path)
    assert set(study.registrations.methods) == set(METHODS) and not study.missing
    with (first.out / "group_quality.tsv").open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        expected = {(row["participant_id"], row["method"]): float(row["ncc_outside"]) for row in rows}
    with scans.open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        found = {(row["scan"], row["method"]): float(row["ncc_outside"]) for row in rows}
    assert found == pytest.approx(expected)


def test_evaluation_finds_landmarks_where_the_heads_have_them(first: Run, tmp_path: Path) -> None:
    """A place of the template is, in a subject, scaled and shifted: the affine has to know that."""
    places = np.array([[12, -14, 6], [-10, 8, 5], [0, 20, -8], [20, 5, 10]])
    native = {f"sub-{name}": places * size + shift for name, (_, shift, size, _) in cohorts.SUBJECTS.items()}
    for name, points in {"tpl-Tiny": places, **native}.items():
        rows = [f"{i},{x},{y},{z}" for i, (x, y, z) in enumerate((points + phantoms.CENTRE).tolist())]
        (tmp_path / f"{name}_landmarks.csv").write_text("\n".join(["Landmark,X,Y,Z", *rows]))
    files = sorted(tmp_path.glob("*.csv"))
    table, _ = evaluate_landmarks(first.out, tmp_path / "out", files, coordinates="LPS", report=str)
    with table.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["method"] == "affine"]
    assert [row["scan"] for row in rows] == ["sub-01", "sub-02", "sub-03"]
    assert max(float(row["mean_mm"]) for row in rows) < 1  # a quarter of a voxel
    assert [row["mean_mm"] for row in rows] == [row["mean_before_mm"] for row in rows]


def test_networks_are_trained_on_what_registration_was_given(first: Run, tmp_path: Path) -> None:
    """Image and mask, aligned: the method affine leaves both as they are."""
    target = target_of(load_template("Tiny", 4, [first.place.root / "templates"]))
    files = prepare_pairs(first.out, target, tmp_path)
    assert sorted(files) == ["01", "02", "03"]
    for subject, paths in files.items():
        pair = PreparedPairs(files=tuple(paths), target=target).read(0, 0)
        tails = {"desc-preproc_T1w": pair.moving, "label-tumor_desc-affine_mask": pair.mask}
        for tail, found in tails.items():
            written = read_image(first.out / f"sub-{subject}" / "anat" / template_name(subject, tail))
            cropped = sitk.Resample(written, target.image, sitk.Transform(), sitk.sitkNearestNeighbor)
            # kept in half precision
            np.testing.assert_allclose(found[0, 0].numpy(), to_array(cropped), atol=3e-4)


def test_native_mask_is_the_given_one(first: Run) -> None:
    written = read_image(first.out / "sub-03" / "anat" / "sub-03_seg-brats_desc-masks_dseg.nii.gz")
    given = read_image(cohorts.labels_path(first.place.bids, "03"))
    np.testing.assert_array_equal(to_array(written), to_array(given))


def test_nothing_is_written_elsewhere(first: Run) -> None:
    root = first.place.root
    assert [path for name in ("home", "tmp", "cwd") for path in (root / name).rglob("*")] == []


def test_input_is_left_alone(first: Run) -> None:
    before = json.loads((first.place.root / "input.json").read_text())
    now = {name: list(value) for name, value in cohorts.listing(first.place.bids).items()}
    for name, value in before.items():
        assert now[name] == value
    assert all("sub-04" in name for name in set(now) - set(before))


def test_no_temporary_file_is_left(first: Run) -> None:
    assert list(first.place.out.rglob(".tmp-*")) == []


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


def test_atlas_alone_without_naming_the_masks_again(regrouped: Run) -> None:
    """``gliomorph BIDS OUT group``, as the help has it."""
    answer = regrouped.place.run("--registration", "affine", levels=["group"], masks=False)
    assert answer.code == 0, answer.text
    description = json.loads((regrouped.place.out / "atlas-gliomorph_description.json").read_text())
    assert description["AtlasSampleSize"] == 4


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two good subjects and five that cannot be done, each in its own way."""
    place = Place(tmp_path_factory.mktemp("faulty")).prepare(["01", "02"])
    for subject in ("cut", "nan", "four", "far", "empty"):
        cohorts.write_subject(place.bids, subject, like="03")
    path = cohorts.image_path(place.bids, "cut")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    image, labels = cohorts.head("03")
    path = cohorts.image_path(place.bids, "nan")
    sitk.WriteImage(image * float("nan"), str(path))
    path = cohorts.image_path(place.bids, "four")
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(path))
    far = labels[4:, 4:, 4:]
    far.SetOrigin((900.0, 900.0, 900.0))
    sitk.WriteImage(far, str(cohorts.labels_path(place.bids, "far")))
    sitk.WriteImage(labels * 0, str(cohorts.labels_path(place.bids, "empty")))
    return ran(place, "--registration", "affine")


CAUSES = {
    "sub-cut": "sub-cut_T1w.nii.gz: cannot be read, damaged or no NIfTI",
    "sub-nan": "sub-nan_T1w.nii.gz: every voxel is NaN or infinite",
    "sub-four": "sub-four_T1w.nii.gz: one 3-D volume is required, this file has shape (32, 38, 28, 2)",
    "sub-far": "sub-far_seg-brats_dseg.nii.gz: the tumour mask and the image do not overlap in world coordinates",
    "sub-empty": "sub-empty_seg-brats_dseg.nii.gz: the tumour mask is empty",
}


def test_good_scans_of_a_faulty_cohort_finish(faulty: Run) -> None:
    assert faulty.answer.code == 1, faulty.answer.text
    for subject in ("01", "02"):
        assert documented(subject, {"affine": "affine"}) <= set(faulty.after)
    assert {name.split("/")[0] for name in faulty.after if name.startswith("sub-") and "/" in name} == {
        "sub-01",
        "sub-02",
    }


@pytest.mark.parametrize("scan", CAUSES)
def test_faulty_scan_is_told_with_stage_and_cause(faulty: Run, scan: str) -> None:
    (table,) = faulty.out.glob("logs/*/summary.tsv")
    with table.open(newline="") as lines:
        rows = {row["scan"]: row for row in csv.DictReader(lines, delimiter="\t")}
    assert rows[scan]["status"] == "failed"
    assert rows[scan]["cause"].startswith(CAUSES[scan])
    assert rows[scan]["stage"] == ("tumor" if scan in ("sub-far", "sub-empty") else "brain")
    assert f"failed {scan} {rows[scan]['stage']}: {CAUSES[scan]}" in faulty.answer.text


def test_atlas_of_a_faulty_cohort_lists_who_is_missing_and_why(faulty: Run) -> None:
    page = (faulty.out / "gliomorph.html").read_text()
    for scan, cause in CAUSES.items():
        assert scan in page
        assert cause in page
    sidecar = json.loads((faulty.out / atlas_map("WT").replace(".nii.gz", ".json")).read_text())
    assert sidecar["Participants"] == ["sub-01", "sub-02"]


def test_faulty_cohort_gives_no_traceback_but_the_command_that_runs_it_again(faulty: Run) -> None:
    assert "Traceback" not in faulty.answer.text
    assert "5 of 7 scans failed" in faulty.answer.text
    assert "--participant-label cut empty far four nan" in faulty.answer.text
    (folder,) = faulty.out.glob("logs/*")
    assert "Traceback" in (folder / "sub-empty_tumor.txt").read_text()


def test_faulty_cohort_leaves_no_half_written_file(faulty: Run) -> None:
    assert list(faulty.place.out.rglob(".tmp-*")) == []
    assert [issue for issue in validator_issues(faulty.out) if issue["severity"] == "error"] == []


# ---------------------------------------------------------------- slow: killed runs, network


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two subjects, affine and SyN, to the end."""
    place = Place(tmp_path_factory.mktemp("undisturbed")).prepare(["01", "02"])
    return ran(place, "--registration", "affine", "syn-cfm")


def relocated(undisturbed: Run, folder: Path) -> Place:
    """The same data elsewhere, nothing computed yet."""
    place = Place(folder)
    for name in ("bids", "templates"):
        shutil.copytree(undisturbed.place.root / name, folder / name)
    for name in ("home", "tmp", "cwd"):
        (folder / name).mkdir()
    return place


def comparable(place: Place) -> dict[str, Any]:
    """Content of all outputs, without what names folders, times and pictures of them."""
    found = {}
    for name, value in cohorts.outputs(place.out, times=False).items():
        if name.endswith((".html", "_quality.tsv")) or name == "dataset_description.json":
            continue
        if name.endswith(("_registration.json", "_description.json")):
            text = (place.out / name).read_text().replace(str(place.root), "ROOT")
            value = re.sub(r'"(seconds|peak_memory_gb|key|InputsKey)": [^,\n]*', "", text)
        found[name] = value
    return found


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
