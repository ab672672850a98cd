"""Networks on the scans that trainings for any subset held out: Dice by sequence, and the threshold for it.

Scans are read as the trainings prepared them, skull-stripped and at one size; the whole pipeline's figures are those of
``quality``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.networks.segmentation import load_members
from gliomorph.models.segmentation.inference import decide
from gliomorph.training.any_sequence.examples import read_scan, subsets_of, with_only
from gliomorph.training.any_sequence.held_out import as_row, found_in, measured
from gliomorph.training.any_sequence.train import NAME
from gliomorph.training.pictures import draw_examples

from ..tables import markdown

if TYPE_CHECKING:
    from gliomorph.interfaces.networks.segmentation import Member

    Scans = Mapping[str, tuple[list[Member], Member, Path]]

USUAL = 0.5
"""Threshold of the tables."""
LARGE_ML = 20.0
"""No tumour above this should be missed altogether."""
MISSED = 0.05
"""Dice below which it is."""
REGIONS = ("WT", "TC", "ET")
SUBSETS = ("T1w", "T1ce", "T2w", "FLAIR", "all")


def held_out(args: argparse.Namespace) -> str:
    """Measure, compare, draw: ``held-out.tsv`` with every row, ``held-out.md`` with the tables, which are returned."""
    args.out.mkdir(parents=True, exist_ok=True)
    rows, scans = [], {}
    for fold, folder in enumerate(args.trainings):
        kept = load_members(folder / NAME)
        members = load_members(args.weights) if args.weights else kept
        for scan, file in _files(folder, args.prepared or folder / "prepared").items():
            found = [as_row(scan, one) | {"fold": fold} for one in measured(members, file, kept[0][1])]
            rows += found
            scans[scan] = (members, kept[0], file)
            print(f"fold {fold}: {scan}", flush=True)
    table = pd.DataFrame(rows)
    table.insert(
        1,
        "labels",
        np.where(table.volume_ml == 0, "healthy", np.where(table.TC_dice.isna(), "outline", "parts")),
    )
    table.to_csv(args.out / "held-out.tsv", sep="\t", index=False)
    for subset in args.pictures:
        _draw(table, subset, scans, args.out / f"held-out-{subset}.png")
    text = summary_of(table)
    write_text(text, args.out / "held-out.md")
    return text


def _files(folder: Path, prepared: Path) -> dict[str, Path]:
    """Prepared scans of the held-out fold of a training, by subject."""
    parts = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    return {
        f"sub-{subject}" + f"/{number}" * (number > 0): prepared / name
        for subject, names in parts["test"].items()
        for number, name in enumerate(names)
    }


def summary_of(table: pd.DataFrame) -> str:
    """Means over scans at the usual threshold, at the best one of the other folds, and what was missed."""
    text = ""
    usual, best = table[table.threshold == USUAL], _at_the_others_best(table)
    for labels in ("parts", "outline"):
        cells = []
        for subset in SUBSETS:
            mine, tuned = (t[(t.labels == labels) & (t.subset == subset)] for t in (usual, best))
            if not len(mine):
                continue
            missed = int(((mine.volume_ml > LARGE_ML) & (mine.WT_dice < MISSED)).sum())
            cells.append(
                [
                    subset,
                    str(len(mine)),
                    *(f"{mine[f'{region}_dice'].mean():.3f}" for region in REGIONS),
                    f"{mine.WT_precision.mean():.2f}",
                    f"{mine.WT_sensitivity.mean():.2f}",
                    str(missed),
                    f"{tuned.WT_dice.mean():.3f}",
                ]
            )
        head = [
            "read from",
            "scans",
            *REGIONS,
            "WT precision",
            "WT sensitivity",
            "missed above 20 ml",
            "WT at the others' threshold",
        ]
        if cells:
            text += f"Labels of the {'parts' if labels == 'parts' else 'outline alone'}:\n\n{markdown(head, cells)}\n"
    healthy = usual[usual.labels == "healthy"]
    for _, row in healthy.iterrows():
        text += f"{row.scan}, healthy, {row.subset}: {row.found_ml:.1f} ml found\n"
    return text


def _at_the_others_best(table: pd.DataFrame) -> pd.DataFrame:
    """Every fold's rows at the threshold at which the scans of the other folds have the highest mean Dice."""
    ill = table[table.labels != "healthy"]
    parts = []
    for fold in sorted(table.fold.unique()):
        others = ill[ill.fold != fold] if ill.fold.nunique() > 1 else ill
        best = others.groupby("threshold").WT_dice.mean().idxmax()
        parts.append(ill[(ill.fold == fold) & (ill.threshold == best)])
    return pd.concat(parts)


def _draw(table: pd.DataFrame, subset: str, scans: Scans, path: Path) -> None:
    """A picture of the worst, middle and best scans, read from one sequence."""
    mine = table[(table.threshold == USUAL) & (table.subset == subset) & (table.volume_ml > 0)]
    order = mine.sort_values("WT_dice")
    middle = len(order) // 2
    chosen = pd.concat([order.iloc[:2], order.iloc[middle - 1 : middle + 1], order.iloc[-2:]])
    examples = []
    for scan in chosen.scan:
        members, (_, kept), file = scans[scan]
        images, labels = read_scan(file)
        channels = subsets_of(images)[subset]
        found = decide(found_in(members, with_only(images, channels), kept), 1.0, USUAL)
        # an outline is shown as oedema
        examples.append((images[channels[0]].numpy(), np.where(labels > 3, 2, labels), found))
    title = ", ".join(f"{scan} {dice:.2f}" for scan, dice in zip(chosen.scan, chosen.WT_dice, strict=True))
    draw_examples(examples, f"{subset}: {title}", path)
