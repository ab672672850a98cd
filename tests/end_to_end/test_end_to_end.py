"""The command, run as users run it on a tiny cohort in a closed environment: its outputs, and what they serve."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cohorts
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from cohorts import Place
from runs import (
    METHODS,
    NETWORK,
    REGIONS,
    Run,
    atlas_map,
    atlas_maps,
    contrast_maps,
    documented,
    maps_of_test,
    ran,
    template_name,
)

from gliomorph.evaluation.compare import evaluate_compare
from gliomorph.evaluation.landmarks import evaluate_landmarks
from gliomorph.interfaces.datasets.templates import load_template
from gliomorph.interfaces.derivatives.registrations import find_registrations
from gliomorph.interfaces.files.images import read_image, to_array
from gliomorph.interfaces.methods import SPEEDS
from gliomorph.interfaces.networks.files import weights_sha256
from gliomorph.interfaces.networks.registration import shipped_network
from gliomorph.training.registration.aligned_scans import prepare_pairs
from gliomorph.training.registration.data import PreparedPairs, target_of
from gliomorph.workflows.checks.validation import validator_issues

pytest_plugins = ["run_fixtures"]


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
        "group_parcellation.tsv",
        "group_patients.tsv",
        "group_quality.tsv",
        "group_regions.tsv",
    }
    maps = {name for stratum in ("", "sexF", "sexM", "regionright") for name in atlas_maps("affine", stratum)}
    maps |= {*contrast_maps("sexMVSsexF"), *maps_of_test("adiffisex", "WT"), *maps_of_test("adiffisex", "TC")}
    assert {name for name in first.after if name.startswith("tpl-") and name.endswith(".nii.gz")} == maps
    assert all(name.replace(".nii.gz", ".json") in first.after for name in maps)


def test_record_names_the_network_and_its_refinement(first: Run) -> None:
    path = first.out / "sub-01" / "anat" / "sub-01_space-Tiny_res-4_desc-metamorphr_registration.json"
    used = json.loads(path.read_text())
    network = first.place.root / NETWORK
    assert (used["weights"], used["weights_sha256"]) == (NETWORK, weights_sha256(network))
    assert (used["refine"], used["refinement"]["masking"]) == (1, "local")
    assert (first.out / "sub-01" / "figures" / "sub-01_desc-metamorphrhealthy_T1w.png").exists()


@pytest.mark.parametrize(
    ("options", "iterations"),
    [pytest.param([], SPEEDS["default"][-1], marks=pytest.mark.slow), (["--refine", "2"], 2)],
    ids=["all iterations", "few iterations"],
)
def test_default_is_the_network_that_comes_with_gliomorph_and_its_refinement(
    tmp_path: Path, options: list[str], iterations: int
) -> None:
    """How many iterations are the default is stated for the settings, in ``tests/config``: they take a minute."""
    place = Place(tmp_path).prepare(["01"])
    default = ran(place, "--skip-bids-validation", *options, here=True, levels=["participant"])
    assert default.answer.code == 0, default.answer.text
    assert "template Tiny at 4 mm, metamorph-r" in default.answer.text
    assert "notice metamorph-r: its network (metamorph-r.safetensors) was trained for" in default.answer.text
    assert "for another template, Tiny, was not measured" in default.answer.text
    assert f"{iterations} iterations of --refine follow it" in default.answer.text
    path = default.out / "sub-01" / "anat" / "sub-01_space-Tiny_res-4_desc-metamorphr_registration.json"
    used, shipped = json.loads(path.read_text()), shipped_network("metamorph-r")
    assert shipped is not None
    assert (used["weights"], used["weights_sha256"]) == (shipped.name, weights_sha256(shipped))
    assert used["refine"] == iterations


def test_outputs_are_valid_bids_derivatives(first: Run) -> None:
    assert [issue for issue in validator_issues(first.out) if issue["severity"] == "error"] == []


@pytest.mark.parametrize("region", ["WT", "TC"])
def test_a_test_is_published_with_its_clusters_and_on_the_page(first: Run, region: str) -> None:
    stem = "tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_contrast-adiffisex"
    difference = to_array(read_image(first.out / f"{stem}_stat-difference_label-{region}_statmap.nii.gz"))
    contrast = atlas_map(region).replace(
        f"label-{region}_desc-frequency_probseg",
        f"contrast-sexMVSsexF_stat-difference_label-{region}_statmap",
    )
    tested = np.isfinite(difference)
    assert tested.any()
    # the strata's difference, where both are seen by enough
    expected = to_array(read_image(first.out / contrast))[tested]
    np.testing.assert_allclose(difference[tested], expected, atol=1e-6)
    known = json.loads((first.out / f"{stem}_label-{region}_desc-fwerclusters_stats.json").read_text())
    assert (known["Word"], known["Region"], known["SampleSize"]) == ("adiffi:sex", region, 3)
    assert known["Permutations"] == 19
    table = f"{stem}_label-{region}_desc-fwerclusters_stats.tsv"
    assert (first.out / table).read_text().startswith("cluster\t")
    page = (first.out / "gliomorph.html").read_text()
    assert f'href="{table}"' in page and f'id="test-adiffisex_{region}"' in page


def test_the_page_shows_the_viewer_that_lies_beside_it(first: Run) -> None:
    viewer = "figures/gliomorph_label-WT_desc-frequency_probseg.html"
    assert first.after[viewer]
    assert f'src="{viewer}"' in (first.out / "gliomorph.html").read_text()


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
    # two of three are at least half of them
    share = np.divide(
        masks.sum(axis=0), seen.sum(axis=0), out=np.zeros_like(frequency), where=seen.sum(axis=0) > 1
    )
    np.testing.assert_allclose(frequency, share, atol=1e-6)


def test_tumours_are_told_by_region(first: Run) -> None:
    """All three are on the right, which the page and the tables say."""
    with (first.out / "group_patients.tsv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert [row["region"] for row in rows] == ["right"] * 3
    for row in rows:
        # five digits; voxels on the midline are in neither
        assert 0.9 < float(row["overlap_right"]) + float(row["overlap_left"]) <= 1.0001
    with (first.out / "group_parcellation.tsv").open(newline="") as lines:
        left, right = csv.DictReader(lines, delimiter="\t")
    assert (left["label"], left["participants"], right["participants"]) == ("left", "0", "3")
    page = (first.out / "gliomorph.html").read_text()
    assert '<a href="group_parcellation.tsv">' in page and 'id="regionright-shape"' in page
    stem = "tpl-Tiny/cohort-regionright/anat/tpl-Tiny_cohort-regionright_atlas-gliomorph_res-4"
    shape = to_array(read_image(first.out / f"{stem}_label-WT_desc-shape_probseg.nii.gz"))
    # the drawn balls have nearly the same size: in the middle of the average shape all have a tumour
    assert shape.max() == 1 and shape.min() == 0


def test_regions_of_the_atlas_are_nested(first: Run) -> None:
    maps = {region: to_array(read_image(first.out / atlas_map(region))) for region in REGIONS}
    for small, large in (("ET", "TC"), ("NCR", "TC"), ("TC", "WT"), ("ED", "WT")):
        assert (maps[small] <= maps[large] + 1e-6).all()
    sidecar = json.loads((first.out / atlas_map("ET").replace(".nii.gz", ".json")).read_text())
    assert (sidecar["SampleSize"], sidecar["Region"]) == (3, "ET")
    assert sidecar["Participants"] == ["sub-01", "sub-02", "sub-03"]


def test_sidecars_of_the_atlas_tell_what_it_is_made_of(first: Run) -> None:
    known = {"GeneratedBy", "Template", "Resolution", "SpatialReference", "Registration", "MinimumCoverage"}
    tables = {"regionright": "bids::group_patients.tsv"}
    for stratum, count in (("", 3), ("sexF", 2), ("sexM", 1), ("regionright", 3)):
        for name in atlas_maps("affine", stratum):
            sidecar = json.loads((first.out / name.replace(".nii.gz", ".json")).read_text())
            assert known <= sidecar.keys()
            assert (sidecar["SampleSize"], sidecar["NumberOfScans"]) == (count, count)
            assert sidecar.get("Stratum", {}).get("Label", "") == stratum
            sources = list(sidecar["Sources"])
            if stratum:
                assert sources.pop(0) == tables.get(stratum, "bids:raw:participants.tsv")
            sources = [uri.removeprefix("bids::") for uri in sources]
            assert sources and all((first.out / source).is_file() for source in sources)


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
    study, (_, scans, _) = evaluate_compare(find_registrations(first.out), tmp_path)
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
    known = find_registrations(first.out)
    table, *_ = evaluate_landmarks(known, tmp_path / "out", files, coordinates="LPS", report=str)
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
    grown = set(now) - set(before)
    for name, value in before.items():
        # another module's test may have added a subject
        assert now[name] == value or (grown and name == "participants.tsv")
    assert all("sub-04" in name for name in grown)


def test_no_temporary_file_is_left(first: Run) -> None:
    assert list(first.place.out.rglob(".tmp-*")) == []
