"""What the cohort's page says: the flow of scans, the strata, and a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Sequence

import gliomorph

from ...config.settings import Settings
from ...interfaces.derivatives.names import group_names
from ...interfaces.files.text import people
from ...interfaces.group.records import Stratum
from ...interfaces.group.strata.groups import Stratification, contrasts_of
from ...interfaces.reports.group.story import Group, Story, Test, Used
from ...models.regions import REGIONS
from .associations import Associations
from .members import Member, Selection, registration_of
from .regions import Regional

CITATIONS = (
    "Maillard M. Towards the generation of glioblastoma atlases with deep learning methods: tumor segmentation and "
    "metamorphic image registration. PhD thesis, IP Paris, 2023.",
    "Tustison NJ et al. N4ITK: improved N3 bias correction. IEEE Trans Med Imaging 29:1310-1320, 2010.",
    "Avants BB et al. Symmetric diffeomorphic image registration with cross-correlation. Med Image Anal "
    "12:26-41, 2008.",
    "Rohlfing T et al. The SRI24 multichannel atlas of normal adult human brain structure. Hum Brain Mapp "
    "31:798-819, 2010.",
    "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 22:209-212, "
    "1927.",
)
"""Numbered as :func:`methods_text` cites them; those of tests follow."""


def story_of(
    settings: Settings,
    members: Sequence[Member],
    selection: Selection,
    found: Stratification,
    tests: Associations,
    regional: Regional,
) -> Story:
    """All texts of the page.

    Parameters
    ----------
    settings : Settings
    members : sequence of Member
        All scans with outputs.
    selection : Selection
    found : Stratification
        The strata of ``--strata``.
    tests : Associations
    regional : Regional
    """
    count = len(selection.inputs)
    described = {stratum.label: stratum.description for stratum in found.published}
    return Story(
        title=f"Tumour atlas of {count} scan{'s' * (count != 1)} in {settings.processing.template}",
        used=Used(
            version=gliomorph.__version__,
            template=f"{settings.processing.template} at {settings.processing.resolution} mm",
            registration=registration_of(settings.processing.registration[0], selection.inputs),
            scans=count,
            citations=citations_of(tests),
        ),
        warning=settings.atlas.cells.warning(count),
        flow=tuple(selection.flow),
        excluded=tuple(selection.excluded),
        strata=tuple(
            Group(
                label=stratum.label,
                name=stratum.description,
                participants=len(stratum.participants),
                folder=f"tpl-{settings.processing.template}/cohort-{stratum.label}/anat",
            )
            for stratum in found.published
        ),
        contrasts={
            label: f"{described[stratum]} against {described[reference]}"
            for label, stratum, reference in contrasts_of(found.published)
        },
        notices=tuple(notice.text for notice in found.notices),
        methods=methods_text(settings, selection, found.published, tests, regional),
        regions=regional.story(settings.processing.template),
        tests=tuple(
            Test(label=label, facts=tests.results.facts[label], names=names)
            for label, names in tests.names(settings.processing, settings.testing.correction).items()
        ),
        tests_problem=tests.problem,
        pages={member.scan: f"{member.scan}.html" for member in members},
        viewer=group_names(settings.processing.template, settings.processing.resolution, list(REGIONS))[
            "viewer"
        ],
    )


def citations_of(tests: Associations) -> tuple[str, ...]:
    """:data:`CITATIONS` and the references of the tests, each once."""
    further = [text for facts in tests.results.facts.values() for text in facts.references]
    return tuple(dict.fromkeys([*CITATIONS, *further]))


def methods_text(
    settings: Settings,
    selection: Selection,
    strata: Sequence[Stratum],
    tests: Associations,
    regional: Regional,
) -> str:
    """A paragraph with numbers of :func:`citations_of`."""
    sentences = [
        *_sentences_of_atlas(settings, selection, strata),
        *_sentences_of_regions(settings, regional),
        *_sentences_of_tests(tests),
    ]
    return " ".join(sentences)


def _sentences_of_atlas(settings: Settings, selection: Selection, strata: Sequence[Stratum]) -> list[str]:
    registration = registration_of(settings.processing.registration[0], selection.inputs)
    total, valid, passed, *_, included = (count for _, count in selection.flow)
    template = settings.processing.template
    sentences = [
        f"Scans were brought to the template {template}{' [4]' if template == 'SRI24' else ''} at "
        f"{settings.processing.resolution} mm with gliomorph {gliomorph.__version__} [1]: bias correction (N4 [2]), "
        f"affine alignment, and registration by {registration}{' [3]' if registration.startswith('syn') else ''}.",
        f"Of {total} scans, {valid} had a valid registration, {passed} passed the quality gate, and {included} were "
        "used, one of each participant.",
        *_sentences_of_doubts(selection),
        "The frequency of a tumour region at a voxel is the number of participants with the region there, divided by "
        "that of participants whose field of view covers it and whose tumour tells about it, with Wilson's 95 % "
        "interval [5].",
    ]
    if settings.atlas.min_coverage:
        sentences.append(
            f"Voxels that fewer than {settings.atlas.min_coverage:.0%} of them cover were left out."
        )
    if strata:
        described = "; ".join(f"{s.description} ({len(s.participants)})" for s in strata)
        sentences.append(f"Strata: {described}.")
    if settings.atlas.cells.everybody > 1:
        sentences.append(
            f"Frequencies of fewer than {settings.atlas.cells.everybody} participants were withheld."
        )
    elif strata and settings.atlas.cells.strata > 1:
        sentences.append(f"In strata, frequencies of fewer than {settings.atlas.cells.strata} were withheld.")
    return sentences


def _sentences_of_doubts(selection: Selection) -> list[str]:
    left_out, confirmed = len(selection.doubtful), len(selection.confirmed)
    if not left_out + confirmed:
        return []
    return [f"The masks of {left_out + confirmed} scans were in doubt; {confirmed} were confirmed and used."]


def _sentences_of_regions(settings: Settings, regional: Regional) -> list[str]:
    if regional.parcellation is None:
        return []
    regions = [f"{s.description} ({people(len(s.participants))})" for s in regional.found.published]
    return [
        f"Each tumour was assigned to the region of {regional.parcellation.name} in which its centre of mass lies, or, "
        "where that lies in none, that holds most of it; the tumours of a region were averaged in place, and moved "
        f"onto the mean of their centres of mass. Regions with maps: {'; '.join(regions) or 'none'}.",
        *(
            [f"In regions, what fewer than {settings.atlas.cells.strata} participants share was withheld."]
            if settings.atlas.cells.strata > 1
            else []
        ),
    ]


def _sentences_of_tests(tests: Associations) -> list[str]:
    citations = citations_of(tests)
    return [
        f"{facts.sentence().removesuffix('.')} "
        f"[{', '.join(str(citations.index(text) + 1) for text in facts.references)}]."
        for facts in tests.results.facts.values()
    ]
