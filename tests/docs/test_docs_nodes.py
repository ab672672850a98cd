"""The examples of docs/nodes.md run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import write_transform

TEXT = (Path(__file__).parents[2] / "docs" / "nodes.md").read_text()
PYDRA, NIPYPE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """What the examples take for granted: a deformed head with a tumour, its template, a folder."""
    like = phantoms.grid((40, 48, 32))
    fixed = phantoms.brain_image(like)
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 9.0))
    tumor = phantoms.ball(like, phantoms.TUMOR_AT, 16)
    moving = to_array(sitk.Resample(fixed, like, warp, sitk.sitkLinear)).copy()
    moving[tumor] = 1.0
    images = {
        "moving": from_array(moving, like),
        "fixed": fixed,
        "tumor": from_array(tumor.astype(np.uint8), like),
        "fixed_brain": phantoms.brain_mask(like),
    }
    files = {name: write_image(image, tmp_path / f"{name}.nii.gz") for name, image in images.items()}
    files["affine"] = write_transform(sitk.AffineTransform(3), tmp_path / "affine.h5")
    return {"__name__": "example", "files": files, "folder": tmp_path}


def test_the_pydra_example_runs(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(PYDRA, names)
    assert 1.0 < names["result"].outputs.millimetres < 9.0, (
        "the deformation, which the affine map has none of"
    )
    assert capsys.readouterr().out.strip().endswith("mm apart")


@pytest.fixture
def ants(names: dict[str, Any]) -> None:
    """Programs of ANTs, which Nipype's interfaces of ANTs call."""
    if not (shutil.which("N4BiasFieldCorrection") and shutil.which("antsApplyTransforms")):
        pytest.skip("ANTs' programs are not installed: Nipype's ants interfaces call them")
    files = names["files"]
    options = {"-d": "3", "-i": files["moving"], "-r": files["fixed"], "-o": names["folder"] / "same.nii.gz"}
    words = [str(word) for pair in options.items() for word in pair]
    done = subprocess.run(["antsApplyTransforms", *words, "-t", "identity"], capture_output=True, check=False)
    if done.returncode < 0:
        pytest.skip(
            f"this antsApplyTransforms crashes on an identity (signal {-done.returncode}), as Debian's 2.5.4 does: "
            "https://github.com/ANTsX/ANTs/issues/1825"
        )


def test_the_nipype_example_runs_with_ants(names: dict[str, Any], ants: None) -> None:
    exec(NIPYPE, names)
    results = {node.name: node.result.outputs for node in names["done"].nodes()}
    carried = to_array(read_image(results["carry"].output_image))
    away = ~phantoms.ball(phantoms.grid((40, 48, 32)), phantoms.TUMOR_AT, 34)
    fixed = to_array(read_image(names["files"]["fixed"]))
    assert np.corrcoef(carried[away], fixed[away])[0, 1] > 0.99


def test_the_nipype_example_is_wired_as_nipype_allows(names: dict[str, Any]) -> None:
    """All but the run, also where ANTs is not installed."""
    exec(NIPYPE.replace("done = graph.run()", ""), names)
    assert sorted(names["graph"].list_node_names()) == ["carry", "match", "n4", "register"]
