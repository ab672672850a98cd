"""What will be run, what is done, and what cannot be run and why."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from changed_settings import changed
from safetensors.numpy import save_file

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.query import QueryError
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.derivatives.publish import Publication
from gliomorph.interfaces.methods import SPEEDS
from gliomorph.interfaces.networks.files import SHIPPED_BRAIN
from gliomorph.workflows.scan import plan
from gliomorph.workflows.scan.graph import ScanGraph
from gliomorph.workflows.scan.inputs import graph_inputs, publication
from gliomorph.workflows.scan.plan import PlannedScan, plan_scans


def publication_of(planned: PlannedScan, settings: Settings) -> Publication:
    return publication(planned, settings.bids_dir, settings.output_dir, settings.inputs.derivatives)


def inputs_of(planned: PlannedScan, settings: Settings, template: TemplateFiles) -> dict[str, Any]:
    plan = publication_of(planned, settings)
    return graph_inputs(planned, settings.processing, settings.resources, template, plan, "run")


def publish(planned: PlannedScan, settings: Settings) -> None:
    """Leave what a finished scan leaves."""
    assert planned.names is not None
    out = settings.output_dir
    (out / f"sub-{planned.scan.subject}" / "anat").mkdir(parents=True, exist_ok=True)
    (out / planned.names.report).write_text("page")
    for method, key in planned.keys.items():
        files = planned.names.registered(method)
        (out / files["warped"]).write_text("voxels")
        facts = {"method": method, "quality": {}, "key": key, "page_key": planned.page_key}
        record = facts | {"outputs": [files["warped"]]}
        (out / files["registration"]).write_text(json.dumps(record))


def statuses(settings: Settings, template: TemplateFiles) -> dict[str, str]:
    return {p.scan.label: p.status for p in plan_scans(settings, template)}


def test_everything_is_to_be_run_at_first(settings: Settings, template: TemplateFiles) -> None:
    assert statuses(settings, template) == {"sub-01": "run", "sub-02": "run"}


def test_finished_scan_is_done_until_a_file_is_missing(settings: Settings, template: TemplateFiles) -> None:
    first, _ = plan_scans(settings, template)
    publish(first, settings)
    assert statuses(settings, template) == {"sub-01": "done", "sub-02": "run"}
    assert first.names is not None
    (settings.output_dir / first.names.registered("syn-cfm")["warped"]).unlink()
    assert statuses(settings, template)["sub-01"] == "run"
    publish(first, settings)
    (settings.output_dir / first.names.report).unlink()
    assert statuses(settings, template)["sub-01"] == "run"


def test_page_of_other_code_is_old_and_its_scan_is_not_run_again(
    settings: Settings, template: TemplateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(plan_scans(settings, template)[0], settings)
    monkeypatch.setattr(plan, "page_code", lambda: "other")
    assert statuses(settings, template) == {"sub-01": "page", "sub-02": "run"}


def test_page_that_does_not_say_what_is_known_now_is_old(settings: Settings, template: TemplateFiles) -> None:
    first, _ = plan_scans(settings, template)
    known = attrs.evolve(first, scan=attrs.evolve(first.scan, flags=("another mask lies there",)))
    assert known.keys == first.keys
    publish(known, settings)
    assert statuses(settings, template)["sub-01"] == "page"


@pytest.mark.parametrize("change", ["image", "mask", "table", "template", "brain mask", "seed", "code"])
def test_any_changed_input_makes_a_finished_scan_run_again(
    settings: Settings, template: TemplateFiles, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "masks" / "sub-01" / "anat"
    (folder / "sub-01_seg-brats_dseg.tsv").write_text("words")
    publish(plan_scans(settings, template)[0], settings)
    assert statuses(settings, template)["sub-01"] == "done"
    if change == "image":
        (tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_text("other")
    elif change == "mask":
        (folder / "sub-01_seg-brats_dseg.nii.gz").write_text("other")
    elif change == "table":
        (folder / "sub-01_seg-brats_dseg.tsv").write_text("other")
    elif change == "brain mask":
        (folder / "sub-01_desc-brain_mask.nii.gz").write_text("new")
    elif change == "template":
        template.brain.write_text("other")
    elif change == "seed":
        settings = changed(settings, random_seed=1)
    else:
        monkeypatch.setattr("gliomorph.workflows.keys.scan_code", lambda: "other")
    assert statuses(settings, template)["sub-01"] == "run"


def test_key_has_what_extracts_the_brain_unless_a_mask_goes_before_it(
    settings: Settings, template: TemplateFiles, tmp_path: Path
) -> None:
    given = tmp_path / "masks" / "sub-02" / "anat" / "sub-02_desc-brain_mask.nii.gz"
    given.write_text("brain")
    tools = ("auto", "shipped", "synthstrip")
    keys, extractions = [], []
    for tool in tools:
        asked = changed(settings, brain_extraction=tool)
        planned = plan_scans(asked, template)
        keys.append([each.input_keys["affine"] for each in planned])
        extractions.append([inputs_of(each, asked, template)["inputs"].extraction for each in planned])
    (auto, auto_given), (shipped, shipped_given), (synthstrip, _) = keys
    assert auto == shipped != synthstrip
    assert auto_given != shipped_given
    assert [[each.tool for each in pair] for pair in extractions] == [[tool] * 2 for tool in tools]
    weights = [[each.weights and each.weights.name for each in pair] for pair in extractions]
    assert weights == [["brain.safetensors", None], ["brain.safetensors"] * 2, [None, None]]


def test_keys_cover_what_a_mask_is_beside_what_it_holds(settings: Settings, template: TemplateFiles) -> None:
    """One file under other names: the same bytes are read as another thing."""
    path = settings.inputs.derivatives["masks"] / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz"
    keys = {plan_scans(settings, template)[0].input_keys["affine"]}
    for name in ("sub-01_label-tumor_mask.nii.gz", "sub-01_space-MNI152_label-tumor_mask.nii.gz"):
        path = path.rename(path.with_name(name))
        keys.add(plan_scans(settings, template)[0].input_keys["affine"])
    image = settings.bids_dir / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    image.rename(image.with_name("sub-01_ce-gd_T1w.nii.gz"))
    keys.add(plan_scans(settings, template)[0].input_keys["affine"])
    assert len(keys) == 4


def test_mask_in_the_space_of_the_template_goes_through_it(
    settings: Settings, template: TemplateFiles
) -> None:
    path = settings.inputs.derivatives["masks"] / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz"
    path.rename(path.with_name("sub-01_space-MNI152_seg-brats_dseg.nii.gz"))
    first, second = plan_scans(settings, template)
    assert inputs_of(first, settings, template)["inputs"].tumor_in_template
    assert not inputs_of(second, settings, template)["inputs"].tumor_in_template


def test_folder_of_masks_that_serves_nobody_keeps_the_run_from_starting(
    settings: Settings, template: TemplateFiles
) -> None:
    masks = settings.inputs.derivatives["masks"]
    (masks / "sub-02" / "anat" / "sub-02_seg-brats_dseg.nii.gz").unlink()
    alone = changed(settings, participants=("02",))  # the folder serves another
    assert [p.status for p in plan_scans(alone, template)] == ["run"]
    (masks / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz").unlink()
    for each in (settings, alone):
        with pytest.raises(QueryError, match=r"-d masks=.*no mask of any of the 2 scans"):
            plan_scans(each, template)


def student(folder: Path, modality: str = "T1w", name: str = "w") -> Path:
    """As much of a segmentation network as the plan reads."""
    path = folder / f"{name}.safetensors"
    metadata = {"network": json.dumps({"modalities": [modality]})}
    save_file({name: np.zeros(1, np.float32)}, path, metadata=metadata)
    return path


def test_segmentation_network_matters_to_scans_without_a_mask_only(
    settings: Settings, template: TemplateFiles, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "masks" / "sub-02")
    settings = changed(settings, weights=student(tmp_path))
    for planned in plan_scans(settings, template):
        publish(planned, settings)
    assert statuses(settings, template) == {"sub-01": "done", "sub-02": "done"}
    other = changed(settings, weights=student(tmp_path, name="other"))
    assert statuses(other, template) == {"sub-01": "done", "sub-02": "run"}


def test_network_for_another_modality_cannot_segment(
    settings: Settings, template: TemplateFiles, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "masks" / "sub-02")
    first, second = plan_scans(changed(settings, weights=student(tmp_path, "FLAIR")), template)
    assert (first.status, second.status) == ("run", "impossible")
    assert "no tumour mask: none in -d" in second.reason
    assert "w.safetensors reads FLAIR, not T1w; give -d NAME=PATH" in second.reason


def test_further_images_matter_to_scans_that_a_network_for_any_subset_segments(
    settings: Settings, template: TemplateFiles, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "masks" / "sub-02")
    weights = tmp_path / "any.safetensors"
    header = json.dumps({"modalities": ["T1w", "FLAIR"], "subsets": True})
    save_file({"weight": np.zeros(1, np.float32)}, weights, metadata={"network": header})
    settings = changed(settings, weights=weights)
    alone = plan_scans(settings, template)
    assert [planned.status for planned in alone] == ["run", "run"]
    for subject in ("01", "02"):
        (settings.bids_dir / f"sub-{subject}" / "anat" / f"sub-{subject}_FLAIR.nii.gz").write_text(subject)
    given, segmented = plan_scans(settings, template)
    assert given.input_keys == alone[0].input_keys
    assert segmented.input_keys != alone[1].input_keys
    assert [
        inputs_of(each, settings, template)["inputs"].segmented_together for each in (given, segmented)
    ] == [
        False,
        True,
    ]
    primary = plan_scans(changed(settings, sequences="primary"), template)[1]
    assert primary.input_keys == alone[1].input_keys


def test_further_method_is_run_and_fewer_are_done(settings: Settings, template: TemplateFiles) -> None:
    publish(plan_scans(settings, template)[0], settings)
    assert statuses(changed(settings, registration=("affine",)), template)["sub-01"] == "done"
    assert statuses(changed(settings, registration=("affine", "syn")), template)["sub-01"] == "run"


def test_changed_network_makes_its_own_method_run_again(settings: Settings, template: TemplateFiles) -> None:
    path = settings.output_dir.parent / "net.safetensors"
    header = {"method": "metamorph-r", "masking": "local", "dimension": 3, "modalities": 1}
    save_file({}, path, metadata={"network": json.dumps(header)})
    learned = changed(settings, registration=("syn-cfm", "metamorph-r"), registration_weights=[path])
    before = plan_scans(learned, template)[0]
    publish(before, learned)
    assert statuses(learned, template)["sub-01"] == "done"
    save_file({"weight": np.ones(1)}, path, metadata={"network": json.dumps(header)})
    after = plan_scans(learned, template)[0]
    assert after.status == "run"
    assert before.keys["metamorph-r"] != after.keys["metamorph-r"]
    assert (
        before.keys["syn-cfm"] == after.keys["syn-cfm"] == plan_scans(settings, template)[0].keys["syn-cfm"]
    )


def test_refinement_makes_the_learned_method_run_again_and_reaches_its_node(
    settings: Settings, template: TemplateFiles
) -> None:
    path = settings.output_dir.parent / "net.safetensors"
    header = {"method": "metamorph-r", "masking": "local", "dimension": 3, "modalities": 1}
    save_file({}, path, metadata={"network": json.dumps(header)})
    plain = changed(settings, registration=("syn-cfm", "metamorph-r"), registration_weights=[path], refine=0)
    refined = changed(plain, refine=9)
    before, after = (plan_scans(each, template)[0] for each in (plain, refined))
    assert before.keys["syn-cfm"] == after.keys["syn-cfm"]
    assert before.keys["metamorph-r"] != after.keys["metamorph-r"]
    default, same = (changed(plain, refine=count) for count in (None, SPEEDS["default"][-1]))
    assert plan_scans(default, template)[0].keys == plan_scans(same, template)[0].keys
    inputs = inputs_of(after, refined, template)
    assert [method.refine for method in inputs["methods"]] == [0, 9]
    (register,) = [node for node in ScanGraph(**inputs).construct().nodes if node.name == "register@sub-01"]
    assert list(register._task.refine) == [0, 9]


def test_speed_reaches_the_methods_that_a_flow_refines_alone(
    settings: Settings, template: TemplateFiles
) -> None:
    plain = changed(settings, registration=("syn-cfm", "metamorphosis", "lddmm"))
    fast = changed(plain, speed="fast")
    before, after = (plan_scans(each, template)[0] for each in (plain, fast))
    changed_keys = {method for method in before.keys if before.keys[method] != after.keys[method]}
    assert changed_keys == {"metamorphosis"}
    assert [method.speed for method in inputs_of(after, fast, template)["methods"]] == [
        "default",
        "fast",
        "default",
    ]


def test_resources_and_place_do_not_matter(settings: Settings, template: TemplateFiles) -> None:
    publish(plan_scans(settings, template)[0], settings)
    other = changed(settings, nprocs=7, mem_gb=3.0, omp_nthreads=2, work_dir=settings.output_dir / "w")
    assert statuses(other, template)["sub-01"] == "done"


def test_scan_without_mask_is_segmented_by_the_student_that_comes_with_gliomorph(
    settings: Settings, template: TemplateFiles
) -> None:
    planned = plan_scans(changed(settings, derivatives={}), template)
    assert [p.status for p in planned] == ["run"] * 2
    assert planned[0].names is not None and planned[0].names.source == "student"


def test_scan_without_mask_says_where_it_was_looked_for(
    settings: Settings, template: TemplateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "shipped_student", lambda modality: None)
    bare = changed(settings, derivatives={})
    assert [(p.status, p.names) for p in plan_scans(bare, template)] == [("impossible", None)] * 2
    assert "no tumour mask: none in -d (no folder given)" in plan_scans(bare, template)[0].reason
    path = settings.inputs.derivatives["masks"]
    (path / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz").unlink()
    planned = plan_scans(settings, template)
    assert [p.status for p in planned] == ["impossible", "run"]
    assert f"none in -d ({path})" in planned[0].reason


@pytest.mark.parametrize("what", ["image", "mask", "table", "brain mask"])
@pytest.mark.parametrize("unlocked", [False, True])
def test_file_whose_content_was_not_fetched_makes_its_scan_impossible_and_says_how_to_fetch_it(
    settings: Settings, template: TemplateFiles, what: str, unlocked: bool
) -> None:
    """Without the table its labels would be guessed, without the brain mask another would be made."""
    masks = settings.inputs.derivatives["masks"] / "sub-01" / "anat"
    path = {
        "image": settings.bids_dir / "sub-01" / "anat" / "sub-01_T1w.nii.gz",
        "mask": masks / "sub-01_seg-brats_dseg.nii.gz",
        "table": masks / "sub-01_seg-brats_dseg.tsv",
        "brain mask": masks / "sub-01_desc-brain_mask.nii.gz",
    }[what]
    path.unlink(missing_ok=True)
    if unlocked:
        path.write_text("/annex/objects/MD5E-s4096--0123456789abcdef.nii.gz\n")
    else:
        path.symlink_to("../../.git/annex/objects/qF/8V/MD5E-s4096--01/MD5E-s4096--01.nii.gz")
    first, second = plan_scans(settings, template)
    assert (first.status, second.status) == ("impossible", "run")
    assert first.reason.startswith(f"{path.name}: its content is not here (git-annex)")
    assert "`datalad get`" in first.reason


def test_label_table_goes_into_the_graph(settings: Settings, template: TemplateFiles) -> None:
    table = settings.inputs.derivatives["masks"] / "seg-brats_dseg.tsv"
    table.write_text("words")
    inputs = inputs_of(plan_scans(settings, template)[0], settings, template)
    (tumor,) = [node for node in ScanGraph(**inputs).construct().nodes if node.name == "tumor@sub-01"]
    assert Path(tumor._task.table) == table


def test_publication_names_sources_as_bids_uris(settings: Settings, template: TemplateFiles) -> None:
    published = publication_of(plan_scans(settings, template)[0], settings)
    assert published.raw == "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"
    assert published.tumor_sources == ["bids:masks:sub-01/anat/sub-01_seg-brats_dseg.nii.gz"]
    assert set(published.keys) == set(published.input_keys) == {"affine", "syn-cfm"}


@pytest.mark.parametrize("where", ["bids", "masks"])
def test_pipe_or_device_in_place_of_a_file_is_said_and_nobody_waits_for_its_end(
    settings: Settings, template: TemplateFiles, where: str
) -> None:
    root = {"bids": settings.bids_dir, "masks": settings.inputs.derivatives["masks"]}[where]
    for subject, replace in (("01", os.mkfifo), ("02", lambda path: path.symlink_to("/dev/zero"))):
        (path,) = (root / f"sub-{subject}" / "anat").iterdir()
        path.unlink()
        replace(path)
    for found in plan_scans(settings, template):
        assert found.status == "impossible"
        assert "cannot be read (a file is required" in found.reason


def test_results_are_published_only_where_inputs_are_what_they_were(
    settings: Settings, template: TemplateFiles
) -> None:
    first, _ = plan_scans(settings, template)
    image = settings.bids_dir / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    mask = settings.inputs.derivatives["masks"] / "sub-01" / "anat" / "sub-01_seg-brats_dseg.nii.gz"
    assert set(publication_of(first, settings).contents) == {str(image), str(mask), str(SHIPPED_BRAIN)}


def test_further_modalities_reach_the_key_of_a_scan_that_has_them(
    settings: Settings, template: TemplateFiles
) -> None:
    settings = changed(settings, registration=("metamorphosis",))
    (settings.bids_dir / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_text("01 T2w")
    plain = plan_scans(settings, template)
    first, second = plan_scans(changed(settings, registration_modalities=("FLAIR", "T2w", "T1w")), template)
    other, _ = plan_scans(changed(settings, registration_modalities=("T1w", "T2w", "FLAIR")), template)
    assert first.input_keys == other.input_keys != plain[0].input_keys
    assert second.input_keys == plain[1].input_keys
    (t2w,) = inputs_of(first, settings, template)["inputs"].modalities
    assert (t2w.name, t2w.like, t2w.fixed) == ("T2w", "T1w", template.fixed)
    assert str(t2w.image) in first.contents
    said = "no {} image: it is registered without (--registration-modalities)"
    assert said.format("FLAIR") in first.scan.notices
    assert said.format("T2w, FLAIR") in second.scan.notices
    assert not any("registered without" in text for each in plain for text in each.scan.notices)


def test_contrast_of_the_template_is_part_of_the_key(
    settings: Settings, template: TemplateFiles, tmp_path: Path
) -> None:
    (settings.bids_dir / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_text("01 T2w")
    settings = changed(settings, registration=("metamorphosis",), registration_modalities=("T1w", "T2w"))
    contrast = tmp_path / "fixed_T2w.nii.gz"
    keys = {plan_scans(settings, template)[0].input_keys["metamorphosis"]}
    for content in ("one", "other"):
        contrast.write_text(content)
        first, _ = plan_scans(settings, attrs.evolve(template, contrasts={"T2w": contrast}))
        keys.add(first.input_keys["metamorphosis"])
    assert len(keys) == 3
