"""The two sides of a pair in memory: read, compared in linear registration, matched in their intensities."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ...models.histograms import landmarks, mapped
from ..files.images import ImageError, from_array, read_image, require_same_grid, to_array
from ..files.masks import brain_with_rim, foreground
from ..registration.ants import RIGID_OPTIONS, pyramid, register_ants

LINEAR = ("rigid", "affine")
BRIGHT = 0.995
"""Quantile of the fixed brain that becomes 1."""
FEWEST = 1000
"""Brain voxels outside the lesion that a comparison needs."""


@attrs.frozen(kw_only=True)
class Side:
    """An image and its masks on one grid."""

    name: str
    """For errors."""
    image: sitk.Image = attrs.field(repr=False)
    brain: sitk.Image = attrs.field(repr=False)
    lesion: sitk.Image = attrs.field(repr=False)
    """``brain``, ``lesion``: uint8 masks."""

    @property
    def compared(self) -> np.ndarray:
        """The brain without the lesion."""
        inside: np.ndarray = (to_array(self.brain) > 0) & (to_array(self.lesion) == 0)
        return inside

    @property
    def levels(self) -> np.ndarray:
        """Quantiles of the intensities there."""
        return landmarks(to_array(self.image)[self.compared])

    def on(self, grid: sitk.Image, transform: sitk.Transform) -> Side:
        """The same on another grid; the transform maps its points to points of this side."""

        def moved(mask: sitk.Image) -> sitk.Image:
            share = sitk.Resample(sitk.Cast(mask, sitk.sitkFloat32), grid, transform, sitk.sitkLinear)
            return sitk.Cast(share >= 0.5, sitk.sitkUInt8)

        image = sitk.Resample(self.image, grid, transform, sitk.sitkLinear)
        return attrs.evolve(self, image=image, brain=moved(self.brain), lesion=moved(self.lesion))


def read_side(image: Path, brain: Path | None, lesion: Path | None) -> Side:
    """A side from its files.

    Raises
    ------
    ImageError
        A file that cannot be read or lies on another grid than the image; no brain to speak of outside the lesion.
    """
    picture = read_image(image)
    mask = read_image(brain, sitk.sitkUInt8) > 0 if brain else foreground(picture)
    left_out = read_image(lesion, sitk.sitkUInt8) > 0 if lesion else mask * 0
    masks = {path.name: found for path, found in ((brain, mask), (lesion, left_out)) if path}
    require_same_grid(**{image.name: picture, **masks})
    side = Side(name=image.name, image=picture, brain=mask, lesion=left_out)
    if (count := int(side.compared.sum())) < FEWEST:
        raise ImageError(
            f"{image.name}: at least {FEWEST} brain voxels outside the lesion are required to compare, found {count}"
        )
    return side


def linear_map(moving: Side, fixed: Side, kind: str, seed: int) -> sitk.Transform:
    """The rigid or affine map from fixed points to moving points (ANTs, mutual information), both lesions left out.

    Parameters
    ----------
    moving, fixed : Side
        Anywhere in space: centres of mass are laid upon each other first.
    kind : str
        One of :data:`LINEAR`.
    seed : int
        Of ANTs' sampling.
    """
    masks = {
        "fixed_mask": sitk.And(brain_with_rim(fixed.brain), sitk.Cast(fixed.lesion == 0, sitk.sitkUInt8)),
        # the background stays, or a brain too small would cost nothing
        "moving_mask": sitk.Cast(moving.lesion == 0, sitk.sitkUInt8),
    }
    start = None
    for stage in LINEAR[: LINEAR.index(kind) + 1]:
        files = register_ants(
            fixed.image,
            moving.image,
            stage.capitalize(),
            seed=seed,
            initial_transform=start,
            **masks,
            **pyramid(fixed.image),
            **RIGID_OPTIONS,
        )
        start = files["fwdtransforms"][0]
    return sitk.ReadTransform(start)


def matched(moving: Side, fixed: Side) -> tuple[Side, Side]:
    """Both sides with the fixed image's intensities, its :data:`BRIGHT` quantile being 1 and all above it, too."""
    levels = fixed.levels
    unit = np.minimum(levels / np.quantile(to_array(fixed.image)[fixed.compared], BRIGHT), 1)
    return _through(moving, moving.levels, unit), _through(fixed, levels, unit)


def _through(side: Side, source: np.ndarray, target: np.ndarray) -> Side:
    voxels = mapped(to_array(side.image), to_array(side.brain) > 0, source, target)
    return attrs.evolve(side, image=from_array(voxels, side.image))
