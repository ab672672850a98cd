"""Every registration method against the known truth of a simulated cohort.

    python -m benchmarks.truth OUT [--subjects 6] [--seed 11] [--resolution 2] [--template MNI152] …

simulates a cohort, runs ``gliomorph`` on it with every method, and writes ``OUT/truth.md``: target registration
error (TRE) outside the tumour and near it, the tumour's overlap with its true place, folds, seconds and memory,
and how well each method's tumour frequency map agrees with the true one. Resumable: what is there is kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from gliomorph.cli import main as run_gliomorph
from gliomorph.cli_simulate import main as run_simulate
from gliomorph.environment import template_folders
from gliomorph.interfaces.evaluate_truth import target_registration_error
from gliomorph.interfaces.images import read_image, to_array
from gliomorph.interfaces.simulated_truth import region_points
from gliomorph.interfaces.templates import Template, load_template
from gliomorph.interfaces.transforms import apply_to_points, read_transform
from gliomorph.interfaces.weights import NEEDED
from gliomorph.settings import METHODS, method_label

from .tables import markdown

NEAR_MM = 15.0


def measure_subject(
    subject: str, bids: Path, out: Path, template: Template, methods: list[str]
) -> tuple[list[dict[str, object]], np.ndarray]:
    """A row a method, and the true tumour on the template's grid."""
    truth = bids / "derivatives" / "truth" / subject / "anat"
    name, res = template.name, template.resolution
    tumor = to_array(read_image(truth / f"{subject}_space-{name}_seg-brats_res-{res}_dseg.nii.gz")) > 0
    points = region_points(to_array(template.brain_mask) > 0, tumor, template.image, NEAR_MM)
    true = read_transform(truth / f"{subject}_from-native_to-{name}_mode-image_desc-truth_xfm.h5")
    places = {region: apply_to_points(true, points[region]) for region in points}
    rows = []
    for method in methods:
        label, anat = method_label(method), out / subject / "anat"
        forward = read_transform(anat / f"{subject}_from-native_to-{name}_mode-image_desc-{label}_xfm.h5")
        error, near = (
            target_registration_error(forward, points[region], places[region])
            for region in ("outside", "near")
        )
        mask = to_array(
            read_image(anat / f"{subject}_space-{name}_res-{res}_label-tumor_desc-{label}_mask.nii.gz")
        )
        record = json.loads(
            (anat / f"{subject}_space-{name}_res-{res}_desc-{label}_registration.json").read_text()
        )
        rows.append(
            {
                "method": method,
                "TRE mean (mm)": error.mean(),
                "TRE p95 (mm)": np.percentile(error, 95),
                "TRE near tumour (mm)": near.mean(),
                "tumour Dice": 2 * (mask.astype(bool) & tumor).sum() / (mask.sum() + tumor.sum()),
                "folds": record["quality"]["folds"],
                "seconds": record["seconds"],
                "peak memory (GB)": record["peak_memory_gb"],
            }
        )
    return rows, tumor


def frequency_correlation(
    subjects: list[str], out: Path, template: Template, method: str, true: np.ndarray
) -> float:
    """Pearson r, over the brain, of a method's whole-tumour frequency map and the true one."""
    total = np.zeros(true.shape)
    name, res, label = template.name, template.resolution, method_label(method)
    for subject in subjects:
        mask = f"{subject}_space-{name}_res-{res}_label-tumor_desc-{label}_mask.nii.gz"
        total += to_array(read_image(out / subject / "anat" / mask, sitk.sitkUInt8)) > 0
    brain = to_array(template.brain_mask) > 0
    return float(np.corrcoef(total[brain], true[brain])[0, 1])


def main() -> None:
    """Simulate, run, compare, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--resolution", type=int, default=2, choices=(1, 2))
    parser.add_argument("--template", default="MNI152")
    parser.add_argument("--template-dir", nargs="+", default=[])
    unlearned = [method for method in METHODS if method not in NEEDED]
    parser.add_argument("--methods", nargs="+", default=unlearned, choices=METHODS)
    parser.add_argument("--registration-weights", nargs="+", default=[])
    args = parser.parse_args()
    bids, out = args.out / "bids", args.out / "derivatives"
    where = ["--template-dir", *args.template_dir] if args.template_dir else []
    common = ["--template", args.template, "--resolution", str(args.resolution), *where]
    if run_simulate([str(bids), "--subjects", str(args.subjects), "--seed", str(args.seed), *common]):
        raise SystemExit("the simulation failed")
    given = ["-d", f"truth={bids / 'derivatives' / 'truth'}", "--registration", *args.methods]
    if args.registration_weights:
        given += ["--registration-weights", *args.registration_weights]
    if run_gliomorph([str(bids), str(out), "participant", *common, *given]):
        raise SystemExit("gliomorph failed")
    template = load_template(args.template, args.resolution, [*args.template_dir, *template_folders()])
    subjects = sorted(path.name for path in bids.glob("sub-*"))
    rows, tumors = [], []
    for subject in subjects:
        measured, tumor = measure_subject(subject, bids, out, template, args.methods)
        rows += measured
        tumors.append(tumor)
    table = pd.DataFrame(rows).groupby("method", sort=False).mean()
    table["frequency r"] = [
        frequency_correlation(subjects, out, template, method, np.sum(tumors, axis=0, dtype=float))
        for method in table.index
    ]
    cells = ([method, *(f"{value:.3g}" for value in row)] for method, row in table.iterrows())
    text = markdown(["method", *table.columns], cells)
    (args.out / "truth.md").write_text(text)
    pd.DataFrame(rows).to_csv(args.out / "truth.tsv", sep="\t", index=False)
    print(text)


if __name__ == "__main__":
    main()
