"""The group level's results at their final names, with sidecars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fileformats.generic import File

from .images import write_text
from .publish import beside, copy, write_sidecar
from .task import task


def publish_group(
    plan: dict[str, Any],
    frequency: dict[str, File],
    coverage: Path,
    mean: Path,
    regions: Path,
    quality: Path,
    page: Path,
    counts: dict[str, int],
    run: str,
) -> int:
    """Put the atlas at its final names; the page, which marks completion, last.

    Parameters
    ----------
    plan : dict
        ``out_dir``, ``names`` (relative), ``metadata`` for every sidecar, ``key``, ``atlas`` (its description).
    frequency : dict of str to File
        Maps by region.
    coverage, mean, regions, quality, page : Path
        Results of the stages before.
    counts : dict of str to int
        Scans by region.
    run : str
        The run's id: makes this node run anew whenever the graph does.

    Returns
    -------
    published : int
        Number of images and tables.
    """
    out, names, known = Path(plan["out_dir"]), plan["names"], plan["metadata"]
    for stale in set(plan["all_regions"]) - set(frequency):
        for path in (out / names[f"frequency_{stale}"], beside(out / names[f"frequency_{stale}"], ".json")):
            path.unlink(missing_ok=True)
    for region, path in frequency.items():
        target = copy(Path(path), out / names[f"frequency_{region}"])
        text = "Scans with tumour in the voxel, divided by scans whose field of view covers it"
        write_sidecar(target, known | {"Region": region, "SampleSize": counts[region], "Description": text})
    sample = max(counts.values())
    text = "Share of the scans whose field of view covers the voxel"
    write_sidecar(
        copy(coverage, out / names["coverage"]), known | {"SampleSize": sample, "Description": text}
    )
    text = "Mean of the warped images, each divided by its median in the template's brain"
    content = known | {"SampleSize": sample, "Description": text, "SkullStripped": True}
    write_sidecar(copy(mean, out / names["mean"]), content)
    copy(regions, out / names["regions"])
    copy(quality, out / names["quality"])
    description = plan["atlas"] | {"AtlasSampleSize": sample, "InputsKey": plan["key"]}
    write_text(json.dumps(description, indent=1) + "\n", out / names["description"])
    copy(page, out / names["report"])
    return len(frequency) + 5


PublishGroup = task(publish_group, published=int)
