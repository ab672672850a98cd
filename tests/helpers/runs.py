"""Whole runs of the command on the cohorts of :mod:`cohorts`: what they leave, and what they should leave."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import attrs
import cohorts
from cohorts import Answer, Place

METHODS = {
    "affine": "affine",
    "syn-cfm": "syncfm",
    "metamorphosis": "metamorphosis",
    "metamorph-r": "metamorphr",
}
NETWORK = "network.safetensors"
REGIONS = ("ET", "NCR", "ED", "TC", "WT")


@attrs.frozen(kw_only=True)
class Run:
    """A run and the folders as it left them.

    Attributes
    ----------
    place : Place
    answer : Answer
    out : Path
        A copy of the output folder.
    before, after : dict
        Listings of the output folder, without logs.
    """

    place: Place
    answer: Answer
    out: Path
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def executed(self) -> int:
        """Stages that ran."""
        return self.place.executed(self.answer.started)

    def changed(self) -> set[str]:
        """Files written by this run, new ones included."""
        return {name for name, value in self.after.items() if self.before.get(name) != value}


def ran(place: Place, *options: str, here: bool = False, **more: Any) -> Run:
    """Run, in this process if wanted, and keep a copy of the outputs; folders that must stay empty have to be so."""
    before = cohorts.outputs(place.out) if place.out.exists() else {}
    answer = (place.run_here if here else place.run)(*options, **more)
    copy = place.root / f"copy-{len(list(place.root.glob('copy-*')))}"
    shutil.copytree(place.out, copy)
    return Run(place=place, answer=answer, out=copy, before=before, after=cohorts.outputs(place.out))


def relocated(run: Run, folder: Path) -> Place:
    """The same data elsewhere, nothing computed yet."""
    place = Place(folder)
    for name in ("bids", "templates"):
        shutil.copytree(run.place.root / name, folder / name)
    for name in ("home", "tmp", "cwd"):
        (folder / name).mkdir()
    return place


def comparable(place: Place) -> dict[str, Any]:
    """Content of all outputs, without what names folders, times and pictures of them."""
    found = {}
    for name, value in cohorts.outputs(place.out, times=False).items():
        if name.endswith((".html", "_quality.tsv")) or name == "dataset_description.json":
            continue
        if name.endswith(("_registration.json", "_description.json")):
            text = (place.out / name).read_text().replace(str(place.root), "ROOT")
            value = re.sub(r'"(seconds|cpu_seconds|peak_memory_gb|key|InputsKey)": [^,\n]*', "", text)
        found[name] = value
    return found


def every_method(place: Place) -> list[str]:
    """Options of a run by all :data:`METHODS`, with strata of one or two subjects, a test of these, and regions."""
    learned = ["--registration-weights", str(place.root / NETWORK), "--refine", "1"]
    test = [
        "--tests",
        "adiffi:sex",
        "--test-regions",
        "WT",
        "TC",
        "--min-lesions",
        "1",
        "--permutations",
        "19",
    ]
    groups = ["--strata", "sex", "--parcellation", "hemispheres", "--min-cell", "1"]
    return ["--registration", *METHODS, *learned, *groups, *test]


def template_name(subject: str, tail: str) -> str:
    return f"sub-{subject}_space-Tiny_res-4_{tail}.nii.gz"


def atlas_map(region: str) -> str:
    return f"tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_label-{region}_desc-frequency_probseg.nii.gz"


def atlas_maps(method: str, stratum: str = "") -> list[str]:
    """Images of the atlas, of everybody or of a stratum: no statistics of what a method does not do."""
    plain = (
        f"tpl-Tiny/cohort-{stratum}/anat/tpl-Tiny_cohort-{stratum}" if stratum else "tpl-Tiny/anat/tpl-Tiny"
    )
    stem = f"{plain}_atlas-gliomorph_res-4"
    names = [f"{stem}_desc-coverage_probseg", f"{plain}_res-4_desc-mean_T1w"]
    for region in REGIONS:
        names += [
            f"{stem}_label-{region}_desc-{what}_probseg"
            for what in ("frequency", "frequencylow", "frequencyhigh")
        ]
        names += [
            f"{stem}_stat-{what}_label-{region}_statmap" for what in ("count", "laterality", "centroids")
        ]
    if stratum.startswith("region"):
        names.append(f"{stem}_label-WT_desc-shape_probseg")
    statistics = [] if method == "affine" else ["logjacobian"]
    if method.startswith("metamorph"):
        statistics.append("appearance")
        names.append(f"{plain}_res-4_desc-meanhealthy_T1w")
    names += [f"{stem}_stat-{what}_desc-{name}_statmap" for name in statistics for what in ("mean", "sd")]
    return [f"{name}.nii.gz" for name in names]


def contrast_maps(contrast: str) -> list[str]:
    """Images of two strata beside each other."""
    stem = f"tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_contrast-{contrast}"
    return [
        f"{stem}_stat-{what}_label-{region}_statmap.nii.gz"
        for what in ("difference", "oddsratio")
        for region in REGIONS
    ]


def maps_of_test(label: str, region: str) -> list[str]:
    """Images of a test of two groups."""
    stem = f"tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_contrast-{label}"
    plain = [
        f"{stem}_stat-{what}_label-{region}_statmap.nii.gz"
        for what in ("z", "count", "difference", "oddsratio")
    ]
    return [*plain, f"{stem}_stat-logp_label-{region}_desc-fwer_statmap.nii.gz"]


def documented_images(subject: str, methods: dict[str, str]) -> list[str]:
    """Images of a subject, spelled out as in the design."""
    names = ["desc-n4_T1w", "seg-brats_desc-masks_dseg"]
    names += [f"label-{label}_desc-masks_mask" for label in ("tumor", "TC", "ET")]
    names.append("space-Tiny_res-4_desc-preproc_T1w")
    for label in methods.values():
        names += [
            f"space-Tiny_res-4_desc-{label}_T1w",
            f"space-Tiny_res-4_label-tumor_desc-{label}_mask",
            f"space-Tiny_res-4_label-coverage_desc-{label}_mask",
            f"space-Tiny_seg-brats_res-4_desc-{label}_dseg",
        ]
    for label in {"metamorphosis", "metamorphr"} & set(methods.values()):
        names += [f"space-Tiny_res-4_desc-{label}{what}_T1w" for what in ("healthy", "appearance")]
    return [f"sub-{subject}/anat/sub-{subject}_{name}" for name in names]


def documented(subject: str, methods: dict[str, str]) -> set[str]:
    """All files of a subject's ``anat`` folder."""
    images = documented_images(subject, methods)
    names = {f"{image}{end}" for image in images for end in (".nii.gz", ".json")}
    names |= {f"{image}.tsv" for image in images if image.endswith("dseg")}
    stem = f"sub-{subject}/anat/sub-{subject}"
    for label in methods.values():
        names.add(f"{stem}_space-Tiny_res-4_desc-{label}_registration.json")
        names.add(f"{stem}_from-native_to-Tiny_mode-image_desc-{label}_xfm.h5")
        names.add(f"{stem}_from-Tiny_to-native_mode-image_desc-{label}_xfm.h5")
    return names
