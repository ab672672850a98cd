"""Faults of files that can be read and say something else than what was meant: frames, masks and names.

No answer is wrong but a tumour in the wrong place, in silence: the scan may come out as it does without the fault, fail
with the reason, or say in the summary what to look at.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import nibabel as nib
import numpy as np
from scipy import ndimage

from gliomorph.interfaces.files.images import write_image, write_text
from gliomorph.interfaces.files.tables import label_table

from .cohort import SUBJECTS, TEMPLATE, labels_in_template
from .fault import RIGHT, Fault, Inject, Kind
from .images import Spoil, affine, fields, voxels
from .world import World

FRAME = r"qform|sform|orientation|left|frame|header"
ELSEWHERE = r"frame|header|grid|overlap|brain"
NO_MASK = r"no tumour mask|segmented|mask"
RC = 4
"""BraTS 2024's label of a resection cavity, beside ET 3."""


def _inject(act: Callable[[World, str, Random], str], pattern: str) -> Inject:
    """A fault of one scan, which is right, or fails or is flagged with a text that has the pattern."""

    def inject(world: World, subject: str, rng: Random) -> Fault:
        scan = f"sub-{subject}"
        return Fault(detail=act(world, subject, rng), answered={scan: pattern}, may_fail=(scan,))

    return inject


def _in(which: str, *spoils: Spoil) -> Callable[[World, str, Random], str]:
    """Changes of the scan's image, of its mask, or of both in the same way."""

    def act(world: World, subject: str, rng: Random) -> str:
        paths = {"image": [world.image(subject)], "mask": [world.labels(subject)]}
        paths["both"] = paths["image"] + paths["mask"]
        told = [f"{path.name}: {spoil(path, rng)}" for path in paths[which] for spoil in spoils]
        return "; ".join(told)

    return act


def _qform_elsewhere(path: Path, rng: Random) -> str:
    """The scanner's qform stays where an alignment has changed the sform."""
    image = nib.load(path)
    turn, angle = np.eye(4), np.deg2rad(rng.uniform(2, 15))
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = [rng.choice((-1, 1)) * rng.uniform(8, 20) for _ in range(3)]
    image.set_sform(image.affine, 2)
    image.set_qform(turn @ image.affine, 1)
    nib.save(image, path)
    return "the qform is turned and moved, the sform has code 2"


def _no_codes(path: Path, rng: Random) -> str:
    return fields(qform_code=0, sform_code=0, srow_x=[0] * 4, srow_y=[0] * 4, srow_z=[0] * 4)(path, rng)


def _rounded_quaternion(path: Path, rng: Random) -> str:
    """Its norm is larger than 1 by rounding; axes and voxels are as the frame needs them."""
    found = nib.as_closest_canonical(nib.load(path))
    frame = np.diag([1.0, -1.0, -1.0, 1.0])
    turned = np.asarray(found.dataobj)[:, ::-1, ::-1]
    corner = found.affine @ [0, turned.shape[1] - 1, turned.shape[2] - 1, 1]
    frame[:3, :3] *= found.header.get_zooms()[0]
    frame[:, 3] = corner
    nib.save(nib.Nifti1Image(turned, frame, dtype=turned.dtype), path)
    codes = {"qform_code": 1, "sform_code": 0, "quatern_b": 1.0000002, "quatern_c": 0, "quatern_d": 0}
    place = dict(zip(("qoffset_x", "qoffset_y", "qoffset_z"), corner[:3], strict=True))
    return fields(**codes, **place)(path, rng)


def _negative_pixdim(path: Path, rng: Random) -> str:
    header = nib.load(path).header
    return fields(pixdim=[header["pixdim"][0], -header["pixdim"][1], *header["pixdim"][2:]])(path, rng)


def _z_scored(found: np.ndarray, rng: Random) -> np.ndarray:
    found = found.astype(np.float32)
    brain = found != 0
    found[brain] = (found[brain] - found[brain].mean()) / found[brain].std()
    return found


def _outlier(found: np.ndarray, rng: Random) -> np.ndarray:
    place = np.argwhere(found > 0)[rng.randrange(int((found > 0).sum()))]
    found[tuple(slice(i, i + rng.randint(1, 2)) for i in place)] = found.max() * 10 ** rng.uniform(0.7, 3)
    return found


def _nearly_whole(found: np.ndarray, rng: Random) -> np.ndarray:
    return (found + np.float32(1e-4) * (found > 0)).astype(np.float32)


def _mirrored(matrix: np.ndarray, rng: Random) -> np.ndarray:
    axis, size = rng.choice([(0, 32), (1, 38)])
    matrix[:3, 3] += matrix[:3, axis] * (size - 1)
    matrix[:3, axis] *= -1
    return matrix


def _with_cavity(world: World, subject: str, rng: Random) -> str:
    """A resection cavity beside the tumour, which the table names."""
    path = world.labels(subject)
    image = nib.load(path)
    labels = np.asarray(image.dataobj).astype(np.uint8)
    labels[labels == 4] = 3
    labels[ndimage.binary_dilation(labels > 0) & (labels == 0)] = RC
    nib.save(nib.Nifti1Image(labels, image.affine, dtype=labels.dtype), path)
    rows = [(0, "background", "BG"), (1, "core", "NCR"), (2, "edema", "ED"), (3, "enhancing", "ET")]
    write_text(label_table([*rows, (RC, "resection cavity", "RC")]), world.table(subject))
    return f"{path.name}: label {RC} is RC"


def _renamed(entities: str, beside: bool = False) -> Callable[[World, str, Random], str]:
    """Another patient's mask under a name with further entities, alone or beside the right one."""

    def act(world: World, subject: str, rng: Random) -> str:
        path = world.labels(subject)
        clean = World(world.kept("done"))
        names = [path.name.removeprefix("sub-") for path in sorted(clean.bids.glob("sub-*"))]
        other = rng.choice([name for name in names if name != subject])
        target = path.with_name(f"sub-{subject}_{entities}.nii.gz")
        shutil.copy(clean.labels(other), target)
        table = world.table(subject)
        if target.name.endswith("_dseg.nii.gz"):
            shutil.copy(table, target.with_name(target.name.replace(".nii.gz", ".tsv")))
        if not beside:
            path.unlink()
            table.unlink()
        return f"{target.name} is sub-{other}'s" + ", beside the right one" * beside

    return act


def _in_template_space(beside: bool) -> Callable[[World, str, Random], str]:
    """The patient's own mask on the template's grid, alone or beside the one on the image."""

    def act(world: World, subject: str, rng: Random) -> str:
        path, table = world.labels(subject), world.table(subject)
        stem = path.with_name(f"sub-{subject}_space-{TEMPLATE}_seg-brats_dseg")
        write_image(labels_in_template(subject), f"{stem}.nii.gz")
        shutil.copy(table, f"{stem}.tsv")
        if not beside:
            path.unlink()
            table.unlink()
        return f"{stem.name}" + ", beside the one on the image" * beside

    return act


def _apple_double(world: World, subject: str, rng: Random) -> str:
    for path in (world.image(subject), world.labels(subject), world.table(subject)):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + rng.randbytes(4092))
    return "._ beside image, mask and table"


def _never_got(world: World, subject: str, rng: Random) -> str:
    path = rng.choice([world.image(subject), world.labels(subject)])
    path.unlink()
    path.symlink_to(f"../../.git/annex/objects/Xx/Yy/MD5E-s4096--{rng.getrandbits(64):x}.nii.gz")
    return f"{path.name}: a link of git-annex without its content"


def _without_anatomy(world: World, subject: str, rng: Random) -> str:
    folder = world.bids / f"sub-{subject}" / "ses-2" / "perf"
    folder.mkdir(parents=True)
    name = f"sub-{subject}_ses-2_asl.nii.gz"
    (folder / name).write_bytes(gzip.compress(b"perfusion"))
    return f"{name} alone in ses-2, anat beside it"


def _numbered_runs(world: World, subject: str, rng: Random) -> Fault:
    """Every scan has two runs, and a filter asks for one by its number; the other is somebody else's."""
    others = SUBJECTS[1:] + SUBJECTS[:1]
    heads = {name: world.image(name).read_bytes() for name in SUBJECTS}
    for name, other in zip(SUBJECTS, others, strict=True):
        path = world.image(name)
        path.rename(path.with_name(f"sub-{name}_run-02_T1w.nii.gz"))
        path.with_name(f"sub-{name}_run-01_T1w.nii.gz").write_bytes(heads[other])
    chosen = world.root / "bids" / "code" / "filter.json"
    write_text(json.dumps({"t1w": {"run": 2}}), chosen)
    scans = [f"sub-{name}" for name in SUBJECTS]
    return Fault(
        detail="run-02 by the number 2",
        options=("--bids-filter-file", str(chosen)),
        answered=dict.fromkeys(scans, RIGHT),
        may_fail=tuple(scans),
        codes=(0,),
        undo=lambda: world.restore("done", only=("out",)),
    )


def kinds() -> list[Kind]:
    """All of them."""
    identity, mirrored = affine(lambda matrix, rng: np.eye(4)), affine(_mirrored)
    units = {"metres": 1, "micrometres": 3}
    of_image = {
        "qform not sform": (_in("image", _qform_elsewhere), FRAME),
        "negative pixdim": (_in("image", _negative_pixdim), "pixdim"),
        **{
            f"in {name}": (_in("image", fields(xyzt_units=code)), rf"unit|{name}")
            for name, code in units.items()
        },
        "z-scored": (_in("image", voxels(_z_scored)), "negative|brain|background"),
        "background -1": (_in("image", voxels(lambda v, rng: np.where(v == 0, -1, v))), "background|brain"),
        "background 1024": (_in("image", voxels(lambda v, rng: v + 1024)), "background|brain"),
        "bright outlier": (_in("image", voxels(_outlier)), "brain|bright"),
    }
    of_mask = {
        "identity header": (_in("mask", identity), ELSEWHERE),
        "mirrored header": (_in("mask", mirrored), ELSEWHERE),
        "nearly whole labels": (_in("mask", voxels(_nearly_whole)), RIGHT),
        "resection cavity": (_with_cavity, RIGHT),
        "of another run": (_renamed("run-2_seg-brats_dseg"), NO_MASK),
        "of another acquisition": (_renamed("acq-other_seg-brats_dseg"), NO_MASK),
        "of another session": (_renamed("ses-2_seg-brats_dseg"), NO_MASK),
        "in template space": (_in_template_space(beside=False), "the template's space"),
        "of an unknown name": (_renamed("desc-hdglio_mask"), NO_MASK),
        "of another run, beside": (_renamed("run-2_seg-brats_dseg", beside=True), NO_MASK),
        "in template space, beside": (_in_template_space(beside=True), RIGHT),
    }
    of_both = {
        "rounded quaternion": (_in("both", _rounded_quaternion), RIGHT),
        "no orientation codes": (_in("both", _no_codes), FRAME),
        "files of macOS beside": (_apple_double, RIGHT),
        "link of git-annex": (_never_got, "annex|content"),
        "session without anatomy": (_without_anatomy, RIGHT),
    }
    of_scan = partial(Kind, single=True, together="scans")
    found = [
        of_scan(name=f"{group}: {name}", inject=_inject(act, pattern))
        for group, known in (("image", of_image), ("mask", of_mask), ("scan", of_both))
        for name, (act, pattern) in known.items()
    ]
    return [*found, Kind(name="--bids-filter-file: a number", inject=_numbered_runs)]
