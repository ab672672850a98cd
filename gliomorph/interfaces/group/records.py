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
    """One scan's published files.

    Attributes
    ----------
    label : str
        ``sub-X`` or ``sub-X_ses-Y``.
    kind : str
        ``dseg``: the tumour's labels count for every region; ``mask``: for WT only.
    key : str
        Changes whenever the files do.
    files : mapping of str to Path
        As :func:`~gliomorph.interfaces.group.atlas.scan.read_scan` takes them.
    """

    label: str
    kind: str
    key: str
    files: Mapping[str, Path]

    @property
    def participant(self) -> str:
        """Without ``sub-``."""
        return participant_of(self.label)


@attrs.frozen(kw_only=True)
class Stratum(Record):
    """Participants of one bin, or of one region.

    Attributes
    ----------
    label : str
        Of ``cohort-<label>``: ASCII letters and digits, unique even where capitals do not count.
    column : str
        Of ``participants.tsv``; of regions :data:`~gliomorph.interfaces.group.strata.groups.BY_PLACE`.
    description : str
        For readers: ``sex = 'F'``, ``40 ≤ age < 60``.
    participants : tuple of str
        Sorted labels without ``sub-``; those with a scan only.
    withheld : str
        Why no map of it may be published; empty where one may.
    """

    label: str
    column: str
    description: str
    participants: tuple[str, ...]
    withheld: str = ""


@attrs.frozen(kw_only=True)
class AtlasInputs(Record):
    """What the atlas is made of.

    Attributes
    ----------
    scans : tuple of GroupScan
        One of each participant, in any order.
    strata : tuple of Stratum
        Those to be published.
    template, template_brain : Path
        On the template's full grid.
    cells : SmallCells
        How few participants a map may be of.
    min_coverage : float
        Share of the participants whose field of view has to hold a voxel.
    code : str
        Hash of what computes: kept sums of other code are not taken.
    kept : str
        Where the sums are kept for the next time; empty for nowhere.
    places : mapping of str to mapping
        By scan, further columns of its row, the same of all scans; none without a parcellation.
    parcellation : mapping of str to str
        What the sidecars of regions say of it; none without one.
    """

    scans: tuple[GroupScan, ...]
    strata: tuple[Stratum, ...]
    template: Path
    template_brain: Path
    cells: SmallCells
    min_coverage: float
    code: str
    kept: str = ""
    places: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    parcellation: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class MapFacts(Record):
    """What a map shows, and what it is made of.

    Attributes
    ----------
    content : mapping
        What its sidecar says of it, ``SampleSize`` among others.
    files : tuple of str
        Which of the scans' files: keys of :attr:`GroupScan.files`.
    kinds : tuple of str
        Kinds of tumours that count.
    """

    content: Mapping[str, Any]
    files: tuple[str, ...]
    kinds: tuple[str, ...]
