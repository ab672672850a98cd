"""Records that the stages of the group level hand to one another, through Pydra's ports as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ...models.small_cells import SmallCells
from ..records import Record


def participant_of(scan: str) -> str:
    """The participant of a scan, ``sub-X`` or ``sub-X_ses-Y``, without ``sub-``."""
    return scan.split("_")[0].removeprefix("sub-")


@attrs.frozen(kw_only=True)
class GroupScan(Record):
    """One scan's published files."""

    label: str
    """``sub-X`` or ``sub-X_ses-Y``."""
    kind: str
    """``dseg``: the tumour's labels count for every region; ``mask``: for WT only."""
    key: str
    """Changes whenever the files do."""
    files: Mapping[str, Path]
    """As :func:`~gliomorph.interfaces.group.atlas.scan.read_scan` takes them."""

    @property
    def participant(self) -> str:
        """Without ``sub-``."""
        return participant_of(self.label)


@attrs.frozen(kw_only=True)
class Stratum(Record):
    """Participants of one bin, or of one region."""

    label: str
    """The label in ``cohort-<label>``: ASCII letters and digits, unique even where capitals do not count."""
    column: str
    """A column of ``participants.tsv``; for regions :data:`~gliomorph.interfaces.group.strata.groups.BY_PLACE`."""
    description: str
    """For readers: ``sex = 'F'``, ``40 ≤ age < 60``."""
    participants: tuple[str, ...]
    """Sorted labels without ``sub-``; those with a scan only."""
    withheld: str = ""
    """Why no map of it may be published; empty where one may."""


@attrs.frozen(kw_only=True)
class AtlasInputs(Record):
    """What the atlas is made of."""

    scans: tuple[GroupScan, ...]
    """One scan of each participant, in any order."""
    strata: tuple[Stratum, ...]
    """The strata to be published."""
    template: Path
    template_brain: Path
    """``template``, ``template_brain``: On the template's full grid."""
    cells: SmallCells
    """How few participants a map may be of."""
    min_coverage: float
    """Share of the participants whose field of view has to hold a voxel."""
    code: str
    """Hash of what computes: kept sums of other code are not taken."""
    kept: str = ""
    """Where the sums are kept for the next time; empty for nowhere."""
    places: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    """By scan, further columns of its row, the same of all scans; none without a parcellation."""
    parcellation: Mapping[str, str] = attrs.field(factory=dict)
    """What the sidecars of regions say of it; none without one."""


@attrs.frozen(kw_only=True)
class MapFacts(Record):
    """What a map shows, and what it is made of."""

    content: Mapping[str, Any]
    """What its sidecar says of it, ``SampleSize`` among others."""
    files: tuple[str, ...]
    """Which of the scans' files: keys of :attr:`GroupScan.files`."""
    kinds: tuple[str, ...]
    """Kinds of tumours that count."""
