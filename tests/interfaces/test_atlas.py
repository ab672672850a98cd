"""Population maps against a slow, obvious count; independent of the order of the scans."""

import numpy as np
import pandas as pd
import phantoms
import pytest

from gliomorph.interfaces.atlas import atlas, read_record, region_mask
from gliomorph.interfaces.images import from_array, read_image, to_array, write_image

GRID = phantoms.grid((9, 8, 7), (2.0, 2.0, 2.5), np.diag([-1, -1, 1]))
WHICH = {"ET": [4], "NCR": [1], "ED": [2], "TC": [1, 4], "WT": [1, 2, 4]}


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

    def run(self, order=(0, 1, 2, 3, 4)):
        frequency, coverage, mean, regions, counts = atlas(
            scans=[f"sub-{number}" for number in order],
            kinds=[self.kinds[number] for number in order],
            template=self.template,
            template_brain=self.template_brain,
            **{name: [paths[number] for number in order] for name, paths in self.paths.items()},
        )
        files = {name: file.fspath for name, file in frequency.items()}
        return files, coverage.fspath, mean.fspath, regions.fspath, counts


@pytest.fixture
def cohort(tmp_path, here):
    return Cohort(tmp_path)


def test_frequencies_are_counts_over_those_who_see_the_voxel(cohort):
    files, _, _, _, counts = cohort.run()
    assert counts == {"ET": 3, "NCR": 3, "ED": 3, "TC": 3, "WT": 5}
    for region, values in WHICH.items():
        expected = np.zeros(GRID.GetSize())
        for index in np.ndindex(GRID.GetSize()):
            ill = seen = 0
            for labels, covered, kind in zip(cohort.labels, cohort.covered, cohort.kinds, strict=True):
                if covered[index] and (kind == "dseg" or region == "WT"):
                    seen += 1
                    ill += labels[index] in values
            expected[index] = ill / seen if seen else 0
        image = read_image(files[region])
        assert phantoms.same_grid(image, GRID)
        np.testing.assert_allclose(to_array(image), expected, atol=1e-7)  # single precision


def test_regions_hold_each_other(cohort):
    files, _, _, _, _ = cohort.run((0, 1, 2))
    maps = {region: to_array(read_image(path)) for region, path in files.items()}
    assert (maps["ET"] <= maps["TC"]).all()
    assert (maps["TC"] <= maps["WT"]).all()
    # the three labels exclude each other; single precision
    np.testing.assert_allclose(maps["WT"], maps["ET"] + maps["NCR"] + maps["ED"], atol=1e-6)


def test_coverage_is_the_share_of_all_scans(cohort):
    _, coverage, _, _, _ = cohort.run()
    np.testing.assert_allclose(to_array(read_image(coverage)), np.mean(cohort.covered, axis=0), atol=1e-7)


def test_mean_is_of_images_over_their_median_in_the_brain(cohort):
    _, _, mean, _, _ = cohort.run()
    inside = cohort.brain > 0
    expected = np.mean([image / np.median(image[inside]) for image in cohort.images], axis=0)
    np.testing.assert_allclose(to_array(read_image(mean)), expected, rtol=1e-6)  # single precision


def test_gain_of_a_scanner_does_not_change_the_mean(cohort):
    before = to_array(read_image(cohort.run()[2]))
    write_image(from_array(cohort.images[0] * 512, GRID), cohort.paths["images"][0])
    np.testing.assert_allclose(to_array(read_image(cohort.run()[2])), before, rtol=1e-6)


def test_order_of_the_scans_does_not_matter(cohort):
    def contents(order):
        files, coverage, mean, regions, counts = cohort.run(order)
        exact = {name: path.read_bytes() for name, path in files.items()}
        exact |= {"coverage": coverage.read_bytes(), "regions": regions.read_bytes()}
        return exact, to_array(read_image(mean)), counts

    first, mean, counts = contents((0, 1, 2, 3, 4))
    again, other_mean, other_counts = contents((4, 2, 0, 3, 1))
    assert first == again
    assert counts == other_counts
    # sums of doubles in another order, rounded to single precision; callers sort
    np.testing.assert_allclose(other_mean, mean, rtol=1e-6)
    assert contents((0, 1, 2, 3, 4))[0] == first


def test_masks_alone_make_a_whole_tumor_map_and_no_other(cohort):
    files, _, _, regions, counts = cohort.run((3, 4))
    assert set(files) == {"WT"}
    assert counts == {"WT": 2}
    assert pd.read_csv(regions, sep="\t")["region"].tolist() == ["WT"]


def test_table_tells_volumes_and_the_peak(cohort):
    files, _, _, regions, _ = cohort.run()
    table = pd.read_csv(regions, sep="\t").set_index("region")
    ml = [np.isin(labels, [1, 4]).sum() * 0.01 for labels in cohort.labels[:3]]
    row = table.loc["TC"]
    # five digits
    assert row["volume_ml_mean"] == pytest.approx(np.mean(ml), rel=1e-4)
    assert row["volume_ml_sd"] == pytest.approx(np.std(ml, ddof=1), rel=1e-4)
    assert row["volume_ml_median"] == pytest.approx(np.median(ml), rel=1e-4)
    assert (row["scans"], row["scans_with_region"]) == (3, 3)
    share = to_array(read_image(files["TC"]))
    assert row["peak_frequency"] == pytest.approx(share.max(), rel=1e-4)
    lps = [
        -row["peak_x_mm"],
        -row["peak_y_mm"],
        row["peak_z_mm"],
    ]  # the table is in RAS, as radiologists read
    assert share[GRID.TransformPhysicalPointToIndex(lps)] == share.max()


def test_region_that_nobody_has_is_zero_and_has_no_volume(cohort):
    for number in range(3):
        labels = np.where(cohort.labels[number] == 4, 2, cohort.labels[number])
        write_image(from_array(labels, GRID), cohort.paths["tumors"][number])
    files, _, _, regions, counts = cohort.run()
    assert not to_array(read_image(files["ET"])).any()
    assert counts["ET"] == 3
    assert "ET\t3\t0\tn/a\tn/a\tn/a\t0\t" in regions.read_text()


def test_no_scan_is_refused(cohort):
    with pytest.raises(ValueError, match="nothing to make an atlas of"):
        cohort.run(())


def test_lists_of_different_lengths_are_refused(cohort):
    cohort.paths["coverages"].pop()
    with pytest.raises((ValueError, IndexError), match=r"shorter|range"):
        cohort.run()


@pytest.mark.parametrize("region", WHICH)
def test_region_of_labels(region):
    labels = np.array([0, 1, 2, 4])
    assert labels[region_mask(labels, region, "dseg")].tolist() == WHICH[region]
    assert region_mask(labels, region, "mask").tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("content", "record"), [('{"a": 1}', {"a": 1}), ("[1]", {}), ("{", {}), ("", {}), (None, {})]
)
def test_record_that_is_none_is_empty(tmp_path, content, record):
    path = tmp_path / "x_registration.json"
    if content is not None:
        path.write_text(content)
    assert read_record(path) == record


def test_record_in_another_encoding_is_empty(tmp_path):
    path = tmp_path / "x_registration.json"
    path.write_bytes(b'{"a": "\xff"}')
    assert read_record(path) == {}
