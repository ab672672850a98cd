"""One HTML page a scan: what came in, what each step did, and with what, in pictures and tables.

The page is one file: pictures are embedded, nothing is loaded from elsewhere. Whatever comes from file names,
tables or settings is escaped by jinja2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import SimpleITK as sitk

from ....models.regions import CAVITY, EITHER, LABELS, TEXTS
from ...files.images import from_array, read_image, to_array, voxel_volume_ml
from ...files.labels import tumor_only
from ...records import Ports
from .. import figures
from ..cuts import Cut, brightness, choose_cuts, foreground, spread_cuts
from ..pages import MEASURES, Album, Measure, Picture, as_json, as_number, flag, render, shown

JACOBIAN_LIMIT = 2.5
"""Colours of det J go from 1/2.5 to 2.5 on every page, so that methods and scans compare."""
BIAS_LIMIT = 1.5
INPUT_CAPTION = "The image as it was read: slices spread over the tumour, or the brain where there is none."
METHOD_CAPTIONS = {
    "template": "Template, with the lesion as warped.",
    "before": "Before: the aligned image.",
    "after": "After: the geometric warp only.",
    "healthy": "Healthy: with the appearance residual.",
    "grid": "Grid: the template's grid (8 mm) carried onto the aligned image by the forward map.",
    "jacobian": "det J of the forward map: red, larger in the patient than in the template; blue, smaller.",
}


@attrs.frozen(kw_only=True)
class MethodResult:
    """What one registration method wrote, every image on the template's full grid."""

    method: str
    """As on the command line, such as ``syn-cfm``."""
    image: Path
    mask: Path
    """``image``, ``mask``: Warped image and tumour mask."""
    jacobian: Path
    """det J of the forward map (template to subject); above 1 a region is larger in the subject."""
    displacement: Path
    """Forward displacement from the template to the aligned image, vector image (LPS, mm)."""
    healthy: Path | None = None
    """Warped image with the appearance residual (metamorphic methods)."""
    quality: dict[str, object] = attrs.field(factory=dict)
    """Flat measures: the row of ``group_quality.tsv``."""
    used: dict[str, Any] = attrs.field(factory=dict)
    """Device, seconds, peak memory, seed, settings, weights…"""


@attrs.frozen(kw_only=True)
class PageImages(Ports):
    """What a page shows of a scan whatever the method."""

    raw: Path
    n4: Path
    """``raw``, ``n4``: Native image before and after bias correction; ``n4`` is brain-extracted (zero outside the
    brain)."""
    labels: Path | None
    """The tumour's labels in the native frame: 1, 2, and 3 or 4 where it has sub-regions; 5 for a resection cavity."""
    template: Path
    aligned: Path
    """``template``, ``aligned``: On the template's full grid; ``aligned`` is the image after the affine and histogram
    matching."""
    aligned_mask: Path | None
    """Tumour mask on that grid."""
    brain_mask: Path | None = None
    """The brain mask in the native frame, where it is to be drawn."""


@attrs.frozen(kw_only=True)
class OtherImage:
    """A further image of the session."""

    name: str
    """T1w, T1ce, T2w or FLAIR."""
    image: Path
    """On the native image's grid, as the scanner gave it."""
    in_template: Path
    """In template space, by the first method."""


def scan_report(
    *,
    scan: str,
    images: PageImages,
    others: Sequence[OtherImage],
    sub_regions: bool,
    methods: Sequence[MethodResult],
    used: Mapping[str, object],
    notices: Sequence[str],
    folder: Path,
) -> Path:
    """The scan's page, and its pictures as PNG files.

    Parameters
    ----------
    scan : str
        ``sub-X`` or ``sub-X_ses-Y``: title, and the beginning of the pictures' names.
    images : PageImages
    others : sequence of OtherImage
        Further images of the session.
    sub_regions : bool
        Whether the labels tell the tumour's sub-regions.
    methods : sequence of MethodResult
        In the order of the page.
    used : mapping
        Settings of the run. ``image``, ``mask_source``, ``template`` and ``version`` are shown in the summary.
    notices : sequence of str
        What the reader must know: fallbacks, flags.
    folder : Path
        Where ``page.html`` is written, and the PNG files in ``figures``.

    Returns
    -------
    page : Path
    """
    album = Album(scan, folder / "figures")
    before, corrected, fixed, moving = (
        read_image(path) for path in (images.raw, images.n4, images.template, images.aligned)
    )
    lesion = _mask(images.labels) if images.labels else None
    aligned_lesion = _mask(images.aligned_mask) if images.aligned_mask else None
    labels = read_image(images.labels, sitk.sitkUInt8) if images.labels and sub_regions else None
    masks = [_mask(result.mask) for result in methods]
    cuts = choose_cuts(fixed, [mask for mask in (aligned_lesion, *masks) if mask is not None])
    return render(
        "scan.html.j2",
        folder / "page.html",
        title=scan,
        summary=_summary(scan, used, images.template, corrected, lesion, labels),
        notices=list(notices),
        geometry=_geometry(str(used.get("image", images.raw.name)), before),
        pictures={
            **_native_pictures(album, before, corrected, lesion, labels),
            "brain": _brain_pictures(album, before, corrected, images.brain_mask, lesion),
            "modalities": [
                *_modality_pictures(album, corrected, others, lesion),
                *(_carried_picture(album, other, cuts, masks) for other in others),
            ],
            "alignment": _alignment_pictures(album, fixed, moving, cuts, aligned_lesion),
        },
        methods=[
            (result.method, _method_pictures(album, result, fixed, moving, cuts, aligned_lesion, mask))
            for result, mask in zip(methods, masks, strict=True)
        ],
        measures=_measures_table(methods),
        used=[("run", as_json(used)), *((result.method, as_json(result.used)) for result in methods)],
        regions=_legend(labels),
    )


def _legend(labels: sitk.Image | None) -> list[tuple[str, str]]:
    """Colour and name of the regions."""
    parts = [(figures.REGIONS[i], f"{TEXTS[part]} ({part})") for part, i in LABELS.items()]
    has_cavity = labels is not None and (to_array(labels) == CAVITY).any()
    return [*parts, *([(figures.REGIONS[CAVITY], "resection cavity (RC)")] if has_cavity else [])]


def _mask(path: Path) -> sitk.Image:
    image = read_image(path)
    return from_array((tumor_only(to_array(image)) > 0).astype(np.uint8), image)


def _summary(
    scan: str,
    used: Mapping[str, object],
    template: Path,
    n4: sitk.Image,
    lesion: sitk.Image | None,
    labels: sitk.Image | None,
) -> list[tuple[str, str]]:
    rows = [("Scan", scan), ("Tumour mask", str(used.get("mask_source") or ("given" if lesion else "none")))]
    if lesion is not None:
        brain_ml, lesion_ml = _volume_ml(n4), _volume_ml(lesion)
        rows.append(("Tumour volume", f"{lesion_ml:.1f} ml"))
        if brain_ml > 0:
            rows.append(("Share of the brain", f"{100 * lesion_ml / brain_ml:.1f} %"))
    if labels is not None:
        values, counts = np.unique(to_array(labels), return_counts=True)
        parts = dict(zip(values.tolist(), counts * voxel_volume_ml(labels), strict=True))
        text = [f"{name} {parts[i]:.1f} ml" for i, name in EITHER.items() if i in parts]
        rows.append(("Regions", ", ".join(text) or "empty segmentation"))
    rows.append(("Template", str(used.get("template") or template.name)))
    if used.get("version"):
        rows.append(("Version", str(used["version"])))
    return rows


def _volume_ml(image: sitk.Image) -> float:
    return float(np.count_nonzero(to_array(image) > 0)) * voxel_volume_ml(image)


def _geometry(file: str, image: sitk.Image) -> list[tuple[str, str]]:
    """What the page says of the image; ``file`` is its path or URI."""
    matrix = np.array(image.GetDirection()).reshape(3, 3)
    tilt = math.degrees(math.acos(min(1.0, float(np.abs(matrix).max(axis=0).min()))))
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return [
        ("File", file.rpartition("/")[2]),
        ("Voxels", " × ".join(map(str, image.GetSize()))),
        ("Voxel size", " × ".join(f"{s:.2f}" for s in image.GetSpacing()) + " mm"),
        ("Axes", axes + (f", oblique by {tilt:.1f}°" if tilt > 0.1 else "")),
    ]


def _native_pictures(
    album: Album, raw: sitk.Image, n4: sitk.Image, lesion: sitk.Image | None, labels: sitk.Image | None
) -> dict[str, list[Picture]]:
    """Sections Input, N4 and Segmentation."""
    cuts = choose_cuts(n4, [] if lesion is None else [lesion])
    overview = figures.anatomy(raw, spread_cuts(n4, lesion), title="Input", lesion=lesion)
    before = figures.anatomy(raw, cuts, title="Before N4", lesion=lesion)
    after = figures.anatomy(n4, cuts, title="After N4", lesion=lesion)
    label = "before / after, median 1, log scale"
    bias = figures.ratio_map(
        _bias(raw, n4), n4, cuts, title="Bias field", label=label, limit=BIAS_LIMIT, lesion=lesion
    )
    pictures = {
        "input": [album.add("input", INPUT_CAPTION, overview)],
        "n4": [
            album.add("raw", "Before bias correction.", before),
            album.add("n4", "After bias correction (N4).", after, versus=("raw", "before N4")),
            album.add("bias", "Bias field: intensity before over after, median 1.", bias),
        ],
        "segmentation": [],
    }
    if labels is not None:
        coloured = figures.regions(n4, labels, cuts, title="Tumour regions", lesion=lesion)
        pictures["segmentation"] = [album.add("segmentation", "Tumour regions, and the mask used.", coloured)]
    return pictures


def _brain_pictures(
    album: Album, raw: sitk.Image, n4: sitk.Image, mask: Path | None, lesion: sitk.Image | None
) -> list[Picture]:
    """The head under the contour of its brain mask, where that was made."""
    if mask is None:
        return []
    cuts, title = spread_cuts(n4, None), "Brain mask"
    png = figures.anatomy(
        raw, cuts, title=title, lesion=lesion, brain=read_image(mask, sitk.sitkUInt8), white=brightness(raw)
    )
    return [album.add("brain", "The image as it was read, and the contour of its brain mask.", png)]


def _modality_pictures(
    album: Album, primary: sitk.Image, others: Sequence[OtherImage], lesion: sitk.Image | None
) -> list[Picture]:
    """Section Modalities: each further one, under the contour of the brain and under the primary image's borders."""
    cuts = choose_cuts(primary, [] if lesion is None else [lesion])
    brain, overview = sitk.Cast(primary > 0, sitk.sitkUInt8), spread_cuts(primary, None)
    pictures = []
    for name, image in ((other.name, read_image(other.image)) for other in others):
        title = f"{name} and the brain mask"
        stripped = figures.anatomy(image, overview, title=title, lesion=lesion, brain=brain)
        title = f"Primary image’s borders over {name}"
        borders = figures.outlines(image, primary, cuts, title=title, lesion=lesion)
        pictures += [
            album.add(
                f"brain{name}", f"{name}, and the contour of the primary image’s brain mask.", stripped
            ),
            album.add(
                f"modality{name}",
                f"{name} on the primary image’s grid, and the borders of the primary image over it.",
                borders,
            ),
        ]
    return pictures


def _carried_picture(
    album: Album, other: OtherImage, cuts: Sequence[Cut], masks: Sequence[sitk.Image]
) -> Picture:
    """A further image in template space, as the primary one is warped by the first method."""
    image, lesion = read_image(other.in_template), masks[0]
    drawn = figures.anatomy(image, cuts, title=f"{other.name} in template space", lesion=lesion)
    caption = f"{other.name} in template space, by the primary image’s registration."
    return album.add(f"carried{other.name}", caption, drawn, versus=("template", "the template"))


def _bias(raw: sitk.Image, n4: sitk.Image) -> sitk.Image:
    """Intensity before over after, divided by its median in the brain; 1 where either is not positive."""
    before, after = to_array(raw), to_array(n4)
    inside = (before > 0) & (after > 0)
    ratio = np.ones_like(after)
    np.divide(before, after, out=ratio, where=inside)
    if inside.any():
        ratio[inside] /= np.median(ratio[inside])
    return from_array(ratio, n4)


def _alignment_pictures(
    album: Album, template: sitk.Image, aligned: sitk.Image, cuts: Sequence[Cut], lesion: sitk.Image | None
) -> list[Picture]:
    fixed = figures.anatomy(template, cuts, title="Template", lesion=lesion)
    moving = figures.anatomy(aligned, cuts, title="Aligned image", lesion=lesion)
    edges = figures.outlines(
        aligned, template, cuts, title="Template borders over the aligned image", lesion=lesion
    )
    board = figures.checkerboard(template, aligned, cuts, title="Template / aligned image", lesion=lesion)
    return [
        album.add("template", "Template.", fixed),
        album.add(
            "aligned",
            "Image after affine alignment and histogram matching.",
            moving,
            versus=("template", "the template"),
        ),
        album.add("edges", "The template's tissue borders over the aligned image.", edges),
        album.add("checkerboard", "Template and aligned image in turn, squares of 24 mm.", board),
    ]


def _method_pictures(
    album: Album,
    result: MethodResult,
    template: sitk.Image,
    aligned: sitk.Image,
    cuts: Sequence[Cut],
    before: sitk.Image | None,
    after: sitk.Image,
) -> list[Picture]:
    """Template, before, after, healthy, grid and det J of one method, the lesion's contour on each."""
    name, key = result.method, re.sub(r"[^A-Za-z0-9]", "", result.method)
    warped = read_image(result.image)
    white = brightness(warped)
    displacement = sitk.ReadImage(str(result.displacement), sitk.sitkVectorFloat32)
    drawn = {
        "template": figures.anatomy(template, cuts, title=f"Template ({name})", lesion=after),
        "before": figures.anatomy(aligned, cuts, title=f"Before {name}", lesion=before),
        "after": figures.anatomy(warped, cuts, title=f"After {name}", lesion=after, white=white),
        "grid": figures.deformed_grid(aligned, displacement, cuts, title=f"Grid, {name}", lesion=before),
        "jacobian": figures.ratio_map(
            read_image(result.jacobian),
            foreground(template),
            cuts,
            title=f"det J, {name}",
            label="det J, log scale",
            limit=JACOBIAN_LIMIT,
            lesion=after,
        ),
    }
    if result.healthy is not None:
        healthy = read_image(result.healthy)
        # in the template's intensities, the others in the scanner's: its own white
        drawn["healthy"] = figures.anatomy(healthy, cuts, title=f"Healthy, {name}", lesion=after)
    versus = {"after": (f"{key}template", "the template"), "healthy": (f"{key}after", "the warp only")}
    return [
        album.add(key + what, METHOD_CAPTIONS[what], drawn[what], versus.get(what))
        for what in METHOD_CAPTIONS
        if what in drawn
    ]


def _measures_table(methods: Sequence[MethodResult]) -> list[dict[str, object]]:
    """A row for each measure: its name, which way is better, and a cell for each method."""
    columns = dict.fromkeys(column for result in methods for column in result.quality)
    skipped = ("participant_id", "session_id", "method")
    rows = []
    for column in columns:
        if column in skipped:
            continue
        measure = MEASURES.get(column, Measure(column))
        values = [result.quality.get(column) for result in methods]
        best = _best(values, measure.better)
        cells = [
            {"text": shown(value), "flag": flag(column, value), "best": number is not None and number == best}
            for value, number in ((value, as_number(value)) for value in values)
        ]
        rows.append({"measure": measure, "cells": cells})
    return rows


def _best(values: Sequence[object], better: str) -> float | None:
    numbers = [number for number in map(as_number, values) if number is not None]
    if not better or len(numbers) < 2 or min(numbers) == max(numbers):
        return None
    return min(numbers) if better == "lower" else max(numbers)
