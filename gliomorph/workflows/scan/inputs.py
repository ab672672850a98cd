"""What a planned scan gives to its graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gliomorph

from ...config.processing import Processing
from ...config.resources import GPU_STAGES, Resources
from ...interfaces.datasets.entities import stem_and_suffix
from ...interfaces.datasets.query import Scan
from ...interfaces.datasets.template_files import TemplateFiles
from ...interfaces.derivatives.names import SPATIAL_REFERENCES, FurtherNames
from ...interfaces.derivatives.publish import Publication
from ...interfaces.derivatives.publish_further import FurtherPlan
from ...interfaces.scan.records import AS_THEY_STAND, Reading
from .graph import MethodInputs, ScanInputs
from .plan import PlannedScan, extraction_of, segmentation_weights, segmented_together


def graph_inputs(
    planned: PlannedScan,
    processing: Processing,
    resources: Resources,
    template: TemplateFiles,
    plan: Publication,
    run: str,
    reading: Reading = AS_THEY_STAND,
) -> dict[str, Any]:
    """Inputs of one scan's graph."""
    scan, tumor = planned.scan, planned.scan.tumor
    assert scan.image is not None
    weights = segmentation_weights(scan, processing.weights)
    return {
        "inputs": ScanInputs(
            image=scan.image,
            brain_mask=scan.brain_mask,
            tumor=tumor.path if tumor else None,
            tumor_kind=tumor.kind if tumor else "dseg",
            tumor_table=tumor.table if tumor else None,
            tumor_in_template=bool(tumor and tumor.space),
            weights=weights,
            segmented_together=segmented_together(weights),
            modality=scan.modality,
            further=dict(planned.further.paths),
            modalities=list(planned.modalities),
            reading=reading,
            extraction=extraction_of(scan, processing.brain_extraction),
        ),
        "template": template,
        "methods": [
            MethodInputs(
                name=name,
                weights=processing.networks.get(name),
                refine=processing.refinement(name),
                speed=processing.speed_of(name),
            )
            for name in processing.registration
        ],
        "seed": processing.random_seed,
        "gpus": {stage: resources.gpu_of(stage) for stage in GPU_STAGES},
        "plan": plan,
        "run": run,
    }


def publication(
    planned: PlannedScan, bids_dir: Path, output_dir: Path, derivatives: Mapping[str, Path]
) -> Publication:
    """Names and metadata of a scan's outputs, as the publishing and report stages take them."""
    scan, names = planned.scan, planned.names
    assert names is not None
    assert scan.image is not None
    return Publication(
        names=names,
        out_dir=str(output_dir),
        keys=planned.keys,
        input_keys=dict(planned.input_keys),
        page_key=planned.page_key,
        contents=dict(planned.contents),
        notices=list(scan.notices),
        flags=list(scan.flags),
        doubts=list(scan.doubts),
        spatial_reference=SPATIAL_REFERENCES.get(names.template, f"tpl-{names.template}"),
        raw=_raw(scan.image, bids_dir),
        tumor_sources=_tumor_sources(scan, derivatives),
        generated_by=f"gliomorph {gliomorph.__version__}",
        further=FurtherPlan(
            names={
                modality: FurtherNames(
                    scan=names,
                    primary=scan.modality,
                    modality=modality,
                    stem=stem_and_suffix(path)[0],
                    suffix=stem_and_suffix(path)[1],
                    raw=_raw(path, bids_dir),
                )
                for modality, path in planned.further.paths.items()
            },
            key=planned.further.key,
        ),
    )


def _raw(image: Path, bids_dir: Path) -> str:
    return f"bids:raw:{image.relative_to(bids_dir).as_posix()}"


def _tumor_sources(scan: Scan, derivatives: Mapping[str, Path]) -> list[str]:
    if scan.tumor is None:
        return []
    root = derivatives[scan.tumor.source]
    return [f"bids:{scan.tumor.source}:{scan.tumor.path.relative_to(root).as_posix()}"]
