"""What of a derivatives folder is shared, and the text that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..datasets.entities import IMAGES
from ..files.folders import files_in

_IMAGES = "|".join(IMAGES)
_ANAT = r"(?:sub-[A-Za-z0-9]+/(?:ses-[A-Za-z0-9]+/)?|tpl-[A-Za-z0-9]+/(?:cohort-[A-Za-z0-9]+/)?)anat"
WANTED = re.compile(
    rf"(?:{_ANAT})/[^/]+(?:_(?:{_IMAGES}|mask|dseg|probseg|statmap)\.nii\.gz|_(?:dseg|stats)\.tsv|_xfm\.h5|\.json)"
    r"|sub-[A-Za-z0-9]+/sub-[A-Za-z0-9]+_longitudinal\.(?:tsv|json)"
    r"|atlas-[A-Za-z0-9]+_description\.json|group_[a-z]+\.tsv"
)
"""Files that are shared, by their names; all others stay."""
MADE_ANEW = ("README.md", "dataset_description.json")
KINDS = {
    "images": re.compile(rf"_(?:{_IMAGES})\.nii\.gz$"),
    "masks and label maps": re.compile(r"_(?:mask|dseg)\.nii\.gz$"),
    "maps": re.compile(r"_(?:probseg|statmap)\.nii\.gz$"),
    "transforms": re.compile(r"_xfm\.h5$"),
    "tables": re.compile(r"\.tsv$"),
}
README = """A copy of derivatives of gliomorph that was made to be shared: brain tumours in template space, their atlas.

Subjects have new names, in a random order; their sessions are numbered. Images show the brain alone{defaced}.
Headers of images have no text; JSON and tables have no paths, dates, remarks, hashes of images, nor files of other
datasets. Names and transforms are explained in gliomorph's documentation (docs/outputs.md).

There are {there}.
Left out: {left}.
"""


def wanted_files(out: Path) -> tuple[list[str], list[str]]:
    """Files of a derivatives folder, relative to it: those that may be shared, and the others."""
    names = [path.relative_to(out).as_posix() for path in files_in(out, "**/*") if path.is_file()]
    wanted = [name for name in names if WANTED.fullmatch(name)]
    return wanted, sorted({*names} - {*wanted, *MADE_ANEW})


def is_image(name: str) -> bool:
    """Whether a file shows a brain, rather than a mask or a map."""
    return bool(KINDS["images"].search(name))


def is_native(name: str) -> bool:
    """Whether a subject's image lies on the grid of its scan, by its name."""
    return "_space-" not in PurePosixPath(name).name


def stem_of(image: str) -> str:
    """Folder and stem of the scan that a subject's image was made of: the part before its first own entity."""
    return re.split(r"_(?:space|desc)-", image)[0]


def brain_mask(out: Path, stem: str) -> Path | None:
    """The native brain mask of a scan; None where there is none."""
    folder, name = (out / stem).parent, PurePosixPath(stem).name
    return next(
        iter(files_in(folder, f"{name}_desc-brain_mask.nii.gz", f"{name}_label-brain*_mask.nii.gz")), None
    )


def readme(shared: Iterable[str], others: Sequence[str], images: int, defaced: int) -> str:
    """The text that says what is there and what is not.

    Parameters
    ----------
    shared, others : sequence of str
        Files that are shared, and those of the derivatives that are none of :func:`wanted_files`.
    images : int
        Number of images that were left out.
    defaced : int
        Number of images that were shared only near the brain.
    """
    shared = list(shared)
    subjects = {PurePosixPath(name).parts[0] for name in shared if name.startswith("sub-")}
    counts = {kind: sum(bool(rule.search(name)) for name in shared) for kind, rule in KINDS.items()}
    pages = sum(name.endswith((".html", ".png")) for name in others)
    left = {
        "pages and their pictures": pages,
        "logs and other files": len(others) - pages,
        "images that show more than the brain": images,
    }
    return README.format(
        defaced=f" ({defaced} of them what is up to 5 mm around it, too)" if defaced else "",
        there=_counted({"subjects": len(subjects)} | counts),
        left=_counted(left) or "nothing",
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
