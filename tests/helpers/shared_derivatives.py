"""A tiny folder of derivatives as gliomorph writes them, with traces of patients wherever files can have them."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

SIZE, VOXEL_MM = 12, 10.0
HEAD, NAMED = "TCGA020006", "Meier"
"""A subject whose image shows its face, with a brain mask; and one with two sessions, of a brain alone."""
SECRET = "Hospital of Anna Meier, 2019-03-04"


def ball(radius: float) -> np.ndarray:
    """Voxels within some voxels of the middle."""
    axes = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    return np.linalg.norm(axes, axis=0) <= radius


def brain() -> np.ndarray:
    return np.where(ball(4), np.arange(SIZE**3).reshape((SIZE,) * 3) + 1, 0).astype(np.float32)


def write_nifti(voxels: np.ndarray, path: Path) -> Path:
    """A file with text in every field of its header, and an extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, np.diag([VOXEL_MM] * 3 + [1.0]))
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = SECRET.encode()[: image.header[field].itemsize or 8]
    image.header["descrip"] = SECRET.encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", SECRET.encode()))
    nib.save(image, path)
    return path


def write_scan(out: Path, subject: str, session: str, voxels: np.ndarray) -> None:
    """A scan's image, tumour mask, template-space files and record."""
    parts = [f"sub-{subject}", *([f"ses-{session}"] if session else [])]
    folder, stem = out.joinpath(*parts, "anat"), "_".join(parts)
    where = folder.relative_to(out).as_posix()
    tails = {
        "desc-n4_T1w": voxels,
        "label-tumor_desc-masks_mask": ball(2).astype(np.uint8),
        "space-Tiny_res-4_desc-affine_T1w": voxels,
        "space-Tiny_res-4_label-tumor_desc-affine_mask": ball(2).astype(np.uint8),
    }
    for tail, image in tails.items():
        write_nifti(image, folder / f"{stem}_{tail}.nii.gz")
        sidecar = {
            "GeneratedBy": "gliomorph 0.1.0",
            "SkullStripped": True,
            "SpatialReference": "https://doi.org/10.1016/j.neuroimage.2010.07.033",
            "Sources": [
                f"bids:raw:{where}/{stem}_T1w.nii.gz",
                f"bids::{where}/{stem}_desc-n4_T1w.nii.gz",
            ],
            "Description": f"of {subject}",
            "Resolution": "4 mm",
        }
        (folder / f"{stem}_{tail}.json").write_text(json.dumps(sidecar))
    (folder / f"{stem}_from-native_to-Tiny_mode-image_desc-affine_xfm.h5").write_bytes(b"transform")
    record = {
        "method": "affine",
        "key": "0123abcd",
        "scan": stem,
        "flags": [f"{stem}_T1w.nii.gz: odd"],
        "notices": [SECRET],
        "tumor": {"kind": "mask", "sources": [f"bids:masks:{where}/{stem}_label-tumor_mask.nii.gz"]},
        "quality": {"status": "ok", "reason": "", "tumor_volume_native_ml": 12.5},
        "outputs": [f"{stem}.html", f"{where}/{stem}_desc-n4_T1w.nii.gz"],
    }
    (folder / f"{stem}_space-Tiny_res-4_desc-affine_registration.json").write_text(json.dumps(record))
    (out / f"{stem}.html").write_text(SECRET)


def write_derivatives(out: Path) -> Path:
    """All of the folder, with logs, pages, tables and an atlas of both subjects."""
    out.mkdir(parents=True)
    description = {
        "Name": "gliomorph: brain tumours in template space",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "see the source dataset",
        "GeneratedBy": [{"Name": "gliomorph", "Version": "0.1.0"}],
        "SourceDatasets": [{"URL": "file:///data/meier/bids"}],
        "DatasetLinks": {"raw": "file:///data/meier/bids"},
    }
    (out / "dataset_description.json").write_text(json.dumps(description))
    ignored = "*_xfm.*\n*_statmap.*\n*_registration.json\n*_longitudinal.*\ngroup_*.tsv\n"
    (out / ".bidsignore").write_text(ignored)
    (out / "logs").mkdir()
    (out / "logs" / "run.json").write_text(SECRET)
    for session in ("pre", "post"):
        write_scan(out, NAMED, session, brain())
    face = brain()
    face[:, -1] = 7
    write_scan(out, HEAD, "", face)
    write_nifti(ball(4).astype(np.uint8), out / f"sub-{HEAD}/anat/sub-{HEAD}_desc-brain_mask.nii.gz")
    post = out / f"sub-{NAMED}/ses-post/anat/sub-{NAMED}_ses-post"
    carried = post.with_name(f"{post.name}_space-pre_desc-greedycfm_T1w.nii.gz")
    write_nifti(brain(), carried)
    reference = f"bids::sub-{NAMED}/ses-pre/anat/sub-{NAMED}_ses-pre_desc-n4_T1w.nii.gz"
    sidecar = {"SpatialReference": reference, "SkullStripped": True}
    carried.with_name(carried.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    post.with_name(f"{post.name}_from-post_to-pre_mode-image_desc-greedycfm_xfm.h5").write_bytes(b"transform")
    rows = "".join(f"sub-{NAMED}\tses-{session}\tWT\n" for session in ("pre", "post"))
    table = f"participant_id\tsession_id\tregion\n{rows}"
    (out / f"sub-{NAMED}/sub-{NAMED}_longitudinal.tsv").write_text(table)
    record = {"reference": "ses-pre", "registrations": {"ses-post": {"ncc": 0.9}}, "notices": [SECRET]}
    (out / f"sub-{NAMED}/sub-{NAMED}_longitudinal.json").write_text(json.dumps(record))
    _write_group(out)
    return out


def _write_group(out: Path) -> None:
    rows = [("Meier", "ses-post", "1.5"), ("Meier", "ses-pre", "1"), ("TCGA020006", "n/a", "2")]
    lines = "".join(
        f"sub-{label}\t{session}\t{volume}\tsub-{label}_T1w.nii.gz: odd\n" for label, session, volume in rows
    )
    (out / "group_quality.tsv").write_text(f"participant_id\tsession_id\tvolume_ml\tflag\n{lines}")
    stem = out / "tpl-Tiny/anat/tpl-Tiny_atlas-gliomorph_res-4_label-WT_desc-frequency_probseg"
    write_nifti(ball(2).astype(np.float32), stem.with_name(f"{stem.name}.nii.gz"))
    write_nifti(brain(), stem.with_name("tpl-Tiny_res-4_desc-mean_T1w.nii.gz"))
    sidecar = {
        "SampleSize": 2,
        "Resolution": "4 mm",
        "Participants": [f"sub-{NAMED}_ses-pre", f"sub-{HEAD}"],
        "InputsKey": "0123abcd",
    }
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(sidecar))
    atlas = {"Name": "atlas", "AtlasName": "gliomorph", "License": "see the source dataset", "LevelType": "group",
             "DerivedFrom": "file:///data/meier/bids", "AtlasSampleSize": 2}  # fmt: skip
    (out / "atlas-gliomorph_description.json").write_text(json.dumps(atlas))
