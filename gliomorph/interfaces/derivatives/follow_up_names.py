"""Names of what a patient's sessions give together."""

from __future__ import annotations

from .names import ScanNames, anat_folder, method_label


def follow_up_names(
    scan: ScanNames, session: str, reference: str, method: str, between: str
) -> dict[str, str]:
    """Outputs of a later session, relative to the output folder.

    Parameters
    ----------
    scan : ScanNames
        The session's own.
    session, reference : str
        Labels without ``ses-``: each names the native space of its session.
    method : str
        By which the reference session was registered to the template.
    between : str
        By which the later session was registered to the reference.
    """
    desc, template = f"desc-{method_label(between)}", scan.template
    tails = {
        "warped": f"space-{reference}_{desc}_{scan.suffix}.nii.gz",
        "mask": f"space-{reference}_label-tumor_{desc}_mask.nii.gz",
        "dseg": f"space-{reference}_seg-brats_{desc}_dseg.nii.gz",
        "no_counterpart": f"space-{reference}_label-nocounterpart_{desc}_mask.nii.gz",
        "inconsistency": f"space-{reference}_stat-inconsistency_{desc}_statmap.nii.gz",
        "forward_xfm": f"from-{session}_to-{reference}_mode-image_{desc}_xfm.h5",
        "inverse_xfm": f"from-{reference}_to-{session}_mode-image_{desc}_xfm.h5",
        "to_template": f"from-{session}_to-{template}_mode-image_desc-{method_label(method)}_xfm.h5",
        "from_template": f"from-{template}_to-{session}_mode-image_desc-{method_label(method)}_xfm.h5",
    }
    return {key: str(scan.folder / f"{scan.stem}_{tail}") for key, tail in tails.items()}


def subject_names(subject: str) -> dict[str, str]:
    """Outputs of a patient's sessions together; ``record`` is written last."""
    folder = anat_folder(subject).parent
    return {
        "table": str(folder / f"sub-{subject}_longitudinal.tsv"),
        "record": str(folder / f"sub-{subject}_longitudinal.json"),
        "page": f"sub-{subject}_longitudinal.html",
        "figures": str(folder / "figures"),
    }
