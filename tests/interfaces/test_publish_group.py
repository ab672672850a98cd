"""The atlas at its final names: sidecars, no left-overs, the page last."""

import json
import shutil
from pathlib import Path

import pytest
from fileformats.generic import File

from gliomorph.interfaces import publish as module
from gliomorph.interfaces.images import write_text
from gliomorph.interfaces.publish_group import publish_group
from gliomorph.interfaces.tumor import REGIONS
from gliomorph.workflows.names import group_names


@pytest.fixture
def group(tmp_path):
    """Arguments of :func:`publish_group`."""
    work = tmp_path / "work"

    def make(regions=tuple(REGIONS)):
        return {
            "plan": {
                "out_dir": str(tmp_path / "out"),
                "names": group_names("SRI24", 1, list(REGIONS)),
                "all_regions": list(REGIONS),
                "metadata": {"SpatialReference": "here", "GeneratedBy": "gliomorph 0"},
                "key": "abc",
                "atlas": {"Name": "gliomorph", "License": "CC0"},
            },
            "frequency": {name: File(write_text(f"map {name}", work / f"{name}.nii.gz")) for name in regions},
            **{
                name: write_text(name, work / f"{name}.x")
                for name in ("coverage", "mean", "regions", "quality")
            },
            "page": write_text("<html></html>", work / "page.html"),
            "counts": {name: 7 if name == "WT" else 5 for name in regions},
            "run": "1",
        }

    return make


def found(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_every_image_has_a_sidecar_with_its_sample_size(group, tmp_path):
    count = publish_group(**group())
    out = tmp_path / "out"
    for name in found(out):
        if name.endswith(".nii.gz"):
            side = json.loads((out / name.replace(".nii.gz", ".json")).read_text())
            assert side["SpatialReference"] == "here"
            of_a_part = any(f"label-{region}_" in name for region in ("ET", "NCR", "ED", "TC"))
            assert side["SampleSize"] == (5 if of_a_part else 7)
    assert count == len(REGIONS) + 5
    assert (out / group()["plan"]["names"]["frequency_ET"]).read_text() == "map ET"
    assert (out / "group_quality.tsv").read_text() == "quality"
    description = json.loads((out / "atlas-gliomorph_description.json").read_text())
    assert description == {"Name": "gliomorph", "License": "CC0", "AtlasSampleSize": 7, "InputsKey": "abc"}


def test_maps_of_an_earlier_run_do_not_stay(group, tmp_path):
    publish_group(**group())
    publish_group(**group(("WT",)))
    left = {name for name in found(tmp_path / "out") if "desc-frequency" in name}
    assert {Path(name).name for name in left} == {
        "tpl-SRI24_atlas-gliomorph_res-1_label-WT_desc-frequency_probseg.nii.gz",
        "tpl-SRI24_atlas-gliomorph_res-1_label-WT_desc-frequency_probseg.json",
    }


@pytest.mark.parametrize("survives", range(0, 10, 3))
def test_page_is_missing_and_nothing_is_half_written_when_a_copy_fails(
    group, tmp_path, monkeypatch, survives
):
    copied = []
    whole = shutil.copyfile

    def fails_later(source, target):
        if len(copied) == survives:
            Path(target).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        copied.append(source)
        return whole(source, target)

    monkeypatch.setattr(module.shutil, "copyfile", fails_later)
    with pytest.raises(OSError, match="No space left on device"):
        publish_group(**group())
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".tmp-") or path.read_bytes() == b"half"]
    assert not (tmp_path / "out" / "gliomorph.html").exists()
