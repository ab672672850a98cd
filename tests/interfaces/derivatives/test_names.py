"""Output names: valid for the BIDS validator, one name a file, alphanumeric methods."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.derivatives.names import (
    FurtherNames,
    ScanNames,
    anat_folder,
    association_names,
    contrast_names,
    group_names,
    map_names,
    stale_patterns,
)
from gliomorph.interfaces.derivatives.publish import Publication, in_template, sidecar
from gliomorph.interfaces.derivatives.publish_further import FurtherPlan, publish_carried, publish_further
from gliomorph.interfaces.files.images import write_image, write_text
from gliomorph.interfaces.files.tables import label_table
from gliomorph.interfaces.methods import METHODS
from gliomorph.interfaces.scan.records import CarriedImage, FurtherImage
from gliomorph.workflows.checks.validation import validator_issues
from gliomorph.workflows.dataset import IGNORED, write_dataset

SCANS = {
    "sub-01": ("01", "", "sub-01", "T1w"),
    "sub-02_ses-pre": ("02", "pre", "sub-02_ses-pre_acq-MPRAGE_ce-gadolinium_run-1", "T1w"),
    "sub-03": ("03", "", "sub-03", "FLAIR"),
}


def names_of(label: str) -> ScanNames:
    subject, session, stem, suffix = SCANS[label]
    return ScanNames(
        label=label,
        folder=anat_folder(subject, session),
        stem=stem,
        template="SRI24",
        resolution=1,
        source="masks",
        suffix=suffix,
    )


def further_of(label: str) -> list[FurtherNames]:
    """A T1w with contrast agent and a FLAIR image of a scan's session."""
    names, stem = names_of(label), SCANS[label][2].split("_acq")[0]
    primary = "T1ce" if "ce-" in names.stem else names.suffix
    others = {"T1ce": (f"{stem}_ce-gadolinium", "T1w"), "T1w": (stem, "T1w"), "FLAIR": (stem, "FLAIR")}
    return [
        FurtherNames(
            scan=names, primary=primary, modality=name, stem=own, suffix=suffix, raw="bids:raw:x.nii.gz"
        )
        for name, (own, suffix) in others.items()
        if name != primary
    ]


def write_further(plan: Publication, image: Path, transform: Path) -> None:
    """The further images of a scan."""
    out = Path(plan.out_dir)
    for further in further_of(plan.names.label):
        name, of_one = further.modality, FurtherPlan(names={further.modality: further})
        own = FurtherImage(name=name, file="x", image=image, transform=transform, inverse=transform)
        publish_further(out, of_one, [own], "gliomorph")
        for method in METHODS:
            carried = [CarriedImage(name=name, method=method, image=image)]
            publish_carried(out, of_one, carried, method, in_template(plan))


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with every output that there is, as images of 2 voxels a side."""
    out, bids = tmp_path_factory.mktemp("skeleton"), tmp_path_factory.mktemp("raw")
    write_dataset(bids, {}, out)
    image = sitk.GetImageFromArray(np.zeros((2, 2, 2), np.uint8))
    voxels, xfm = write_image(image, bids / "x.nii.gz"), write_text("x", bids / "x.h5")
    for label in SCANS:
        names = names_of(label)
        registered = {method: names.registered(method) for method in METHODS}
        plan = Publication(
            names=names,
            out_dir=str(out),
            keys={},
            input_keys={},
            page_key="",
            contents={},
            spatial_reference="https://doi.org/10.1002/hbm.20906",
            raw=f"bids:raw:sub/{label}.nii.gz",
            tumor_sources=["bids:masks:mask.nii.gz"],
            generated_by="gliomorph",
        )
        for method, files in {"": names.native(), **registered}.items():
            for key, name in files.items():
                path = out / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if not name.endswith(".nii.gz"):
                    path.write_text("{}")
                    continue
                write_image(image, path)
                path.with_name(path.name.replace(".nii.gz", ".json")).write_text(
                    json.dumps(sidecar(plan, key, method))
                )
                if name.endswith("_dseg.nii.gz"):
                    path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text(label_table())
        write_further(plan, voxels, xfm)
        (out / names.report).write_text("<html></html>")
        (out / names.figures).mkdir(parents=True)
        (out / names.figures / f"{label}_desc-n4_T1w.png").touch()
    place = ("SRI24", 1, ["ET", "WT"])
    maps = {**map_names(*place, "sexF"), **contrast_names(*place, "sexMVSsexF")}.values()
    for name in (*group_names(*place).values(), *maps):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".nii.gz"):
            write_image(image, path)
            known = {"SpatialReference": "x", "Resolution": "1 mm", "SkullStripped": True}
            path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(known))
        elif name.endswith("description.json"):
            known = {
                "Name": "a",
                "AtlasName": "a",
                "License": "CC0",
                "AtlasSampleSize": 3,
                "LevelType": "group",
            }
            path.write_text(json.dumps(known | {"DerivedFrom": "x", "SpatialReference": "x"}))
        else:
            path.write_text("a\tb\n")
    return out


def errors(folder: Path) -> list[tuple[Any, ...]]:
    return [
        (issue["code"], issue.get("subCode"), issue.get("location"))
        for issue in validator_issues(folder)
        if issue["severity"] == "error"
    ]


def test_every_name_is_valid_bids(skeleton: Path) -> None:
    assert errors(skeleton) == []


@pytest.mark.parametrize(
    "name",
    [
        "sub-01/anat/sub-01_desc-affine_label-tumor_mask.nii.gz",
        "sub-01/anat/sub-01_space-SRI24_label-tumor_desc-syn-cfm_mask.nii.gz",
    ],
)
def test_validator_would_notice_a_wrong_name(skeleton: Path, name: str) -> None:
    """Entities in another order, a hyphen in a label: the judge judges."""
    path = write_image(sitk.GetImageFromArray(np.zeros((2, 2, 2), np.uint8)), skeleton / name)
    try:
        assert any(location == f"/{name}" for _, _, location in errors(skeleton))
    finally:
        path.unlink()


def test_no_two_outputs_share_a_name() -> None:
    names = [name for label in SCANS for name in names_of(label).native().values()]
    names += [n for label in SCANS for m in METHODS for n in names_of(label).registered(m).values()]
    further = [each for label in SCANS for each in further_of(label)]
    names += [name for each in further for name in each.native().values()]
    names += [each.carried(method) for each in further for method in METHODS]
    names += list(group_names("SRI24", 1, ["ET", "WT"]).values())
    names += [
        name for stratum in ("sexF", "sexM") for name in map_names("SRI24", 1, ["WT"], stratum).values()
    ]
    names += contrast_names("SRI24", 1, ["WT"], "sexMVSsexF").values()
    assert len(set(names)) == len(names)


def test_record_is_among_the_outputs_of_its_method() -> None:
    names = names_of("sub-01")
    assert names.registered("syn-cfm")["registration"] == names.registration("syn-cfm")
    assert names.registration("syn-cfm") == (
        "sub-01/anat/sub-01_space-SRI24_res-1_desc-syncfm_registration.json"
    )


def test_folders_with_and_without_session() -> None:
    assert str(anat_folder("01")) == "sub-01/anat"
    assert str(anat_folder("01", "pre")) == "sub-01/ses-pre/anat"
    assert names_of("sub-02_ses-pre").figures == "sub-02/figures"


def test_templates_and_resolutions_do_not_collide() -> None:
    """Runs into one output folder with another template or voxel size lie side by side."""
    first = set(group_names("SRI24", 1, ["WT"]).values())
    second = set(group_names("SRI24", 2, ["WT"]).values())
    shared = {
        "group_quality.tsv",
        "group_regions.tsv",
        "group_patients.tsv",
        "group_parcellation.tsv",
        "gliomorph.html",
        "figures/gliomorph_label-WT_desc-frequency_probseg.html",
        "atlas-gliomorph_description.json",
    }
    assert first & second == shared


def test_left_overs_are_known_by_their_names_and_nothing_else_is(tmp_path: Path) -> None:
    """Maps of another resolution, a template's own files and those of other tools stay."""
    names = [*map_names("SRI24", 1, ["WT"]).values(), *map_names("SRI24", 1, ["WT"], "sexF").values()]
    names += contrast_names("SRI24", 1, ["WT"], "sexMVSsexF").values()
    others = [*map_names("SRI24", 2, ["WT"]).values(), *map_names("SRI24", 2, ["WT"], "sexF").values()]
    others += contrast_names("SRI24", 2, ["WT"], "sexMVSsexF").values()
    others += [
        "tpl-SRI24/anat/tpl-SRI24_res-1_T1w.nii.gz",
        "tpl-SRI24/anat/tpl-SRI24_atlas-AAL_res-1_dseg.nii.gz",
    ]
    for name in (*names, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path for pattern in stale_patterns("SRI24", 1) for path in tmp_path.glob(pattern)]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == sorted(names)


def test_names_of_associations_have_bids_entities_in_bids_order_and_are_ignored() -> None:
    names = association_names("SRI24", 1, "WT", "glmage", "fwer")
    stem = "tpl-SRI24/anat/tpl-SRI24_atlas-gliomorph_res-1_contrast-glmage"
    assert names["t"] == f"{stem}_stat-t_label-WT_statmap.nii.gz"
    assert names["logp"] == f"{stem}_stat-logp_label-WT_desc-fwer_statmap.nii.gz"
    assert names["clusters"] == f"{stem}_label-WT_desc-fwerclusters_stats.tsv"
    for name in (*names.values(), names["clusters"].replace(".tsv", ".json")):
        assert any(fnmatch(name.split("/")[-1], pattern) for pattern in IGNORED)
    assert len(set(names.values())) == len(names)


def test_names_of_further_images_say_which_image_is_the_primary_one() -> None:
    """A session that is run once more with its T1ce as the primary image leaves these files alone."""
    t1ce = next(each for each in further_of("sub-01") if each.modality == "T1ce")
    own = attrs.evolve(names_of("sub-01"), stem=t1ce.stem)
    both = {*t1ce.native().values(), t1ce.carried("syn-cfm")}
    assert not both & {*own.native().values(), *own.registered("syn-cfm").values()}
    assert not both & {*attrs.evolve(t1ce, primary="FLAIR").native().values()}
    assert t1ce.native()["image"] == "sub-01/anat/sub-01_ce-gadolinium_space-T1w_desc-n4_T1w.nii.gz"
    assert t1ce.carried("syn-cfm") == (
        "sub-01/anat/sub-01_ce-gadolinium_space-SRI24_res-1_desc-syncfmbyT1w_T1w.nii.gz"
    )
