"""The template as files: what the nodes of every scan read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs
import SimpleITK as sitk

from ..files.images import write_image, write_text
from ..records import Record
from .templates import Template, load_template, working_grid

PREPARED = "prepared.json"
"""How long the files are that lie beside it."""
NEAREST = {
    "T1w": ("T1w",),
    "T1ce": ("T1w",),
    "T2w": ("T2w", "T1w"),
    "FLAIR": ("FLAIR", "T2w", "T1w"),
}
"""Images of a template that an image of each modality is compared with, the most alike first."""


@attrs.frozen(kw_only=True)
class TemplateFiles(Record):
    """A template on disk."""

    image: Path
    brain: Path
    """``image``, ``brain``: On the template's full grid."""
    fixed: Path
    fixed_brain: Path
    """``fixed``, ``fixed_brain``: On the working grid."""
    contrasts: dict[str, Path] = attrs.field(factory=dict)
    """On the working grid: its images of other modalities than T1w, by modality."""

    def nearest(self, modality: str) -> tuple[str, Path]:
        """The modality of the image, on the working grid, that is most like one modality; and this image."""
        offered = {"T1w": self.fixed, **self.contrasts}
        like = next(each for each in NEAREST[modality] if each in offered)
        return like, offered[like]


def prepare_template(name: str, resolution: int, folders: Sequence[Path], out_dir: Path) -> TemplateFiles:
    """The template at the wanted resolution, whole and cropped to the working grid, as files.

    Parameters
    ----------
    name, resolution, folders
        As for :func:`~gliomorph.interfaces.datasets.templates.load_template`.
    out_dir : Path
        Where the files go; what lies there already, and has its size still, is taken as it is, so it belongs to one
        version of the code.

    Returns
    -------
    files : TemplateFiles
        Paths.
    """
    sources = [file for folder in folders for file in sorted((Path(folder) / f"tpl-{name}").glob("*"))]
    stamp = hashlib.sha256(repr([(str(s), s.stat().st_size, s.stat().st_mtime_ns) for s in sources]).encode())
    folder = Path(out_dir) / f"tpl-{name}_res-{resolution}_{stamp.hexdigest()[:8]}"
    if files := _whole_files(folder):
        return files
    template = load_template(name, resolution, folders)
    files = _files_in(folder, template.contrasts)
    fixed, fixed_brain = on_working_grid(template)
    write_image(template.image, files.image)
    write_image(template.brain_mask, files.brain)
    write_image(fixed, files.fixed)
    write_image(fixed_brain, files.fixed_brain)
    for modality, path in files.contrasts.items():
        image = template.contrasts[modality]
        write_image(sitk.Resample(image, fixed, sitk.Transform(), sitk.sitkLinear), path)
    content = {
        "sizes": _sizes(files),
        "contrasts": list(files.contrasts),
        "notices": template.notices,
    }
    write_text(json.dumps(content), folder / PREPARED)  # last: its presence says that all are there
    return files


def template_notices(files: TemplateFiles) -> list[str]:
    """What in the headers of a prepared template's own files disagreed."""
    return list(json.loads((files.image.parent / PREPARED).read_text(encoding="utf-8"))["notices"])


def _files_in(folder: Path, contrasts: Iterable[str]) -> TemplateFiles:
    """The files of a template that has these contrasts."""
    parts = ("image", "brain", "fixed", "fixed_brain")
    return TemplateFiles(
        **{part: folder / f"{part}.nii.gz" for part in parts},
        contrasts={modality: folder / f"fixed_{modality}.nii.gz" for modality in contrasts},
    )


def _whole_files(folder: Path) -> TemplateFiles | None:
    """Files that are all there, none of them cut short, else None: a machine that stops may leave empty ones."""
    try:
        stored = json.loads((folder / PREPARED).read_text(encoding="utf-8"))
        files = _files_in(folder, stored["contrasts"])
        return files if stored["sizes"] == _sizes(files) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sizes(files: TemplateFiles) -> dict[str, int]:
    parts = attrs.asdict(files)
    return {path.name: path.stat().st_size for path in (*parts.pop("contrasts").values(), *parts.values())}


def on_working_grid(template: Template) -> tuple[sitk.Image, sitk.Image]:
    """The template's image and its brain mask on the working grid."""
    grid = working_grid(template)
    fixed = sitk.Resample(template.image, grid, sitk.Transform(), sitk.sitkLinear)
    fixed_brain = sitk.Resample(template.brain_mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    return fixed, fixed_brain
