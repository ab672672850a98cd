"""A given tumour lands where it was drawn, whatever the grids, or is refused with the reason."""

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
from fileformats.generic import File

from gliomorph.interfaces.files.images import (
    ImageError,
    from_array,
    read_image,
    to_array,
    voxel_volume_ml,
    write_image,
)
from gliomorph.interfaces.files.labels import brats_labels, class_indices, resample_labels
from gliomorph.interfaces.scan.records import Reading
from gliomorph.interfaces.scan.tumor import Tumor, tumor
from gliomorph.models.regions import CAVITY, LABELS


@pytest.fixture
def draw(tmp_path):
    """Writes a segmentation: an array on a frame."""

    def write(voxels, like, name="seg.nii.gz"):
        return write_image(from_array(np.asarray(voxels, np.float32), like), tmp_path / name)

    return write


def centre_and_volume(labels, wanted):
    """Centre of mass (LPS, mm) and volume (ml) of some labels."""
    inside = np.isin(to_array(labels), wanted)
    return phantoms.positions(labels)[:, inside].mean(axis=1), inside.sum() * voxel_volume_ml(labels)


def test_segmentation_on_the_images_grid_is_kept(heads, frame, here):
    head = heads[frame]
    labels, info = tumor(head["image"], head["brain"], head["labels"], "dseg", head["image"])
    assert labels.parent == here
    assert np.array_equal(to_array(read_image(labels)), to_array(read_image(head["labels"])))
    assert info.labels == [0, 1, 2, 4]
    assert (info.kind, info.frame, info.notices, info.doubts) == ("dseg", "world", [], [])
    (flag,) = info.flags
    assert flag.startswith("labels 1, 2, 4 read as NCR, ED, ET")
    _, volume = centre_and_volume(read_image(head["labels"]), [1, 2, 4])
    assert info.volume_ml == pytest.approx(volume, abs=1e-3)
    brain_ml = to_array(read_image(head["brain"])).sum() * voxel_volume_ml(read_image(head["brain"]))
    assert info.share_of_brain == pytest.approx(volume / brain_ml, abs=1e-5)


@pytest.fixture
def wider(heads, tmp_path):
    """Writes a head's labels on a grid of one more slice."""

    def write(name):
        labels = phantoms.wider(read_image(heads[name]["labels"], sitk.sitkUInt8))
        return write_image(labels, tmp_path / "seg.nii.gz")

    return write


@pytest.mark.parametrize("drawn_on", phantoms.FRAMES)
def test_segmentation_on_another_grid_keeps_its_place_and_volume(heads, wider, frame, drawn_on, here):
    head = heads[frame]
    labels, info = tumor(head["image"], head["brain"], wider(drawn_on), "dseg", head["image"])
    image = read_image(labels)
    assert phantoms.same_grid(image, read_image(head["image"]))
    assert info.frame == "world"
    # the core's two labels compete with the oedema one by one, and its rim is as thin as the voxels: it loses some
    for wanted, tolerance in (([1, 2, 4], 0.05), ([1, 4], 0.1)):
        centre, volume = centre_and_volume(image, wanted)
        drawn_centre, drawn_volume = centre_and_volume(read_image(heads[drawn_on]["labels"]), wanted)
        # a third of a voxel; spheres of 17 and 24 mm drawn with voxels of 3 to 5 mm
        assert np.linalg.norm(centre - drawn_centre) < 1.2
        assert volume == pytest.approx(drawn_volume, rel=tolerance)


@pytest.mark.parametrize("drawn_on", ["RAS", "LAS", "permuted"])
def test_grids_with_the_same_voxel_centres_give_the_same_labels(heads, wider, drawn_on, here):
    head = heads["LPS"]
    labels, _ = tumor(head["image"], head["brain"], wider(drawn_on), "dseg", head["image"])
    assert np.array_equal(to_array(read_image(labels)), to_array(read_image(head["labels"])))


def identity(labels):
    """As a network's output that was saved without the header."""
    labels.SetOrigin((0, 0, 0))
    labels.SetDirection(np.diag([-1.0, -1, 1]).ravel().tolist())
    labels.SetSpacing((1, 1, 1))


def mirrored(labels):
    """The first axis runs the other way, in the header alone."""
    last = labels.TransformIndexToPhysicalPoint([labels.GetSize()[0] - 1, 0, 0])
    labels.SetDirection((np.reshape(labels.GetDirection(), (3, 3)) * [-1, 1, 1]).ravel().tolist())
    labels.SetOrigin(last)


def turned(labels):
    labels.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0, 0, 0.05).GetMatrix())


def resized(labels):
    labels.SetSpacing([4, 4, 4.2])


OTHER_HEADERS = {
    identity: r"RAS, voxels of 1 × 1 × 1 mm, first voxel at \(0\.0, 0\.0, 0\.0\); .* LPS, voxels of 4 × 4 × 4 mm",
    mirrored: r"up to 156 mm away: RPS.* has LPS",
    turned: r"up to 12\.2 mm away: LPS, oblique by 2\.9°.* has LPS, voxels",
    resized: r"up to 7\.8 mm away: LPS, voxels of 4 × 4 × 4\.2 mm",
}


@pytest.mark.parametrize("change", OTHER_HEADERS)
def test_image_s_voxels_under_another_header_are_refused_naming_both_frames(heads, draw, here, change):
    head = heads["LPS"]
    labels = read_image(head["labels"])
    change(labels)
    path = draw(to_array(labels), labels)
    elsewhere = heads["oblique"]["image"]
    with pytest.raises(
        ImageError, match=rf"seg\.nii\.gz has as many voxels as .*{OTHER_HEADERS[change]}.*--trust-voxels"
    ):
        tumor(head["image"], head["brain"], path, "dseg", elsewhere)
    trusting = Reading(trust_voxels=True)
    labels, _ = tumor(head["image"], head["brain"], path, "dseg", elsewhere, reading=trusting)
    assert np.array_equal(to_array(read_image(labels)), to_array(read_image(head["labels"])))


@pytest.mark.parametrize("direction", [np.diag([1, 1, 1]), np.diag([-1, -1, 1])], ids=["LPS", "RAS"])
def test_mask_of_another_grid_that_has_lost_its_header_is_refused(heads, tmp_path, here, direction):
    head = heads["RAS"]
    lost = phantoms.wider(read_image(head["labels"], sitk.sitkUInt8))
    lost.SetSpacing((1.0, 1.0, 1.0))
    lost.SetOrigin((0.0, 0.0, 0.0))
    lost.SetDirection(direction.ravel().astype(float).tolist())
    path = write_image(lost, tmp_path / "seg.nii.gz")
    with pytest.raises(
        ImageError, match=r"seg\.nii\.gz has a header without a place and another grid than the image: "
    ):
        tumor(head["image"], head["brain"], path, "dseg", head["image"])


def test_rounding_between_two_headers_leaves_the_voxels_as_they_are(heads, draw, here):
    head = heads["LPS"]
    labels = read_image(head["labels"])
    labels.SetOrigin([value + 1.1 for value in labels.GetOrigin()])
    moved, _ = tumor(head["image"], head["brain"], draw(to_array(labels), labels), "dseg", head["image"])
    assert np.array_equal(to_array(read_image(moved)), to_array(read_image(head["labels"])))


@pytest.mark.parametrize("enhancing", [3, 4])
def test_both_brats_conventions_mean_the_same(heads, draw, here, enhancing):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like))
    path = draw(np.where(voxels == 4, enhancing, voxels), like)
    labels, _ = tumor(head["image"], head["brain"], path, "dseg", head["image"])
    assert np.array_equal(to_array(read_image(labels)), voxels)


def test_other_labels_are_refused_naming_those_found(heads, draw, here):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like))
    voxels[voxels == 4] = 5
    with pytest.raises(ImageError, match=r"seg\.nii\.gz: BraTS labels .* are required, found \[1, 2, 5\]"):
        tumor(head["image"], head["brain"], draw(voxels, like), "dseg", head["image"])


def test_label_map_that_was_interpolated_is_refused_with_this_reason(heads, draw, here):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like)).astype(float)
    voxels[tuple(np.argwhere(voxels == 4)[0])] = 1.37
    with pytest.raises(ImageError, match=r"seg\.nii\.gz: .* between them, such as 1\.37: .*interpolation"):
        tumor(head["image"], head["brain"], draw(voxels, like), "dseg", head["image"])


@pytest.mark.parametrize("error", [1e-7, -0.001, 0.009])
def test_labels_that_rounding_has_moved_are_those_that_were_meant(heads, draw, here, error):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like))
    labels, _ = tumor(
        head["image"], head["brain"], draw(voxels + error * voxels / 4, like), "dseg", head["image"]
    )
    assert np.array_equal(to_array(read_image(labels)), voxels)


POSTOPERATIVE = [(0, "BG"), (1, "NETC"), (2, "SNFH"), (3, "ET"), (4, "RC")]


def test_resection_cavity_is_carried_along_and_is_no_tumour(heads, draw, table, here):
    """A treated patient without enhancing tumour: label 4 is the cavity, as the table says."""
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like))
    path = draw(voxels, like)
    labels, info = tumor(head["image"], head["brain"], path, "dseg", head["image"], table(*POSTOPERATIVE))
    assert np.array_equal(to_array(read_image(labels)), np.where(voxels == 4, CAVITY, voxels))
    _, volume = centre_and_volume(read_image(path), [1, 2])
    assert info.volume_ml == pytest.approx(volume, abs=1e-3)
    assert (info.labels, info.notices, info.flags) == ([0, 1, 2, CAVITY], [], [])


@pytest.mark.parametrize(
    ("labels", "parts", "flagged"),
    [
        ((1, 2, 3, 4), "NCR, ED, ET, RC", True),
        ((3, 4), "ET, RC", True),
        ((1, 2, 4), "NCR, ED, ET", True),
        ((1, 2, 3), "NCR, ED, ET", False),
        ((1, 2), "NCR, ED", False),
        ((2,), "ED", False),
        ((1,), "NCR", True),  # as a binary mask of the whole tumour has
        ((2, 4), "ED, ET", True),
        ((4,), "ET", True),
    ],
)
def test_how_labels_without_a_table_were_read_is_said(labels, parts, flagged):
    image = sitk.GetImageFromArray(np.array([[[0, *labels]]], np.uint8))
    read, notices, flags = brats_labels(image, "dseg", "seg.nii.gz")
    (text,) = notices + flags
    assert text.startswith(f"labels {', '.join(map(str, labels))} read as {parts}, as in BraTS")
    assert bool(flags) == flagged
    values = LABELS | {"RC": CAVITY}
    assert to_array(read).ravel().tolist() == [0, *(values[part] for part in parts.split(", "))]


def test_cavity_without_any_tumour_is_refused(table):
    image = sitk.GetImageFromArray(np.array([[[0, 4]]], np.uint8))
    with pytest.raises(ImageError, match=r"a tumour is required, the label map has a resection cavity alone"):
        brats_labels(image, "dseg", "seg.nii.gz", table(*POSTOPERATIVE))


@pytest.fixture
def table(tmp_path):
    """Writes a label table: index and abbreviation of each row."""

    def write(*rows):
        path = tmp_path / "seg.tsv"
        path.write_text("\n".join(["index\tabbreviation", *(f"{index}\t{name}" for index, name in rows)]))
        return path

    return write


TABLES = {
    "as BraTS until 2022": [(0, "BG"), (1, "NCR"), (2, "ED"), (4, "ET")],
    "as BraTS since": [(1, "NCR"), (2, "ED"), (3, "ET")],
    "another order": [(1, "ET"), (2, "NCR"), (3, "ED")],
    "both conventions' ET": [(3, "ED"), (4, "NCR"), (1, "ET")],
    "large, in small letters": [(30, "et"), (10, "ncr"), (1020, "ed")],
    "other rows": [(1, "WM"), (2, "GM"), (5, "NCR/NET"), (6, "ED"), (7, "ET")],
}


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES.keys())
def test_a_table_says_what_the_labels_are(heads, draw, table, here, rows):
    head, like = heads["RAS"], phantoms.frame("RAS")
    expected = phantoms.labels_at(phantoms.positions(like))
    index = {name.upper().split("/")[0]: value for value, name in rows}
    voxels = np.select([expected == 1, expected == 2, expected == 4], [index[r] for r in ("NCR", "ED", "ET")])
    labels, info = tumor(
        head["image"], head["brain"], draw(voxels, like), "dseg", head["image"], table(*rows)
    )
    assert np.array_equal(to_array(read_image(labels)), expected)
    assert info.labels == [0, 1, 2, 4]


def test_parts_that_surgery_took_need_no_rows(table):
    image = sitk.GetImageFromArray(np.arange(4, dtype=np.float32).reshape(1, 1, 4))
    rows = table((1, "RC"), (2, "ED"), (3, "NCR"))
    assert to_array(brats_labels(image, "dseg", "seg.nii.gz", rows)[0]).ravel().tolist() == [0, 5, 2, 1]
    with pytest.raises(ImageError, match="rows named NCR, ED and ET"):
        brats_labels(image, "dseg", "seg.nii.gz", table((1, "RC")))


def test_necrosis_and_non_enhancing_tumour_are_one_region(table):
    """As BraTS numbered them until 2016."""
    image = sitk.GetImageFromArray(np.arange(5, dtype=np.float32).reshape(1, 1, 5))
    rows = table((1, "NCR"), (2, "ED"), (3, "NET"), (4, "ET"))
    assert to_array(brats_labels(image, "dseg", "seg.nii.gz", rows)[0]).ravel().tolist() == [0, 1, 2, 1, 4]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(1, "ET"), (2, "ED")], r"seg\.tsv: rows named NCR, ED and ET .* are required, found ET, ED$"),
        ([(1, "necrosis"), (2, "oedema")], r"seg\.tsv: rows named .* are required, found necrosis, oedema$"),
        ([(n, f"area{n}") for n in range(300)], r"seg\.tsv: rows named .*, area8, area9, …$"),
        ([], r"seg\.tsv: rows named .* found none$"),
        (
            [(1, "ET"), (2, "NCR"), (2, "ED"), (3, "ED")],
            r"seg\.tsv: every index is required once, found 2 for NCR, ED$",
        ),
        ([("one", "ET"), (2, "NCR"), (3, "ED")], r"seg\.tsv: an index .* in every row, found 'one'$"),
        ([("", "ET"), (2, "NCR"), (3, "ED")], r"seg\.tsv: an index .* in every row, found ''$"),
        ([(0, "ET"), (2, "NCR"), (3, "ED")], r"seg\.tsv: 0 is required for the background, found it for ET$"),
        (
            [(1, "ET"), (2, "NCR"), (3, "ED")],
            r"seg\.nii\.gz: labels that seg\.tsv gives to a region \(1 ET, 2 NCR, 3 ED\) are required, found "
            r"\[1, 2, 4\]$",
        ),
        (
            [(1, "ET"), (2, "NCR"), (3, "ED"), (4, "WM")],
            r"seg\.nii\.gz: labels that seg\.tsv gives to a region .* found \[1, 2, 4\]$",
        ),
    ],
)
def test_a_table_that_leaves_labels_open_is_refused(heads, table, rows, said, tmp_path):
    labels = read_image(heads["RAS"]["labels"])
    with pytest.raises(ImageError, match=said):
        brats_labels(labels, "dseg", "seg.nii.gz", table(*rows))


@pytest.mark.parametrize("text", ["index,name\n1,NCR\n", "Index\tname\n1\tNCR\n", "# labels\n1\tNCR\n", ""])
def test_a_table_without_a_column_of_indices_is_refused_naming_its_columns(heads, tmp_path, text):
    path = tmp_path / "seg.tsv"
    path.write_text(text)
    with pytest.raises(
        ImageError, match=r"seg\.tsv: columns index and .* are required in the first line, found "
    ):
        brats_labels(read_image(heads["RAS"]["labels"]), "dseg", "seg.nii.gz", path)


@pytest.mark.parametrize(
    "name", ["RC", "rc", "Resection cavity", "resection_cavity", "Resection-Cavity", "CAVITY"]
)
def test_a_cavity_is_known_by_any_of_its_names(table, name):
    image = sitk.GetImageFromArray(np.arange(5, dtype=np.float32).reshape(1, 1, 5))
    rows = table((1, "NCR"), (2, "ED"), (3, "ET"), (4, name))
    assert to_array(brats_labels(image, "dseg", "seg.nii.gz", rows)[0]).ravel().tolist() == [
        0,
        1,
        2,
        4,
        CAVITY,
    ]


def test_a_mask_needs_no_table(heads, table):
    labels = read_image(heads["RAS"]["labels"])
    with_table, *_ = brats_labels(labels, "mask", "seg.nii.gz", table((1, "WM")))
    assert np.array_equal(to_array(with_table), to_array(labels) > 0)


def test_what_is_kept_of_the_task_depends_on_the_words_of_the_table(heads, table):
    files = {"image": "image", "brain_mask": "brain", "segmentation": "labels", "template": "image"}
    inputs = {name: File(heads["RAS"][key]) for name, key in files.items()}

    def key(path):
        return Tumor(**inputs, kind="dseg", table=path and File(path))._checksum

    keys = [
        key(None),
        key(table((1, "NCR"), (2, "ED"), (4, "ET"))),
        key(table((2, "NCR"), (1, "ED"), (4, "ET"))),
    ]
    assert len(set(keys)) == 3
    assert key(table((1, "NCR"), (2, "ED"), (4, "ET"))) == keys[1]


@pytest.mark.parametrize("scale", [1, 255, 0.7, 1 / 255])
def test_mask_of_any_positive_value_is_one_label(heads, draw, here, scale):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like)) > 0
    labels, info = tumor(head["image"], head["brain"], draw(scale * voxels, like), "mask", head["image"])
    assert np.array_equal(to_array(read_image(labels)), voxels)
    assert (info.labels, info.notices, info.flags) == ([0, 1], [], [])


def test_mask_in_shades_is_cut_at_half_of_the_largest_with_a_flag(heads, draw, here):
    head, like = heads["RAS"], phantoms.frame("RAS")
    from_centre = phantoms.positions(like) - phantoms.TUMOR_AT.reshape(3, 1, 1, 1)
    shades = np.clip(2 - np.linalg.norm(from_centre, axis=0) / 12, 0, 1)
    labels, info = tumor(head["image"], head["brain"], draw(40 * shades, like), "mask", head["image"])
    assert np.array_equal(to_array(read_image(labels)), np.float32(40 * shades) >= 20)
    assert info.flags == ["seg.nii.gz: the mask has shades up to 40: voxels from half of that up count"]


def test_labels_of_a_mask_are_one_whole_tumor_and_flagged(heads, here):
    head = heads["RAS"]
    labels, info = tumor(head["image"], head["brain"], head["labels"], "mask", head["image"])
    assert np.array_equal(to_array(read_image(labels)), to_array(read_image(head["labels"])) > 0)
    assert info.flags[0].endswith(": the mask has 3 values, 1 to 4: all voxels above 0 count")


@pytest.mark.parametrize("kind", ["mask", "dseg"])
@pytest.mark.parametrize(
    ("value", "said"),
    [(0, r"the tumour mask is empty \(no voxel above 0\)"), (np.nan, "holds NaN"), (np.inf, "NaN")],
)
def test_mask_without_content_is_refused(heads, draw, here, kind, value, said):
    head, like = heads["RAS"], phantoms.frame("RAS")
    with pytest.raises(ImageError, match=rf"seg\.nii\.gz: .*{said}"):
        tumor(head["image"], head["brain"], draw(np.full(like.GetSize(), value), like), kind, head["image"])


def test_mask_with_one_nan_is_refused(heads, draw, here):
    head, like = heads["RAS"], phantoms.frame("RAS")
    voxels = phantoms.labels_at(phantoms.positions(like)).astype(np.float32)
    voxels[0, 0, 0] = np.nan
    with pytest.raises(ImageError, match="holds NaN or infinite values"):
        tumor(head["image"], head["brain"], draw(voxels, like), "mask", head["image"])


def test_tumour_too_small_for_the_images_voxels_is_said_to_be(heads, frame, draw, here):
    head = heads[frame]
    image = read_image(head["image"])
    between = image.TransformContinuousIndexToPhysicalPoint([size // 2 + 0.5 for size in image.GetSize()])
    fine = phantoms.grid((3, 3, 3), (0.4, 0.4, 0.4))
    fine.SetOrigin(between)
    voxels = np.zeros((3, 3, 3))
    voxels[0, 0, 0] = 1
    with pytest.raises(
        ImageError, match=r"a tumour that fills half of at least one voxel .* holds 0\.064 mm³"
    ):
        tumor(head["image"], head["brain"], draw(voxels, fine), "mask", head["image"])


def test_mask_elsewhere_is_refused(heads, draw, here):
    head, like = heads["RAS"], phantoms.wider(phantoms.frame("RAS"))
    like.SetOrigin((1000.0, 0.0, 0.0))
    path = draw(np.ones(like.GetSize()), like)
    with pytest.raises(
        ImageError, match="do not overlap in world coordinates, and the mask is not on the template"
    ):
        tumor(head["image"], head["brain"], path, "mask", head["image"])


def test_mask_outside_the_brain_is_refused(heads, draw, here):
    head, like = heads["RAS"], phantoms.frame("RAS")
    outside = phantoms.ball(like, phantoms.at(0, 85, 0), 12)
    with pytest.raises(ImageError, match=r"only \d+% of the tumour mask lies in the brain of the image"):
        tumor(head["image"], head["brain"], draw(outside, like), "mask", head["image"])


@pytest.mark.parametrize(("at", "doubtful"), [(70, False), (75, True)])
def test_mask_partly_outside_the_brain_is_flagged_and_from_a_fifth_on_doubtful(
    heads, draw, here, at, doubtful
):
    head, like = heads["RAS"], phantoms.frame("RAS")
    rim = phantoms.ball(like, phantoms.at(0, at, 0), 14)
    _, info = tumor(head["image"], head["brain"], draw(rim, like), "mask", head["image"])
    (text,) = info.doubts if doubtful else info.flags
    assert "of the tumour mask lies outside the brain" in text
    assert not (info.flags if doubtful else info.doubts)


@pytest.mark.parametrize(("lost", "doubtful"), [(0.0, False), (0.12, False), (0.6, True)])
def test_mask_partly_outside_the_image_is_flagged_and_from_a_fifth_on_doubtful(
    heads, tmp_path, here, lost, doubtful
):
    """The image's field of view ends within the tumour, while the mask's does not."""
    head = heads["RAS"]
    first = int(np.quantile(np.argwhere(to_array(read_image(head["labels"])) > 0)[:, 0], lost)) if lost else 1
    cut = [
        write_image(read_image(head[key])[first:], tmp_path / f"{key}.nii.gz") for key in ("image", "brain")
    ]
    _, info = tumor(*cut, head["labels"], "dseg", head["image"])
    flags = [text for text in info.flags if not text.startswith("labels 1, 2, 4 read")]
    said, unsaid = (info.doubts, flags) if doubtful else (flags, info.doubts)
    assert [text.partition("%")[2] for text in said] == [" of the tumour mask lies outside the image"] * (
        lost > 0
    )
    assert not unsaid


def test_mask_drawn_on_the_template_comes_back_through_a_rigid_registration(heads, tmp_path, here):
    """BraTS practice: the mask is on the template's grid, the image in the scanner, far away."""
    shift = np.array([700.0, -30.0, 15.0])
    far = {}
    for key in ("image", "brain"):
        image = read_image(heads["LAS"][key])
        image.SetOrigin((np.array(image.GetOrigin()) + shift).tolist())
        far[key] = write_image(image, tmp_path / f"{key}.nii.gz")
    template = heads["LPS"]["image"]
    labels, info = tumor(far["image"], far["brain"], heads["LPS"]["labels"], "dseg", template)
    assert info.frame == "template"
    assert "through a rigid registration" in info.flags[-1]
    centre, volume = centre_and_volume(read_image(labels), [1, 2, 4])
    _, drawn = centre_and_volume(read_image(heads["LPS"]["labels"]), [1, 2, 4])
    # a registration at 4 mm: within a voxel
    assert np.linalg.norm(centre - shift - phantoms.TUMOR_AT) < 4
    assert volume == pytest.approx(drawn, rel=0.05)


def test_mask_in_the_templates_space_by_its_name_does_not_go_by_world_coordinates(heads, tmp_path, here):
    """The image lies 12 mm away from the template: the two overlap, and world coordinates would misplace the tumour."""
    shift = np.array([12.0, -8.0, 4.0])
    near = {}
    for key in ("image", "brain"):
        image = read_image(heads["LAS"][key])
        image.SetOrigin((np.array(image.GetOrigin()) + shift).tolist())
        near[key] = write_image(image, tmp_path / f"{key}.nii.gz")
    template, drawn = heads["LPS"]["image"], heads["LPS"]["labels"]
    labels, info = tumor(near["image"], near["brain"], drawn, "dseg", template, in_template=True)
    assert info.frame == "template"
    assert "is in the template's space by its name" in info.flags[-1]
    centre, _ = centre_and_volume(read_image(labels), [1, 2, 4])
    # a registration at 4 mm: within a voxel
    assert np.linalg.norm(centre - shift - phantoms.TUMOR_AT) < 4
    labels, info = tumor(template, heads["LPS"]["brain"], drawn, "dseg", template, in_template=True)
    assert info.frame == "world"  # the image is the template's frame itself
    assert not any("template" in flag for flag in info.flags)


def test_resampling_labels_onto_their_own_grid_changes_nothing(frame):
    labels = phantoms.labels_image(phantoms.frame(frame))
    again = resample_labels(labels, labels)
    assert np.array_equal(to_array(again), to_array(labels))
    assert again.GetPixelID() == sitk.sitkUInt8


def test_resampled_labels_are_among_those_given():
    labels = phantoms.labels_image(phantoms.frame("oblique"))
    moved = resample_labels(labels, phantoms.frame("LPS"), phantoms.some_affine())
    assert set(np.unique(to_array(moved))) == {0, 1, 2, 4}


def test_empty_labels_stay_empty():
    grid = phantoms.frame("LPS")
    assert not to_array(resample_labels(grid, phantoms.frame("oblique"))).any()


def test_class_indices_are_in_the_order_of_a_networks_classes():
    assert class_indices(np.array([4, 0, 2, 1])).tolist() == [3, 0, 2, 1]
