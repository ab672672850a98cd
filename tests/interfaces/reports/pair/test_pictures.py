"""Pictures of a pair: what lacks a counterpart is shown where there is any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.files.images import from_array, write_image, write_text
from gliomorph.interfaces.files.transforms import write_transform
from gliomorph.interfaces.pairs.records import PairFiles
from gliomorph.interfaces.reports.pages import Album
from gliomorph.interfaces.reports.pair.pictures import PairNames, pair_pictures


@pytest.mark.parametrize("lacking", [True, False])
def test_a_pair_is_shown_before_and_after_and_what_it_lacks(lacking: bool, tmp_path: Path) -> None:
    like = phantoms.grid()
    head = write_image(phantoms.brain_image(like), tmp_path / "head.nii.gz")
    none = from_array(np.zeros(like.GetSize(), np.float32), like)
    ball = from_array(phantoms.ball(like, phantoms.TUMOR_AT, 20).astype(np.uint8) * lacking, like)
    way = write_transform(sitk.AffineTransform(3), tmp_path / "way.h5")
    files = PairFiles(
        warped=head,
        forward_xfm=way,
        inverse_xfm=way,
        inconsistency=write_image(none, tmp_path / "trip.nii.gz"),
        no_counterpart=write_image(ball, tmp_path / "lacking.nii.gz"),
        used=write_text('{"threshold_mm": 3.0}', tmp_path / "used.json"),
    )
    names = PairNames(moving="ses-2", fixed="ses-1", key="two")
    pictures = pair_pictures(Album("sub-1", tmp_path / "figures"), head, head, None, files, names)
    expected = [
        "fixed",
        "before",
        "after",
        "checkerboard",
        "grid",
        "inconsistency",
        *["nocounterpart"] * lacking,
    ]
    assert [picture.key for picture in pictures] == [f"two{what}" for what in expected]
    assert pictures[2].versus == ("twofixed", "ses-1")
    assert len(list((tmp_path / "figures").glob("*.png"))) == len(pictures)
