"""The whole export: everything in a folder of its own, looked through, and only then at its place."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from ..files.sidecars import read_object
from ..files.tables import json_text
from .contents import brain_mask, is_image, is_native, readme, stem_of, wanted_files
from .images import read_voxels, shows_more_than_brain, write_defaced, write_voxels
from .names import SUBJECT, ExportError, draw_names, read_mapping, write_mapping
from .search import traces
from .text import Scrubber, participants_table

DESCRIBED = ("Name", "BIDSVersion", "DatasetType", "License", "GeneratedBy")
"""What the description of the dataset keeps: not where its images came from."""


@attrs.frozen(kw_only=True)
class Request:
    """What is shared, and where it goes."""

    out: Path
    """What ``gliomorph`` has written."""
    shared: Path
    """New or empty folder."""
    mapping: Path
    """The table that leads back: of an earlier export, or new."""
    deface: bool = False
    """Whether images that show more than the brain are defaced, where a brain mask is there."""
    columns: tuple[str, ...] = ()
    """Columns of ``participants`` that are shared."""
    participants: Path | None = None
    seed: int | None = None
    """Seed of the order of the new names; None: by chance."""


@attrs.frozen(kw_only=True)
class Exported:
    """What was done, with old names: for those at home."""

    files: int
    subjects: int
    defaced: list[str]
    """Images of which only the brain and a margin are shared."""
    left_out: list[str]
    """Images that show more than the brain."""


@attrs.frozen(kw_only=True)
class _Faces:
    """What is done with images, by their names in the derivatives."""

    defaced: dict[str, Path]
    """Images that are defaced, with their brain masks."""
    left_out: list[str]


def export(request: Request) -> Exported:
    """Make a copy of derivatives that can be shared.

    Parameters
    ----------
    request : Request

    Returns
    -------
    exported : Exported

    Raises
    ------
    ExportError
        The folders or tables are not as required, or a trace of who somebody is would be shared.
    ImageError
        An image is damaged. After any error nothing is left behind.
    """
    _check(request)
    chance = random.SystemRandom() if request.seed is None else random.Random(request.seed)
    names = draw_names(request.out, read_mapping(request.mapping), chance)
    wanted, others = wanted_files(request.out)
    faces = _faces(request, wanted)
    left_out = {*faces.left_out} | {name.replace(".nii.gz", ".json") for name in faces.left_out}
    targets = {names.renamed(name): name for name in wanted if name not in left_out}
    labels = {SUBJECT.findall(name)[0] for name in wanted if name.startswith("sub-")}
    scrubber = Scrubber(names, targets.keys())
    with _at_its_place(request.shared) as folder:
        for target in sorted(targets):  # by the new names: times and inodes tell nothing of the old ones
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            _share(request.out, targets[target], folder / target, scrubber, faces)
        description = read_object(request.out / "dataset_description.json")
        kept = {key: description[key] for key in DESCRIBED if key in description}
        (folder / "dataset_description.json").write_text(json_text(kept))
        (folder / ".bidsignore").write_text((request.out / ".bidsignore").read_text())
        text = participants_table(names, labels, request.participants, request.columns)
        (folder / "participants.tsv").write_text(text, encoding="utf-8")
        text = readme(targets, others, len(faces.left_out), len(faces.defaced))
        (folder / "README.md").write_text(text)
        if found := traces(folder, names):
            listed = "\n  ".join(found[:10])
            raise ExportError(
                f"{len(found)} traces of old names or paths would be shared, so nothing is:\n  {listed}\n"
                "Mend the files of these names in the derivatives, or leave the column out"
            )
        write_mapping(names, request.mapping)
    return Exported(
        files=len(targets) + 4, subjects=len(labels), defaced=sorted(faces.defaced), left_out=faces.left_out
    )


def _check(request: Request) -> None:
    out, shared, mapping = (path.resolve() for path in (request.out, request.shared, request.mapping))
    if not out.is_dir():
        raise ExportError(f"{request.out}: no such folder (in a container: is it mounted?)")
    made_by = read_object(out / "dataset_description.json").get("GeneratedBy")
    tools = [tool.get("Name") for tool in made_by or [] if isinstance(tool, dict)]
    if "gliomorph" not in tools:
        raise ExportError(
            f"{request.out}: its dataset_description.json does not name gliomorph: give what it has written"
        )
    if shared == out or out in shared.parents:
        raise ExportError(f"{request.shared} lies in {request.out}: give a folder outside of the derivatives")
    if shared.exists() and (not shared.is_dir() or any(shared.iterdir())):
        raise ExportError(f"{request.shared} is there and not empty: give a new or empty folder")
    if shared == mapping or shared in mapping.parents:
        raise ExportError(
            f"--mapping {request.mapping} lies in {request.shared} and would be shared: give a file that stays at home"
        )


def _faces(request: Request, wanted: Sequence[str]) -> _Faces:
    """Which images show more than the brain, and what becomes of them and of what was made of them."""
    out, images = request.out, [name for name in wanted if is_image(name)]
    heads: dict[str, Path | None] = {}
    checked = set()
    for name in images:
        if name.startswith("sub-") and is_native(name):
            checked.add(stem_of(name))
            mask = brain_mask(out, stem_of(name))
            if shows_more_than_brain(out / name, mask):
                heads[name] = mask
    defaced = {name: mask for name, mask in heads.items() if mask is not None and request.deface}
    good = checked - {stem_of(name) for name in heads}
    # what was warped shows what the native image does; without that, nothing is known of it
    warped = [name for name in images if name.startswith("sub-") and not is_native(name)]
    left_out = [*(heads.keys() - defaced.keys()), *(name for name in warped if stem_of(name) not in good)]
    if heads or left_out:
        left_out += [name for name in images if name.startswith("tpl-")]
    return _Faces(defaced=defaced, left_out=sorted(left_out))


def _share(out: Path, name: str, target: Path, scrubber: Scrubber, faces: _Faces) -> None:
    """Write one file of the derivatives as it is shared."""
    source = out / name
    subject = next(iter(SUBJECT.findall(name)), "")
    if name.endswith(".nii.gz"):
        if name in faces.defaced:
            write_defaced(source, faces.defaced[name], target)
        else:
            write_voxels(*read_voxels(source), target)
    elif name.endswith(".h5"):
        shutil.copyfile(source, target)
    else:
        make = scrubber.json if name.endswith(".json") else scrubber.tsv
        target.write_text(make(source, subject), encoding="utf-8")


@contextmanager
def _at_its_place(shared: Path) -> Iterator[Path]:
    """A folder beside ``shared`` that becomes it if the block succeeds, and else is removed."""
    shared.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{shared.name}-", dir=shared.parent))
    try:
        yield folder
        folder.chmod(0o755)
        os.replace(folder, shared)  # in place of an empty folder, too
    finally:
        shutil.rmtree(folder, ignore_errors=True)
