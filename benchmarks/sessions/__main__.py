"""Command line: ``python -m benchmarks.sessions OUT``."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from gliomorph.cli.evaluate import main as run_evaluate
from gliomorph.cli.register import main as run_register
from gliomorph.cli.run import main as run_gliomorph
from gliomorph.interfaces.files.images import write_text
from gliomorph.interfaces.files.sidecars import read_object
from gliomorph.interfaces.files.tables import json_text
from gliomorph.interfaces.machine.limits import available_cpus
from gliomorph.interfaces.methods import DEFORMABLE
from gliomorph.interfaces.methods import METHODS as ALL

from . import __doc__ as description
from .dataset import SESSIONS, image_path, landmarks_path, mask_path, truth, write_patients

METHODS = ("greedy-cfm", "syn-cfm", "metamorphosis")
LARGEST_MM, SHARE = 0.8, 0.5
"""What the direct way is to keep to: median error, and its share of that through the template."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, register both ways, measure."""
    options = _parser().parse_args(arguments)
    bids, subjects = options.out / "bids", options.subjects or subjects_of(options.maps)
    require_same(options.out, {"seed": options.seed, "resolution": options.resolution})
    write_patients(bids, options.maps, subjects, options.seed, options.resolution)
    through_template(bids, options)
    for method in ("rigid", *(name for name in options.methods if name in DEFORMABLE)):
        for subject in subjects:
            directly(bids, subject, method, options)
    files = [landmarks_path(bids, subject, name) for subject in subjects for name in SESSIONS]
    words = ["landmarks", str(options.out / "derivatives"), str(options.out), *map(str, files)]
    words += ["--coordinates", "LPS", "--before", "native", "--onto", SESSIONS[0]]
    if run_evaluate([*words, "--direct", str(options.out / "direct")]):
        raise SystemExit("gliomorph-evaluate could not measure, for the reason above")
    text = (options.out / "landmarks_summary.md").read_text() + "\n".join(["", *gains(options.out), ""])
    print(write_text(text, options.out / "sessions.md").read_text())


def require_same(out: Path, made: dict[str, int]) -> None:
    """Raise :class:`SystemExit` where the folder was made with other scans: what is there is kept, by its name."""
    record = out / "sessions.json"
    if record.exists() and (there := read_object(record)) != made:
        options = " ".join(f"--{name} {value}" for name, value in there.items())
        raise SystemExit(f"{out} was made with {options}: choose another folder, or remove it")
    write_text(json_text(made), record)


def subjects_of(maps: Path) -> list[str]:
    """The ends of the names of all label maps in a folder."""
    return sorted(
        path.name.removesuffix("_dseg.nii.gz").split("-")[-1] for path in maps.glob("*-*_dseg.nii.gz")
    )


def through_template(bids: Path, options: argparse.Namespace) -> None:
    """``gliomorph`` with all methods."""
    words = [str(bids), str(options.out / "derivatives"), "participant", "-w", str(options.out / "work")]
    words += ["-d", f"truth={truth(bids)}", "--skip-bids-validation", "--gpu", "none"]
    words += ["--template", options.template, "--resolution", str(options.resolution)]
    words += ["--template-dir", *map(str, options.template_dir)] if options.template_dir else []
    words += ["--registration", *dict.fromkeys(("rigid", "affine", *options.methods))]
    words += ["--nprocs", str(options.nprocs), "--omp-nthreads", str(options.omp_nthreads)]
    if (code := run_gliomorph(words)) not in (0, 1):
        raise SystemExit(f"gliomorph ended with code {code}, for the reason above: nothing is measured")


def directly(bids: Path, subject: str, method: str, options: argparse.Namespace) -> None:
    """``gliomorph-register`` of the second session to the first; kept where it is there."""
    out = options.out / "direct" / method / f"sub-{subject}"
    if (out / "registration.json").exists():
        return
    first, second = SESSIONS
    words = [str(image_path(bids, subject, second)), str(image_path(bids, subject, first)), "-o", str(out)]
    for side, name in (("moving", second), ("fixed", first)):
        words += [f"--{side}-brain", str(mask_path(bids, subject, name, "desc-brain"))]
        words += [f"--{side}-mask", str(mask_path(bids, subject, name, "label-tumor"))]
    words += ["--transform", "rigid"] if method == "rigid" else ["--method", method]
    words += ["--resolution", str(options.resolution), "--gpu", "none"]
    if run_register([*words, "--omp-nthreads", str(options.omp_nthreads)]):
        print(f"sub-{subject}: {method}: failed, left out", flush=True)


def gains(out: Path) -> list[str]:
    """A line for each method that was run both ways."""
    with (out / "landmarks_summary.tsv").open(newline="") as lines:
        rows = {(row["method"], row["way"]): row for row in csv.DictReader(lines, delimiter="\t")}
    said = []
    for (method, way), row in rows.items():
        other = rows.get((method, "template"))
        if way != "direct" or other is None or method == "rigid":
            continue
        ours, theirs = float(row["median_mm"]), float(other["median_mm"])
        kept = ours <= LARGEST_MM and ours <= SHARE * theirs
        said.append(
            f"- {method}: {ours:.3g} mm directly, {theirs:.3g} mm through the template "
            f"({'kept' if kept else 'missed'}: at most {LARGEST_MM} mm and {SHARE:g} of it)"
        )
    return said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sessions",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out", type=Path)
    add("--maps", type=Path, required=True, help="folder of label maps, *-NN_dseg.nii.gz")
    add("--subjects", nargs="+", default=[], metavar="NN", help="which of them (default: all)")
    add("--seed", type=int, default=1)
    add("--resolution", type=int, default=1, choices=(1, 2, 3, 4), help="mm, of scans and registrations")
    add("--template", default="MNI152")
    add("--template-dir", nargs="+", type=Path, default=[])
    add("--methods", nargs="+", default=list(METHODS), choices=ALL, metavar="METHOD",
        help="those of two images both ways, the learned ones through the template (default: greedy-cfm, syn-cfm, "
        "metamorphosis)")  # fmt: skip
    add("--nprocs", type=int, default=available_cpus(), help="as for gliomorph (default: %(default)s)")
    add("--omp-nthreads", type=int, default=1, help="as for gliomorph (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
