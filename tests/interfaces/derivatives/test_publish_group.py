"""The atlas at its final names: sidecars, no left-overs, the page last."""

import json
import shutil
from pathlib import Path

import attrs
import pytest
from lesion_tables import made_test

from gliomorph.interfaces.derivatives.names import association_names, group_names, map_names, stale_patterns
from gliomorph.interfaces.derivatives.publish_group import GroupPlan, publish_group
from gliomorph.interfaces.files import sidecars
from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.group.associations.facts import TestResults
from gliomorph.interfaces.group.records import MapFacts

EVERY = ("all/coverage", "all/frequency_WT", "all/count_WT", "sexF/coverage", "sexF/frequency_WT")


def facts_of(key):
    """As :func:`~gliomorph.interfaces.group.atlas.stage.atlas` gives them."""
    return MapFacts(
        content={"SampleSize": 7 if key.startswith("all") else 5},
        files=("coverage",) if key.endswith("coverage") else ("tumor", "coverage"),
        kinds=("dseg",) if key.endswith("ET") else ("dseg", "mask"),
    )


@pytest.fixture
def group(tmp_path):
    """Arguments of :func:`publish_group`."""
    work = tmp_path / "work"

    def make(keys=EVERY, tested=(), viewed=False, region="WT", parcelled=False):
        maps = {f"all/{key}": name for key, name in map_names("SRI24", 1, ["WT", "ET"]).items()}
        maps |= {f"sexF/{key}": name for key, name in map_names("SRI24", 1, ["WT", "ET"], "sexF").items()}
        tables = {name: write_text(name, work / f"{name}.x") for name in ("regions", "patients", "quality")}
        tests = association_names("SRI24", 1, "WT", "glmage", "fwer")
        return {
            "plan": GroupPlan(
                out_dir=str(tmp_path / "out"),
                run="1",
                key="abc",
                names=group_names("SRI24", 1, ["WT", "ET"]),
                maps=maps,
                tests={f"glmage_WT/{key}": name for key, name in tests.items()},
                stale=tuple(stale_patterns("SRI24", 1)),
                quality=tables.pop("quality"),
                parcellation=write_text("regions", work / "parcellation.tsv") if parcelled else None,
                scans=("sub-1", "sub-2"),
                sources=(
                    {"kind": "dseg", "tumor": "bids::dseg1", "coverage": "bids::coverage1"},
                    {"kind": "mask", "tumor": "bids::mask2", "coverage": "bids::coverage2"},
                ),
                table="bids:raw:participants.tsv",
                metadata={"SpatialReference": "here", "GeneratedBy": "gliomorph 0"},
                atlas={"Name": "gliomorph", "License": "CC0"},
            ),
            "tests": TestResults(
                files={f"glmage_WT/{key}": write_text(key, work / f"{key}.test") for key in tested},
                facts={"glmage_WT": made_test("glm", region=region, participants=6)} if tested else {},
            ),
            "maps": {key: write_text(f"map {key}", work / f"{key}.nii.gz") for key in keys},
            "facts": {key: facts_of(key) for key in keys},
            "tables": tables,
            "page": write_text("<html></html>", work / "page.html"),
            "viewers": [write_text("viewer", work / "viewer.html")] if viewed else [],
        }

    return make


def found(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_every_image_has_a_sidecar_with_its_sample_size(group, tmp_path):
    count = publish_group(**group())
    out = tmp_path / "out"
    images = [name for name in found(out) if name.endswith(".nii.gz")]
    assert len(images) == len(EVERY)
    for name in images:
        side = json.loads((out / name.replace(".nii.gz", ".json")).read_text())
        assert side["SpatialReference"] == "here"
        assert side["SampleSize"] == (5 if "cohort-sexF" in name else 7)
    assert count == len(EVERY) + 5
    names = group()["plan"].names
    assert (out / names["frequency_WT"]).read_text() == "map all/frequency_WT"
    assert (out / "group_quality.tsv").read_text() == "quality"
    assert (out / "group_patients.tsv").read_text() == "patients"
    description = json.loads((out / "atlas-gliomorph_description.json").read_text())
    assert sorted(description.pop("Outputs")) == sorted(images)
    assert description == {"Name": "gliomorph", "License": "CC0", "AtlasSampleSize": 7, "InputsKey": "abc"}


def test_sidecars_name_the_files_that_a_map_is_made_of(group, tmp_path):
    publish_group(**group(("all/coverage", "all/frequency_WT", "all/frequency_ET", "sexF/frequency_ET")))
    found = {
        path.name.split("_res-1_")[1].removesuffix(".json"): json.loads(path.read_text())
        for path in (tmp_path / "out").glob("tpl-SRI24/anat/*.json")
    }
    first, second = ["bids::dseg1", "bids::coverage1"], ["bids::mask2", "bids::coverage2"]
    assert found["desc-coverage_probseg"]["Sources"] == [first[1], second[1]]
    assert found["label-WT_desc-frequency_probseg"]["Sources"] == [*first, *second]
    assert found["label-ET_desc-frequency_probseg"]["Sources"] == first
    (path,) = (tmp_path / "out").glob("tpl-SRI24/cohort-sexF/anat/*.json")
    stratum = json.loads(path.read_text())
    # those of all participants, of whom the table says who counts
    assert stratum["Sources"] == ["bids:raw:participants.tsv", *first]
    assert stratum["NumberOfScans"] == 5 and "MadeOf" not in stratum


def test_sidecars_of_strata_do_not_say_who_is_in_them(group, tmp_path):
    """Participants' labels and a stratum's definition together would be data of the participants."""
    publish_group(**group())
    for path in (tmp_path / "out").glob("tpl-SRI24/**/*.json"):
        assert ("Participants" in json.loads(path.read_text())) == ("cohort-" not in path.name)


def test_maps_and_strata_of_an_earlier_run_do_not_stay(group, tmp_path):
    publish_group(**group())
    own = write_text("mine", tmp_path / "out" / "tpl-SRI24" / "anat" / "tpl-SRI24_T1w.nii.gz")
    publish_group(**group(("all/coverage", "all/frequency_WT")))
    left = {Path(name).name for name in found(tmp_path / "out" / "tpl-SRI24")}
    stem = "tpl-SRI24_atlas-gliomorph_res-1"
    kept = {f"{stem}_label-WT_desc-frequency_probseg", f"{stem}_desc-coverage_probseg"}
    assert left == {f"{name}{end}" for name in kept for end in (".nii.gz", ".json")} | {own.name}
    assert not (tmp_path / "out" / "tpl-SRI24" / "cohort-sexF").exists()


def test_tests_have_sidecars_and_do_not_outlive_their_word(group, tmp_path):
    out, name = tmp_path / "out", "tpl-SRI24_atlas-gliomorph_res-1_contrast-glmage_{}"
    count = publish_group(**group(tested=("t", "clusters")))
    assert count == len(EVERY) + 7
    folder = out / "tpl-SRI24" / "anat"
    table = folder / name.format("label-WT_desc-fwerclusters_stats.tsv")
    assert table.read_text() == "clusters"
    assert (folder / name.format("stat-t_label-WT_statmap.nii.gz")).read_text() == "t"
    known = json.loads(table.with_suffix(".json").read_text())
    assert (known["Word"], known["NumberOfScans"], known["GeneratedBy"]) == ("glm:age", 6, "gliomorph 0")
    sources = ["bids::dseg1", "bids::coverage1", "bids::mask2", "bids::coverage2"]
    assert known["Sources"] == ["bids:raw:participants.tsv", *sources]
    assert "MadeOf" not in known and "Participants" not in known
    description = json.loads((out / "atlas-gliomorph_description.json").read_text())
    assert table.relative_to(out).as_posix() in description["Outputs"]
    publish_group(**group(tested=("t",), region="ET"))
    known = json.loads((folder / name.format("stat-t_label-WT_statmap.json")).read_text())
    assert known["Sources"] == ["bids:raw:participants.tsv", *sources[:2]]
    publish_group(**group())
    assert not list(folder.glob("*_contrast-*"))


def test_the_viewer_lies_where_the_page_looks_for_it_and_does_not_outlive_its_map(group, tmp_path):
    viewer = group()["plan"].names["viewer"]
    assert publish_group(**group(viewed=True)) == len(EVERY) + 6
    assert (tmp_path / "out" / viewer).read_text() == "viewer"
    record = tmp_path / "out" / "atlas-gliomorph_description.json"
    assert viewer in json.loads(record.read_text())["Outputs"]
    publish_group(**group())
    assert not (tmp_path / "out" / viewer).exists()
    assert viewer not in json.loads(record.read_text())["Outputs"]


@pytest.mark.parametrize("survives", range(0, 10, 3))
def test_page_is_missing_and_nothing_is_half_written_when_a_copy_fails(
    group, tmp_path, monkeypatch, survives
):
    copied = []
    whole = shutil.copyfile

    def fails_later(source, target):
        if len(copied) == min(survives, len(EVERY) + 3):
            Path(target).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        copied.append(source)
        return whole(source, target)

    monkeypatch.setattr(sidecars.shutil, "copyfile", fails_later)
    with pytest.raises(OSError, match="No space left on device"):
        publish_group(**group())
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".tmp-") or path.read_bytes() == b"half"]
    assert not (tmp_path / "out" / "gliomorph.html").exists()


def test_the_table_of_regions_is_published_and_does_not_outlive_its_option(group, tmp_path):
    out = tmp_path / "out"
    assert publish_group(**group(parcelled=True)) == len(EVERY) + 6
    assert (out / "group_parcellation.tsv").read_text() == "regions"
    assert (
        "group_parcellation.tsv"
        in json.loads((out / "atlas-gliomorph_description.json").read_text())["Outputs"]
    )
    publish_group(**group())
    assert not (out / "group_parcellation.tsv").exists()


def test_sources_of_regions_are_the_table_that_says_who_is_there(group, tmp_path):
    given = group()
    for key in given["facts"]:
        if key.startswith("sexF"):
            known = given["facts"][key]
            content = {**known.content, "Stratum": {"Column": "--parcellation"}}
            given["facts"][key] = attrs.evolve(known, content=content)
    publish_group(**given)
    (path, *_) = (tmp_path / "out").glob("tpl-SRI24/cohort-sexF/anat/*.json")
    assert json.loads(path.read_text())["Sources"][0] == "bids::group_patients.tsv"
