"""Templates: a brain-extracted T1w image with its brain mask and, where known, other contrasts and tissues.

``MNI152`` comes with nilearn. Any other is looked up, in TemplateFlow's layout (``tpl-NAME/tpl-NAME_…``), in
the given folders. Nothing is downloaded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import SimpleITK as sitk

from ..files.grids import around, isotropic, mask_onto, onto
from ..files.images import ImageError, from_array, image_and_notices, read_image, to_array, voxel_volume_ml
from ..files.masks import GIVE_ONE_FRAME, in_one_frame
from ..files.tables import read_tsv

TISSUES = ("CSF", "GM", "WM")
CONTRASTS = ("T2w", "FLAIR")
"""Modalities of which a template may have an image beside its T1w."""


class TemplateError(ValueError):
    """A template that is missing or incomplete."""


@attrs.frozen(kw_only=True)
class Template:
    """A template at one resolution."""

    name: str
    """As in ``tpl-<name>``."""
    resolution: int
    """Voxel size in mm, the ``res-`` entity."""
    image: sitk.Image = attrs.field(repr=False)
    """Brain-extracted T1w, float32 in [0, 1] (99.5th percentile of the brain is 1, clipped)."""
    brain_mask: sitk.Image = attrs.field(repr=False)
    """uint8."""
    contrasts: dict[str, sitk.Image] = attrs.field(factory=dict, repr=False)
    """The same brain in others of :data:`CONTRASTS`, likewise."""
    tissues: dict[str, sitk.Image] = attrs.field(factory=dict, repr=False)
    """Probabilities (float32, [0, 1]) of CSF, GM and WM; empty where the template has none."""
    labels: dict[str, sitk.Image] = attrs.field(factory=dict, repr=False)
    """Further structures as uint8 masks (for instance ``ventricles``), for overlap measures."""
    notices: tuple[str, ...] = ()
    """What in the headers of its files disagrees."""


def load_template(
    name: str, resolution: int = 1, folders: Sequence[Path] = (), brain_ml: float = 0.0
) -> Template:
    """The template ``name`` with voxels of ``resolution`` mm.

    Parameters
    ----------
    name : str
        ``MNI152`` (embedded in nilearn, unless one of ``folders`` holds ``tpl-MNI152``) or any other
        for which a ``tpl-<name>`` folder exists.
    resolution : int
        Voxel size in mm. Finer templates are smoothed, then resampled.
    folders : sequence of Path
        Folders that hold ``tpl-*`` folders, searched in order.
    brain_ml : float
        Enlarge or shrink the head until its brain has this volume; 0: leave it as it is.

    Returns
    -------
    template : Template
        Prepared files.

    Raises
    ------
    TemplateError
        No such template: the message says where it was looked for and how to get it.
    """
    if not name.isalnum():
        raise TemplateError(f"a template's name is alphanumeric (tpl-<name>), got {name!r}")
    home = next((f / f"tpl-{name}" for f in map(Path, folders) if (f / f"tpl-{name}").is_dir()), None)
    if home is not None:
        native = _from_folder(name, home)
    elif name == "MNI152":
        native = _from_nilearn()
    else:
        looked = (
            ", ".join(str(f) for f in folders) or "nowhere (no --template-dir, GLIOMORPH_TEMPLATES unset)"
        )
        raise TemplateError(
            f"template {name!r}: no folder tpl-{name} found in {looked}. "
            f"Give --template-dir a folder that holds tpl-{name}"
            + (", or run 'gliomorph-fetch SRI24' once." if name == "SRI24" else ", or use --template MNI152.")
        )
    return _at_resolution(_of_size(native, brain_ml) if brain_ml else native, resolution)


def working_grid(template: Template) -> sitk.Image:
    """The template's grid cropped to its brain plus a margin, as :func:`~..files.grids.around` does it."""
    return around(template.brain_mask, template.resolution)


def _from_nilearn() -> Template:
    from nilearn import datasets

    def load(loader: object) -> sitk.Image:
        nifti = loader(resolution=1)  # type: ignore[operator]
        image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(nifti.dataobj, np.float32).T))
        to_lps = np.diag([-1.0, -1.0, 1.0])
        image.SetOrigin((to_lps @ nifti.affine[:3, 3]).tolist())
        image.SetDirection((to_lps @ nifti.affine[:3, :3]).ravel().tolist())
        return image

    image = load(datasets.load_mni152_template)
    mask = load(datasets.load_mni152_brain_mask)
    grey = load(datasets.load_mni152_gm_template)
    white = load(datasets.load_mni152_wm_template)
    inside = to_array(mask) > 0.5
    parts = {"GM": np.clip(to_array(grey), 0, 1) * inside, "WM": np.clip(to_array(white), 0, 1) * inside}
    parts["CSF"] = np.clip(inside - parts["GM"] - parts["WM"], 0, 1)
    tissues = {name: from_array(parts[name].astype(np.float32), image) for name in TISSUES}
    return Template(name="MNI152", resolution=1, image=image, brain_mask=mask > 0.5, tissues=tissues)


def _from_folder(name: str, home: Path) -> Template:
    path = _image_of(home, name, "T1w")
    if path is None:
        raise TemplateError(f"template {name!r}: no tpl-{name}_…_T1w.nii.gz in {home}")
    try:
        image, notices = image_and_notices(path)
        masks = _finest(home.glob(f"tpl-{name}_*desc-brain_mask.nii.gz"))
        if masks:
            mask, differing = in_one_frame(read_image(masks[0]) > 0.5, image, masks[0].name, path.name)
            if differing:
                raise TemplateError(f"template {name!r}: {differing}: {GIVE_ONE_FRAME}")
        elif "_desc-brain_" in path.name:
            mask = sitk.BinaryFillhole(image > 0)
        else:
            raise TemplateError(f"template {name!r}: no desc-brain_mask beside {path.name} in {home}")
        contrasts = _contrasts(home, name)
        tissues = _tissues(home, name)
        labels = {
            _entity(found, "label"): read_image(found, sitk.sitkUInt8)
            for found in _finest(home.glob(f"tpl-{name}_*label-*_mask.nii.gz"))
        }
    except ImageError as error:
        raise TemplateError(f"template {name!r}: {error}") from error
    mask = onto(mask, image, sitk.sitkNearestNeighbor)
    resolution = round(min(image.GetSpacing()))
    return Template(
        name=name,
        resolution=resolution,
        image=image,
        brain_mask=mask,
        contrasts={modality: onto(other, image) for modality, other in contrasts.items()},
        tissues=tissues,
        labels=labels,
        notices=tuple(f"template {name}, {path.name}: {text}" for text in notices),
    )


def _image_of(home: Path, name: str, modality: str) -> Path | None:
    """The template's image of a modality, one without its skull if there is one."""
    images = _finest(home.glob(f"tpl-{name}_*{modality}.nii.gz"))
    return next((path for path in images if "_desc-brain_" in path.name), next(iter(images), None))


def _contrasts(home: Path, name: str) -> dict[str, sitk.Image]:
    paths = {modality: _image_of(home, name, modality) for modality in CONTRASTS}
    return {modality: read_image(path) for modality, path in paths.items() if path}


def _tissues(home: Path, name: str) -> dict[str, sitk.Image]:
    """Probabilities from ``label-GM_probseg`` files, or from a dseg whose table names CSF, GM and WM."""
    found = {}
    for tissue in TISSUES:
        if paths := _finest(home.glob(f"tpl-{name}_*label-{tissue}_probseg.nii.gz")):
            found[tissue] = read_image(paths[0])
    if found:
        return found if len(found) == len(TISSUES) else {}
    for dseg in _finest(home.glob(f"tpl-{name}_*dseg.nii.gz")):
        tables = [*home.glob(f"tpl-{name}_{_seg(dseg)}dseg.tsv"), dseg.with_name(dseg.name[:-7] + ".tsv")]
        table = next((t for t in tables if t.exists()), None)
        if table is None:
            continue
        # tables of other label maps may lie there, whatever is in them
        index = {row.cells.get("name"): row.cells.get("index", "") for row in read_tsv(table, "replace")[1]}
        if all(tissue in index for tissue in TISSUES):
            labels = read_image(dseg, sitk.sitkUInt8)
            return {t: sitk.Cast(labels == int(index[t]), sitk.sitkFloat32) for t in TISSUES}
    return {}


def _seg(path: Path) -> str:
    seg = _entity(path, "seg")
    return f"seg-{seg}_" if seg else ""


def _entity(path: Path, key: str) -> str:
    return next((p.split("-", 1)[1] for p in path.name.split("_") if p.startswith(key + "-")), "")


def _finest(paths: object) -> list[Path]:
    """Sorted so that ``res-1``/``res-01`` comes before coarser ones, in a stable order."""
    return sorted(paths, key=lambda p: (int(_entity(p, "res") or 1), len(p.name), p.name))  # type: ignore[call-overload]


def _of_size(template: Template, brain_ml: float) -> Template:
    """The head with larger or smaller voxels."""
    found_ml = float(np.count_nonzero(to_array(template.brain_mask))) * voxel_volume_ml(template.brain_mask)
    factor = (brain_ml / found_ml) ** (1 / 3)

    def scaled(image: sitk.Image) -> sitk.Image:
        larger = sitk.Image(image)
        larger.SetSpacing([factor * mm for mm in image.GetSpacing()])
        larger.SetOrigin([factor * mm for mm in image.GetOrigin()])
        return larger

    return attrs.evolve(
        template,
        image=scaled(template.image),
        brain_mask=scaled(template.brain_mask),
        contrasts={name: scaled(image) for name, image in template.contrasts.items()},
        tissues={name: scaled(tissue) for name, tissue in template.tissues.items()},
        labels={name: scaled(label) for name, label in template.labels.items()},
    )


def _at_resolution(template: Template, resolution: int) -> Template:
    """Intensities to [0, 1] inside the brain; every image onto the grid of the wanted resolution."""
    mask = sitk.Cast(template.brain_mask, sitk.sitkUInt8)
    grid = isotropic(mask, resolution)

    def brain_of(image: sitk.Image) -> sitk.Image:
        brain = sitk.Mask(image, mask)
        voxels = to_array(brain)[to_array(mask) > 0]
        brain = sitk.Clamp(brain / float(np.percentile(voxels, 99.5)), sitk.sitkFloat32, 0.0, 1.0)
        return onto(brain, grid)

    return attrs.evolve(
        template,
        resolution=resolution,
        image=brain_of(template.image),
        brain_mask=mask_onto(mask, grid),
        contrasts={name: brain_of(image) for name, image in template.contrasts.items()},
        tissues={name: onto(tissue, grid) for name, tissue in template.tissues.items()},
        labels={name: mask_onto(label, grid) for name, label in template.labels.items()},
    )
