"""What a registration network is trained on: pairs of a brain with a tumour and one template, on its working grid.

The brains are affinely aligned with the template and have its intensities, as the pipeline's moving images. They are
patients of the data engine, or the scans of a folder that ``gliomorph`` has written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
import SimpleITK as sitk
import torch
from safetensors import safe_open
from torch import Tensor

from ...interfaces.datasets.simulate import anatomy_of
from ...interfaces.datasets.template_files import on_working_grid
from ...interfaces.datasets.templates import Template
from ...interfaces.files.images import to_array
from ...models.histograms import landmarks, mapped
from ...models.registration.pair import Pair
from ...models.synthesis.engine import DataEngine
from ..scans import PARTS, example_seed

MODALITY = "T1w"
"""That registration networks read."""
MISALIGNMENT = 0.25
"""Of simulated patients: what an affine alignment leaves over, 2 degrees and 3 mm at the brain's surface."""
TYPICAL = 0.8
"""Share of the simulated patients with the usual contrast: others may not be matched to the template at all."""


@attrs.frozen(kw_only=True, eq=False)
class Target:
    """A template as the fixed image of every pair; made by :func:`target_of`."""

    template: Template
    image: sitk.Image = attrs.field(repr=False)
    brain: sitk.Image = attrs.field(repr=False)
    """``image``, ``brain``: The template and its brain mask on the working grid."""
    fixed: Tensor = attrs.field(repr=False)
    inside: Tensor = attrs.field(repr=False)
    """``fixed``, ``inside``: The same, (1, 1, X, Y, Z), float32."""
    landmarks: np.ndarray = attrs.field(repr=False)
    """Quantiles of its brain, for the histogram matching."""

    @property
    def sha256(self) -> str:
        """Of image and brain mask: what tells one template from another of that name."""
        content = self.fixed.numpy().tobytes() + self.inside.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()

    def pair(self, moving: Tensor, mask: Tensor) -> Pair:
        """A brain (X, Y, Z), intensities in [0, 1], with its tumour mask, to be registered to the template."""
        return Pair(
            moving=moving[None, None],
            fixed=self.fixed.to(moving.device),
            mask=mask[None, None],
            brain=self.inside.to(moving.device),
            spacing_mm=tuple(self.image.GetSpacing()),
        )

    def matched_pair(self, image: Tensor, tumor: Tensor) -> Pair:
        """A brain (X, Y, Z), 0 outside, given the template's intensities by the tissue outside its tumour (bool)."""
        voxels = image.cpu().numpy()
        brain = voxels > 0
        source = landmarks(voxels[brain & ~tumor.cpu().numpy()])
        matched = mapped(voxels, brain, source, self.landmarks)
        return self.pair(torch.from_numpy(matched).to(image.device), tumor.float())


def target_of(template: Template) -> Target:
    """The template on the working grid of the pipeline."""
    image, brain = on_working_grid(template)
    voxels, inside = to_array(image), to_array(brain) > 0

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None, None]

    return Target(
        template=template,
        image=image,
        brain=brain,
        fixed=tensor(voxels),
        inside=tensor(inside),
        landmarks=landmarks(voxels[inside]),
    )


class Pairs(Protocol):
    """Pairs by number; an epoch's number makes them vary."""

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int) -> Pair:
        """A batch of one."""
        ...


def held_out(pairs: Pairs) -> Iterator[Pair]:
    """All of them, as they are in every epoch."""
    return (pairs.read(index, 0) for index in range(len(pairs)))


def together(pairs: Sequence[Pair]) -> Pair:
    """One batch of several pairs on one grid."""
    return Pair(
        moving=torch.cat([pair.moving for pair in pairs]),
        fixed=torch.cat([pair.fixed for pair in pairs]),
        mask=torch.cat([pair.mask for pair in pairs]),
        brain=torch.cat([pair.brain for pair in pairs]),
        spacing_mm=pairs[0].spacing_mm,
    )


@attrs.frozen(kw_only=True)
class SimulatedPairs:
    """Patients of the data engine."""

    engine: DataEngine
    """The engine that :func:`engine_on` gives."""
    target: Target
    count: int
    seed: int
    part: int
    """One of :data:`~gliomorph.training.scans.PARTS`: no patient is in two of them."""

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> Pair:
        """Training patients are new in every epoch; validation and test patients stay."""
        round_ = epoch if PARTS[self.part] == "train" else 0
        example = self.engine.draw(example_seed(self.seed, self.part, round_, index))
        orientation = Orientation.of(self.target.image)
        image, labels = (orientation.from_ras(one) for one in (example.images[0], example.labels))
        return self.target.matched_pair(image, labels > 0)


@attrs.frozen(kw_only=True)
class InTurn:
    """Pairs of several sources, one of each in turn."""

    sources: tuple[Pairs, ...]
    count: int
    """Number of all together; each source has its share, rounded up."""

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> Pair:
        """The pair of the source whose turn it is."""
        round_, source = divmod(index, len(self.sources))
        return self.sources[source].read(round_, epoch)


@attrs.frozen
class Orientation:
    """How an image's voxel axes follow from those of the same image turned to right, anterior, superior."""

    order: tuple[int, ...]
    """Its axes, in the order in which they are there."""
    flipped: tuple[int, ...]
    """Axes there that run the other way."""

    @classmethod
    def of(cls, image: sitk.Image) -> Orientation:
        """Of an image."""
        turn = sitk.DICOMOrientImageFilter()
        turn.SetDesiredCoordinateOrientation("RAS")
        turn.Execute(image)
        flipped = tuple(axis for axis, flip in enumerate(turn.GetFlipAxes()) if flip)
        return cls(order=tuple(turn.GetPermuteOrder()), flipped=flipped)

    def from_ras(self, voxels: Tensor) -> Tensor:
        """Voxels (X, Y, Z) of the turned image in the order of the image itself."""
        back = [self.order.index(axis) for axis in range(3)]
        return voxels.flip(self.flipped).permute(back).contiguous()


def engine_on(target: Target, device: str) -> DataEngine:
    """The data engine on the template's anatomy, whose heads lie on the working grid (turned to RAS)."""

    def turned(image: sitk.Image, interpolator: int) -> sitk.Image:
        cropped = sitk.Resample(image, target.image, sitk.Transform(), interpolator)
        return sitk.DICOMOrient(cropped, "RAS")

    template = target.template
    anatomy = anatomy_of(
        attrs.evolve(
            template,
            image=turned(template.image, sitk.sitkLinear),
            brain_mask=turned(template.brain_mask, sitk.sitkNearestNeighbor),
            tissues={name: turned(tissue, sitk.sitkLinear) for name, tissue in template.tissues.items()},
        )
    )
    middle = [(side - 1) / 2 for side in anatomy.shape]
    return DataEngine(anatomy, (MODALITY,), anatomy.shape, device, middle, MISALIGNMENT, TYPICAL)


@attrs.frozen(kw_only=True)
class PreparedPairs:
    """Scans of a finished run."""

    files: tuple[Path, ...]
    """As :func:`~.aligned_scans.prepare_pairs` leaves them."""
    target: Target

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int, epoch: int) -> Pair:
        """The scan, the same in every epoch."""
        with safe_open(self.files[index], framework="pt") as file:
            return self.target.pair(file.get_tensor("moving").float(), file.get_tensor("mask").float())
