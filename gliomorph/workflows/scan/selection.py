"""What was found for the scans of a run, in words: of each modality, in each folder of masks, file by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...config.inputs import Inputs
from ...interfaces.datasets.entities import PassedOver, stem_and_suffix
from ...interfaces.datasets.query import MOST_NAMES, Scan, folder_names, some_of
from ...interfaces.files.text import listed, printable
from .plan import PlannedScan


def summary_of_files(planned: Sequence[PlannedScan], inputs: Inputs, dataset: Sequence[str]) -> list[str]:
    """A line on images, one on each folder of masks, and one on scans that a network segments.

    Parameters
    ----------
    planned : sequence of PlannedScan
        All of the run.
    inputs : Inputs
        What is read.
    dataset : sequence of str
        Names of all subjects' folders in the dataset.
    """
    scans = [each.scan for each in planned]
    count = Counter(name for scan in scans for name in _modalities(scan))
    images = ", ".join(f"{name} of {number}" for name, number in count.items()) or "none"
    lines = [f"images: {images}, of {len(scans)} scans{_passed_over(scans, '')}"]
    for name, root in inputs.derivatives.items():
        tumors = sum(scan.tumor is not None and scan.tumor.source == name for scan in scans)
        brains = sum(scan.brain_source == name for scan in scans)
        unknown = sorted(set(folder_names(root)) - set(dataset))
        lines.append(
            f"-d {name}: tumour masks of {tumors} scans, brain masks of {brains}{_passed_over(scans, name)}"
            + f"; not in the dataset: {listed(unknown, MOST_NAMES)}" * bool(unknown)
        )
    segmented = [scan.label for scan in scans if scan.image and not scan.tumor]
    if segmented:
        lines.append(
            f"a network segments {len(segmented)} scans without a mask: {listed(segmented, MOST_NAMES)}"
        )
    return lines


def _modalities(scan: Scan) -> list[str]:
    if scan.image is None:
        return []
    own = "UNIT1" if stem_and_suffix(scan.image)[1] == "UNIT1" else scan.modality
    return [own, *scan.others]


def _passed_over(scans: Sequence[Scan], source: str) -> str:
    files = {each.path: each for scan in scans for each in scan.passed_over if each.source == source}
    return f"; passed over {len(files)}: {some_of(list(files.values()))}" if files else ""


def chosen_files(planned: Sequence[PlannedScan]) -> Iterator[str]:
    """Every scan with the files that were chosen for it, and those that were not."""
    for scan in (each.scan for each in planned):
        yield scan.label
        if scan.image:
            yield f"  image: {scan.image.name} ({scan.modality})"
            yield from (f"  {name}: {path.name}" for name, path in scan.others.items())
            yield f"  tumour: {_tumor(scan)}"
        if scan.brain_mask:
            yield f"  brain: {scan.brain_mask.name} (-d {scan.brain_source})"
        yield from (f"  passed over: {_with_source(each)}" for each in scan.passed_over)


def _tumor(scan: Scan) -> str:
    if scan.tumor is None:
        return "none, a network segments it"
    table = f", labels by {scan.tumor.table.name}" if scan.tumor.table else ""
    space = f", in the space of {scan.tumor.space}" if scan.tumor.space else ""
    return printable(f"{scan.tumor.path.name} (-d {scan.tumor.source}{table}{space})")


def _with_source(file: PassedOver) -> str:
    return f"-d {file.source}: {file}" if file.source else str(file)
