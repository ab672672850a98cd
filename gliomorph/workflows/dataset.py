"""Dataset-level files of the output folder: the same bytes from every run, so that runs do not collide."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import gliomorph

from ..interfaces.files.images import write_text
from ..interfaces.files.sidecars import BIDS_VERSION

README = """Derivatives of gliomorph: brain tumours in template space, and their atlas.

sub-X.html is a scan's page, gliomorph.html the cohort's. Names and transforms are explained in gliomorph's
documentation (docs/outputs.md). A tool for research, not for diagnosis.
"""
URL = "https://github.com/gliomorph/gliomorph"
IGNORED = (
    "*.html",
    "logs",
    "work",
    "**/figures",
    "*_xfm.*",
    "*_statmap.*",
    "*_stats.*",
    "*_registration.json",
    "*_longitudinal.*",
    "group_*.tsv",
)


def write_dataset(bids_dir: Path, derivatives: Mapping[str, Path], out: Path) -> None:
    """``dataset_description.json`` and ``.bidsignore``.

    The image that this runs in names itself by ``GLIOMORPH_CONTAINER``, its tag, and ``GLIOMORPH_CONTAINER_TYPE``.

    Raises
    ------
    OSError
        The output folder cannot be written.
    """
    container = {
        key: value
        for key, name in (("Type", "GLIOMORPH_CONTAINER_TYPE"), ("Tag", "GLIOMORPH_CONTAINER"))
        if (value := os.environ.get(name))
    }
    generated = {"Name": "gliomorph", "Version": gliomorph.__version__, "CodeURL": URL}
    description = {
        "Name": "gliomorph: brain tumours in template space",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": "see the source dataset",
        "GeneratedBy": [generated | ({"Container": container} if container else {})],
        "SourceDatasets": [{"URL": bids_dir.as_uri()}],
        "DatasetLinks": {
            "raw": bids_dir.as_uri(),
            **{name: path.as_uri() for name, path in derivatives.items()},
        },
    }
    _write_if_new(json.dumps(description, indent=1) + "\n", out / "dataset_description.json")
    _write_if_new(README, out / "README.md")
    _write_if_new("\n".join(IGNORED) + "\n", out / ".bidsignore")


def _write_if_new(text: str, path: Path) -> None:
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(text, path)
