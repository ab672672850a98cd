"""The scan's page as a stage: gathers what the nodes know and draws it."""

from __future__ import annotations

from pathlib import Path

import attrs

from ...derivatives.publish import Publication
from ...records import Ports, as_dict
from ...scan.records import (
    AlignInfo,
    BiasInfo,
    BrainInfo,
    CarriedImage,
    Channel,
    FurtherImage,
    MethodFiles,
    Remarks,
    TumorInfo,
    out_of_atlas,
)
from ...task import task
from .report import MethodResult, OtherImage, PageImages, scan_report


@attrs.frozen(kw_only=True)
class StageInfos(Ports):
    """What the stages say of themselves."""

    brain: BrainInfo
    bias: BiasInfo
    tumor: TumorInfo
    alignment: AlignInfo


def scan_page(
    plan: Publication,
    images: PageImages,
    infos: StageInfos,
    channels: list[Channel],
    further: list[FurtherImage],
    carried: list[CarriedImage],
    results: list[MethodFiles],
) -> tuple[Path, list[Path]]:
    """One HTML page, and its pictures as PNG.

    Parameters
    ----------
    plan : Publication
    images : PageImages
    infos : StageInfos
    channels : list of Channel
        Further modalities of the registration.
    further, carried : list of FurtherImage, list of CarriedImage
        The session's further images on the primary's grid, and in template space by every method.
    results : list of MethodFiles
        One a method.

    Returns
    -------
    page : Path
        HTML.
    figures : list of Path
        PNG.
    """
    folder = Path.cwd()
    methods = [_method(files) for files in results]
    told = [f"{m.method}: {text}" for m in methods for text in m.used.get("notices", [])]
    flags = [f"{m.method}: {m.quality['flag']}" for m in methods if m.quality.get("flag")]
    remarks = Remarks.of(plan, infos.brain, infos.tumor, *further, *channels)
    in_template = {each.name: each.image for each in carried if each.method == methods[0].method}
    page = scan_report(
        scan=plan.names.label,
        images=images if infos.brain.made else attrs.evolve(images, brain_mask=None),
        others=[
            OtherImage(name=each.name, image=each.moved, in_template=in_template[each.name])
            for each in further
            if each.moved
        ],
        sub_regions=infos.tumor.kind == "dseg",
        methods=methods,
        used={
            "image": plan.raw,
            "mask_source": ", ".join(plan.tumor_sources) or "student network",
            "template": f"{plan.names.template} at {plan.names.resolution} mm",
            "version": plan.generated_by,
            "brain": as_dict(infos.brain),
            "N4": as_dict(infos.bias),
            "tumour": as_dict(infos.tumor),
            "alignment": as_dict(infos.alignment),
            **({"sequences": [each.record() for each in further]} if further else {}),
            **({"modalities": [channel.record() for channel in channels]} if channels else {}),
        },
        notices=[
            *(f"⚠ {text}: {out_of_atlas(plan.names.label)}" for text in remarks.doubts),
            *(f"⚠ {text}" for text in [*remarks.flags, *flags]),
            *remarks.notices,
            *told,
        ],
        folder=folder,
    )
    return page, sorted((folder / "figures").glob("*.png"))


def _method(files: MethodFiles) -> MethodResult:
    used = files.registration()
    return MethodResult(
        method=used["method"],
        image=files.warped,
        mask=files.mask,
        jacobian=files.jacobian,
        displacement=files.displacement,
        healthy=files.healthy,
        quality=files.row(),
        used=used,
    )


ScanPage = task(scan_page, "page", "figures")
