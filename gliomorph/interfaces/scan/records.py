"""Records that the stages of a scan hand to one another, and to its page and its publishing.

They lie apart from the stages, for the code of a page depends on them and not on what computes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from ..networks.files import SHIPPED_BRAIN
from ..records import Ports, Record

SHRINKAGE = 0.7
"""A tumour that keeps less than this share of its volume is flagged."""


def out_of_atlas(*scans: str) -> str:
    """What becomes of scans with doubts, and the way out."""
    return f"kept out of the atlas; look at the page, and let it in with --confirm {' '.join(scans)}"


@attrs.frozen(kw_only=True)
class Remarks(Record):
    """What a reader must know of a scan."""

    notices: list[str] = attrs.field(factory=list)
    """Choices and fallbacks, for the page alone."""
    flags: list[str] = attrs.field(factory=list)
    """What can change the result: it is in the summary and in the quality table, too."""
    doubts: list[str] = attrs.field(factory=list)
    """Why the mask may not be the patient's: such a scan is kept out of the atlas until a user confirms it."""

    @classmethod
    def of(cls, *sources: Remarks) -> Remarks:
        """The remarks of several sources, each once."""
        return Remarks(
            **{
                field.name: list(
                    dict.fromkeys(text for found in sources for text in getattr(found, field.name))
                )
                for field in attrs.fields(Remarks)
            }
        )


@attrs.frozen(kw_only=True)
class Reading(Record):
    """What a user says of headers that say nothing, or another thing than is true."""

    orientation: str = ""
    """Directions of the voxels' axes, such as ``RAS``, where a header has no orientation; else it is refused."""
    trust_voxels: bool = False
    """A mask with as many voxels as its image lies on them, whatever its header says."""


AS_THEY_STAND = Reading()


EXTRACTIONS = ("auto", "shipped", "synthstrip", "hd-bet")
"""Values of :attr:`Extraction.tool`."""


@attrs.frozen(kw_only=True)
class Extraction(Record):
    """What makes the brain mask of a head."""

    tool: str = "auto"
    """``shipped``, ``synthstrip`` or ``hd-bet``, which make it also where a mask is given; ``auto``: the given mask,
    else as ``shipped``."""
    weights: Path | None = SHIPPED_BRAIN
    """safetensors of the networks of ``auto`` and ``shipped``; None where they are not needed."""
    program: str = ""
    """sha256 of the installed program or version of the package, for the keys of results."""


WHERE_NONE_IS_GIVEN = Extraction()


@attrs.frozen(kw_only=True)
class BrainInfo(Remarks):
    """How a brain mask was made."""

    method: str
    """``given``, ``skull-stripped input``, ``shipped``, ``synthstrip`` or ``hd-bet``."""
    volume_ml: float
    weights: str | None = None
    weights_sha256: str | None = None
    """``weights``, ``weights_sha256``: Where the shipped networks made it: their file."""

    @property
    def made(self) -> bool:
        """Whether the image was a head whose brain networks or a tool extracted."""
        return self.method in EXTRACTIONS

    def sidecar(self) -> dict[str, Any]:
        """What the JSON beside the extracted brain says of it; nothing where it was given or found."""
        names = {"Method": self.method, "Weights": self.weights, "WeightsSHA256": self.weights_sha256}
        facts = {key: value for key, value in names.items() if value is not None}
        return {"BrainExtraction": facts} if self.made else {}


@attrs.frozen(kw_only=True)
class BiasInfo(Record):
    """Range of the multiplicative bias field inside the brain."""

    bias_min: float
    bias_max: float


@attrs.frozen(kw_only=True)
class TumorInfo(Remarks):
    """What is known of a tumour's labels."""

    kind: str
    """``mask``: the whole tumour only; ``dseg``: its BraTS sub-regions."""
    frame: str
    """In which the segmentation was found: ``world``, ``template``, or that of a ``network``."""
    volume_ml: float
    share_of_brain: float
    labels: list[int]
    """Values that occur."""
    device: str | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    """``device``, ``weights``, ``weights_sha256``: Where a network segmented: on what, by which file."""


@attrs.frozen(kw_only=True)
class AlignInfo(Record):
    """How an alignment went."""

    in_template_frame: bool
    """The header already was the template's frame."""
    brain_dice_before: float
    brain_dice: float
    """``brain_dice_before``, ``brain_dice``: Overlap with the template's brain."""
    scale: float
    """Cube root of the affine's determinant."""


@attrs.frozen(kw_only=True)
class CoregisterInfo(Remarks):
    """How another image of the session was brought to the primary one."""

    moved_mm: float
    """How far the rigid map moves a point of the brain at most; 0 where the headers' frames were kept."""
    information_before: float
    information: float
    """``information_before``, ``information``: Mutual information of both images in and around the brain, in nats."""
    agreement: float = 0.0
    """``information`` over the smaller of both images' entropies: 0 for images that have nothing to do with each
    other."""
    share_of_brain: float
    """Part of the brain that the image shows."""


@attrs.frozen(kw_only=True)
class FurtherImage(Remarks):
    """Another image of the session as later stages read it: on the primary image's grid, like the primary itself."""

    name: str
    """T1w, T1ce, T2w or FLAIR."""
    file: str
    """Name of its image in the dataset."""
    image: Path | None = None
    """Bias field removed, brain only: 0 outside the primary's brain mask and where the image shows nothing; None where
    the image is left out, as the flags say."""
    moved: Path | None = None
    """As the scanner gave it, skull and all."""
    transform: Path | None = None
    inverse: Path | None = None
    """``transform``, ``inverse``: Rigid ITK transforms; ``transform`` maps points of the primary image to this."""
    coregistration: CoregisterInfo | None = None
    bias: BiasInfo | None = None

    def record(self) -> dict[str, Any]:
        """What the scan's record and page say of it."""
        facts: dict[str, Any] = {"modality": self.name, "file": self.file, "used": self.image is not None}
        if self.coregistration:
            names = ("moved_mm", "agreement", "share_of_brain")
            facts |= {name: getattr(self.coregistration, name) for name in names}
        return facts | {"remarks": [*self.flags, *self.notices]}


@attrs.frozen(kw_only=True)
class CarriedImage(Record):
    """A further image in template space, by one registration method."""

    name: str
    method: str
    image: Path
    """On the template's full grid."""


@attrs.frozen(kw_only=True)
class MatchInfo(Record):
    """The map's landmarks: quantiles of the image's brain, and those of the template's."""

    source: list[float]
    target: list[float]


@attrs.frozen(kw_only=True)
class Modality(Record):
    """A further image of the session by which a scan is registered."""

    name: str
    """T1w, T1ce, T2w or FLAIR."""
    image: Path
    """As it lies in the dataset."""
    like: str
    fixed: Path
    """``like``, ``fixed``: Modality and file of the template's image, on the working grid, that it is compared with."""


@attrs.frozen(kw_only=True)
class Channel(Remarks):
    """A further modality, ready for a registration."""

    name: str
    """T1w, T1ce, T2w or FLAIR."""
    file: str
    """Name of its image in the dataset."""
    like: str
    """Modality of the template's image."""
    reversed: bool
    """Whether it was matched to it from bright to dark."""
    coregistration: CoregisterInfo | None
    """None where the image itself is left out."""
    moving: Path | None
    """Matched, on the working grid; None where it is left out, as the flags say."""
    fixed: Path
    """The template's image there."""

    def record(self) -> dict[str, Any]:
        """What the registration's record and the page say of it."""
        names = ("moved_mm", "share_of_brain")
        return {
            "modality": self.name,
            "file": self.file,
            "template": self.like,
            "reversed": self.reversed,
            **({name: getattr(self.coregistration, name) for name in names} if self.coregistration else {}),
        }


@attrs.frozen(kw_only=True)
class Registered(Ports):
    """What :func:`~gliomorph.interfaces.scan.register.register` gives."""

    forward: Path
    inverse: Path
    """``forward``, ``inverse``: ITK transforms within the working frame; ``forward`` maps template points."""
    appearance: Path | None
    """Residual on the working grid, metamorphic methods only."""
    used: Path
    """JSON of the registration."""


@attrs.frozen(kw_only=True)
class WarpedFiles(Record):
    """Files of one method, images on the template's full grid."""

    used: Path
    """JSON of the registration."""
    warped: Path
    """The native image resampled by ``forward_xfm`` (linear)."""
    mask: Path
    """Whole tumour, uint8."""
    dseg: Path
    """Labels, uint8."""
    coverage: Path
    """uint8: 1 where the template's voxel lies in the native field of view."""
    forward_xfm: Path
    """Template points to native points (``affine ∘ forward``): resamples the native image."""
    inverse_xfm: Path
    """Native points to template points."""
    displacement: Path
    """``forward`` minus identity, vector image (LPS, mm)."""
    jacobian: Path
    """Its det J, float32; exactly 1 where the displacement is 0. Above 1 a region is larger in the subject."""
    probability_WT: Path | None = None
    probability_TC: Path | None = None
    probability_ET: Path | None = None
    """``probability_WT``, ``probability_TC``, ``probability_ET``: float32 (linear), where a network segmented."""
    residual: Path | None = None
    """The appearance residual, metamorphic methods only."""
    healthy: Path | None = None
    """The matched image resampled plus the residual, in the template's intensities [0, 1]."""

    def registration(self) -> dict[str, Any]:
        """What the registration recorded: method, device, seconds, peak memory, seed, settings, weights…"""
        record: dict[str, Any] = json.loads(self.used.read_text())
        return record


@attrs.frozen(kw_only=True)
class MethodFiles(WarpedFiles):
    """The same with ``quality``, the JSON of :func:`~gliomorph.interfaces.scan.measure.measure`."""

    quality: Path

    def row(self) -> dict[str, Any]:
        """The method's row of ``group_quality.tsv``."""
        measures: dict[str, Any] = json.loads(self.quality.read_text())
        return measures
