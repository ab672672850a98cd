"""What a scan's page says at its top: doubts, flags, then what is for the page alone."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from gliomorph.interfaces.derivatives.names import ScanNames
from gliomorph.interfaces.derivatives.publish import Publication
from gliomorph.interfaces.reports.scan import stage
from gliomorph.interfaces.reports.scan.report import OtherImage, PageImages
from gliomorph.interfaces.reports.scan.stage import StageInfos, scan_page
from gliomorph.interfaces.scan.records import (
    AlignInfo,
    BiasInfo,
    BrainInfo,
    CarriedImage,
    Channel,
    CoregisterInfo,
    FurtherImage,
    MethodFiles,
    TumorInfo,
)


def test_doubts_come_first_with_the_way_out_then_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: dict[str, Any] = {}
    monkeypatch.setattr(stage, "scan_report", lambda **given: said.update(given) or tmp_path)
    where = Path("x")
    names = ScanNames(
        label="sub-01", folder=PurePosixPath("a"), stem="sub-01", template="T", resolution=2, source="m"
    )
    plan = Publication(
        names=names,
        out_dir="out",
        keys={},
        input_keys={},
        page_key="",
        contents={},
        spatial_reference="",
        raw="",
        tumor_sources=[],
        generated_by="",
        notices=["one of two images"],
        flags=["two masks"],
    )
    infos = StageInfos(
        brain=BrainInfo(method="given", volume_ml=1.0, flags=["a small brain", "two masks"]),
        bias=BiasInfo(bias_min=1.0, bias_max=1.0),
        tumor=TumorInfo(
            kind="mask",
            frame="world",
            volume_ml=1.0,
            share_of_brain=0.1,
            labels=[0, 1],
            notices=["read as a mask"],
            doubts=["outside the brain"],
        ),
        alignment=AlignInfo(in_template_frame=True, brain_dice_before=1.0, brain_dice=1.0, scale=1.0),
    )
    used, quality = tmp_path / "used.json", tmp_path / "quality.json"
    used.write_text(json.dumps({"method": "syn", "notices": ["on the CPU"]}))
    quality.write_text(json.dumps({"flag": "2 folded voxels"}))
    kept = ("warped", "mask", "dseg", "coverage", "forward_xfm", "inverse_xfm", "displacement", "jacobian")
    files = MethodFiles(used=used, quality=quality, **dict.fromkeys(kept, where))
    images = PageImages(raw=where, n4=where, labels=None, template=where, aligned=where, aligned_mask=None)
    t2w = Channel(
        name="T2w",
        file="sub-01_T2w.nii.gz",
        like="T1w",
        reversed=True,
        coregistration=CoregisterInfo(
            moved_mm=0.0, information_before=1.0, information=1.0, share_of_brain=1.0
        ),
        moving=where,
        fixed=where,
        notices=["the template has no T2w image"],
        flags=["T2w was z-scored"],
    )
    further = FurtherImage(name="T2w", file="sub-01_T2w.nii.gz", image=where, moved=where, flags=t2w.flags)
    broken = FurtherImage(name="FLAIR", file="sub-01_FLAIR.nii.gz", flags=["FLAIR is left out: damaged"])
    carried = [CarriedImage(name="T2w", method=method, image=Path(method)) for method in ("affine", "syn")]
    scan_page(plan, images, infos, [t2w], [further, broken], carried, [files])
    assert said["used"]["modalities"] == [t2w.record()]
    assert said["used"]["sequences"] == [further.record(), broken.record()]
    assert said["others"] == [OtherImage(name="T2w", image=where, in_template=Path("syn"))]
    assert said["notices"] == [
        "⚠ outside the brain: kept out of the atlas; look at the page, and let it in with --confirm sub-01",
        "⚠ two masks",
        "⚠ a small brain",
        "⚠ T2w was z-scored",
        "⚠ FLAIR is left out: damaged",
        "⚠ syn: 2 folded voxels",
        "one of two images",
        "read as a mask",
        "the template has no T2w image",
        "syn: on the CPU",
    ]
