"""Words and figures of a pair's page; the page itself is tested with the workflow that writes it."""

from __future__ import annotations

from gliomorph.interfaces.reports.pair.report import MEASURES, measures_of, summary_of

RECORD = {
    "linear": "affine",
    "deformable": None,
    "voxel_mm": 2.0,
    "masks": {"moving": True, "fixed": True},
    "lesion_ml": {"moving": 12.34, "carried": 11.5},
    **dict.fromkeys(MEASURES, 0.5),
}


def test_the_summary_says_how_and_what_was_left_out() -> None:
    assert summary_of(RECORD) == [
        ("Registered by", "affine"),
        ("Compared on", "voxels of 2 mm"),
        ("Left out", "the lesion of the moving and of the fixed image"),
        ("Lesion", "12.3 ml, as carried 11.5 ml"),
    ]
    without = RECORD | {"masks": {"moving": False, "fixed": False}, "lesion_ml": None, "deformable": "greedy"}
    assert dict(summary_of(without)) == {
        "Registered by": "affine, then greedy",
        "Compared on": "voxels of 2 mm",
        "Left out": "nothing",
    }


def test_every_figure_has_a_name() -> None:
    assert [text for _, text in measures_of(RECORD)] == ["0.5"] * len(MEASURES)
