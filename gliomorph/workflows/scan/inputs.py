"""What a planned scan gives to its graph."""

from __future__ import annotations

from typing import Any

import gliomorph

from ...config.resources import GPU_STAGES
from ...config.settings import Settings
from ...interfaces.datasets.query import Scan
from ...interfaces.datasets.template_files import TemplateFiles
from ...interfaces.derivatives.names import SPATIAL_REFERENCES
from ...interfaces.task import File
from ..keys import page_code
from .plan import PlannedScan, segmentation_weights


def graph_inputs(
    planned: PlannedScan, settings: Settings, template: TemplateFiles, run: str
) -> dict[str, Any]:
    """Inputs of one scan's graph."""
    scan = planned.scan
    assert scan.image is not None
    networks = settings.processing.networks
    weights = segmentation_weights(scan, settings)
    return {
        "scan": scan.label,
        "image": File(scan.image),
        "brain_mask": File(scan.brain_mask) if scan.brain_mask else None,
        "tumor_file": File(scan.tumor.path) if scan.tumor else None,
        "tumor_kind": scan.tumor.kind if scan.tumor else "dseg",
        "tumor_table": File(scan.tumor.table) if scan.tumor and scan.tumor.table else None,
        "weights": File(weights) if weights else None,
        "modality": scan.modality,
        "template": File(template.image),
        "template_brain": File(template.brain),
        "fixed": File(template.fixed),
        "fixed_brain": File(template.fixed_brain),
        "methods": list(settings.processing.registration),
        "registration_weights": [
            File(networks[m]) if m in networks else None for m in settings.processing.registration
        ],
        "refinements": [
            settings.processing.refinement(method) for method in settings.processing.registration
        ],
        "seed": settings.processing.random_seed,
        "gpus": {stage: settings.resources.gpu_of(stage) for stage in GPU_STAGES},
        "plan": publication(planned, settings),
        "run": run,
    }


def publication(planned: PlannedScan, settings: Settings) -> dict[str, Any]:
    """Names and metadata of a scan's outputs, as the publishing and report stages take them."""
    scan, names = planned.scan, planned.names
    assert names is not None
    assert scan.image is not None
    return {
        "label": scan.label,
        "out_dir": str(settings.output_dir),
        "native": names.native(),
        "registered": {method: names.registered(method) for method in settings.processing.registration},
        "report": names.report,
        "figures": names.figures,
        "keys": planned.keys,
        "input_keys": dict(planned.input_keys),
        "page_code": page_code(),
        "contents": dict(planned.contents),
        "notices": list(scan.notices),
        "metadata": {
            "template": settings.processing.template,
            "resolution": settings.processing.resolution,
            "spatial_reference": SPATIAL_REFERENCES.get(
                settings.processing.template, f"tpl-{settings.processing.template}"
            ),
            "raw": f"bids:raw:{scan.image.relative_to(settings.bids_dir).as_posix()}",
            "tumor_sources": _tumor_sources(scan, settings),
            "generated_by": f"gliomorph {gliomorph.__version__}",
        },
    }


def _tumor_sources(scan: Scan, settings: Settings) -> list[str]:
    if scan.tumor is None:
        return []
    root = settings.inputs.derivatives[scan.tumor.source]
    return [f"bids:{scan.tumor.source}:{scan.tumor.path.relative_to(root).as_posix()}"]
