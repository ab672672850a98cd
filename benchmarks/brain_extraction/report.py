"""Tables, bars and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gliomorph.interfaces.files.images import read_image, write_text
from gliomorph.interfaces.reports import figures
from gliomorph.interfaces.reports.cuts import spread_cuts

from ..tables import markdown
from .cases import Case
from .measure import mask_path

WORST = 10
ADULT_ML = (900, 2000)
TUMOR, AGREEMENT, LABELS = (0.98, 0.90), 0.95, 0.96


def write(rows: pd.DataFrame, agreement: pd.DataFrame, out: Path) -> str:
    """The tables; returns the summary."""
    rows.to_csv(out / "extraction.tsv", sep="\t", index=False, float_format="%.4f")
    agreement.to_csv(out / "agreement.tsv", sep="\t", index=False, float_format="%.4f")
    text = summary(rows, agreement)
    write_text(text, out / "extraction.md")
    return text


def summary(rows: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """A column of figures for each tool, the bar beside them."""
    tools = list(dict.fromkeys(rows["tool"]))
    lines = {name: [name, bar] for name, bar in BARS.items()}
    for tool in tools:
        figures_ = of_one_tool(rows[rows["tool"] == tool], agreement[agreement["tool"] == tool])
        for name, line in lines.items():
            line.append(figures_[name])
    return markdown(["", "required", *tools], list(lines.values()))


BARS = {
    "images, failures": "no failure",
    "brain, ml": f"{ADULT_ML[0]} to {ADULT_ML[1]}",
    "tumour inside, %": f"mean {100 * TUMOR[0]:.0f}, least {100 * TUMOR[1]:.0f}",
    "Dice of a head's sequences": f"{AGREEMENT}",
    "Dice with the labels' brain": f"{LABELS}",
    "CPU seconds of an image": "30 (15 on two cores)",
    "peak memory, GB": "2",
}


def of_one_tool(rows: pd.DataFrame, agreement: pd.DataFrame) -> dict[str, str]:
    """The figures of one tool, by the bars' names."""
    failed = int((rows["failure"] != "").sum())

    def column(name: str) -> pd.Series:
        return rows[name].dropna() if name in rows else pd.Series(dtype=float)

    volume, tumor, labels = column("ml"), 100 * column("tumor_inside"), column("dice")
    pairs = agreement["dice"] if len(agreement) else pd.Series(dtype=float)
    return {
        "images, failures": f"{len(rows)}, {failed}",
        "brain, ml": f"{volume.min():.0f} to {volume.max():.0f}",
        "tumour inside, %": f"mean {tumor.mean():.1f}, least {tumor.min():.1f}, below 90: {(tumor < 90).sum()}",
        "Dice of a head's sequences": f"mean {pairs.mean():.3f}, least {pairs.min():.3f}, "
        f"below: {(pairs < AGREEMENT).sum()} of {len(pairs)}",
        "Dice with the labels' brain": f"mean {labels.mean():.3f}, least {labels.min():.3f}",
        "CPU seconds of an image": f"median {column('cpu_seconds').median():.1f}, most "
        f"{column('cpu_seconds').max():.1f}",
        "peak memory, GB": f"{column('peak_gb').max():.2f}",
    }


def draw_worst(rows: pd.DataFrame, agreement: pd.DataFrame, cases: Sequence[Case], out: Path) -> list[Path]:
    """Pictures of the images that miss most, each tool's ten."""
    by_name = {case.name: case for case in cases}
    paths = []
    for tool in dict.fromkeys(rows["tool"]):
        errors: dict[str, float] = {}
        for row in rows[rows["tool"] == tool].to_dict("records"):
            name = f"{row['head']}_{row['sequence']}"
            lacking = [1 - row[key] for key in ("tumor_inside", "dice") if row.get(key) == row.get(key, 0)]
            errors[name] = max([*lacking, 0.0])
        for row in agreement[agreement["tool"] == tool].to_dict("records"):
            for sequence in (row["first"], row["second"]):
                name = f"{row['head']}_{sequence}"
                errors[name] = max(errors[name], 1 - row["dice"])
        worst = sorted(errors, key=lambda name: -errors[name])[:WORST]
        paths += [draw(tool, by_name[name], number, out) for number, name in enumerate(worst, start=1)]
    return [path for path in paths if path]


def draw(tool: str, case: Case, number: int, out: Path) -> Path | None:
    """Slices of an image with the contours of its mask and of the tumour."""
    path = mask_path(tool, case, out)
    if not path.exists():
        return None
    image, mask = read_image(case.image), read_image(path)
    tumor = read_image(case.tumor) if case.tumor else None
    title = f"{case.name}, {tool}"
    png = figures.anatomy(image, spread_cuts(mask, tumor), title=title, lesion=tumor, brain=mask)
    target = out / f"worst_{tool}_{number:02d}_{case.name}.png"
    target.write_bytes(png)
    return target
