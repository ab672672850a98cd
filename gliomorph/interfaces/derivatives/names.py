"""Output names: BIDS entities in BIDS order, in one place."""

from __future__ import annotations

from pathlib import PurePosixPath

import attrs

from ...models.regions import NESTED

ATLAS = "gliomorph"
"""The ``atlas-`` entity of the population maps."""


STATISTICS = (
    "z", "t", "count", "difference", "oddsratio", "hazardratio", "hazardratiolow", "hazardratiohigh", "tfce"
)  # fmt: skip


SPATIAL_REFERENCES = {
    "MNI152": "https://doi.org/10.1016/j.neuroimage.2010.07.033",
    "SRI24": "https://doi.org/10.1002/hbm.20906",
}


def anat_folder(subject: str, session: str = "") -> PurePosixPath:
    """``sub-X/[ses-Y/]anat``."""
    return PurePosixPath(f"sub-{subject}", *([f"ses-{session}"] if session else []), "anat")


@attrs.frozen(kw_only=True)
class ScanNames:
    """Names of one scan's outputs, relative to the output folder."""

    label: str
    """``sub-X[_ses-Y]``."""
    folder: PurePosixPath
    """``sub-X/[ses-Y/]anat``."""
    stem: str
    """The primary image's name without its suffix."""
    template: str
    resolution: int
    source: str
    """Where the tumour mask comes from: a derivatives folder's name, or ``student``."""
    suffix: str = "T1w"
    """The primary image's suffix, ``T1w`` as a rule."""

    def _path(self, tail: str) -> str:
        return str(self.folder / f"{self.stem}_{tail}")

    @property
    def _space(self) -> str:
        return f"space-{self.template}"

    @property
    def report(self) -> str:
        """The scan's page."""
        return f"{self.label}.html"

    @property
    def figures(self) -> str:
        """The folder of its pictures."""
        return str(PurePosixPath(self.folder.parts[0], "figures"))

    def native(self) -> dict[str, str]:
        """Outputs on the native grid, and the aligned image."""
        res, desc = f"res-{self.resolution}", f"desc-{self.source}"
        regions = {
            f"native_{region}": self._path(f"label-{region}_{desc}_mask.nii.gz") for region in ("TC", "ET")
        }
        shares = {
            f"native_probability_{region}": self._path(f"label-{region}_{desc}_probseg.nii.gz")
            for region in NESTED
        }
        return {
            "n4": self._path(f"desc-n4_{self.suffix}.nii.gz"),
            "native_mask": self._path(f"label-tumor_{desc}_mask.nii.gz"),
            "native_dseg": self._path(f"seg-brats_{desc}_dseg.nii.gz"),
            **regions,
            **shares,
            "preproc": self._path(f"{self._space}_{res}_desc-preproc_{self.suffix}.nii.gz"),
        }

    def registered(self, method: str) -> dict[str, str]:
        """Outputs of one registration method."""
        label, res = method_label(method), f"res-{self.resolution}"
        space = f"{self._space}_{res}"
        shares = {
            f"probability_{region}": self._path(
                f"{self._space}_seg-student_{res}_label-{region}_desc-{label}_probseg.nii.gz"
            )
            for region in NESTED
        }
        return {
            "warped": self._path(f"{space}_desc-{label}_{self.suffix}.nii.gz"),
            "healthy": self._path(f"{space}_desc-{label}healthy_{self.suffix}.nii.gz"),
            "residual": self._path(f"{space}_desc-{label}appearance_{self.suffix}.nii.gz"),
            "mask": self._path(f"{space}_label-tumor_desc-{label}_mask.nii.gz"),
            "coverage": self._path(f"{space}_label-coverage_desc-{label}_mask.nii.gz"),
            "dseg": self._path(f"{self._space}_seg-brats_{res}_desc-{label}_dseg.nii.gz"),
            "forward_xfm": self._path(f"from-native_to-{self.template}_mode-image_desc-{label}_xfm.h5"),
            "inverse_xfm": self._path(f"from-{self.template}_to-native_mode-image_desc-{label}_xfm.h5"),
            "registration": self.registration(method),
            **shares,
        }

    def registration(self, method: str) -> str:
        """The method's JSON: settings, measures, inputs' key and list of outputs; written last."""
        return self._path(
            f"{self._space}_res-{self.resolution}_desc-{method_label(method)}_registration.json"
        )


@attrs.frozen(kw_only=True)
class FurtherNames:
    """Names of the outputs of a further image of a scan's session, relative to the output folder.

    They say which image is the scan's primary one: with another of the session in its place, these are other files.
    """

    scan: ScanNames
    """Of the primary image."""
    primary: str
    """Its modality: T1w, T1ce, T2w or FLAIR."""
    modality: str
    """That of the further image."""
    stem: str
    suffix: str
    """``stem``, ``suffix``: The further image's name."""
    raw: str
    """BIDS URI of the further image."""

    def _path(self, tail: str) -> str:
        return str(self.scan.folder / f"{self.stem}_{tail}")

    def native(self) -> dict[str, str]:
        """The image on the primary's grid, and rigid transforms from image to image."""
        return {
            "image": self._path(f"space-{self.primary}_desc-n4_{self.suffix}.nii.gz"),
            "transform": self._path(f"from-{self.modality}_to-{self.primary}_mode-image_desc-rigid_xfm.h5"),
            "inverse": self._path(f"from-{self.primary}_to-{self.modality}_mode-image_desc-rigid_xfm.h5"),
        }

    def carried(self, method: str) -> str:
        """The image in template space, by a registration of the primary one."""
        space = f"space-{self.scan.template}_res-{self.scan.resolution}"
        return self._path(f"{space}_desc-{method_label(method)}by{self.primary}_{self.suffix}.nii.gz")


def map_names(template: str, resolution: int, regions: list[str], stratum: str = "") -> dict[str, str]:
    """Maps of the atlas, or of one stratum, by key; relative to the output folder.

    What BIDS knows keeps to it; statistics are called as those of nilearn and FitLins are.
    """
    cohort = [f"cohort-{stratum}"] if stratum else []
    folder = PurePosixPath(f"tpl-{template}", *cohort, "anat")
    stem = "_".join([f"tpl-{template}", *cohort])
    plain, atlas = f"{stem}_res-{resolution}", f"{stem}_atlas-{ATLAS}_res-{resolution}"
    tails = {
        "coverage": f"{atlas}_desc-coverage_probseg",
        "coverage_regions": f"{atlas}_desc-coverageregions_probseg",
        "shape": f"{atlas}_label-WT_desc-shape_probseg",
        "mean": f"{plain}_desc-mean_T1w",
        "mean_healthy": f"{plain}_desc-meanhealthy_T1w",
    }
    for region in regions:
        label = f"{atlas}_label-{region}"
        tails |= {
            f"frequency_{region}": f"{label}_desc-frequency_probseg",
            f"low_{region}": f"{label}_desc-frequencylow_probseg",
            f"high_{region}": f"{label}_desc-frequencyhigh_probseg",
        }
        tails |= {
            f"{what}_{region}": f"{atlas}_stat-{what}_label-{region}_statmap"
            for what in ("count", "laterality", "centroids")
        }
    for name in ("appearance", "logjacobian"):
        tails |= {f"{name}_{what}": f"{atlas}_stat-{what}_desc-{name}_statmap" for what in ("mean", "sd")}
    return {key: str(folder / f"{tail}.nii.gz") for key, tail in tails.items()}


def contrast_names(template: str, resolution: int, regions: list[str], contrast: str) -> dict[str, str]:
    """Maps of a comparison of two strata, by key; beside those of everybody."""
    stem = f"tpl-{template}_atlas-{ATLAS}_res-{resolution}_contrast-{contrast}"
    return {
        f"{what}_{region}": f"tpl-{template}/anat/{stem}_stat-{what}_label-{region}_statmap.nii.gz"
        for what in ("difference", "oddsratio")
        for region in regions
    }


def stale_patterns(template: str, resolution: int) -> list[str]:
    """Patterns of all names that one template and resolution has ever given to maps."""
    stem, folder = f"tpl-{template}", f"tpl-{template}/anat"
    return [
        f"{folder}/{stem}_atlas-{ATLAS}_res-{resolution}_*",
        f"{folder}/{stem}_res-{resolution}_desc-mean*_T1w.*",
        f"{stem}/cohort-*/anat/{stem}_cohort-*_res-{resolution}_*",
    ]


def group_names(template: str, resolution: int, regions: list[str]) -> dict[str, str]:
    """Outputs of the group level over everybody, relative to the output folder."""
    return map_names(template, resolution, regions) | {
        "quality": "group_quality.tsv",
        "regions": "group_regions.tsv",
        "patients": "group_patients.tsv",
        "parcellation": "group_parcellation.tsv",
        "report": "gliomorph.html",
        "viewer": "figures/gliomorph_label-WT_desc-frequency_probseg.html",
        "description": f"atlas-{ATLAS}_description.json",
    }


def association_names(
    template: str, resolution: int, region: str, label: str, correction: str
) -> dict[str, str]:
    """Outputs of one test by key, relative to the output folder.

    Parameters
    ----------
    template : str
    resolution : int
        mm.
    region : str
        What the masks show, for instance ``WT``.
    label : str
        Of the test, ASCII letters and digits.
    correction : str
        ``fwer`` or ``fdr``.

    Returns
    -------
    names : dict of str to str
        Maps, not all of which a test has, and ``clusters``.
    """
    folder = PurePosixPath(f"tpl-{template}", "anat")
    stem = f"tpl-{template}_atlas-{ATLAS}_res-{resolution}_contrast-{label}"
    tails = {key: f"stat-{key}_label-{region}_statmap.nii.gz" for key in STATISTICS}
    tails["logp"] = f"stat-logp_label-{region}_desc-{correction}_statmap.nii.gz"
    tails["clusters"] = f"label-{region}_desc-{correction}clusters_stats.tsv"
    return {key: str(folder / f"{stem}_{tail}") for key, tail in tails.items()}


def method_label(method: str) -> str:
    """The method as a BIDS label, which is alphanumeric: ``syn-cfm`` becomes ``syncfm``."""
    return method.replace("-", "")
