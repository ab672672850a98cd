"""Transforms from scan to scan are found by what is written beside them, or by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gliomorph.interfaces.derivatives.direct import find_direct
from gliomorph.interfaces.derivatives.registrations import EvaluationError

PRE, POST = frozenset({"sub-01", "ses-pre"}), frozenset({"sub-01", "ses-post"})


def write_pair(folder: Path, **record: object) -> Path:
    """As gliomorph-register leaves it: post to pre."""
    folder.mkdir(parents=True)
    names = {
        "moving": {"image": {"name": "sub-01_ses-post_T1w.nii.gz"}},
        "fixed": {"image": {"name": "sub-01_ses-pre_ce-gadolinium_T1w.nii.gz"}},
    }
    content = {**names, "linear": "rigid", "deformable": "greedy-cfm", **record}
    (folder / "registration.json").write_text(json.dumps(content))
    for way in ("from-moving_to-fixed", "from-fixed_to-moving"):
        (folder / f"{way}_mode-image_xfm.h5").touch()
    return folder


def test_a_pair_joins_its_scans_both_ways(tmp_path):
    """What resamples the moving image takes points of the fixed one to it."""
    folder = write_pair(tmp_path / "greedy" / "one")
    assert [(one.scan, one.reference, one.method, one.points) for one in find_direct(tmp_path)] == [
        (PRE, POST, "greedy-cfm", folder / "from-moving_to-fixed_mode-image_xfm.h5"),
        (POST, PRE, "greedy-cfm", folder / "from-fixed_to-moving_mode-image_xfm.h5"),
    ]


def test_a_linear_map_is_the_method_where_nothing_follows_it(tmp_path):
    write_pair(tmp_path / "one", deformable=None)
    assert {one.method for one in find_direct(tmp_path)} == {"rigid"}


def test_files_of_other_tools_are_known_by_their_names(tmp_path):
    path = tmp_path / "deep" / "sub-01_from-pre_to-post_mode-image_desc-mine_xfm.mat"
    path.parent.mkdir()
    path.touch()
    (one,) = find_direct(tmp_path)
    assert (one.scan, one.reference, one.method, one.points) == (POST, PRE, "mine", path)


def test_what_longitudinal_runs_write_joins_sessions(tmp_path):
    """Forward resamples the later session onto the first: it takes points of that one."""
    folder = tmp_path / "sub-01" / "ses-post" / "anat"
    folder.mkdir(parents=True)
    for way in ("post_to-pre", "pre_to-post"):
        (folder / f"sub-01_ses-post_from-{way}_mode-image_desc-greedycfm_xfm.h5").touch()
    assert [(one.scan, one.reference) for one in find_direct(tmp_path)] == [(PRE, POST), (POST, PRE)]


@pytest.mark.parametrize(
    "record",
    [{"moving": {"image": {"name": "T1.nii.gz"}}}, {"moving": 3}, {"deformable": None, "linear": None}],
)
def test_what_says_no_scan_or_method_joins_nothing(tmp_path, record):
    write_pair(tmp_path / "one", **record)
    with pytest.raises(
        EvaluationError, match=r"no registration\.json of gliomorph-register, of images that are"
    ):
        find_direct(tmp_path)
    with pytest.raises(EvaluationError, match="not a folder"):
        find_direct(tmp_path / "nowhere")
