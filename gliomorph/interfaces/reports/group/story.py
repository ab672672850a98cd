"""What the cohort's page says, beside its maps and tables."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import attrs

from ...files.text import people
from ...group.associations.facts import TestFacts
from ...records import Record


@attrs.frozen(kw_only=True)
class Excluded(Record):
    """A scan that is not in the atlas."""

    scan: str = ""
    stage: str = ""
    cause: str = ""


@attrs.frozen(kw_only=True)
class Group(Record):
    """A stratum or a region that has maps."""

    label: str
    name: str
    """``label``, ``name``: ``name`` is for readers."""
    participants: int
    folder: str
    """Where its maps are: a relative path that is not yet percent-encoded."""

    @property
    def people(self) -> str:
        """The number in words."""
        return people(self.participants)

    @property
    def href(self) -> str:
        """The folder as a link: the colon of ``javascript:`` and the like is encoded."""
        return quote(self.folder, safe="/")


@attrs.frozen(kw_only=True)
class Regions(Record):
    """The parcellation: its name, those regions that have maps, and what to know of them."""

    name: str
    groups: tuple[Group, ...] = ()
    notices: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Test(Record):
    """A voxel-wise test."""

    __test__ = False  # pytest would take the class for a test

    label: str
    facts: TestFacts
    names: Mapping[str, str]
    """Final names of its files by key, relative and not yet percent-encoded."""


@attrs.frozen(kw_only=True)
class Used(Record):
    """What the atlas was made with; the page shows it as JSON, too."""

    version: str
    template: str
    registration: str
    scans: int
    citations: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Story(Record):
    """All texts of the page."""

    title: str
    used: Used
    warning: str = ""
    """What those should know who get the page; empty as a rule."""
    flow: tuple[tuple[str, int], ...] = ()
    """How many scans are left after each step."""
    excluded: tuple[Excluded, ...] = ()
    strata: tuple[Group, ...] = ()
    contrasts: Mapping[str, str] = attrs.field(factory=dict)
    """Description of each contrast by its label."""
    notices: tuple[str, ...] = ()
    """What to know of the strata."""
    methods: str = ""
    """For the methods section of a paper."""
    regions: Regions | None = None
    """None without a parcellation."""
    tests: tuple[Test, ...] = ()
    tests_problem: str = ""
    """Why there are none; empty if nothing went wrong."""
    pages: Mapping[str, str] = attrs.field(factory=dict)
    """Scan (``sub-X`` or ``sub-X_ses-Y``) to its page, a relative path that is not yet percent-encoded."""
    viewer: str = ""
    """Where the interactive viewer goes, in the same way."""
