"""A dataset of two subjects whose files hold a word each, and a template likewise."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.template_files import TemplateFiles


@pytest.fixture
def template(tmp_path: Path) -> TemplateFiles:
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("image", "brain", "fixed", "fixed_brain")}
    for name, path in files.items():
        path.write_text(name)
    return TemplateFiles(**files)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two subjects with masks; files hold a word each: the plan looks at names and bytes only."""
    for subject in ("01", "02"):
        for root, name in (("bids", "T1w"), ("masks", "seg-brats_dseg")):
            path = tmp_path / root / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_text(f"{subject} {name}")
    return Settings.of(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        derivatives={"masks": tmp_path / "masks"},
        registration=("affine", "syn-cfm"),
    )
