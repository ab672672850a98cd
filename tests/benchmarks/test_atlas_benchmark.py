"""The atlas' benchmark on a grid for which it takes no time."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.atlas import main, tumor
from gliomorph.models.regions import LABELS


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--subjects", "40", "--shape", "24", "25", "26", "--means"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("40 participants on 24 × 25 × 26 voxels, 5 regions, 6 strata")
    assert [line.split(" | ")[0] for line in lines[4:8]] == [
        "| sums of all participants",
        "| what may be shown",
        "| 30 frequency maps with intervals",
        "| together",
    ]


def test_every_tumour_has_all_labels() -> None:
    labels = tumor((60, 60, 60), np.random.default_rng(0))
    assert set(np.unique(labels).tolist()) == {0, *LABELS.values()}
