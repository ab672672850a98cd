"""Results at their final names: whole or not at all, the record last."""

import json
import os
import shutil
from pathlib import Path, PurePosixPath

import attrs
import numpy as np
import phantoms
import pytest

from gliomorph.interfaces.derivatives import publish as module
from gliomorph.interfaces.derivatives.names import FurtherNames, ScanNames
from gliomorph.interfaces.derivatives.publish import Publication, ScanImages, publish
from gliomorph.interfaces.derivatives.publish_further import FurtherPlan
from gliomorph.interfaces.files import images, sidecars
from gliomorph.interfaces.files.checksums import sha256_of
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image, write_text
from gliomorph.interfaces.scan.records import BrainInfo, CarriedImage, FurtherImage, MethodFiles, TumorInfo
from gliomorph.models.regions import CAVITY

QUALITY = {"status": "ok", "reason": "", "flag": "", "folds": 0}
GRID = phantoms.grid((6, 5, 4))
LABELS = np.random.default_rng(0).choice([0, 1, 2, 4], (6, 5, 4)).astype(np.uint8)
TUMOR = TumorInfo(
    kind="dseg", frame="world", volume_ml=1.0, share_of_brain=0.1, labels=[0, 1, 2, 4], notices=["a word"]
)


@pytest.fixture
def stages(tmp_path):
    """What the stages before leave, for two methods, as arguments of :func:`publish`."""
    work = tmp_path / "work"

    def image(name, voxels=LABELS):
        return write_image(from_array(voxels, GRID), work / name)

    def bundle(method, *more):
        folder = work / method
        names = ("warped", "mask", "coverage", "dseg", "displacement", "jacobian", *more)
        files = {name: image(f"{method}/{name}.nii.gz") for name in names}
        files |= {
            name: write_text(f"{method} {name}", folder / f"{name}.h5")
            for name in ("forward_xfm", "inverse_xfm")
        }
        files["used"] = write_text(json.dumps({"method": method, "seconds": 1}), folder / "used.json")
        files["quality"] = write_text(json.dumps(QUALITY), folder / "quality.json")
        return MethodFiles(**files)

    names = ScanNames(
        label="sub-01_ses-a",
        folder=PurePosixPath("sub-01/ses-a/anat"),
        stem="sub-01_ses-a_acq-x",
        template="SRI24",
        resolution=2,
        source="masks",
    )
    methods = ("metamorphosis", "syn-cfm")
    plan = Publication(
        names=names,
        out_dir=str(tmp_path / "out"),
        keys={method: f"key of {method}" for method in methods},
        input_keys={method: f"inputs of {method}" for method in methods},
        page_key="code",
        contents={},
        spatial_reference="https://example.org/sri24",
        raw="bids:raw:sub-01/ses-a/anat/sub-01_ses-a_acq-x_T1w.nii.gz",
        tumor_sources=["bids:masks:sub-01/ses-a/anat/seg.nii.gz"],
        generated_by="gliomorph 0",
    )
    return {
        "plan": plan,
        "images": ScanImages(
            n4=image("n4.nii.gz"),
            labels=image("labels.nii.gz"),
            probabilities=[],
            preproc=image("preproc.nii.gz"),
            channels=[],
            further=[],
            carried=[],
        ),
        "brain": BrainInfo(method="given", volume_ml=1500.0),
        "tumor": TUMOR,
        "results": [bundle("metamorphosis", "healthy", "residual"), bundle("syn-cfm")],
        "page": write_text("<html></html>", work / "page.html"),
        "figures": [write_text("png", work / "one.png"), write_text("png", work / "two.png")],
        "run": "20260101",
    }


def found(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def records(out):
    return {path.name: json.loads(path.read_text()) for path in out.rglob("*_registration.json")}


def test_every_file_is_counted_and_named_in_a_record(stages, tmp_path):
    out = tmp_path / "out"
    count = publish(**stages)
    files = found(out)
    assert count == len(files)
    outputs = {name for record in records(out).values() for name in record["outputs"]}
    assert outputs == {name for name in files if not name.endswith("_registration.json")}
    assert "sub-01_ses-a.html" in files
    assert {"sub-01/figures/one.png", "sub-01/figures/two.png"} <= files


def test_record_tells_how_and_how_well(stages, tmp_path):
    publish(**stages)
    record = records(tmp_path / "out")["sub-01_ses-a_acq-x_space-SRI24_res-2_desc-syncfm_registration.json"]
    assert record["method"] == "syn-cfm"
    assert record["key"] == "key of syn-cfm"
    assert record["inputs_key"] == "inputs of syn-cfm"
    assert record["scan"] == "sub-01_ses-a"
    assert record["template"] == "SRI24"
    assert record["quality"] == QUALITY
    assert record["tumor"] == {
        "kind": "dseg",
        "frame": "world",
        "volume_ml": 1.0,
        "share_of_brain": 0.1,
        "labels": [0, 1, 2, 4],
        "notices": ["a word"],
        "flags": [],
        "doubts": [],
        "sources": ["bids:masks:sub-01/ses-a/anat/seg.nii.gz"],
    }
    assert not any("metamorphosis" in name for name in record["outputs"])


def test_flags_and_doubts_are_in_every_methods_row(stages, tmp_path):
    stages["plan"] = attrs.evolve(stages["plan"], flags=["two masks"])
    stages["brain"] = attrs.evolve(stages["brain"], flags=["a small brain", "two masks"])
    publish(**stages)
    for record in records(tmp_path / "out").values():
        assert record["flags"] == ["two masks", "a small brain"]
        assert record["quality"] == QUALITY | {"flag": "two masks; a small brain"}
    stages["tumor"] = attrs.evolve(TUMOR, doubts=["another grid"])
    quality = QUALITY | {"status": "excluded", "reason": "folds", "flag": "2 folds"}
    write_text(json.dumps(quality), stages["results"][0].quality)
    publish(**stages)
    other, doubtful = (record["quality"] for _, record in sorted(records(tmp_path / "out").items()))
    flag = "another grid; two masks; a small brain"
    assert doubtful == QUALITY | {"status": "doubtful", "reason": "another grid", "flag": flag}
    assert other == quality | {"flag": f"{flag}; 2 folds"}


def test_contents_are_those_of_the_stages(stages, tmp_path):
    publish(**stages)
    anat = tmp_path / "out" / "sub-01" / "ses-a" / "anat"
    stem = "sub-01_ses-a_acq-x"
    assert (anat / f"{stem}_desc-n4_T1w.nii.gz").read_bytes() == stages["images"].n4.read_bytes()
    forward = anat / f"{stem}_from-native_to-SRI24_mode-image_desc-syncfm_xfm.h5"
    inverse = anat / f"{stem}_from-SRI24_to-native_mode-image_desc-metamorphosis_xfm.h5"
    assert forward.read_text() == "syn-cfm forward_xfm"
    assert inverse.read_text() == "metamorphosis inverse_xfm"
    assert (anat / f"{stem}_space-SRI24_res-2_desc-metamorphosishealthy_T1w.nii.gz").exists()
    assert not (anat / f"{stem}_space-SRI24_res-2_desc-syncfmhealthy_T1w.nii.gz").exists()
    mask = to_array(read_image(anat / f"{stem}_label-tumor_desc-masks_mask.nii.gz"))
    assert np.array_equal(mask, LABELS > 0)
    dseg = to_array(read_image(anat / f"{stem}_seg-brats_desc-masks_dseg.nii.gz"))
    assert np.array_equal(dseg, LABELS)
    for region, values in {"TC": (1, 4), "ET": (4,)}.items():
        mask = to_array(read_image(anat / f"{stem}_label-{region}_desc-masks_mask.nii.gz"))
        assert np.array_equal(mask, np.isin(LABELS, values))


def test_probabilities_of_a_network_are_published(stages, tmp_path):
    shares = np.random.default_rng(1).random((3, *LABELS.shape)).astype(np.float32)
    files = [
        write_image(from_array(share, GRID), tmp_path / "work" / f"{number}.nii.gz")
        for number, share in enumerate(shares)
    ]
    publish(**stages | {"images": attrs.evolve(stages["images"], probabilities=files)})
    anat = tmp_path / "out" / "sub-01" / "ses-a" / "anat"
    for region, share in zip(("WT", "TC", "ET"), shares, strict=True):
        path = anat / f"sub-01_ses-a_acq-x_label-{region}_desc-masks_probseg.nii.gz"
        assert np.array_equal(to_array(read_image(path)), share)
        assert (
            json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["Manual"] is False
        )


def test_every_image_has_its_sidecar_and_every_dseg_its_table(stages, tmp_path):
    out = tmp_path / "out"
    publish(**stages)
    for name in found(out):
        if not name.endswith(".nii.gz"):
            continue
        side = json.loads((out / name).with_name(Path(name).name.replace(".nii.gz", ".json")).read_text())
        assert side["GeneratedBy"] == "gliomorph 0"
        assert ("SpatialReference" in side) == ("space-SRI24" in name)
        assert ("Resolution" in side) == ("_res-2" in name)
        if name.endswith("_dseg.nii.gz"):
            table = (out / name).with_name(Path(name).name.replace(".nii.gz", ".tsv")).read_text()
            assert [line.split("\t")[0] for line in table.splitlines()] == ["index", "0", "1", "2", "4"]
        if "label-tumor" in name:
            assert side["Type"] == "Lesion"
        if name.endswith("_T1w.nii.gz"):
            assert side["SkullStripped"] is True
        for source in side.get("Sources", []):
            if source.startswith("bids::"):
                assert (out / source.removeprefix("bids::")).exists()


def test_sidecar_of_an_extracted_brain_names_what_extracted_it(stages, tmp_path):
    stages["brain"] = BrainInfo(
        method="shipped", volume_ml=1500.0, weights="a.safetensors", weights_sha256="b"
    )
    publish(**stages)
    anat = tmp_path / "out" / "sub-01" / "ses-a" / "anat"
    n4, preproc = (
        json.loads((anat / f"sub-01_ses-a_acq-x_{name}_T1w.json").read_text())
        for name in ("desc-n4", "space-SRI24_res-2_desc-preproc")
    )
    expected = {"Method": "shipped", "Weights": "a.safetensors", "WeightsSHA256": "b"}
    assert n4["BrainExtraction"] == expected
    assert "BrainExtraction" not in preproc


def test_resection_cavity_has_its_row_and_is_in_no_mask_of_the_tumour(stages, tmp_path):
    treated = from_array(np.where(LABELS == 4, CAVITY, LABELS).astype(np.uint8), GRID)
    write_image(treated, stages["images"].labels)
    publish(**stages)
    folder = tmp_path / "out/sub-01/ses-a/anat"
    (table,) = folder.glob("sub-01_ses-a_acq-x_seg-brats_*_dseg.tsv")
    assert table.read_text().splitlines()[-1] == "5\tresection cavity\tRC"
    (mask,) = folder.glob("sub-01_ses-a_acq-x_label-tumor_*_mask.nii.gz")
    assert np.array_equal(to_array(read_image(mask)), (LABELS == 1) | (LABELS == 2))
    (core,) = folder.glob("sub-01_ses-a_acq-x_label-TC_*_mask.nii.gz")
    assert np.array_equal(to_array(read_image(core)), LABELS == 1)


def test_plain_mask_has_no_label_maps(stages, tmp_path):
    publish(**stages | {"tumor": attrs.evolve(TUMOR, kind="mask")})
    assert not [name for name in found(tmp_path / "out") if "dseg" in name]


def test_files_of_the_mask_that_counted_before_go_and_those_of_others_stay(stages, tmp_path):
    """What a network has segmented is no more the scan's when a mask is given."""
    out, names = tmp_path / "out", stages["plan"].names
    student = attrs.evolve(stages["plan"], names=attrs.evolve(names, source="student"), tumor_sources=[])
    publish(**stages | {"plan": student})
    assert [name for name in found(out) if "_desc-student_" in name]
    own = out / names.folder / f"{names.stem}_notes.txt"
    own.write_text("not of gliomorph")
    elsewhere = write_text("x", out / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    record = next((out / names.folder).glob("*_registration.json"))
    content = json.loads(record.read_text())
    content["outputs"] += ["sub-02/anat/sub-02_T1w.nii.gz", "../work/n4.nii.gz"]
    record.write_text(json.dumps(content))
    publish(**stages)
    assert not [name for name in found(out) if "_desc-student_" in name]
    assert own.exists() and elsewhere.exists() and (tmp_path / "work" / "n4.nii.gz").exists()
    listed = {name for record in records(out).values() for name in record["outputs"]}
    assert all((out / name).exists() for name in listed)
    publish(**stages | {"tumor": attrs.evolve(TUMOR, kind="mask")})
    assert not [name for name in found(out) if "dseg" in name]


def test_files_that_another_method_s_record_lists_stay(stages, tmp_path):
    student = attrs.evolve(stages["plan"], names=attrs.evolve(stages["plan"].names, source="student"))
    publish(**stages | {"plan": student})
    publish(**stages | {"results": stages["results"][:1]})
    assert [name for name in found(tmp_path / "out") if "_desc-student_" in name]


def test_record_is_put_in_place_after_all_that_it_lists(stages, tmp_path, monkeypatch):
    order = []
    replace = os.replace

    def noted(source, target):
        order.append(Path(target).relative_to(tmp_path / "out").as_posix())
        replace(source, target)

    monkeypatch.setattr(images.os, "replace", noted)
    publish(**stages)
    assert set(order) == found(tmp_path / "out")
    for name, record in records(tmp_path / "out").items():
        place = next(i for i, target in enumerate(order) if target.endswith(name))
        assert max(order.index(output) for output in record["outputs"]) < place


@pytest.mark.parametrize("survives", [0, 1, 4, 9, 15])
def test_nothing_is_half_written_when_a_copy_fails(stages, tmp_path, monkeypatch, survives):
    copied = []
    whole = shutil.copyfile

    def fails_later(source, target):
        if len(copied) == survives:
            Path(target).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        copied.append(source)
        return whole(source, target)

    monkeypatch.setattr(sidecars.shutil, "copyfile", fails_later)
    with pytest.raises(OSError, match="No space left on device"):
        publish(**stages)
    out = tmp_path / "out"
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".tmp-") or path.read_bytes() == b"half"]
    for record in records(out).values():
        assert all((out / name).exists() for name in record["outputs"])
    assert "sub-01_ses-a_acq-x_space-SRI24_res-2_desc-syncfm_registration.json" not in records(out)
    monkeypatch.undo()
    assert publish(**stages) == len(found(out))


def test_publishing_again_gives_the_same_bytes(stages, tmp_path):
    publish(**stages)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in found(tmp_path / "out")}
    publish(**stages)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in found(tmp_path / "out")} == before


def test_input_that_changed_while_the_run_went_on_keeps_the_results_from_their_names(stages, tmp_path):
    image = write_text("as planned", tmp_path / "sub-01_T1w.nii.gz")
    stages["plan"] = attrs.evolve(stages["plan"], contents={str(image): sha256_of(image)})
    publish(**stages)
    image.write_text("another one")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(module.ChangedInputError, match=r"sub-01_T1w\.nii\.gz: changed while the run went on"):
        publish(**stages)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def with_further(stages, tmp_path):
    """The same with a FLAIR image, and a T2w that was left out."""

    def file(name):
        return write_text(name, tmp_path / "work" / name)

    plan, names = stages["plan"], {}
    for modality, stem in {"T2w": "sub-01_ses-a_run-2", "FLAIR": "sub-01_ses-a_acq-3D"}.items():
        names[modality] = FurtherNames(
            scan=plan.names,
            primary="T1w",
            modality=modality,
            stem=stem,
            suffix=modality,
            raw=f"bids:raw:{modality}.nii.gz",
        )
    flair = FurtherImage(
        name="FLAIR",
        file="flair",
        image=file("flair.nii.gz"),
        transform=file("there.h5"),
        inverse=file("back.h5"),
        flags=["FLAIR shows 52% of the brain"],
    )
    t2w = FurtherImage(name="T2w", file="t2w", flags=["T2w is left out: damaged"])
    carried = [
        CarriedImage(name="FLAIR", method=method, image=file(f"{method}.nii.gz"))
        for method in ("metamorphosis", "syn-cfm")
    ]
    images = attrs.evolve(stages["images"], further=[t2w, flair], carried=carried)
    return stages | {
        "plan": attrs.evolve(plan, further=FurtherPlan(names=names, key="two")),
        "images": images,
    }


def test_further_images_are_published_with_sidecars_transforms_and_remarks(with_further, tmp_path):
    out = tmp_path / "out"
    publish(**with_further)
    stem = "sub-01/ses-a/anat/sub-01_ses-a_acq-3D"
    contents = {
        "space-T1w_desc-n4_FLAIR.nii.gz": "flair.nii.gz",
        "from-FLAIR_to-T1w_mode-image_desc-rigid_xfm.h5": "there.h5",
        "from-T1w_to-FLAIR_mode-image_desc-rigid_xfm.h5": "back.h5",
        "space-SRI24_res-2_desc-syncfmbyT1w_FLAIR.nii.gz": "syn-cfm.nii.gz",
        "space-SRI24_res-2_desc-metamorphosisbyT1w_FLAIR.nii.gz": "metamorphosis.nii.gz",
    }
    assert {name: (out / f"{stem}_{name}").read_text() for name in contents} == contents
    native = json.loads((out / f"{stem}_space-T1w_desc-n4_FLAIR.json").read_text())
    assert native["Sources"][0] == "bids:raw:FLAIR.nii.gz"
    carried = json.loads((out / f"{stem}_space-SRI24_res-2_desc-syncfmbyT1w_FLAIR.json").read_text())
    assert (carried["SpatialReference"], carried["Registration"]) == ("https://example.org/sri24", "syn-cfm")
    for source in [native["SpatialReference"], *native["Sources"][1:], *carried["Sources"]]:
        assert (out / source.removeprefix("bids::")).exists()
    assert not [name for name in found(out) if "T2w" in name]
    for record in records(out).values():
        assert [each["used"] for each in record["further"]["images"]] == [False, True]
        assert record["further"]["key"] == "two"
        assert "T2w is left out: damaged" in record["flags"]
        assert f"{stem}_space-T1w_desc-n4_FLAIR.nii.gz" in record["outputs"]
        assert sum("byT1w" in name for name in record["outputs"]) == 2


def test_record_of_a_scan_without_further_images_does_not_speak_of_them(stages, tmp_path):
    publish(**stages)
    assert not any("further" in record for record in records(tmp_path / "out").values())


def test_files_of_a_further_image_go_with_it(stages, with_further, tmp_path):
    publish(**with_further)
    publish(**stages)
    assert not [name for name in found(tmp_path / "out") if "FLAIR" in name]
    assert [name for name in found(tmp_path / "out") if name.endswith("desc-n4_T1w.nii.gz")]


def test_files_that_another_image_lists_stay(stages, with_further, tmp_path):
    """Two T1w images of a session that were each run share its FLAIR."""
    out, plan = tmp_path / "out", with_further["plan"]
    second = attrs.evolve(plan.names, stem="sub-01_ses-a_run-2")
    names = {name: attrs.evolve(each, scan=second) for name, each in plan.further.names.items()}
    publish(**with_further)
    publish(
        **with_further
        | {"plan": attrs.evolve(plan, names=second, further=attrs.evolve(plan.further, names=names))}
    )
    publish(**stages)
    assert [name for name in found(out) if "FLAIR" in name]
