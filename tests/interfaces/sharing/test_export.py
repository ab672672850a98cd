"""The whole export."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import attrs
import nibabel as nib
import numpy as np
import pytest
from shared_derivatives import HEAD, NAMED, ball, brain, write_derivatives

from gliomorph.interfaces.sharing.export import Exported, Request, export
from gliomorph.interfaces.sharing.names import ExportError, read_mapping
from gliomorph.workflows.checks.validation import validator_issues

TEXTS = {".json", ".tsv", ".md", ""}


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    out = write_derivatives(tmp_path / "home" / "out")
    return Request(
        out=out, shared=tmp_path / "away" / "shared", mapping=tmp_path / "home" / "map.tsv", deface=True
    )


def changed(request: Request, **changes: object) -> Request:
    return attrs.evolve(request, **changes)


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def new(request: Request, subject: str) -> str:
    return read_mapping(request.mapping).subjects[subject]


def test_no_trace_of_a_patient_is_in_names_and_text(request_of: Request) -> None:
    export(request_of)
    files = [path for path in request_of.shared.rglob("*") if path.is_file()]
    text = "\n".join([*names_in(request_of.shared), *(p.read_text() for p in files if p.suffix in TEXTS)])
    for trace in (HEAD, NAMED, "Anna", "pre", "post", "2019", "0123abcd", "/data", "odd", "html"):
        assert not re.search(rf"(?<![A-Za-z]){trace}(?![A-Za-z])", text, re.IGNORECASE), trace
    assert set(re.findall(r"sub-(\w+?)(?=[\W_])", text)) == {"001", "002"}


def test_mapping_leads_back_to_every_subject_and_session(request_of: Request) -> None:
    done = export(request_of)
    names = read_mapping(request_of.mapping)
    assert names.subjects.keys() == {HEAD, NAMED}
    assert names.sessions[NAMED] == {"pre": "1", "post": "2"}
    assert stat.S_IMODE(request_of.mapping.stat().st_mode) == 0o600
    assert done.subjects == 2
    assert done.files == sum(path.is_file() for path in request_of.shared.rglob("*"))


def test_second_export_with_the_mapping_gives_the_same_bytes(request_of: Request) -> None:
    export(request_of)
    again = changed(request_of, shared=request_of.shared.with_name("again"))
    export(again)
    assert names_in(again.shared) == names_in(request_of.shared)
    for path in filter(Path.is_file, again.shared.rglob("*")):
        assert path.read_bytes() == (request_of.shared / path.relative_to(again.shared)).read_bytes()


def test_brains_are_shared_as_they_are(request_of: Request) -> None:
    export(request_of)
    label = new(request_of, NAMED)
    found = nib.load(request_of.shared / f"sub-{label}/ses-1/anat/sub-{label}_ses-1_desc-n4_T1w.nii.gz")
    assert np.array_equal(found.get_fdata(), brain())
    between = f"sub-{label}/ses-2/anat/sub-{label}_ses-2_from-2_to-1_mode-image_desc-greedycfm_xfm.h5"
    assert (request_of.shared / between).is_file()


def test_heads_are_shared_without_what_is_outside_the_brain(request_of: Request) -> None:
    done = export(request_of)
    assert done.defaced == [f"sub-{HEAD}/anat/sub-{HEAD}_desc-n4_T1w.nii.gz"]
    label = new(request_of, HEAD)
    found = nib.load(request_of.shared / f"sub-{label}/anat/sub-{label}_desc-n4_T1w.nii.gz").get_fdata()
    assert np.array_equal(found[ball(4)], brain()[ball(4)])
    assert not found[~ball(4)].any()


def left_out(done: Exported) -> list[str]:
    return [Path(name).name for name in done.left_out]


def test_what_was_warped_of_a_head_is_left_out_and_so_is_the_mean(request_of: Request) -> None:
    warped = [f"sub-{HEAD}_space-Tiny_res-4_desc-affine_T1w.nii.gz", "tpl-Tiny_res-4_desc-mean_T1w.nii.gz"]
    assert left_out(export(request_of)) == warped
    assert "2 images that show more than the brain" in (request_of.shared / "README.md").read_text()
    assert not [name for name in names_in(request_of.shared) if "desc-mean" in name]


def test_warped_images_are_left_out_where_nothing_is_known_of_their_native_one(request_of: Request) -> None:
    (request_of.out / f"sub-{NAMED}/ses-pre/anat/sub-{NAMED}_ses-pre_desc-n4_T1w.nii.gz").unlink()
    assert f"sub-{NAMED}_ses-pre_space-Tiny_res-4_desc-affine_T1w.nii.gz" in left_out(export(request_of))


def test_heads_are_left_out_where_nothing_is_to_be_defaced(request_of: Request) -> None:
    done = export(changed(request_of, deface=False))
    assert f"sub-{HEAD}_desc-n4_T1w.nii.gz" in left_out(done)
    assert done.defaced == []


def test_names_are_those_of_bids(request_of: Request) -> None:
    export(request_of)
    assert [issue for issue in validator_issues(request_of.shared) if issue.get("severity") == "error"] == []


def test_trace_that_would_be_shared_leaves_nothing_behind(request_of: Request) -> None:
    table = request_of.out / "participants.tsv"
    table.write_text(f"participant_id\tsite\nsub-{HEAD}\tA\nsub-{NAMED}\t/data/meier\n")
    with pytest.raises(ExportError, match=r"participants\.tsv: the path /data/meier"):
        export(changed(request_of, columns=("site",), participants=table))
    assert list(request_of.shared.parent.iterdir()) == []
    assert not request_of.mapping.exists()


def test_derivatives_of_others_are_refused(request_of: Request) -> None:
    (request_of.out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(ExportError, match="does not name gliomorph"):
        export(request_of)


def test_folders_that_would_mix_are_refused(request_of: Request) -> None:
    with pytest.raises(ExportError, match="give a folder outside of the derivatives"):
        export(changed(request_of, shared=request_of.out / "shared"))
    with pytest.raises(ExportError, match="would be shared: give a file that stays at home"):
        export(changed(request_of, mapping=request_of.shared / "map.tsv"))
    request_of.shared.mkdir(parents=True)
    (request_of.shared / "a").write_text("")
    with pytest.raises(ExportError, match="is there and not empty"):
        export(request_of)


def test_empty_folder_is_filled(request_of: Request) -> None:
    request_of.shared.mkdir(parents=True)
    export(request_of)
    assert (request_of.shared / "README.md").is_file()


def test_derivatives_that_are_not_there_are_named(tmp_path: Path) -> None:
    request = Request(out=tmp_path / "none", shared=tmp_path / "shared", mapping=tmp_path / "mapping.tsv")
    with pytest.raises(ExportError, match="none: no such folder"):
        export(request)
