"""Names of the tests' outputs are those that the validator is told to ignore."""

from fnmatch import fnmatch

from gliomorph.interfaces.derivatives.names import association_names
from gliomorph.workflows.dataset import IGNORED


def test_names_have_bids_entities_in_bids_order_and_are_ignored():
    names = association_names("SRI24", 1, "WT", "glmage", "fwer")
    stem = "tpl-SRI24/anat/tpl-SRI24_atlas-gliomorph_res-1_contrast-glmage"
    assert names["t"] == f"{stem}_stat-t_label-WT_statmap.nii.gz"
    assert names["logp"] == f"{stem}_stat-logp_label-WT_desc-fwer_statmap.nii.gz"
    assert names["clusters"] == f"{stem}_label-WT_desc-fwerclusters_stats.tsv"
    for name in (*names.values(), names["clusters"].replace(".tsv", ".json")):
        assert any(fnmatch(name.split("/")[-1], pattern) for pattern in IGNORED)
    assert len(set(names.values())) == len(names)
