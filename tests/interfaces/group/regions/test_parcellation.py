"""A parcellation is found, understood and brought to the template's grid by its place in space, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import parcels
import phantoms
import pytest
import SimpleITK as sitk

from gliomorph.interfaces.datasets.template_files import TemplateFiles
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.group.regions.label_map import ParcellationError, find_label_map, table_of
from gliomorph.interfaces.group.regions.parcellation import Parcellation, prepare_parcellation


@pytest.fixture(scope="module")
def template(template_home: Path, tmp_path_factory: pytest.TempPathFactory) -> TemplateFiles:
    return parcels.prepared(template_home, tmp_path_factory.mktemp("work"))


@pytest.fixture
def own_home(template_home: Path, tmp_path: Path) -> Path:
    """A copy of the template's folder, to be added to."""
    return Path(shutil.copytree(template_home, tmp_path / "own"))


def prepare(word: str, template: TemplateFiles, folder: Path, homes: tuple[Path, ...] = ()) -> Parcellation:
    return prepare_parcellation(word, "Tiny", template, homes, folder / "parcels")


def test_hemispheres_are_made_of_the_template(template: TemplateFiles, tmp_path: Path) -> None:
    found = prepare("hemispheres", template, tmp_path)
    assert [(p.label, p.name) for p in found.parcels] == [
        ("left", "left hemisphere"),
        ("right", "right hemisphere"),
    ]
    sides = to_array(read_image(found.path))
    x = phantoms.positions(read_image(template.brain))[0] - phantoms.CENTRE[0]
    brain = to_array(read_image(template.brain)) > 0
    # LPS: the left is where x grows
    np.testing.assert_array_equal(sides == 1, brain & (x > 1e-3))
    np.testing.assert_array_equal(sides == 2, brain & (x < -1e-3))
    assert found.sizes == (int((sides == 1).sum()), int((sides == 2).sum()))
    assert found.voxel_ml == pytest.approx(0.064)


def test_a_label_map_on_any_grid_lands_in_its_place(
    template: TemplateFiles, tmp_path: Path, frame: str
) -> None:
    path = parcels.write_parcels(tmp_path / "mine_dseg.nii.gz", phantoms.wider(phantoms.frame(frame)))
    found = prepare(str(path), template, tmp_path)
    assert tuple(p.label for p in found.parcels) == parcels.LABELS
    assert (found.name, found.notices) == ("mine_dseg.nii.gz", ())
    expected = parcels.quarters(read_image(template.image))
    numbered = np.select([expected == index for index in parcels.INDICES], [1, 2, 3, 4], 0)
    agreement = np.mean(to_array(read_image(found.path))[expected > 0] == numbered[expected > 0])
    # the same voxel centres, or borders half a voxel aside
    assert agreement == 1 if frame not in ("oblique", "anisotropic") else agreement > 0.9


def test_the_same_map_has_the_same_digest_and_another_has_not(
    template: TemplateFiles, tmp_path: Path
) -> None:
    like = phantoms.frame("LPS")
    path = parcels.write_parcels(tmp_path / "mine_dseg.nii.gz", like)
    first = prepare(str(path), template, tmp_path)
    assert prepare(str(path), template, tmp_path / "again").digest == first.digest
    path.with_name("mine_dseg.tsv").write_text(parcels.TABLE.replace("right front", "Right front"))
    renamed = prepare(str(path), template, tmp_path)
    write_image(from_array(np.roll(parcels.quarters(like), 1, 0), like), path)
    assert len({first.digest, renamed.digest, prepare(str(path), template, tmp_path).digest}) == 3


def test_labels_without_a_voxel_are_left_out_and_told(template: TemplateFiles, tmp_path: Path) -> None:
    table = parcels.TABLE + "12\tcerebellum\tCB\n"
    path = parcels.write_parcels(tmp_path / "mine_dseg.nii.gz", phantoms.frame("LPS"), table)
    found = prepare(str(path), template, tmp_path)
    assert tuple(p.label for p in found.parcels) == parcels.LABELS
    assert found.notices == ("--parcellation: mine_dseg.nii.gz: no voxel of the template is in 'cerebellum'",)


def test_a_map_of_the_template_is_found_by_its_name(
    template: TemplateFiles, tmp_path: Path, own_home: Path
) -> None:
    folder = own_home / "tpl-Tiny"
    fine = parcels.write_parcels(
        folder / "tpl-Tiny_res-01_atlas-lobes_dseg.nii.gz", phantoms.frame("LPS"), ""
    )
    parcels.write_parcels(folder / "tpl-Tiny_res-02_atlas-lobes_dseg.nii.gz", phantoms.frame("LPS"), "")
    (folder / "tpl-Tiny_atlas-lobes_dseg.tsv").write_text(parcels.TABLE)
    assert find_label_map("lobes", "Tiny", [tmp_path, own_home]) == fine
    assert table_of(fine).name == "tpl-Tiny_atlas-lobes_dseg.tsv"
    assert prepare("lobes", template, tmp_path, (own_home,)).name == fine.name
    other = fine.with_name("tpl-Tiny_res-01_seg-lobes_desc-other_dseg.nii.gz")
    shutil.copy(fine, other)
    with pytest.raises(ParcellationError, match=r"2 label maps have this name, .*give the path of one"):
        find_label_map("lobes", "Tiny", [own_home])


def test_a_map_without_a_table_is_refused(template: TemplateFiles, tmp_path: Path) -> None:
    path = parcels.write_parcels(tmp_path / "a_res-1_dseg.nii.gz", phantoms.frame("LPS"), "")
    with pytest.raises(ParcellationError, match=r"no a_res-1_dseg\.tsv and no a_dseg\.tsv in"):
        prepare(str(path), template, tmp_path)


def test_labels_without_a_row_and_values_that_are_none_are_refused(
    template: TemplateFiles, tmp_path: Path
) -> None:
    like = phantoms.frame("LPS")
    table = parcels.TABLE.replace("3\tright back\tRB\n", "")
    path = parcels.write_parcels(tmp_path / "x_dseg.nii.gz", like, table)
    with pytest.raises(ParcellationError, match="labels that its table has no row of, '3': add them"):
        prepare(str(path), template, tmp_path)
    for value, said in (
        (0.5, r"lie between them, such as 0\.5: was the map resampled"),
        (-2.0, "whole numbers from 0 up, got -2: is it a label map"),
        (np.nan, "NaN or infinite"),
    ):
        voxels = np.where(parcels.quarters(like) == 3, value, 0).astype(np.float32)
        write_image(from_array(voxels, like), path)
        with pytest.raises(ParcellationError, match=rf"x_dseg\.nii\.gz: .*{said}"):
            prepare(str(path), template, tmp_path)


@pytest.mark.parametrize(
    ("shift", "said"), [(110.0, "of its labels lie in the template's brain"), (900.0, "none")]
)
def test_a_map_in_another_frame_is_refused(
    template: TemplateFiles, tmp_path: Path, shift: float, said: str
) -> None:
    path = parcels.write_parcels(tmp_path / "x_dseg.nii.gz", phantoms.wider(phantoms.frame("LPS")))
    image = sitk.ReadImage(str(path))
    image.SetOrigin([image.GetOrigin()[0] + shift, *image.GetOrigin()[1:]])
    write_image(image, path)
    with pytest.raises(ParcellationError) as caught:
        prepare(str(path), template, tmp_path)
    assert said in str(caught.value) and "bring it into the template's space first" in str(caught.value)


def test_the_template_s_voxels_under_another_header_are_refused(
    template: TemplateFiles, tmp_path: Path
) -> None:
    path = parcels.write_parcels(tmp_path / "x_dseg.nii.gz", phantoms.frame("LAS"))
    with pytest.raises(
        ParcellationError, match=r"x_dseg\.nii\.gz has as many voxels as the template, .*LAS.*LPS"
    ):
        prepare(str(path), template, tmp_path)


def test_a_damaged_map_is_named(template: TemplateFiles, tmp_path: Path) -> None:
    path = parcels.write_parcels(tmp_path / "x_dseg.nii.gz", phantoms.frame("LPS"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ParcellationError, match=r"x_dseg\.nii\.gz: cannot be read"):
        prepare(str(path), template, tmp_path)
