"""A scan in which the network finds no tumour, from the command line to the atlas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
import trainings
from cohorts import Place
from runs import ran

from gliomorph.interfaces.networks.segmentation import write_unet


@pytest.mark.slow
def test_a_scan_without_a_tumour_is_carried_through_and_kept_out_of_the_atlas(tmp_path: Path) -> None:
    place = Place(tmp_path).prepare(["01", "02"])
    for mask in (place.bids / "derivatives" / "masks" / "sub-02").rglob("*.nii.gz"):
        mask.unlink()
    network = trainings.STUDENT.build()
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([99.0, 0.0, 0.0, 0.0]))
    weights = write_unet(network, trainings.STUDENT, place.root / "blind.safetensors")
    methods = ["affine", "syn-cfm", "metamorphosis"]
    options = ["--skip-bids-validation", "--weights", str(weights), "--speed", "fast"]
    run = ran(place, *options, "--registration", *methods, here=True)
    assert "blind.safetensors found no tumour in T1w: kept out of the atlas" in run.answer.text
    quality = pd.read_csv(run.out / "group_quality.tsv", sep="\t").set_index("participant_id")
    left_out = quality[quality["status"] == "excluded"]
    assert set(left_out.index) == {"sub-02"}
    assert set(left_out["reason"]) == {"no tumour was found"}
    assert (run.out / "sub-02.html").is_file()
