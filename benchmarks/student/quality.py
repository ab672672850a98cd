"""Labels that the pipeline writes without a given mask, against true or given ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from gliomorph.cli import main as run_gliomorph
from gliomorph.cli_simulate import main as run_simulate
from gliomorph.interfaces.images import from_array, read_image, to_array, write_text
from gliomorph.interfaces.model_card import summary
from gliomorph.interfaces.query import Scan, find_scans
from gliomorph.interfaces.training_files import draw_examples
from gliomorph.interfaces.tumor import brats_labels, class_indices, resample_labels
from gliomorph.models.segmentation_metrics import measure

from ..tables import markdown

FIGURES = ("WT_dice", "TC_dice", "ET_dice", "WT_hausdorff95", "WT_sensitivity", "WT_precision")


def quality(args: argparse.Namespace) -> str:
    """Run what ``args`` ask for; the table as Markdown."""
    bids, derivatives = _dataset(args)
    out = args.out / "derivatives"
    options = ["--template", args.template, "--resolution", str(args.resolution), "--modality", args.modality]
    options += ["--template-dir", *args.template_dir] if args.template_dir else []
    options += ["--weights", str(args.weights)] if args.weights else []
    run_gliomorph([str(bids), str(out), "participant", "--registration", "affine", *options])
    name, _, folder = derivatives.partition("=")
    scans = find_scans(bids, derivatives={name: Path(folder)}, modality=args.modality)
    rows, shown = [], []
    for scan in scans:
        row, example = _compare(scan, out)
        rows.append({"scan": scan.label, **row})
        shown.append(example)
    table = pd.DataFrame(rows)
    table.to_csv(args.out / "quality.tsv", sep="\t", index=False)
    draw_examples(shown[:8], f"{args.modality}: image, given labels, student", args.out / "quality.png")
    cells = [[row["scan"], *(f"{row[figure]:.3g}" for figure in FIGURES)] for _, row in table.iterrows()]
    cells.append(["mean", *(f"{table[figure].mean():.3g}" for figure in FIGURES)])
    text = markdown(["scan", *(figure.replace("_", " ") for figure in FIGURES)], cells)
    if missing := [scan.label for scan in scans if not _labels_path(scan, out).exists()]:
        text += f"\nWithout labels, counted as nothing found: {', '.join(missing)}; why: {out / 'logs'}\n"
    write_text(text, args.out / "quality.md")
    if args.record:
        _record(args, rows, len(missing))
    return text


def _record(args: argparse.Namespace, rows: list[dict[str, float]], missing: int) -> None:
    """Add the figures to the card of the network that was measured, under the name given."""
    assert args.weights is not None
    path = args.weights.with_suffix(".json")
    card = json.loads(path.read_text(encoding="utf-8"))
    figures = [{name: value for name, value in row.items() if name != "scan"} for row in rows]
    data = (
        args.bids.name if args.bids else f"gliomorph-simulate --seed {args.seed} --template {args.template}"
    )
    measured = {
        "data": f"{data}, the whole pipeline",
        "scans": len(rows),
        "without_labels": missing,
        "metrics": summary(figures),
    }
    card["measured"] = card.get("measured", {}) | {args.record: measured}
    write_text(json.dumps(card, indent=1) + "\n", path)


def _dataset(args: argparse.Namespace) -> tuple[Path, str]:
    """The dataset, and the folder of its labels as NAME=PATH."""
    if args.bids:
        if not args.derivatives:
            raise SystemExit("--bids needs -d NAME=PATH: the label maps to compare with")
        return args.bids, args.derivatives
    bids = args.out / "bids"
    options = ["--template", args.template, "--resolution", str(args.resolution)]
    options += ["--template-dir", *args.template_dir] if args.template_dir else []
    if run_simulate([str(bids), "--subjects", str(args.subjects), "--seed", str(args.seed), *options]):
        raise SystemExit("the simulation failed")
    return bids, f"truth={bids / 'derivatives' / 'truth'}"


def _compare(scan: Scan, out: Path) -> tuple[dict[str, float], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Figures of one scan, and its image, truth and labels at 2 mm in RAS; a scan without labels found nothing."""
    assert scan.image is not None and scan.tumor is not None
    image = read_image(scan.image)
    given = brats_labels(read_image(scan.tumor.path), "dseg", scan.tumor.path.name)
    truth = resample_labels(given, image)
    written = _labels_path(scan, out)
    labels = read_image(written, sitk.sitkUInt8) if written.exists() else _empty(truth)
    classes = [class_indices(to_array(part)) for part in (labels, truth)]
    figures = measure(*classes, image.GetSpacing(), to_array(image) > 0)
    seen = [_upright(part, interpolation) for part, interpolation in (
        (image, sitk.sitkLinear), (truth, sitk.sitkNearestNeighbor), (labels, sitk.sitkNearestNeighbor)
    )]  # fmt: skip
    return figures, (seen[0], *(class_indices(part) for part in seen[1:]))


def _labels_path(scan: Scan, out: Path) -> Path:
    folder = out / f"sub-{scan.subject}" / (f"ses-{scan.session}" if scan.session else "") / "anat"
    return folder / f"{scan.stem}_seg-brats_desc-student_dseg.nii.gz"


def _empty(like: sitk.Image) -> sitk.Image:
    return from_array(np.zeros_like(to_array(like)), like)


def _upright(image: sitk.Image, interpolation: int) -> np.ndarray:
    """Voxels of 2 mm along right, anterior, superior."""
    image = sitk.DICOMOrient(image, "RAS")
    size = [round(n * mm / 2) for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    return to_array(
        sitk.Resample(
            image, size, sitk.Transform(), interpolation, image.GetOrigin(), [2.0] * 3, image.GetDirection()
        )
    )
