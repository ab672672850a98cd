"""Which further images of a session are carried along, and what depends on them."""

from __future__ import annotations

from pathlib import Path

from changed_settings import changed

from gliomorph.config.settings import Settings
from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.workflows.scan.inputs import graph_inputs, publication
from gliomorph.workflows.scan.plan import plan_scans


def write_further(settings: Settings, name: str, text: str = "a FLAIR") -> Path:
    path = settings.bids_dir / "sub-01" / "anat" / f"sub-01_{name}.nii.gz"
    path.write_text(text)
    return path


def test_further_images_are_carried_along_and_results_of_the_primary_one_do_not_depend_on_them(
    settings: Settings, template: TemplateFiles
) -> None:
    alone, second = plan_scans(settings, template)
    assert (alone.further.key, second.further.key) == ("", "")
    flair = write_further(settings, "acq-3D_FLAIR")
    first, other = plan_scans(settings, template)
    assert (first.input_keys, first.page_key) == (alone.input_keys, alone.page_key)
    assert (other.contents, other.further.key) == (second.contents, "")
    assert set(first.contents) - set(alone.contents) == {str(flair)}
    published = publication(first, settings.bids_dir, settings.output_dir, settings.inputs.derivatives)
    inputs = graph_inputs(first, settings.processing, settings.resources, template, published, "run")
    assert inputs["inputs"].further == {"FLAIR": flair}
    plan = published.further
    assert plan.key == first.further.key != ""
    assert (plan.names["FLAIR"].stem, plan.names["FLAIR"].primary) == ("sub-01_acq-3D", "T1w")
    assert plan.names["FLAIR"].raw == "bids:raw:sub-01/anat/sub-01_acq-3D_FLAIR.nii.gz"
    flair.write_text("another FLAIR")
    changed_one, _ = plan_scans(settings, template)
    assert changed_one.input_keys == first.input_keys
    assert changed_one.further.key != first.further.key


def test_further_images_may_be_left_out_but_for_those_of_the_registration(
    settings: Settings, template: TemplateFiles
) -> None:
    for name in ("T2w", "FLAIR"):
        write_further(settings, name)
    first, _ = plan_scans(changed(settings, sequences="primary"), template)
    assert not first.further.paths
    both = {"registration": ("metamorphosis",), "registration_modalities": ("T1w", "T2w")}
    first, _ = plan_scans(changed(settings, sequences="primary", **both), template)
    assert list(first.further.paths) == ["T2w"]
    first, _ = plan_scans(changed(settings, **both), template)
    assert list(first.further.paths) == ["T2w", "FLAIR"]


def test_further_image_whose_content_is_not_there_is_a_flag_and_no_problem(
    settings: Settings, template: TemplateFiles
) -> None:
    broken = write_further(settings, "FLAIR")
    broken.unlink()
    broken.symlink_to("../../.git/annex/objects/gone")
    first, _ = plan_scans(settings, template)
    assert first.status == "run" and not first.further.paths
    (flag,) = (text for text in first.scan.flags if "FLAIR" in text)
    assert flag.startswith("FLAIR is left out: sub-01_FLAIR.nii.gz: ")
