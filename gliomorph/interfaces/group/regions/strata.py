"""The regions of a parcellation as groups of participants: those whose tumour belongs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ....models.atlas import Place
from ....models.small_cells import EVERYBODY, SmallCells
from ...files.text import listed, people, quoted
from ..records import Stratum
from ..strata.bins import MOST_CATEGORIES, Finding
from ..strata.groups import BY_PLACE, Stratification, withheld_notices, withhold
from .label_map import Parcel

PREFIX = "region"
"""What the labels of regions begin with, so that no other stratum is taken for one."""


def stratify_by_place(
    places: Mapping[str, Place], parcels: Sequence[Parcel], cells: SmallCells
) -> Stratification:
    """Every participant in the region that its tumour belongs to, or in none.

    Parameters
    ----------
    places : mapping of str to Place
        By participant without ``sub-``: a region, 1 to n, or 0 for none.
    parcels : sequence of Parcel
        The n regions.
    cells : SmallCells
        Decides, by :func:`~gliomorph.interfaces.group.strata.groups.withhold`, which regions are published.

    Returns
    -------
    stratification : Stratification
        A stratum for each region, in the parcellation's order; no errors. Its notices say who is in no region and
        which regions with participants have no maps.
    """
    inside: list[list[str]] = [[] for _ in range(len(parcels) + 1)]
    for participant, place in sorted(places.items()):
        inside[place.region].append(participant)
    strata = withhold(
        [
            Stratum(
                label=f"{PREFIX}{parcel.label}",
                column=BY_PLACE,
                description=f"tumour in {quoted(parcel.name)}",
                participants=tuple(names),
            )
            for parcel, names in zip(parcels, inside[1:], strict=True)
        ],
        len(places),
        cells,
        alone=True,
    )
    strata = _at_most(strata)
    notices = withheld_notices(strata)
    if nowhere := inside[0]:
        text = f"{people(len(nowhere))} in no region, without a tumour or with one outside of all: {listed(nowhere)}"
        notices.insert(
            0, Finding(kind="not assigned", text=text, column=BY_PLACE, participants=tuple(nowhere))
        )
    return Stratification(strata=tuple(strata), notices=tuple(notices))


def _at_most(strata: Sequence[Stratum]) -> list[Stratum]:
    """The largest of those to be published: each holds maps in memory."""
    shown = sorted(
        (s for s in strata if not s.withheld), key=lambda s: (-len(s.participants), strata.index(s))
    )
    reason = f"{MOST_CATEGORIES} regions with more participants have theirs"
    beyond = {s.label for s in shown[MOST_CATEGORIES:]}
    return [attrs.evolve(s, withheld=reason) if s.label in beyond else s for s in strata]


def collisions(regions: Sequence[Stratum], strata: Sequence[Stratum]) -> list[str]:
    """Labels of regions that other strata have, or everybody, where capitals do not count."""
    taken = {EVERYBODY, *(stratum.label.casefold() for stratum in strata)}
    return [region.label for region in regions if region.label.casefold() in taken]
