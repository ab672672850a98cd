"""The pictures of the cohort's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ....models.regions import TEXTS
from ....models.small_cells import EVERYBODY
from ...files.images import from_array, read_image, to_array
from .. import figures
from ..cuts import CONVENTION, Cut, choose_cuts, spread_cuts
from ..pages import Picture, embedded
from .story import Group

SLICES = 4
STRETCH = 1.5
"""det J at the ends of the colour bar: this, and its inverse."""
ODDS = 16.0
"""As :data:`STRETCH`, of odds ratios."""


def cohort_pictures(
    template: sitk.Image, frequency: Mapping[str, Path], maps: Mapping[str, Path]
) -> list[Picture]:
    """The whole cohort's maps: its frequencies by region, and others by ``<stratum>/<key>``."""
    regions = {region: read_image(path) for region, path in frequency.items()}
    cuts = _cuts(template, regions)
    pictures = [_region_picture(region, values, template, cuts) for region, values in regions.items()]
    if coverage := maps.get(f"{EVERYBODY}/coverage"):
        pictures.append(_coverage_picture(read_image(coverage), template, cuts))
    if mean_image := maps.get(f"{EVERYBODY}/mean"):
        png = figures.anatomy(read_image(mean_image), cuts, title="Mean image")
        pictures.append(_picture("mean", "Mean of the scans in template space.", png))
    if log_jacobian := maps.get(f"{EVERYBODY}/logjacobian_mean"):
        pictures.append(_jacobian_picture(read_image(log_jacobian), template, cuts))
    return pictures


def strata_pictures(
    template: sitk.Image, whole: Path, strata: Sequence[Group], maps: Mapping[str, Path]
) -> list[Picture]:
    """Whole tumours of everybody and of every stratum: the same slices, one colour scale.

    Parameters
    ----------
    template : SimpleITK.Image
    whole : Path
        Frequency of everybody.
    strata : sequence of Group
    maps : mapping of str to Path
        By ``<stratum>/<key>``; a stratum without a frequency is left out.
    """
    images = [
        (s.label, f"{s.name}, {s.people}", read_image(maps[key]))
        for s in strata
        if (key := f"{s.label}/frequency_WT") in maps
    ]
    if not images:
        return []
    images.insert(0, (EVERYBODY, "all participants", read_image(whole)))
    top = max(float(to_array(image).max()) for _, _, image in images)
    cuts = _cuts(template, {"WT": images[0][2]})
    return [
        _picture(
            f"stratum-{label}",
            f"WT of {text}.",
            figures.heat_map(image, template, cuts, title=text, label="share of scans", top=top),
        )
        for label, text, image in images
    ]


def contrast_pictures(
    template: sitk.Image, whole: Path, contrasts: Mapping[str, str], maps: Mapping[str, Path]
) -> list[Picture]:
    """Odds ratios of whole tumours: the same slices in all.

    Parameters
    ----------
    template : SimpleITK.Image
    whole : Path
        Frequency of everybody.
    contrasts : mapping of str to str
        Description by label.
    maps : mapping of str to Path
        By ``<contrast>/<key>``; a contrast without an odds ratio is left out.
    """
    cuts = _cuts(template, {"WT": read_image(whole)})
    return [
        _picture(
            f"contrast-{label}",
            f"Odds ratio of WT, {text}.",
            _ratio_png(read_image(maps[key]), template, cuts, text, "odds ratio", ODDS),
        )
        for label, text in contrasts.items()
        if (key := f"{label}/oddsratio_WT") in maps
    ]


def region_pictures(
    template: sitk.Image, region: Group, maps: Mapping[str, sitk.Image], top: float
) -> list[Picture]:
    """One region's tumours: where they are, their average shape, the deformation around them; the same three slices.

    Parameters
    ----------
    template : SimpleITK.Image
    region : Group
    maps : mapping of str to SimpleITK.Image
        ``frequency_WT``, ``shape``, ``logjacobian_mean`` and ``logjacobian_sd``, as far as there are.
    top : float
        The frequency at the end of the colour bar.
    """
    label, text = region.label, f"{region.name}, {region.people}"
    core = maps.get("shape", maps.get("frequency_WT"))
    masks = [] if core is None else [core > 0.5 * float(to_array(core).max())]
    cuts = choose_cuts(template, masks)
    pictures = []

    def draw(what: str, key: str, title: str, unit: str, **scale: Any) -> None:
        if key in maps:
            known = from_array(np.nan_to_num(to_array(maps[key]), nan=0.0), maps[key])
            png = figures.heat_map(known, template, cuts, title=title, label=unit, **scale)
            nothing = "" if to_array(known).any() else "; withheld everywhere, or empty"
            pictures.append(_picture(f"{label}-{what}", f"{title}: {text}{nothing}.", png))

    draw("frequency", "frequency_WT", "Whole tumours", "share of scans", top=top)
    draw(
        "shape", "shape", "Average shape of whole tumours, on their mean centre", "share of tumours", top=1.0
    )
    if "logjacobian_mean" in maps:
        pictures.append(_jacobian_picture(maps["logjacobian_mean"], template, cuts, f"{label}-"))
    draw("spread", "logjacobian_sd", "Spread of the deformation", "SD of log det J", percent=False)
    return pictures


def statistic_picture(
    template: sitk.Image, label: str, title: str, scale: str, statistic: Path, significant: sitk.Image
) -> Picture:
    """A test's statistic, what is significant outlined: slices through that, or else through what was tested.

    Parameters
    ----------
    template : SimpleITK.Image
    label, title : str
        Of the test; a label of ASCII letters and digits.
    scale : str
        ``z`` or ``t``.
    statistic : Path
        0 where nothing was tested.
    significant : SimpleITK.Image
        Not 0 there.
    """
    values = read_image(statistic)
    found = bool(to_array(significant).any())
    cuts = spread_cuts(template, significant if found else sitk.Abs(values) > 0, SLICES)
    png = figures.signed_map(values, template, cuts, title=title, label=scale, outlined=significant)
    outlined = "yellow: significant" if found else "nothing is significant"
    return _picture(f"test-{label}", f"{title}: {scale} of the test, {outlined}.", png)


def _ratio_png(
    ratio: sitk.Image, template: sitk.Image, cuts: Sequence[Cut], title: str, label: str, limit: float
) -> bytes:
    """A ratio that is NaN where it is not known, over the template."""
    array = to_array(ratio)
    known = from_array((~np.isnan(array)).astype(np.float32), ratio)
    drawn = from_array(np.nan_to_num(array, nan=1.0), ratio)
    return figures.ratio_map(drawn, known, cuts, title=title, label=label, limit=limit, background=template)


def _cuts(template: sitk.Image, maps: Mapping[str, sitk.Image]) -> tuple[Cut, ...]:
    """Slices spread over the extent of the tumours."""
    widest = maps.get("WT", next(iter(maps.values()), None))
    extent = None if widest is None else widest > 0.05 * float(to_array(widest).max())
    return spread_cuts(template, extent, SLICES)


def _region_picture(region: str, values: sitk.Image, template: sitk.Image, cuts: Sequence[Cut]) -> Picture:
    array = to_array(values)
    peak = np.unravel_index(int(array.argmax()), array.shape)
    x, y, z = values.TransformIndexToPhysicalPoint([int(i) for i in peak])
    name = f"{region} ({TEXTS[region]})" if region in TEXTS else region
    where = (
        f"highest {100 * array.max():.1f} % at {-x:.0f}, {-y:.0f}, {z:.0f} mm"
        if array.max() > 0
        else "empty, or withheld everywhere"
    )
    png = figures.heat_map(values, template, cuts, title=f"Frequency: {name}", label="share of scans")
    return _picture(f"frequency-{region}", f"{name}: {where}.", png)


def _coverage_picture(values: sitk.Image, template: sitk.Image, cuts: Sequence[Cut]) -> Picture:
    """A mask, a share or a number of scans, told apart by the values."""
    array = to_array(values)
    share = bool(array.max() <= 1)
    mask = share and bool(np.isin(array, (0, 1)).all())
    label = "covered" if mask else "share of scans" if share else "number of scans"
    png = figures.heat_map(
        values, template, cuts, title="Coverage", label=label, percent=share and not mask, opacity=0.45
    )
    return _picture("coverage", "Coverage: where the scans have data.", png)


def _jacobian_picture(
    values: sitk.Image, template: sitk.Image, cuts: Sequence[Cut], whose: str = ""
) -> Picture:
    ratio = from_array(np.exp(to_array(values)), values)
    png = _ratio_png(ratio, template, cuts, "Mean deformation around the tumours", "det J", STRETCH)
    caption = "Geometric mean of det J around the tumours: red where the template's tissue is larger in the patients."
    return _picture(f"{whose}logjacobian", caption, png)


def _picture(key: str, caption: str, png: bytes) -> Picture:
    return Picture(key, embedded(png), caption, f"{caption} Slices of three planes, {CONVENTION}.")
