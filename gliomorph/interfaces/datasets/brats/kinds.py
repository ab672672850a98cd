"""What a dataset that is made of BraTS folders says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from .... import __version__
from ...files.images import write_text
from ...files.sidecars import BIDS_VERSION
from ...files.tables import json_text

PROGRAM = "gliomorph-import"
DERIVATIVE, LANDMARKS = Path("derivatives", "brats"), Path("derivatives", "landmarks")
PARTICIPANTS = {
    "brats_id": {"Description": "the patient's part of the BraTS case's name"},
    "grade": {
        "Description": "the folder that BraTS published the case in",
        "Levels": {"HGG": "high-grade glioma", "LGG": "low-grade glioma"},
    },
}
README = f"""BraTS cases as BIDS

{PROGRAM} {__version__} made this dataset of BraTS folders. Voxels and headers are those of the published files, which
were skull-stripped, aligned and resampled by the organisers of BraTS: they are not the scanner's own. The terms of use
of BraTS hold for these files as well, and its papers are to be cited.

The segmentations are in derivatives/brats. The table beside each says which label is the enhancing tumour: 4 in
editions up to 2021, 3 since 2023.
"""
PAIRS_README = f"""BraTS-Reg cases as BIDS

{PROGRAM} {__version__} made this dataset of BraTS-Reg folders: of every patient a scan before the operation (ses-pre)
and one at a follow-up (ses-post); sub-*_sessions.tsv has the days between them. Voxels and headers are those of the
published files, which were skull-stripped, aligned and resampled by the organisers of BraTS-Reg: they are not the
scanner's own. The terms of use of BraTS-Reg hold for these files as well, and its paper is to be cited.

The landmarks are in derivatives/landmarks, as published: Landmark,X,Y,Z, mm, LPS. Equal numbers are the same place.
"""


@attrs.frozen(kw_only=True)
class Kind:
    """What a dataset is made of."""

    name: str
    readme: str
    derivative: Path
    """Where that which belongs to the images goes, relative to the dataset."""
    holds: str
    """What that is."""
    ignored: str = ""
    """The derivative's ``.bidsignore``: names that BIDS does not have."""


BRATS = Kind(name="BraTS", readme=README, derivative=DERIVATIVE, holds="segmentations")
BRATS_REG = Kind(
    name="BraTS-Reg",
    readme=PAIRS_README,
    derivative=LANDMARKS,
    holds="landmarks",
    ignored="*_landmarks.*\n",
)


def write_descriptions(bids_dir: Path, kind: Kind) -> None:
    """Dataset files of the images and of what belongs to them; those that are there stay as they are."""
    made: dict[str, Any] = {
        "BIDSVersion": BIDS_VERSION,
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__}],
    }
    raw = {"Name": f"{kind.name} images", "DatasetType": "raw", **made}
    derivative = {"DatasetType": "derivative", "DatasetLinks": {"raw": "../.."}, **made}
    belonging = {"Name": f"{kind.name} {kind.holds}", **derivative}
    what = "Tumour segmentations" if kind is BRATS else "Landmarks"
    texts = {
        Path("dataset_description.json"): json_text(raw),
        Path("README"): kind.readme,
        Path("participants.json"): json_text(PARTICIPANTS),
        kind.derivative / "dataset_description.json": json_text(belonging),
        kind.derivative / "README": f"{what} of the images two folders above; see the README there.\n",
        kind.derivative / ".bidsignore": kind.ignored,
    }
    for name, text in texts.items():
        if text and not (bids_dir / name).exists():
            write_text(text, bids_dir / name)
