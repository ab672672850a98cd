"""Population maps against a slow, obvious count; independent of the order of the scans."""

from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import phantoms
import pytest

import gliomorph.interfaces.group.atlas.stage as module
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.group.atlas.scan import region_mask
from gliomorph.interfaces.group.atlas.stage import atlas
from gliomorph.interfaces.group.records import AtlasInputs, GroupScan, Stratum
from gliomorph.models.small_cells import SmallCells, small_cells

GRID = phantoms.grid((9, 8, 7), (2.0, 2.0, 2.5), np.diag([-1, -1, 1]))
WHICH = {"ET": [4], "NCR": [1], "ED": [2], "TC": [1, 4], "WT": [1, 2, 4]}


ALL_SHOWN = small_cells(1)


class Cohort:
    """Five random scans, the last two with a whole-tumour mask only; one sees half of the grid."""

    def __init__(self, folder):
        random = np.random.default_rng(5)
        shape = GRID.GetSize()
        self.kinds = ["dseg", "dseg", "dseg", "mask", "mask"]
        self.images = [random.random(shape).astype(np.float32) + 0.1 for _ in self.kinds]
        self.labels = [
            random.choice([0, 0, 1, 2, 4] if kind == "dseg" else [0, 0, 1], shape).astype(np.uint8)
            for kind in self.kinds
        ]
        self.covered = [np.ones(shape, np.uint8) for _ in self.kinds]
        self.covered[1][:5] = 0
        for covered in self.covered:
            covered[0, 0, 0] = 0  # nobody sees this voxel
        self.brain = phantoms.ball(GRID, phantoms.CENTRE, 7).astype(np.uint8)
        self.paths = {
            name: [
                write_image(from_array(voxels, GRID), folder / f"{name}{number}.nii.gz")
                for number, voxels in enumerate(arrays)
            ]
            for name, arrays in (
                ("images", self.images),
                ("tumors", self.labels),
                ("coverages", self.covered),
            )
        }
        self.template = write_image(from_array(np.ones(shape, np.float32), GRID), folder / "template.nii.gz")
        self.template_brain = write_image(from_array(self.brain, GRID), folder / "brain.nii.gz")

    def scan(self, number, key=""):
        bundles = {"warped": "images", "tumor": "tumors", "coverage": "coverages"}
        return GroupScan(
            label=f"sub-{number}",
            kind=self.kinds[number],
            key=key or f"key {number}",
            files={name: self.paths[kept][number] for name, kept in bundles.items()},
        )

    def run(self, order=(0, 1, 2, 3, 4), **changes):
        arguments = {
            "scans": tuple(self.scan(number) for number in order),
            "strata": (),
            "template": self.template,
            "template_brain": self.template_brain,
            "cells": ALL_SHOWN,
            "min_coverage": 0.0,
            "code": "code",
            "parcellation": {"Name": "halves", "SHA256": "abc"},
        }
        maps, facts, tables = atlas(AtlasInputs(**{**arguments, **changes}))
        return Answer(
            files=maps,
            facts={key: known.content for key, known in facts.items()},
            made_of={key: (known.files, known.kinds) for key, known in facts.items()},
            regions=tables["regions"],
            patients=tables["patients"],
        )


@attrs.frozen(kw_only=True)
class Answer:
    """What the stage gives."""

    files: dict
    facts: dict
    made_of: dict
    regions: Path
    patients: Path

    def map(self, key, stratum="all"):
        return to_array(read_image(self.files[f"{stratum}/{key}"]))

    def contents(self):
        paths = {**self.files, "regions": self.regions, "patients": self.patients}
        return {name: path.read_bytes() for name, path in paths.items()}


@pytest.fixture
def cohort(tmp_path, here):
    return Cohort(tmp_path)


def test_frequencies_are_counts_over_those_who_see_the_voxel(cohort):
    found = cohort.run()
    sizes = {region: found.facts[f"all/frequency_{region}"]["SampleSize"] for region in WHICH}
    assert sizes == {"ET": 3, "NCR": 3, "ED": 3, "TC": 3, "WT": 5}
    for region, values in WHICH.items():
        expected, counts = np.zeros(GRID.GetSize()), np.zeros(GRID.GetSize())
        known = np.zeros(GRID.GetSize(), bool)
        for index in np.ndindex(GRID.GetSize()):
            ill = seen = 0
            for labels, covered, kind in zip(cohort.labels, cohort.covered, cohort.kinds, strict=True):
                if covered[index] and (kind == "dseg" or region == "WT"):
                    seen += 1
                    ill += labels[index] in values
            if seen:
                expected[index], counts[index], known[index] = ill / seen, ill, True
        assert phantoms.same_grid(read_image(found.files[f"all/frequency_{region}"]), GRID)
        frequency = found.map(f"frequency_{region}")
        np.testing.assert_allclose(frequency, expected, atol=1e-7)  # single precision
        np.testing.assert_array_equal(found.map(f"count_{region}"), counts)
        low, high = found.map(f"low_{region}"), found.map(f"high_{region}")
        assert (np.isnan(low) == ~known).all() and (np.isnan(high) == ~known).all()
        assert (low[known] <= frequency[known] + 1e-6).all() and (
            frequency[known] <= high[known] + 1e-6
        ).all()


def test_regions_hold_each_other(cohort):
    found = cohort.run((0, 1, 2))
    maps = {region: found.map(f"frequency_{region}") for region in WHICH}
    assert (maps["ET"] <= maps["TC"]).all()
    assert (maps["TC"] <= maps["WT"]).all()
    # the three labels exclude each other; single precision
    np.testing.assert_allclose(maps["WT"], maps["ET"] + maps["NCR"] + maps["ED"], atol=1e-6)


def test_coverage_is_the_share_of_all_scans_and_of_those_with_regions(cohort):
    found = cohort.run()
    np.testing.assert_allclose(found.map("coverage"), np.mean(cohort.covered, axis=0), atol=1e-7)
    np.testing.assert_allclose(found.map("coverage_regions"), np.mean(cohort.covered[:3], axis=0), atol=1e-7)
    assert "all/coverage_regions" not in cohort.run((0, 1)).files


def test_voxels_that_too_few_see_have_no_frequency(cohort):
    found = cohort.run((0, 1), min_coverage=0.8)
    seen_by_both = (cohort.covered[0] & cohort.covered[1]) > 0
    np.testing.assert_array_equal(~np.isnan(found.map("high_WT")), seen_by_both)
    assert not found.map("frequency_WT")[~seen_by_both].any()
    assert (
        "0 also where the fields of view of less than 80%" in found.facts["all/frequency_WT"]["Description"]
    )


def test_mean_is_of_images_over_their_median_where_they_are_seen_in_the_brain(cohort):
    inside = cohort.brain > 0
    images = np.array([image / np.median(image[inside]) for image in cohort.images])
    seen = np.array(cohort.covered)
    expected = (images * seen).sum(axis=0)[inside] / seen.sum(axis=0)[inside]
    mean = cohort.run().map("mean")
    np.testing.assert_allclose(mean[inside], expected, atol=1e-5)  # values are rounded to 4e-6 and single
    assert not mean[~inside].any()


def test_gain_of_a_scanner_does_not_change_the_mean(cohort):
    before = cohort.run().map("mean")
    write_image(from_array(cohort.images[0] * 512, GRID), cohort.paths["images"][0])
    np.testing.assert_allclose(cohort.run().map("mean"), before, atol=1e-5)


@pytest.mark.parametrize("cells", [small_cells(1), SmallCells(everybody=1, strata=2)])
def test_order_of_the_scans_changes_no_byte(cohort, cells):
    first = cohort.run(strata=STRATA, cells=cells)
    contents = first.contents()  # read at once: the next run writes in the same folder
    other = cohort.run((4, 2, 0, 3, 1), strata=STRATA, cells=cells)
    assert other.contents() == contents
    assert other.facts == first.facts


def test_masks_alone_make_a_whole_tumor_map_and_no_other(cohort):
    found = cohort.run((3, 4))
    assert {key for key in found.files if "frequency" in key} == {"all/frequency_WT"}
    assert pd.read_csv(found.regions, sep="\t")["region"].tolist() == ["WT"]


def test_table_tells_volumes_and_the_peak(cohort):
    found = cohort.run()
    table = pd.read_csv(found.regions, sep="\t").set_index("region")
    ml = [np.isin(labels, [1, 4]).sum() * 0.01 for labels in cohort.labels[:3]]
    row = table.loc["TC"]
    # five digits
    assert row["volume_ml_mean"] == pytest.approx(np.mean(ml), rel=1e-4)
    assert row["volume_ml_sd"] == pytest.approx(np.std(ml, ddof=1), rel=1e-4)
    assert row["volume_ml_median"] == pytest.approx(np.median(ml), rel=1e-4)
    assert (row["scans"], row["scans_with_region"], row["stratum"]) == (3, 3, "all")
    share = found.map("frequency_TC")
    assert row["peak_frequency"] == pytest.approx(share.max(), rel=1e-4)
    # the table is in RAS, as radiologists read
    lps = [float(value) for value in (-row["peak_x_mm"], -row["peak_y_mm"], row["peak_z_mm"])]
    assert share[GRID.TransformPhysicalPointToIndex(lps)] == share.max()


def test_patients_table_has_a_row_each_with_what_its_tumour_tells(cohort):
    table = pd.read_csv(cohort.run().patients, sep="\t").set_index("participant_id")
    assert table.index.tolist() == [f"sub-{number}" for number in range(5)]
    assert table["TC_ml"].isna().tolist() == [False] * 3 + [True] * 2
    for number, labels in enumerate(cohort.labels):
        row = table.loc[f"sub-{number}"]
        assert row["WT_ml"] == pytest.approx((labels > 0).sum() * 0.01, rel=1e-4)
        centre = GRID.TransformContinuousIndexToPhysicalPoint(np.argwhere(labels > 0).mean(axis=0).tolist())
        found = [-row["centroid_x_mm"], -row["centroid_y_mm"], row["centroid_z_mm"]]
        np.testing.assert_allclose(found, centre, atol=0.01)  # two decimals
    assert (table["foci"] >= 1).all() and (table["laterality_index"].abs() <= 1).all()


def test_region_that_nobody_has_is_zero_and_has_no_volume(cohort):
    for number in range(3):
        labels = np.where(cohort.labels[number] == 4, 2, cohort.labels[number])
        write_image(from_array(labels, GRID), cohort.paths["tumors"][number])
    found = cohort.run()
    assert not found.map("frequency_ET").any()
    assert "ET\t3\t0\tn/a\tn/a\tn/a\tn/a\t" in found.regions.read_text()


def whole_tumours(cohort, numbers):
    """In how many of the scans each voxel is seen to be tumour."""
    return np.sum([(cohort.labels[number] > 0) & (cohort.covered[number] > 0) for number in numbers], axis=0)


def test_nothing_is_shown_that_fewer_than_the_smallest_cell_share(cohort):
    found = cohort.run(cells=small_cells(3))
    count, shown = whole_tumours(cohort, range(5)), found.map("count_WT")
    few = (count > 0) & (count < 3)
    assert few.any() and (shown[shown > 0] >= 3).all()
    for key, nothing in (("count_WT", 0), ("frequency_WT", 0), ("low_WT", np.nan), ("high_WT", np.nan)):
        np.testing.assert_array_equal(found.map(key)[count < 3], nothing)
    facts = found.facts["all/frequency_WT"]
    assert facts["MinimumCell"] == 3
    assert facts["WithheldVoxels"] == np.count_nonzero((count > 0) & (shown == 0)) > 0
    assert "0 also where fewer than 3 participants share it or could be told by" in facts["Description"]
    assert "all/frequency_ET" in found.files
    assert "all/frequency_ET" not in cohort.run(cells=small_cells(4)).files


def test_strata_are_withheld_where_few_share_a_voxel_and_the_whole_cohort_is_not(cohort):
    strata = (attrs.evolve(STRATA[0], participants=tuple("0123")),)
    plain = cohort.run(strata=strata).contents()
    found = cohort.run(strata=strata, cells=SmallCells(everybody=1, strata=2))
    of_all = {key: path.read_bytes() for key, path in found.files.items() if key.startswith("all/")}
    assert of_all == {key: plain[key] for key in of_all}
    assert found.facts["all/count_WT"]["WithheldVoxels"] == 0
    assert found.facts["all/count_WT"]["MinimumCell"] == 1
    rest, shown = whole_tumours(cohort, [4]), found.map("count_WT", "sexF")
    count = whole_tumours(cohort, range(4))
    # where everybody minus the stratum is one, the stratum is withheld, too
    np.testing.assert_array_equal(shown, np.where((count >= 2) & (rest == 0), count, 0))
    assert found.facts["sexF/count_WT"]["WithheldVoxels"] == np.count_nonzero((count > 0) & (shown == 0)) > 0


STRATA = (
    Stratum(label="sexF", column="sex", description="sex = 'F'", participants=("0", "1", "3")),
    Stratum(label="sexM", column="sex", description="sex = 'M'", participants=("2", "4")),
)


def test_strata_have_the_maps_of_their_scans_alone(cohort):
    women = cohort.run((0, 1, 3)).contents()
    found = cohort.run(strata=STRATA)
    whole = found.contents()
    for key in set(women) - {"regions", "patients"}:
        assert whole[key.replace("all/", "sexF/")] == women[key]
    facts = found.facts["sexF/frequency_WT"]
    assert (facts["SampleSize"], facts["Stratum"]["Definition"]) == (3, "sex = 'F'")
    assert set(pd.read_csv(found.regions, sep="\t")["stratum"]) == {"all", "sexF", "sexM"}
    expected = found.map("frequency_WT", "sexM") - found.map("frequency_WT", "sexF")
    known = ~np.isnan(found.map("low_WT", "sexM") + found.map("low_WT", "sexF"))
    difference = np.where(known, expected, np.nan)
    np.testing.assert_allclose(found.map("difference_WT", "sexMVSsexF"), difference, atol=1e-6)
    assert found.facts["sexMVSsexF/oddsratio_ET"]["Reference"]["Label"] == "sexF"
    assert "sexF" not in found.patients.read_text()


def test_every_map_has_what_its_sidecar_requires(cohort):
    found = cohort.run(strata=STRATA)
    required = {"SampleSize", "Description", "MinimumCell", "MinimumCoverage"}
    assert found.facts.keys() == found.files.keys()
    for key, facts in found.facts.items():
        assert required <= facts.keys(), key
        assert ("Stratum" in facts) == (not key.startswith("all/"))
        files, kinds = found.made_of[key]
        assert "coverage" in files
        regional = key.split("_")[-1] in WHICH
        assert not regional or facts["Region"] == key.split("_")[-1]
        assert kinds == (("dseg",) if facts.get("Region", "WT") != "WT" else ("dseg", "mask")) or (
            key.endswith("coverage_regions")
        )
    assert found.made_of["all/coverage_regions"] == (("coverage",), ("dseg",))
    assert found.made_of["sexM/mean"][0] == ("warped", "coverage")
    stratum = {"Label": "sexM", "Column": "sex", "Definition": "sex = 'M'", "SampleSize": 2}
    assert found.facts["sexM/mean"]["Stratum"] == stratum


class Reads:
    """Counts the scans that are read."""

    def __init__(self, monkeypatch):
        self.scans = []
        whole = module.read_scan

        def read(scan, *others):
            self.scans.append(scan.label)
            return whole(scan, *others)

        monkeypatch.setattr(module, "read_scan", read)

    def taken(self):
        taken, self.scans = self.scans, []
        return taken


def test_added_scans_do_not_make_the_others_be_read_again(cohort, tmp_path, monkeypatch):
    reads, kept = Reads(monkeypatch), tmp_path / "work" / "sums.npz"
    whole = cohort.run().contents()
    reads.taken()
    cohort.run((0, 2, 4), kept=str(kept))
    assert reads.taken() == ["sub-0", "sub-2", "sub-4"]
    assert cohort.run(kept=str(kept)).contents() == whole
    assert reads.taken() == ["sub-1", "sub-3"]
    bytes_of_parts = kept.read_bytes()
    assert cohort.run((3, 1, 4, 0, 2), kept=str(kept)).contents() == whole
    assert reads.taken() == []
    kept.unlink()
    cohort.run((4, 3, 2, 1, 0), kept=str(kept))
    assert kept.read_bytes() == bytes_of_parts
    assert [path.name for path in kept.parent.iterdir()] == ["sums.npz"]


@pytest.mark.parametrize("change", ["key", "gone", "code", "strata", "template", "damaged", "pickled"])
def test_kept_sums_that_do_not_fit_are_made_anew(cohort, tmp_path, monkeypatch, change):
    reads, kept = Reads(monkeypatch), tmp_path / "sums.npz"
    cohort.run(kept=str(kept))
    reads.taken()
    order, changes = (0, 1, 2, 3, 4), {"kept": str(kept)}
    if change == "key":
        changes["scans"] = (cohort.scan(0, "another"), *map(cohort.scan, order[1:]))
    elif change == "gone":
        order = (0, 1, 2, 3)
    elif change == "code":
        changes["code"] = "other"
    elif change == "strata":
        changes["strata"] = STRATA
    elif change == "template":
        cohort.brain[0, 0, 1] = 1
        write_image(from_array(cohort.brain, GRID), cohort.template_brain)
    elif change == "damaged":
        kept.write_bytes(kept.read_bytes()[:-300])
    else:
        np.savez(kept, code=np.array(["code"], object))
    again = cohort.run(order, **changes).contents()
    assert reads.taken() == [f"sub-{number}" for number in order]
    assert again == cohort.run(order, **{**changes, "kept": ""}).contents()


def test_no_scan_is_refused(cohort):
    with pytest.raises(ValueError, match="nothing to make an atlas of"):
        cohort.run(())


@pytest.mark.parametrize("region", WHICH)
def test_region_of_labels(region):
    labels = np.array([0, 1, 2, 4])
    assert labels[region_mask(labels, region, "dseg")].tolist() == WHICH[region]
    assert region_mask(labels, region, "mask").tolist() == [False, True, True, True]


REGIONAL = tuple(
    Stratum(
        label=f"region{label}",
        column="--parcellation",
        description=f"tumour in '{label}'",
        participants=tuple(participants),
    )
    for label, participants in (("A", "023"), ("B", "14"))
)


def test_regions_have_the_maps_of_their_scans_and_their_average_shape(cohort):
    found = cohort.run(strata=(*STRATA, *REGIONAL))
    alone = cohort.run((0, 2, 3)).contents()
    whole = found.contents()
    for key in set(alone) - {"regions", "patients"}:
        assert whole[key.replace("all/", "regionA/")] == alone[key]
    assert {key for key in found.files if key.endswith("/shape")} == {"regionA/shape", "regionB/shape"}
    shape, facts = found.map("shape", "regionA"), found.facts["regionA/shape"]
    tumors = [cohort.labels[number] > 0 for number in (0, 2, 3)]
    centres = [np.argwhere(tumor).mean(axis=0) for tumor in tumors]
    target = np.floor(np.mean(centres, axis=0) + 0.5).astype(int)
    at_centre = [
        tumor[tuple(np.floor(c + 0.5).astype(int))] for tumor, c in zip(tumors, centres, strict=True)
    ]
    assert shape[tuple(target)] == pytest.approx(np.mean(at_centre))
    x, y, z = GRID.TransformContinuousIndexToPhysicalPoint(np.mean(centres, axis=0).tolist())
    np.testing.assert_allclose(facts["MeanCentroid"], [-x, -y, z], atol=0.01)  # RAS, two decimals
    assert (facts["SampleSize"], facts["Region"], facts["WithheldVoxels"]) == (3, "WT", 0)
    assert facts["Stratum"]["Parcellation"] == {"Name": "halves", "SHA256": "abc"}


def test_regions_are_not_compared(cohort):
    """Their tumours are apart by definition."""
    assert not [key for key in cohort.run(strata=REGIONAL).files if "VS" in key]


@pytest.mark.parametrize("cells", [small_cells(1), SmallCells(everybody=1, strata=2)])
def test_order_of_the_scans_changes_no_byte_of_regions(cohort, cells, tmp_path):
    places = {f"sub-{number}": {"region": "A", "overlap_A": number / 4} for number in range(5)}
    changes = {"strata": REGIONAL, "cells": cells, "places": places}
    first = cohort.run(**changes)
    contents = first.contents()
    other = cohort.run((4, 2, 0, 3, 1), **changes)
    assert other.contents() == contents
    assert other.facts == first.facts
    kept = str(tmp_path / "sums.npz")
    cohort.run((3, 0), kept=kept, **changes)
    assert cohort.run(kept=kept, **changes).contents() == contents


def test_small_regions_show_nothing_of_few(cohort):
    all_of_it = cohort.run(strata=REGIONAL).map("shape", "regionA")
    found = cohort.run(strata=REGIONAL, cells=SmallCells(everybody=1, strata=2))
    shown = found.map("shape", "regionA")
    np.testing.assert_array_equal(shown, np.where(all_of_it > 1.5 / 3, all_of_it, 0))
    assert found.facts["regionA/shape"]["WithheldVoxels"] > 0
    assert "0 also where fewer than 2 have it" in found.facts["regionA/shape"]["Description"]


def test_scans_that_changed_their_region_are_read_again(cohort, tmp_path, monkeypatch):
    """Another parcellation with the same labels."""
    reads, kept = Reads(monkeypatch), str(tmp_path / "sums.npz")
    cohort.run(strata=REGIONAL, kept=kept)
    reads.taken()
    first, second = REGIONAL
    swapped = (
        attrs.evolve(first, participants=second.participants),
        attrs.evolve(second, participants=first.participants),
    )
    again = cohort.run(strata=swapped, kept=kept).contents()
    assert len(reads.taken()) == 5
    assert again == cohort.run(strata=swapped).contents()


def test_patients_table_has_the_columns_of_the_parcellation(cohort):
    places = {
        f"sub-{number}": {"region": "A" if number else None, "overlap_A": number / 4} for number in range(5)
    }
    table = pd.read_csv(cohort.run(places=places).patients, sep="\t")
    assert list(table.columns[-2:]) == ["region", "overlap_A"]
    assert table["region"].tolist()[1:] == ["A"] * 4 and pd.isna(table["region"][0])
    assert table["overlap_A"].tolist() == [0, 0.25, 0.5, 0.75, 1]
