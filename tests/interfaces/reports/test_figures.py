"""Pictures look the same whatever the header's axes, and carry the lesion's contour on every panel."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
from ball_pictures import CENTRE, head, sphere
from PIL import Image

from gliomorph.interfaces.files.images import from_array
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.cuts import Cut, choose_cuts, spread_cuts


@pytest.fixture
def oblique_grid() -> sitk.Image:
    turn = sitk.Euler3DTransform(CENTRE.tolist(), 0.2, -0.15, 0.25)
    grid = sitk.Image([48, 52, 20], sitk.sitkUInt8)
    grid.SetSpacing([0.6, 0.6, 1.6])
    grid.SetDirection(turn.GetMatrix())
    half = np.array(turn.GetMatrix()).reshape(3, 3) @ (np.array([47, 51, 19]) * grid.GetSpacing() / 2)
    grid.SetOrigin((CENTRE - half).tolist())
    return grid


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(picture: np.ndarray, colour: str, tolerance: int = 40) -> np.ndarray:
    """Where the picture has nearly this colour (lines are antialiased, the palette has 256 entries)."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.abs(picture - wanted).max(axis=-1) < tolerance


def panels(png: bytes, cuts: tuple[Cut, ...]) -> list[np.ndarray]:
    """The axial, coronal and sagittal part of a picture of three panels."""
    boxes = np.array(figures._three_panels(cuts)[0]).round().astype(int)
    return [pixels(png)[top : top + high, left : left + wide] for left, top, wide, high in boxes]


@pytest.mark.parametrize("axes", ["LAS", "RAS", "RPI", "PSR", "SAL"])
def test_picture_does_not_depend_on_the_order_of_the_axes(grid, axes):
    image, lesion = head(grid)
    expected = figures.anatomy(image, choose_cuts(image, [lesion]), title="", lesion=lesion)
    image, lesion = sitk.DICOMOrient(image, axes), sitk.DICOMOrient(lesion, axes)
    seen = figures.anatomy(image, choose_cuts(image, [lesion]), title="", lesion=lesion)
    assert np.array_equal(pixels(seen), pixels(expected))


def test_picture_does_not_depend_on_those_that_were_drawn_before(grid):
    """They share their panels: with a lesion's contour the image is drawn smaller, and a ratio has a bar."""
    image, lesion = head(grid)
    cuts = choose_cuts(image, [lesion])
    figures._empty.cache_clear()
    alone = figures.anatomy(image, cuts, title="alone")
    figures.anatomy(image, cuts, title="before", lesion=lesion)
    ones = from_array(np.ones(grid.GetSize(), np.float32), grid)
    figures.ratio_map(ones, image, cuts, title="before", label="ratio", limit=2.0, lesion=lesion)
    with pytest.raises(ValueError, match="broken"):
        figures._draw(cuts, "broken", broken, lesion)
    assert figures.anatomy(image, cuts, title="alone") == alone


def broken(ax, cut):
    ax.text(0.5, 0.5, "left behind")
    raise ValueError("broken")


def test_oblique_image_is_seen_on_the_same_canonical_slices(grid, oblique_grid):
    straight, straight_lesion = head(grid)
    oblique, oblique_lesion = head(oblique_grid)
    cuts = choose_cuts(straight, [straight_lesion])
    for cut in cuts:
        expected, seen = cut.sample(straight), cut.sample(oblique)
        # Both sample one scene, at voxels of 1 and of 1.6 mm: equal but for partial volumes at borders.
        assert np.corrcoef(expected.ravel(), seen.ravel())[0, 1] > 0.9
    centres = [
        [cut.grid.GetOrigin()[cut.plane.normal] for cut in c]
        for c in (cuts, choose_cuts(oblique, [oblique_lesion]))
    ]
    np.testing.assert_allclose(*centres, atol=1.6)  # one thick slice


def test_convention_is_radiological(grid):
    image, lesion = head(grid)
    axial, coronal, sagittal = choose_cuts(image, [lesion])
    rows, columns = np.argwhere(axial.sample(lesion) > 0.5).mean(axis=0) / axial.sample(lesion).shape
    assert columns < 0.5 and rows < 0.5  # the patient's right on the left, anterior at the top
    rows, columns = np.argwhere(coronal.sample(lesion) > 0.5).mean(axis=0) / coronal.sample(lesion).shape
    assert columns < 0.5 and rows < 0.5  # right on the left, superior at the top
    rows, columns = np.argwhere(sagittal.sample(lesion) > 0.5).mean(axis=0) / sagittal.sample(lesion).shape
    assert columns < 0.5 and rows < 0.5  # anterior on the left, superior at the top


def drawings(grid: sitk.Image, lesion: sitk.Image) -> dict[str, bytes]:
    """Every kind of picture that carries a lesion."""
    image, mask = head(grid)
    cuts = choose_cuts(image, [mask])
    shift = from_array(np.full((3, *grid.GetSize()), 0.5, np.float32), grid)
    ratio = from_array(np.full(grid.GetSize(), 1.2, np.float32), grid)
    common = {"title": "", "lesion": lesion}
    return {
        "anatomy": figures.anatomy(image, cuts, **common),
        "outlines": figures.outlines(image, image, cuts, **common),
        "checkerboard": figures.checkerboard(image, image, cuts, **common),
        "regions": figures.regions(image, mask, cuts, **common),
        "ratio": figures.ratio_map(ratio, image, cuts, label="ratio", limit=2.0, **common),
        "grid": figures.deformed_grid(image, shift, cuts, **common),
    }


def test_contour_of_the_lesion_is_on_every_panel_of_every_picture(grid):
    image, lesion = head(grid)
    cuts = choose_cuts(image, [lesion])
    for name, png in drawings(grid, lesion).items():
        for panel in panels(png, cuts):
            assert near(panel, figures.LESION).sum() > 20, name


def test_empty_lesion_is_said_and_draws_no_contour(grid):
    empty = sitk.Image(grid.GetSize(), sitk.sitkUInt8)
    image = head(grid)[0]
    cuts = choose_cuts(image, [empty])
    with_note = figures.anatomy(image, cuts, title="", lesion=empty)
    without = figures.anatomy(image, cuts, title="")
    assert near(pixels(with_note), figures.LESION).any()  # the note "no lesion"
    assert not near(pixels(without), figures.LESION).any()


def test_lesion_of_one_voxel_is_drawn(grid):
    voxels = np.zeros(grid.GetSize(), np.uint8)
    voxels[7, 9, 13] = 1
    dot = from_array(voxels, grid)
    image = head(grid)[0]
    cuts = choose_cuts(image, [dot])
    png = figures.anatomy(image, cuts, title="", lesion=dot)
    assert all(near(panel, figures.LESION).any() for panel in panels(png, cuts))


def test_empty_image_is_drawn(grid):
    nothing = sitk.Cast(grid, sitk.sitkFloat32)
    assert pixels(figures.anatomy(nothing, choose_cuts(nothing), title="nothing")).shape[1] == figures.WIDTH
    assert figures.outlines(nothing, nothing, choose_cuts(nothing), title="nothing")
    assert figures.heat_map(nothing, nothing, spread_cuts(nothing, nothing, 2), title="nothing", label="")


def test_folds_have_their_own_colour(grid):
    image, _ = head(grid)
    values = np.ones(grid.GetSize(), np.float32)
    values[sphere(grid, CENTRE, 4.0)] = -0.5
    cuts = choose_cuts(image)
    png = figures.ratio_map(from_array(values, grid), image, cuts, title="", label="det J", limit=2.0)
    assert near(pixels(png), figures.FOLD).sum() > 500
    flat = figures.ratio_map(
        from_array(np.ones_like(values), grid), image, cuts, title="", label="", limit=2.0
    )
    assert not near(pixels(flat), figures.FOLD).any()


def test_a_ratio_that_is_known_in_part_lies_over_its_background(grid):
    image, lesion = head(grid)
    ones = from_array(np.ones(grid.GetSize(), np.float32), grid)
    common = {"title": "", "label": "det J", "limit": 2.0}
    png = figures.ratio_map(ones, lesion, choose_cuts(image), background=image, **common)
    bare = figures.ratio_map(ones, lesion, choose_cuts(image), **common)
    grey, black = ((picture.max(axis=-1) > 60).mean() for picture in (pixels(png), pixels(bare)))
    assert grey > 2 * black


def test_colours_of_enhancing_tumour_are_the_same_in_both_years_of_brats(grid):
    image, lesion = head(grid)
    cuts = choose_cuts(image, [lesion])
    drawn = [figures.regions(image, lesion * label, cuts, title="") for label in (3, 4)]
    assert drawn[0] == drawn[1]


def test_title_is_text_and_never_mathematics(grid):
    image, _ = head(grid)
    assert figures.anatomy(image, choose_cuts(image), title=r"sub-$\frac{1}$")
