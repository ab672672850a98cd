"""What the cohort's page tells: the flow of scans, the strata, and a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gliomorph

from ...config.settings import Settings
from ...interfaces.files.text import people
from ...interfaces.group.associations.facts import sentence
from ...interfaces.group.strata.bins import Finding
from ...interfaces.group.strata.groups import contrasts_of
from .associations import Associations
from .members import Selection

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
    selection: Selection,
    strata: Sequence[Mapping[str, Any]],
    notices: Sequence[Finding],
    registration: str,
    tests: Associations,
    regions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The page's story, as :func:`~gliomorph.interfaces.reports.group.stage.cohort_page` takes it.

    Parameters
    ----------
    settings : Settings
    selection : Selection
    strata : sequence of mappings
        Of columns, as the atlas' stage takes them.
    notices : sequence of Finding
    registration : str
        In words.
    tests : Associations
    regions : mapping, optional
        As :meth:`~.regional.Regional.told` gives them.
    """
    described = {stratum["label"]: stratum["description"] for stratum in strata}
    return {
        "warning": settings.atlas.cells.warning(len(selection.inputs)),
        "flow": [list(step) for step in selection.flow],
        "strata": [
            {
                "label": stratum["label"],
                "description": stratum["description"],
                "people": people(len(stratum["scans"])),
                "folder": f"tpl-{settings.processing.template}/cohort-{stratum['label']}/anat",
            }
            for stratum in strata
        ],
        "contrasts": [
            {"label": label, "description": f"{described[stratum]} against {described[reference]}"}
            for label, stratum, reference in contrasts_of((s["column"], s["label"]) for s in strata)
        ],
        "notices": [notice.text for notice in notices],
        "methods": " ".join(
            [
                methods_text(settings, selection, strata, registration),
                *_sentences_of_regions(settings, regions or {}),
                *_sentences_of_tests(tests),
            ]
        ),
        "regions": dict(regions or {}),
        "tests": tests_told(settings, tests),
        "tests_problem": tests.problem,
    }


def tests_told(settings: Settings, tests: Associations) -> list[dict[str, Any]]:
    """The tests, as :func:`~gliomorph.interfaces.reports.group.associations.sections_of_tests` takes them."""
    names = tests.names(settings)
    return [
        {
            "label": label,
            "facts": facts,
            "names": {
                key.removeprefix(f"{label}/"): name
                for key, name in names.items()
                if key.startswith(f"{label}/")
            },
        }
        for label, facts in tests.of_p().items()
    ]


def citations_of(tests: Associations) -> list[str]:
    """:data:`CITATIONS` and the references of the tests, each once."""
    further = [text for facts in tests.of_p().values() for text in facts["References"]]
    return list(dict.fromkeys([*CITATIONS, *further]))


def _sentences_of_regions(settings: Settings, regions: Mapping[str, Any]) -> list[str]:
    if not regions:
        return []
    told = "; ".join(f"{region['description']} ({region['people']})" for region in regions["regions"])
    return [
        f"Each tumour was assigned to the region of {regions['name']} in which its centre of mass lies, or, where that "
        "lies in none, that holds most of it; the tumours of a region were averaged in place, and moved onto the mean "
        f"of their centres of mass. Regions with maps: {told or 'none'}.",
        *(
            [f"In regions, what fewer than {settings.atlas.cells.strata} participants share was withheld."]
            if settings.atlas.cells.strata > 1
            else []
        ),
    ]


def _sentences_of_tests(tests: Associations) -> list[str]:
    citations = citations_of(tests)
    return [
        f"{sentence(facts).removesuffix('.')} "
        f"[{', '.join(str(citations.index(text) + 1) for text in facts['References'])}]."
        for facts in tests.of_p().values()
    ]


def methods_text(
    settings: Settings, selection: Selection, strata: Sequence[Mapping[str, Any]], registration: str
) -> str:
    """A paragraph with numbers of :data:`CITATIONS`."""
    template = settings.processing.template
    (_, total), (_, valid), (_, passed), (_, included) = selection.flow
    sentences = [
        f"Scans were brought to the template {template}{' [4]' if template == 'SRI24' else ''} at "
        f"{settings.processing.resolution} mm with gliomorph {gliomorph.__version__} [1]: bias correction (N4 [2]), "
        f"affine alignment, and registration by {registration}{' [3]' if registration.startswith('syn') else ''}.",
        f"Of {total} scans, {valid} had a valid registration, {passed} passed the quality gate, and {included} were "
        "used, one of each participant.",
        "The frequency of a tumour region at a voxel is the number of participants with the region there, divided by "
        "that of participants whose field of view covers it and whose tumour tells about it, with Wilson's 95 % "
        "interval [5].",
    ]
    if settings.atlas.min_coverage:
        sentences.append(
            f"Voxels that fewer than {settings.atlas.min_coverage:.0%} of them cover were left out."
        )
    if strata:
        told = "; ".join(f"{s['description']} ({len(s['scans'])})" for s in strata)
        sentences.append(f"Strata: {told}.")
    if settings.atlas.cells.everybody > 1:
        sentences.append(
            f"Frequencies of fewer than {settings.atlas.cells.everybody} participants were withheld."
        )
    elif strata and settings.atlas.cells.strata > 1:
        sentences.append(f"In strata, frequencies of fewer than {settings.atlas.cells.strata} were withheld.")
    return " ".join(sentences)
