"""Twins: the same heads without a visible tumour, registered as the patients were, with an empty tumour mask.

``gliomorph`` refuses empty tumour masks. So the stages before the registration are called one by one, as its graph
does, and the patient's own affine alignment is taken: what differs between both maps is the method's answer.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from gliomorph.interfaces.datasets.template_files import TemplateFiles, prepare_template
from gliomorph.interfaces.derivatives.names import method_label
from gliomorph.interfaces.derivatives.registrations import Registration
from gliomorph.interfaces.files.checksums import content_hash
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image, write_text
from gliomorph.interfaces.files.transforms import compose, linear_part, read_transform, write_transform
from gliomorph.interfaces.methods import METHODS as ALL
from gliomorph.interfaces.scan.brain import brain
from gliomorph.interfaces.scan.crop import crop
from gliomorph.interfaces.scan.match import match
from gliomorph.interfaces.scan.n4 import n4
from gliomorph.interfaces.scan.register import AlignedPair, register
from gliomorph.workflows.keys import code_key, key_of

from ..pipeline import Run, processing_of

if TYPE_CHECKING:
    from gliomorph.config.processing import Processing

    from .options import Options

METHODS = tuple(method for method in ALL if method not in ("rigid", "rigid-cfm", "affine"))
"""Methods with a deformation of their own, after one affine alignment."""
DEFAULT = ("metamorphosis", "metamorph-r", "syn", "syn-cfm", "greedy-cfm")


def register_all(found: Mapping[str, Mapping[str, Registration]], options: Options) -> None:
    """Register every twin by every method of ``options.twins`` that has registered the patient."""
    template = prepare_template(
        options.template, options.resolution, options.template_folders, options.out / "work" / "twins"
    )
    for run in options.runs:
        how = processing_of(run, options)
        for method in run.methods:
            if method in options.twins:
                for one in found[run.label(method)].values():
                    state = "kept" if _is_kept(one, run, how, options) else "registered"
                    if state == "registered":
                        _register(one, run, how, template, options)
                    print(f"twin of {one.scan}, {run.label(method)}: {state}", flush=True)


def twin_transform(label: str, one: Registration, options: Options) -> sitk.Transform | None:
    """Template points to native points of the twin; None where the method has not registered it."""
    run = next(run for run in options.runs if label in map(run.label, run.methods))
    path = _xfm(one, run, options)
    return read_transform(path) if one.method in options.twins and path.exists() else None


def _register(
    one: Registration, run: Run, how: Processing, template: TemplateFiles, options: Options
) -> None:
    """The twin's transform, and its record after it."""
    folder = options.out / "work" / "twins" / one.scan
    folder.mkdir(parents=True, exist_ok=True)
    affine = linear_part(read_transform(one.native_from_template))
    with contextlib.chdir(folder):
        affine_file = write_transform(affine, folder / "affine.h5")
        moving = _working_image(one, affine_file, template, options)
        fixed = read_image(template.fixed)
        nothing = from_array(np.zeros(to_array(fixed).shape, np.uint8), fixed)
        pair = AlignedPair(
            moving=moving,
            fixed=template.fixed,
            tumor=write_image(nothing, folder / "no_tumor.nii.gz"),
            fixed_brain=template.fixed_brain,
            rigid=affine_file,
            affine=affine_file,
        )
        forward, *_ = register(pair, seed=how.random_seed, gpu=options.gpu, **_settings(one.method, how))
        path = write_transform(compose(affine, read_transform(forward)), _xfm(one, run, options))
    write_text(json.dumps({"key": _key(one, how, options)}) + "\n", _record(path))


def _settings(method: str, how: Processing) -> dict[str, Any]:
    """What :func:`register` is asked for, as the patient's run has it."""
    return {
        "method": method,
        "weights": how.networks.get(method),
        "refine": how.refinement(method),
        "speed": how.speed_of(method),
    }


def _working_image(one: Registration, affine: Path, template: TemplateFiles, options: Options) -> Path:
    """The twin on the working grid: bias field removed, intensities matched, aligned as the patient is."""
    image, given = _image(one, options), _brain(one, options)
    mask, *_ = brain(image, given)
    corrected, _ = n4(image, mask)
    matched, _ = match(corrected, mask, None, template.fixed, template.fixed_brain)
    return crop(matched, affine, template.fixed)


def _image(one: Registration, options: Options) -> Path:
    return options.twin_bids / one.where / f"{one.scan}_T1w.nii.gz"


def _brain(one: Registration, options: Options) -> Path:
    return options.twin_bids / "derivatives" / "truth" / one.where / f"{one.scan}_desc-brain_mask.nii.gz"


def _xfm(one: Registration, run: Run, options: Options) -> Path:
    name = f"{one.scan}_from-native_to-{one.template}_mode-image_desc-{method_label(one.method)}_xfm.h5"
    return options.out / "twin-registrations" / run.folder.name / one.scan / name


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _key(one: Registration, how: Processing, options: Options) -> str:
    """Key of all that the twin's map depends on, the code included."""
    inputs = {
        "image": content_hash(_image(one, options)),
        "brain": content_hash(_brain(one, options)),
        "patient": content_hash(one.native_from_template),
    }
    settings = _settings(one.method, how)
    inputs["weights"] = content_hash(settings.pop("weights"))
    return code_key(key_of(**inputs, **settings, seed=how.random_seed, resolution=options.resolution))


def _is_kept(one: Registration, run: Run, how: Processing, options: Options) -> bool:
    path = _xfm(one, run, options)
    record = _record(path)
    if not (path.exists() and record.exists()):
        return False
    return bool(json.loads(record.read_text()).get("key") == _key(one, how, options))
