"""Pictures (PNG bytes) of brains: three orthogonal planes, or several slices of each.

The convention is radiological and each picture says so, with letters at its sides (see :mod:`.cuts`). The
lesion's contour is drawn on every panel of every picture that gets a lesion.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from ...models.regions import EITHER
from ..files.images import to_array
from .cuts import CONVENTION, PIXEL_MM, PLANES, Cut, brightness

LESION = "#ffe600"
EDGES = "#00e5ff"
FOLD = "#ff00c8"
COLOURS = {"NCR": "#d55e00", "ED": "#56b4e9", "ET": "#cc79a7", "RC": "#009e73"}
REGIONS = {index: COLOURS[part] for index, part in EITHER.items()}
"""BraTS labels: necrotic core, oedema, enhancing tumour (3 since 2023, 4 before), cavity; colour-blind safe."""

GREY = colormaps["gray"].resampled(48)  # few levels: a third of the file size, no visible difference
HEAT = ListedColormap(colormaps["inferno"](np.linspace(0.25, 1.0, 96)))
DIVERGING = colormaps["RdBu_r"].resampled(97)

TOUCHED = 0.05
"""The least share of a mask in a pixel of a slice that it reaches."""
WIDTH, TITLE, FOOT, GAP, DPI = 720, 30, 28, 10, 100  # pixels


def anatomy(
    image: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    lesion: sitk.Image | None = None,
    white: float | None = None,
    brain: sitk.Image | None = None,
) -> bytes:
    """A grey-scale image with the contours of the lesion and of a brain mask, as PNG.

    ``white`` is the brightest intensity shown.
    """
    norm = Normalize(0.0, white or brightness(image))

    def panel(ax: Axes, cut: Cut) -> None:
        _grey(ax, cut.sample(image), norm)
        mask = None if brain is None else cut.sample(brain)
        if mask is not None and mask.min() < 0.5 < mask.max():
            ax.contour(mask, [0.5], colors=EDGES, linewidths=0.9)

    return _draw(cuts, title, panel, lesion)


def outlines(
    image: sitk.Image,
    template: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    lesion: sitk.Image | None = None,
) -> bytes:
    """The template's tissue borders (two Otsu thresholds) and brain surface over ``image``, as PNG."""
    norm = Normalize(0.0, brightness(image))
    levels = _otsu_levels(template)

    def panel(ax: Axes, cut: Cut) -> None:
        _grey(ax, cut.sample(image), norm)
        plane = sitk.GetImageFromArray(cut.sample(template))
        borders = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(plane, 1.0))
        inside = [level for level in levels if borders.min() < level < borders.max()]
        if inside:
            ax.contour(borders, sorted(set(inside)), colors=EDGES, linewidths=0.6)

    return _draw(cuts, title, panel, lesion)


def checkerboard(
    first: sitk.Image,
    second: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    lesion: sitk.Image | None = None,
) -> bytes:
    """Squares of 24 mm taken in turn from two images, each at its own brightness, as PNG."""
    white = brightness(first), brightness(second)
    square = round(24 / PIXEL_MM)

    def panel(ax: Axes, cut: Cut) -> None:
        a, b = cut.sample(first) / white[0], cut.sample(second) / white[1]
        rows, columns = np.indices(a.shape) // square
        _grey(ax, np.where((rows + columns) % 2, a, b), Normalize(0.0, 1.0))

    return _draw(cuts, title, panel, lesion)


def regions(
    image: sitk.Image,
    labels: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    lesion: sitk.Image | None = None,
) -> bytes:
    """Tumour regions (BraTS labels, :data:`REGIONS`) in colour over ``image``, as PNG."""
    norm = Normalize(0.0, brightness(image))
    palette = ListedColormap([REGIONS.get(i, "#000000") for i in range(max(REGIONS) + 1)])

    def panel(ax: Axes, cut: Cut) -> None:
        _grey(ax, cut.sample(image), norm)
        values = cut.sample(labels, sitk.sitkNearestNeighbor)
        shown = np.ma.masked_where(~np.isin(values, list(REGIONS)), values)
        ax.imshow(shown, cmap=palette, vmin=0, vmax=max(REGIONS), alpha=0.55, interpolation="nearest")

    return _draw(cuts, title, panel, lesion)


def ratio_map(
    ratio: sitk.Image,
    brain: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    label: str,
    limit: float,
    lesion: sitk.Image | None = None,
    background: sitk.Image | None = None,
) -> bytes:
    """A positive quantity around 1 (det J, bias field), blue below and red above, as PNG.

    Parameters
    ----------
    ratio : SimpleITK.Image
        Values that are not positive (folds) are drawn in :data:`FOLD`.
    brain : SimpleITK.Image
        Drawn only where this is above zero.
    cuts : sequence of Cut
    title, label : str
        Of the picture and of its colour bar.
    limit : float
        The logarithmic scale goes from 1/limit to limit (> 1); what lies beyond has the end's colour.
    lesion : SimpleITK.Image, optional
    background : SimpleITK.Image, optional
        Seen around what is drawn, and a little through it.

    Returns
    -------
    png : bytes
    """
    cmap = DIVERGING.with_extremes(bad=FOLD)
    norm = LogNorm(1.0 / limit, limit)
    opacity = 1.0 if background is None else 0.85
    white = Normalize(0.0, 1.2 * brightness(ratio if background is None else background))

    def panel(ax: Axes, cut: Cut) -> None:
        values, inside = cut.sample(ratio), cut.sample(brain) > 0
        ax.set_facecolor("black")
        if background is not None:
            _grey(ax, cut.sample(background), white)
        ax.imshow(
            np.ma.masked_less_equal(values, 0),
            cmap=cmap,
            norm=norm,
            alpha=opacity * inside,
            interpolation="nearest",
        )

    ticks = np.geomspace(1.0 / limit, limit, 5)
    bar = _Bar(ScalarMappable(norm, cmap), label, ticks.tolist(), lambda value: f"{value:.2g}")
    return _draw(cuts, title, panel, lesion, bar)


def deformed_grid(
    image: sitk.Image,
    displacement: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    step_mm: float = 8.0,
    lesion: sitk.Image | None = None,
) -> bytes:
    """A regular grid carried by ``x -> x + u(x)`` over ``image`` (where the points arrive), as PNG.

    ``displacement`` is a vector image (LPS, mm); the component across each plane is not seen.
    """
    norm = Normalize(0.0, 1.7 * brightness(image))
    step = max(2, round(step_mm / PIXEL_MM))

    def panel(ax: Axes, cut: Cut) -> None:
        shift = cut.sample(displacement) / PIXEL_MM  # (rows, columns, 3)
        rows, columns = np.indices(shift.shape[:2])
        points = np.stack([columns + shift @ cut.plane.column, rows + shift @ cut.plane.row], axis=-1)
        _grey(ax, cut.sample(image), norm)
        lines = [*points[::step], *points[:, ::step].transpose(1, 0, 2)]
        ax.add_collection(LineCollection(lines, colors="#8fd3ff", linewidths=0.6), autolim=False)

    return _draw(cuts, title, panel, lesion)


def heat_map(
    values: sitk.Image,
    background: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    label: str,
    percent: bool = True,
    opacity: float = 0.8,
    top: float | None = None,
) -> bytes:
    """A non-negative map in colour over ``background``, from 0 to ``top`` (its maximum if not given), as PNG.

    Zero is transparent. With ``percent`` the bar's figures are 100 times the values.
    """
    norm = Normalize(0.0, 1.2 * brightness(background))
    top = top or float(to_array(values).max()) or 1.0
    scale = Normalize(0.0, top)

    def panel(ax: Axes, cut: Cut) -> None:
        _grey(ax, cut.sample(background), norm)
        sampled = cut.sample(values)
        ax.imshow(
            np.ma.masked_where(sampled < 1e-3 * top, sampled),
            cmap=HEAT,
            norm=scale,
            alpha=opacity,
            interpolation="nearest",
        )

    factor, unit = (100.0, " %") if percent else (1.0, "")
    ticks = [0.0, top / 2, top]
    bar = _Bar(ScalarMappable(scale, HEAT), label, ticks, lambda value: f"{factor * value:.3g}{unit}")
    return _draw(cuts, title, panel, None, bar)


def signed_map(
    values: sitk.Image,
    background: sitk.Image,
    cuts: Sequence[Cut],
    *,
    title: str,
    label: str,
    outlined: sitk.Image,
) -> bytes:
    """A map around 0, blue below and red above, over ``background``, as PNG.

    Parameters
    ----------
    values : SimpleITK.Image
        Zero is transparent; the scale goes to the largest absolute value on either side.
    background : SimpleITK.Image
    cuts : sequence of Cut
    title, label : str
        Of the picture and of its colour bar.
    outlined : SimpleITK.Image
        A mask whose border is drawn in :data:`LESION`.

    Returns
    -------
    png : bytes
    """
    norm = Normalize(0.0, 1.2 * brightness(background))
    top = float(np.abs(to_array(values)).max()) or 1.0
    scale = Normalize(-top, top)

    def panel(ax: Axes, cut: Cut) -> None:
        _grey(ax, cut.sample(background), norm)
        sampled = cut.sample(values, sitk.sitkNearestNeighbor)
        shown = np.ma.masked_equal(sampled, 0)
        ax.imshow(shown, cmap=DIVERGING, norm=scale, alpha=0.85, interpolation="nearest")
        mask = cut.sample(outlined)
        if mask.max() >= TOUCHED:
            _border(ax, mask)

    bar = _Bar(ScalarMappable(scale, DIVERGING), label, [-top, 0.0, top], lambda value: f"{value:.3g}")
    return _draw(cuts, title, panel, None, bar)


Box = tuple[float, float, float, float]
"""A panel's left, top, width and height in pixels, from the picture's top left corner."""


class _Bar(NamedTuple):
    mappable: ScalarMappable
    label: str
    ticks: Sequence[float]
    text: Callable[[float], str]


def _draw(
    cuts: Sequence[Cut],
    title: str,
    panel: Callable[[Axes, Cut], None],
    lesion: sitk.Image | None,
    bar: _Bar | None = None,
) -> bytes:
    """One panel a cut, drawn by ``panel``; then letters, positions and the lesion's contour on each."""
    boxes, bottom = _three_panels(cuts) if len(cuts) == len(PLANES) else _rows_of_panels(cuts)
    foot = FOOT + (34 if bar else 0)
    height = round(bottom + foot)
    figure = _empty(tuple(boxes), height)
    panels = tuple(figure.axes)
    try:
        for cut, ax in zip(cuts, panels, strict=True):
            panel(ax, cut)
            _letters(ax, cut, small=len(cuts) > len(PLANES))
            if lesion is not None:
                _contour(ax, cut.sample(lesion))
        figure.text(8 / WIDTH, 1 - 6 / height, title, color="white", fontsize=11, va="top", parse_math=False)
        figure.text(8 / WIDTH, 6 / height, CONVENTION, color="#bbbbbb", fontsize=9)
        if bar:
            _colour_bar(figure, bar, height)
        return png_of(figure)
    finally:
        _wipe(figure, panels)


@lru_cache(8)
def _empty(boxes: tuple[Box, ...], height: int) -> Figure:
    """A figure with a panel in each box, kept for the next picture: panels take a third of a picture's time to make."""
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="black")
    for left, top, wide, high in boxes:
        ax = figure.add_axes((left / WIDTH, 1 - (top + high) / height, wide / WIDTH, high / height))
        ax.set_axis_off()
    return figure


def _wipe(figure: Figure, panels: Sequence[Axes]) -> None:
    """Take everything out of a figure but its empty panels."""
    for ax in figure.axes:
        if ax in panels:
            for artist in (*ax.images, *ax.collections, *ax.lines, *ax.texts):
                artist.remove()
            ax.relim()
        else:
            ax.remove()
    for text in tuple(figure.texts):
        text.remove()


def _three_panels(cuts: Sequence[Cut]) -> tuple[list[Box], float]:
    """Axial large on the left, coronal above sagittal on the right; and where they end."""
    (dx, dy), (_, dz), _ = (cut.grid.GetSize()[:2] for cut in cuts)
    scale = (WIDTH - GAP) / (max(dx, dy) + 2 * dz * dx / dy)
    high = 2 * dz * scale + GAP
    wide = high * dx / dy
    right = WIDTH - wide - GAP
    boxes = [
        (0.0, TITLE, wide, high),
        (wide + GAP + (right - dx * scale) / 2, TITLE, dx * scale, dz * scale),
        (wide + GAP + (right - dy * scale) / 2, TITLE + GAP + dz * scale, dy * scale, dz * scale),
    ]
    return boxes, TITLE + high


def _rows_of_panels(cuts: Sequence[Cut]) -> tuple[list[Box], float]:
    """A row for each plane, its panels as wide as fit; and where they end."""
    count = len(cuts) // len(PLANES)
    wide = (WIDTH - GAP * (count - 1)) / count
    boxes, top = [], float(TITLE)
    for start in range(0, len(cuts), count):
        columns, rows = cuts[start].grid.GetSize()[:2]
        high = wide * rows / columns
        boxes += [(i * (wide + GAP), top, wide, high) for i in range(count)]
        top += high + GAP
    return boxes, top


def _grey(ax: Axes, values: np.ndarray, norm: Normalize) -> None:
    ax.imshow(values, cmap=GREY, norm=norm, interpolation="bilinear", interpolation_stage="data")


def _contour(ax: Axes, mask: np.ndarray) -> None:
    """The lesion's border; a note where the lesion does not reach this slice."""
    if mask.max() < TOUCHED:
        _write(ax, 0.98, 0.01, "no lesion", LESION, 7, ha="right")
        return
    _border(ax, mask)


def _border(ax: Axes, mask: np.ndarray) -> None:
    # Half of the maximum: a lesion smaller than a voxel of the slice is drawn, too.
    drawn = ax.contour(
        np.pad(mask, 1),
        [min(0.5, mask.max() / 2)],
        colors=LESION,
        linewidths=1.4,
        extent=(-1, mask.shape[1], -1, mask.shape[0]),
    )
    drawn.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="black")])


def _letters(ax: Axes, cut: Cut, small: bool) -> None:
    left, right, top, _ = tuple(cut.plane.letters)
    size = 9 if small else 12
    _write(ax, 0.02, 0.5, left, "white", size, va="center")
    _write(ax, 0.98, 0.5, right, "white", size, va="center", ha="right")
    _write(ax, 0.5, 0.995, top, "white", size, va="top", ha="center")
    _write(ax, 0.02, 0.01, cut.label.split(" ", 1)[1] if small else cut.label, "#dddddd", 7 if small else 9)


def _write(ax: Axes, x: float, y: float, text: str, color: str, size: float, **where: Any) -> None:
    stroke = [patheffects.withStroke(linewidth=2, foreground="black")]
    ax.text(x, y, text, color=color, fontsize=size, transform=ax.transAxes, path_effects=stroke, **where)


def _colour_bar(figure: Figure, bar: _Bar, height: float) -> None:
    ax = figure.add_axes((0.42, 22 / height, 0.54, 12 / height))
    drawn = figure.colorbar(bar.mappable, cax=ax, orientation="horizontal")
    drawn.locator, drawn.minorlocator = FixedLocator(bar.ticks), NullLocator()
    drawn.formatter = FuncFormatter(lambda value, _: bar.text(value))
    drawn.update_ticks()
    drawn.outline.set_edgecolor("#888888")
    ax.tick_params(colors="white", labelsize=8.5, length=3, pad=2)
    figure.text(0.69, 38 / height, bar.label, color="white", fontsize=9, ha="center")


def png_of(figure: Figure) -> bytes:
    """Palette PNG: about a third of the size of the true-colour one."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    pixels.quantize(256, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def _otsu_levels(template: sitk.Image) -> list[float]:
    """Thresholds CSF/GM and GM/WM inside the brain, and one just above the background."""
    otsu = sitk.OtsuMultipleThresholdsImageFilter()
    voxels = sitk.GetArrayViewFromImage(template)[::2, ::2, ::2]
    values = voxels[voxels > 0]
    if values.size < 16 or values.min() == values.max():
        return [0.05 * brightness(template)]
    line = sitk.GetImageFromArray(values[None, :].astype(np.float32))
    otsu.SetNumberOfThresholds(2)
    otsu.Execute(line)
    return [0.1 * brightness(template), *otsu.GetThresholds()]
