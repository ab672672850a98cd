"""Labels that the pipeline writes without a given mask, against true or given ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from gliomorph.cli.run import INTERRUPTED
from gliomorph.cli.run import main as run_gliomorph
from gliomorph.cli.simulate import main as run_simulate
from gliomorph.interfaces.datasets.query import Scan, find_scans
from gliomorph.interfaces.derivatives.names import ScanNames, anat_folder
from gliomorph.interfaces.derivatives.scan_record import read_scan_record
from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_text
from gliomorph.interfaces.files.labels import brats_labels, class_indices, resample_labels, tumor_only
from gliomorph.interfaces.networks.files import WeightsError, card_of, weights_sha256
from gliomorph.interfaces.networks.segmentation import read_modalities, reads_alone, shipped_student
from gliomorph.models.segmentation.metrics import measure
from gliomorph.training.cards import summary
from gliomorph.training.pictures import draw_examples
from gliomorph.workflows.scan.plan import STUDENT
from gliomorph.workflows.summary import last_causes

from ..tables import markdown

FIGURES = ("WT_dice", "TC_dice", "ET_dice", "WT_hausdorff95", "WT_sensitivity", "WT_precision")
METHOD = "affine"
"""Registers fast: the labels do not depend on it."""


def quality(args: argparse.Namespace) -> str:
    """Run what ``args`` ask for; the table as Markdown.

    Raises
    ------
    SystemExit
        No network, no card to record in, no scan whose tumour is known, or a run that did not come to its end.
    """
    weights = _network(args)
    bids, derivatives = _dataset(args)
    name, _, folder = derivatives.partition("=")
    found = find_scans(bids, derivatives={name: Path(folder)}, modality=args.modality)
    scans, skipped = _comparable(found, args.modality)
    out = args.out / "derivatives"
    _run(args, bids, out, weights, scans)
    labels = {scan.label: _labels_path(scan, out, args, weights_sha256(weights)) for scan in scans}
    rows, shown = [], []
    for scan in scans:
        row, example = _compare(scan, labels[scan.label])
        rows.append({"scan": scan.label, **row})
        shown.append(example)
    table = pd.DataFrame(rows)
    table.to_csv(args.out / "quality.tsv", sep="\t", index=False)
    draw_examples(shown[:8], f"{args.modality}: image, given labels, student", args.out / "quality.png")
    missing = [label for label, path in labels.items() if path is None]
    text = _markdown(table)
    if missing:
        text += f"\nWithout labels, counted as nothing found: {', '.join(missing)}; why: {out / 'logs'}\n"
    if skipped:
        text += "\nNot measured:\n\n" + "".join(f"- {label}: {why}\n" for label, why in skipped.items())
    write_text(text, args.out / "quality.md")
    if args.record:
        _record(args, rows, len(missing))
    return text


def _markdown(table: pd.DataFrame) -> str:
    cells = [[row["scan"], *(f"{row[figure]:.3g}" for figure in FIGURES)] for _, row in table.iterrows()]
    cells.append(["mean", *(f"{table[figure].mean():.3g}" for figure in FIGURES)])
    return markdown(["scan", *(figure.replace("_", " ") for figure in FIGURES)], cells)


def _network(args: argparse.Namespace) -> Path:
    """The network to measure, refused if it cannot read the scans: it would seem to find nothing in them."""
    weights = args.weights or shipped_student(args.modality)
    if weights is None:
        raise SystemExit(f"no network for {args.modality} comes with gliomorph: give one with --weights FILE")
    try:
        read, fits = read_modalities(weights), reads_alone(weights, args.modality)
    except WeightsError as error:
        raise SystemExit(f"--weights: {error}") from error
    if not fits:
        raise SystemExit(f"{weights.name} reads {', '.join(read)}: give --modality, not {args.modality}")
    if args.record and card_of(weights) is None:
        card = weights.with_suffix(".json")
        raise SystemExit(f"--record needs a card that names the sha256 of {weights.name}: {card} does not")
    return weights


def _comparable(scans: Sequence[Scan], modality: str) -> tuple[list[Scan], dict[str, str]]:
    """Scans whose tumour is known, and why each other one is not measured; told before hours of computing."""
    reasons = {scan.label: _why_not(scan, modality) for scan in scans}
    skipped = {label: why for label, why in reasons.items() if why}
    for label, why in skipped.items():
        print(f"{label} is not measured: {why}", flush=True)
    if len(skipped) == len(scans):
        raise SystemExit(f"none of {len(scans)} scans has a {modality} image and a label map of its tumour")
    return [scan for scan in scans if not reasons[scan.label]], skipped


def _why_not(scan: Scan, modality: str) -> str:
    """Why a scan cannot be measured; empty if it can."""
    if scan.problem:
        return scan.problem
    if scan.modality != modality:
        return f"no {modality} image"
    if scan.tumor is None:
        return "no label map is given"
    if scan.tumor.kind != "dseg":
        return f"{scan.tumor.path.name} is a mask of the whole tumour, a label map (dseg) of its parts is required"
    try:
        _, truth = _image_and_truth(scan)
    except (ImageError, OSError) as error:  # a label table may be a link to nothing
        return str(error)
    return "" if to_array(truth).any() else f"{scan.tumor.path.name} lies outside the image"


def _run(args: argparse.Namespace, bids: Path, out: Path, weights: Path, scans: Sequence[Scan]) -> None:
    """Run ``gliomorph`` on the subjects of these scans; a run in which some of them failed is one."""
    options = ["--template", args.template, "--resolution", str(args.resolution), "--modality", args.modality]
    options += ["--template-dir", *args.template_dir] if args.template_dir else []
    options += ["--weights", str(weights), "--registration", METHOD]
    options += ["--participant-label", *sorted({scan.subject for scan in scans})]
    code = run_gliomorph([str(bids), str(out), "participant", *options])
    if code not in (0, 1):
        known = {2: "could not start, for the reason above", INTERRUPTED: "was interrupted"}
        raise SystemExit(f"gliomorph {known.get(code, f'ended with code {code}')}: nothing is measured")


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
        if "=" not in (args.derivatives or ""):
            raise SystemExit("--bids needs -d NAME=PATH: the label maps to compare with")
        return args.bids, args.derivatives
    bids = args.out / "bids"
    options = ["--template", args.template, "--resolution", str(args.resolution)]
    options += ["--template-dir", *args.template_dir] if args.template_dir else []
    if run_simulate([str(bids), "--subjects", str(args.subjects), "--seed", str(args.seed), *options]):
        raise SystemExit("the simulation failed")
    return bids, f"truth={bids / 'derivatives' / 'truth'}"


def _compare(
    scan: Scan, written: Path | None
) -> tuple[dict[str, float], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Figures of one scan, and its image, truth and labels at 2 mm in RAS; a scan without labels found nothing."""
    image, truth = _image_and_truth(scan)
    labels = read_image(written, sitk.sitkUInt8) if written else _empty(truth)
    classes = [class_indices(to_array(part)) for part in (labels, truth)]
    figures = measure(*classes, image.GetSpacing(), to_array(image) > 0)
    seen = [_upright(part, interpolation) for part, interpolation in (
        (image, sitk.sitkLinear), (truth, sitk.sitkNearestNeighbor), (labels, sitk.sitkNearestNeighbor)
    )]  # fmt: skip
    return figures, (seen[0], *(class_indices(part) for part in seen[1:]))


def _image_and_truth(scan: Scan) -> tuple[sitk.Image, sitk.Image]:
    """The image, and the given labels on its grid."""
    assert scan.image is not None and scan.tumor is not None
    image, tumor = read_image(scan.image), scan.tumor
    voxels = read_image(tumor.path, sitk.sitkFloat32)
    given, *_ = brats_labels(voxels, tumor.kind, tumor.path.name, tumor.table)
    return image, resample_labels(from_array(tumor_only(to_array(given)), given), image)


def _labels_path(scan: Scan, out: Path, args: argparse.Namespace, sha256: str) -> Path | None:
    """The labels that these very weights left; None where they left none.

    A scan that fails keeps the files of an earlier run. Its record, written last, says whose they are; the logs say
    whether the last run failed, as older code with the same weights may have left them too.
    """
    assert scan.image is not None
    names = ScanNames(
        label=scan.label,
        folder=anat_folder(scan.subject, scan.session),
        stem=scan.stem,
        template=args.template,
        resolution=args.resolution,
        source=STUDENT,
    )
    record = read_scan_record(out / names.registration(METHOD))
    if record is None or record.tumor.weights_sha256 != sha256 or scan.label in last_causes(out / "logs"):
        return None
    return out / names.native()["native_dseg"]


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
