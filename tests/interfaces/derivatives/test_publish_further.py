"""Further images at their final names, those that are left out with their reason alone."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from gliomorph.interfaces.derivatives.names import FurtherNames, ScanNames
from gliomorph.interfaces.derivatives.publish_further import FurtherPlan, publish_carried, publish_further
from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.scan.records import CarriedImage, FurtherImage

BROKEN = FurtherImage(name="T2w", file="sub-01_T2w.nii.gz", flags=["T2w is left out: damaged"])


@pytest.fixture
def plan() -> FurtherPlan:
    scan = ScanNames(
        label="sub-01",
        folder=PurePosixPath("sub-01/anat"),
        stem="sub-01",
        template="SRI24",
        resolution=2,
        source="masks",
        suffix="FLAIR",
    )
    names = FurtherNames(
        scan=scan, primary="FLAIR", modality="T2w", stem="sub-01", suffix="T2w", raw="bids:raw:x.nii.gz"
    )
    return FurtherPlan(names={"T2w": names}, key="k")


def test_image_that_is_left_out_has_no_files_and_its_reason_in_the_record(
    plan: FurtherPlan, tmp_path: Path
) -> None:
    assert publish_further(tmp_path / "out", plan, [BROKEN], "gliomorph 0") == []
    assert plan.record([BROKEN]) == {"key": "k", "images": [BROKEN.record()]}
    assert FurtherPlan().record([]) == {}


def test_each_method_publishes_what_it_carried(plan: FurtherPlan, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carried = [
        CarriedImage(name="T2w", method=method, image=write_text(method, tmp_path / method))
        for method in ("affine", "syn-cfm")
    ]
    image, side = publish_carried(out, plan, carried, "syn-cfm", {"SpatialReference": "there"})
    assert image == out / "sub-01/anat/sub-01_space-SRI24_res-2_desc-syncfmbyFLAIR_T2w.nii.gz"
    assert image.read_text() == "syn-cfm"
    content = json.loads(side.read_text())
    assert (content["SpatialReference"], content["SkullStripped"]) == ("there", True)
    assert content["Sources"] == [
        "bids::sub-01/anat/sub-01_space-FLAIR_desc-n4_T2w.nii.gz",
        "bids::sub-01/anat/sub-01_from-native_to-SRI24_mode-image_desc-syncfm_xfm.h5",
    ]
