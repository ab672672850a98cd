"""The contract of every registration method: transforms both ways, a record, nothing else."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk
import tiny_networks
from little_memory import short_of_memory

from gliomorph.interfaces.files.images import ImageError, from_array, read_image, to_array, write_image
from gliomorph.interfaces.files.transforms import (
    apply_to_points,
    compose,
    displacement_to_itk,
    read_transform,
    write_transform,
)
from gliomorph.interfaces.methods import NEEDED, SPEEDS
from gliomorph.interfaces.networks import loaded as loaded_networks
from gliomorph.interfaces.networks import registration as weights
from gliomorph.interfaces.networks.files import WeightsError, weights_sha256
from gliomorph.interfaces.networks.registration import load_network
from gliomorph.interfaces.registration import torch_methods as torch_bridge
from gliomorph.interfaces.registration.syn import CC_RADIUS
from gliomorph.interfaces.scan.records import Channel, CoregisterInfo
from gliomorph.interfaces.scan.register import Register
from gliomorph.models.registration import catalogue, metamorphosis, refinement
from gliomorph.models.registration import pair as registration_pair
from gliomorph.models.registration.catalogue import predict
from gliomorph.models.registration.flow import FlowSettings
from gliomorph.models.registration.metamorphosis import MetamorphosisSettings
from gliomorph.models.registration.pair import Pair, Registration, pair_of

register = Register.stage

POINTS = phantoms.CENTRE + 30 * np.array([[0, 0, 0], [1, 0.5, 0.2], [-0.4, 1, -0.6], [0.1, -1, 0.7]])


def write_pair(folder, shape, voxel_mm):
    """A patient (smoothly deformed, with a bright tumour) and the template, on a flipped working grid."""
    like = phantoms.grid(shape, (voxel_mm,) * 3, np.diag([-1.0, 1.0, 1.0]))
    fixed, brain = phantoms.brain_image(like), phantoms.brain_mask(like)
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 9.0))
    tumor = (phantoms.labels_at(phantoms.positions(like)) > 0).astype(np.uint8)
    moving = to_array(sitk.Resample(fixed, like, warp, sitk.sitkLinear)).copy()
    moving[tumor > 0] = 1.0
    rigid = sitk.Euler3DTransform(phantoms.CENTRE.tolist(), 0.05, 0.1, -0.1, (2.0, 3.0, -4.0))
    return {
        "moving": write_image(from_array(moving, like), folder / "moving.nii.gz"),
        "fixed": write_image(fixed, folder / "fixed.nii.gz"),
        "tumor": write_image(from_array(tumor, like), folder / "tumor.nii.gz"),
        "fixed_brain": write_image(brain, folder / "brain.nii.gz"),
        "rigid": write_transform(rigid, folder / "rigid.h5"),
        "affine": write_transform(phantoms.some_affine(), folder / "affine.h5"),
        "weights": None,
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """At 4 mm."""
    return write_pair(tmp_path_factory.mktemp("pair"), (40, 48, 32), 4.0)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """At 8 mm."""
    return write_pair(tmp_path_factory.mktemp("coarse"), (20, 24, 16), 8.0)


@pytest.fixture(scope="module")
def answer(pair, tmp_path_factory):
    """A method's registration of the pair, made once, in a folder of its own."""

    @cache
    def answered(method):
        with contextlib.chdir(tmp_path_factory.mktemp("answer")):
            return Path.cwd(), register(**pair, method=method, seed=7, gpu="none")

    return answered


def outside_error(pair, forward):
    """Root mean square difference to the template in its brain, away from the tumour."""
    fixed, moving = read_image(pair["fixed"]), read_image(pair["moving"])
    warped = to_array(sitk.Resample(moving, fixed, forward, sitk.sitkLinear))
    away = ~phantoms.ball(fixed, phantoms.TUMOR_AT, 34) & (to_array(read_image(pair["fixed_brain"])) > 0)
    return float(np.sqrt(((warped - to_array(fixed))[away] ** 2).mean()))


@pytest.mark.parametrize(
    "method", ["rigid", "rigid-cfm", "affine", "syn", "syn-cfm", "syn-cc", "greedy", "greedy-cfm"]
)
def test_inverse_undoes_forward_and_the_record_says_what_was_done(answer, method):
    folder, (forward, inverse, appearance, used) = answer(method)
    there, back = read_transform(forward), read_transform(inverse)
    errors = np.linalg.norm(apply_to_points(compose(back, there), POINTS) - POINTS, axis=1)
    # linear maps: double precision; SyN's fields: a tenth of a voxel, and 0.0005 mm by rounding
    assert errors.max() < (0.4 if method.startswith(("syn", "greedy")) else 1e-6)
    record = json.loads(used.read_text())
    assert record | {"seconds": 0, "cpu_seconds": 0, "peak_memory_gb": 0} == record | {
        "method": method,
        "device": "cpu",
        "seed": 7,
        "seconds": 0,
        "cpu_seconds": 0,
        "peak_memory_gb": 0,
    }
    assert record["seconds"] >= 0 and record["cpu_seconds"] >= 0
    assert record["peak_memory_gb"] > 0.05
    assert appearance is None
    assert {path.parent for path in (forward, inverse, used)} == {folder}


def test_affine_adds_nothing(pair, here):
    forward, _, _, _ = register(**pair, method="affine", seed=0, gpu="none")
    assert np.array_equal(apply_to_points(read_transform(forward), POINTS), POINTS)


@pytest.mark.parametrize(("method", "left"), [("syn", 0.8), ("syn-cfm", 0.8), ("syn-cc", 0.85)])
def test_deformation_brings_the_patient_nearer_and_is_repeatable(pair, answer, here, method, left):
    before = outside_error(pair, sitk.Transform())
    _, (forward, _, _, _) = answer(method)
    content = forward.read_bytes()
    # ANTs' default SyN stops at half the resolution, which leaves the sharp rim as it is; the bright tumour
    # draws local correlation more than mutual information
    assert outside_error(pair, read_transform(forward)) < left * before
    assert register(**pair, method=method, seed=7, gpu="none")[0].read_bytes() == content


def test_what_lies_well_inside_the_mask_matters_little(pair, here):
    """Two patients that differ in their tumour only: masking the cost function makes their deformations alike.

    The mask is two voxels wider than the tumour: the coarser levels smear its rim across the mask's border.
    """
    moving = read_image(pair["moving"])
    wide = sitk.BinaryDilate(read_image(pair["tumor"], sitk.sitkUInt8), [2, 2, 2])
    masked = pair | {"tumor": write_image(wide, here / "wide.nii.gz")}
    tumor = to_array(read_image(pair["tumor"])) > 0
    points = phantoms.TUMOR_AT + np.array([[0, 0, 0], [14, 0, 0], [0, 20, 0], [-18, 0, 0], [0, 0, -20]])
    ends: dict[str, list[np.ndarray]] = {"syn": [], "syn-cfm": []}
    for level in (0.35, 0.8):
        voxels = np.where(tumor, level, to_array(moving)).astype(np.float32)
        path = write_image(from_array(voxels, moving), here / "ill.nii.gz")
        for method, found in ends.items():
            forward = register(**masked | {"moving": path}, method=method, seed=7, gpu="none")[0]
            found.append(apply_to_points(read_transform(forward), points))
    apart = {method: np.linalg.norm(np.subtract(*found), axis=1).mean() for method, found in ends.items()}
    assert apart["syn-cfm"] < 0.5 * apart["syn"]


def test_local_correlation_bears_a_bias_field_that_mutual_information_does_not(pair, here):
    """A head with structures of 36 mm, deformed, and brighter on one side by half."""
    like = read_image(pair["fixed"])
    x, y, z = places = phantoms.positions(like)
    waves = sum(np.sin(2 * np.pi * a / 36 + np.sin(b / 15)) for a, b in ((x, y), (y, z), (z, x)))
    inside = phantoms.radius_at(places) < 1
    fixed = from_array(np.where(inside, 0.5 + 0.12 * waves, 0).astype(np.float32), like)
    warp = sitk.DisplacementFieldTransform(phantoms.smooth_displacement(like, 9.0))
    back = sitk.DisplacementFieldTransform(
        sitk.InvertDisplacementField(phantoms.smooth_displacement(like, 9.0))
    )
    bias = np.exp(0.3 * (x - phantoms.CENTRE[0]) / phantoms.SEMI_AXES[0])
    moving = bias * to_array(sitk.Resample(fixed, like, warp, sitk.sitkLinear))
    images = {"fixed": fixed, "moving": from_array((moving / moving.max()).astype(np.float32), like)}
    files = pair | {name: write_image(image, here / f"{name}.nii.gz") for name, image in images.items()}
    points = np.stack([axis[inside][::31] for axis in places], axis=1)
    expected = apply_to_points(back, points)
    errors = {}
    for method in ("syn", "syn-cc"):
        forward = register(**files, method=method, seed=1, gpu="none")[0]
        found = apply_to_points(read_transform(forward), points)
        errors[method] = np.linalg.norm(found - expected, axis=1).mean()
    assert errors["syn-cc"] < 0.5 * errors["syn"]


def test_syn_is_one_stage_with_its_mask_in_it(answer):
    """No stage is left that a mask might miss; what was masked is on record."""
    settings = {}
    for method in ("syn", "syn-cfm", "syn-cc"):
        _, (_, _, _, used) = answer(method)
        settings[method] = json.loads(used.read_text())["settings"]
    assert settings["syn"] == {"type_of_transform": "SyNOnly", "masks": []}
    assert settings["syn-cfm"] == settings["syn"] | {"masks": ["moving_mask"]}
    assert settings["syn-cc"] == settings["syn"] | {"syn_metric": "CC", "syn_sampling": CC_RADIUS}


def unrefined(answer: Registration, *_: Any) -> Registration:
    """A flow that leaves the answer where it is."""
    return answer


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_metamorphosis_is_handed_voxels_and_returns_millimetres(pair, here, monkeypatch, axis):
    """One voxel along an axis of the flipped grid, as the model would give it."""
    shape = read_image(pair["fixed"]).GetSize()
    displacement = np.zeros((3, *shape), np.float32)
    displacement[axis] = 1
    seen = {}

    def fake(images, settings, progress):
        seen.update(device=str(images.moving.device), shape=images.shape, spacing=images.spacing_mm)
        return Registration(
            displacement=displacement,
            inverse_displacement=-displacement,
            appearance=0.25 * images.mask[0, 0].numpy(),
            energy=[{"similarity": 1.0}, {"similarity": 0.5}],
        )

    monkeypatch.setattr(metamorphosis, "register", fake)
    monkeypatch.setattr(refinement, "refine", unrefined)
    forward, inverse, appearance, used = register(**pair, method="metamorphosis", seed=3, gpu="none")
    grid = read_image(pair["fixed"])
    index = [20, 20, 16]
    start = grid.TransformIndexToPhysicalPoint(index)
    index[axis] += 1
    end = grid.TransformIndexToPhysicalPoint(index)
    # 4 mm is a multiple of the rounding step
    np.testing.assert_allclose(read_transform(forward).TransformPoint(start), end, atol=1e-6)
    np.testing.assert_allclose(read_transform(inverse).TransformPoint(end), start, atol=1e-6)
    residual = read_image(appearance)
    assert phantoms.same_grid(residual, grid)
    assert np.array_equal(to_array(residual), 0.25 * to_array(read_image(pair["tumor"])))
    assert (seen["device"], seen["shape"], seen["spacing"]) == (
        "cpu",
        shape,
        (4.0, 4.0, 4.0),
    )
    record = json.loads(used.read_text())
    assert record["energy"] == [{"similarity": 0.5}]
    assert record["settings"]


@pytest.fixture
def fake(monkeypatch):
    """Stands in for the optimisation: nothing moves, every option is seen, 25 iterations are reported."""
    seen = {}

    def register_pair(images, settings, progress):
        seen.update(settings=settings, images=images)
        for iteration in range(25):
            progress({"level": 1, "stage": "shape", "iteration": iteration, "similarity": 1 / 3})
        still = np.zeros((3, *images.shape), np.float32)
        return Registration(
            displacement=still, inverse_displacement=still, appearance=np.ones_like(still[0]), energy=[]
        )

    monkeypatch.setattr(metamorphosis, "register", register_pair)
    return seen


def test_lddmm_is_metamorphosis_without_mask_and_appearance(pair, here, fake):
    _, _, appearance, used = register(**pair, method="lddmm", seed=3, gpu="none")
    assert fake["settings"] == MetamorphosisSettings(mu=0.0, masking="none")
    assert appearance is None
    record = json.loads(used.read_text())
    assert (record["method"], record["settings"]["mu"], record["settings"]["masking"]) == ("lddmm", 0, "none")


def test_progress_is_logged_every_so_many_iterations(pair, here, fake, caplog):
    caplog.set_level(logging.INFO, logger="gliomorph.register")
    register(**pair, method="lddmm", seed=3, gpu="none")
    assert [(r.name, r.levelname) for r in caplog.records] == [("gliomorph.register", "INFO")] * 3
    assert [r.getMessage() for r in caplog.records] == [
        f"lddmm: level 1, stage shape, iteration {i}, similarity 0.33333"
        for i in range(0, 25, torch_bridge.LOG_EVERY)
    ]


@pytest.fixture
def networks(tmp_path):
    """The files of all learned methods."""
    return {method: tiny_networks.write_tiny(tmp_path, method) for method in NEEDED}


@pytest.mark.parametrize("method", NEEDED)
def test_network_answers_as_every_method_does(pair, here, networks, method, caplog):
    caplog.set_level(logging.INFO, logger="gliomorph.register")
    forward, inverse, appearance, used = register(
        **pair | {"weights": networks[method]}, method=method, seed=7, gpu="none"
    )
    there, back = read_transform(forward), read_transform(inverse)
    fixed, brain = read_image(pair["fixed"]), to_array(read_image(pair["fixed_brain"]))
    indices = np.argwhere(brain > 0)[::20].tolist()
    points = np.array([fixed.TransformIndexToPhysicalPoint(index) for index in indices])
    moved = apply_to_points(there, points)
    assert np.linalg.norm(moved - points, axis=1).max() > 1.0
    errors = np.linalg.norm(apply_to_points(back, moved) - points, axis=1)
    # a random network is as rough as the grid of 4 mm allows: a tenth of a voxel on average
    assert errors.mean() < 0.4
    record = json.loads(used.read_text())
    assert (record["method"], record["device"], record["seed"]) == (method, "cpu", 7)
    assert record["weights"] == f"{method}.safetensors"
    assert record["weights_sha256"] == weights_sha256(networks[method])
    assert record["settings"] == attrs.asdict(tiny_networks.SETTINGS[method])
    assert [r.getMessage().split(",")[0] for r in caplog.records] == [f"{method}: stage network"]
    assert (appearance is not None) == method.startswith("metamorph-")
    if appearance is not None:
        residual = read_image(appearance)
        inside = to_array(sitk.Resample(read_image(pair["tumor"]), fixed, there, sitk.sitkLinear))
        assert phantoms.same_grid(residual, fixed)
        assert np.abs(to_array(residual)).max() > 0
        # the model's border is ½; the stored transform is rounded to 0.0005 mm
        assert not to_array(residual)[inside < 0.49].any()


@pytest.mark.parametrize("given", [True, False])
def test_network_is_the_given_one_else_that_which_comes_with_gliomorph(
    pair, here, networks, tmp_path, monkeypatch, given
):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    shipped = tiny_networks.write_tiny(tmp_path / "shipped", "voxelmorph", seed=1)
    taken = networks["voxelmorph"] if given else shipped
    *_, used = register(
        **pair | {"weights": taken if given else None}, method="voxelmorph", seed=7, gpu="none"
    )
    record = json.loads(used.read_text())
    assert (record["weights"], record["weights_sha256"]) == ("voxelmorph.safetensors", weights_sha256(taken))


def channel(name: str, moving: Path | None, fixed: Path) -> Channel:
    """A further modality that lay right."""
    info = CoregisterInfo(moved_mm=0.0, information_before=1.0, information=1.0, share_of_brain=1.0)
    return Channel(
        name=name,
        file=f"sub-01_{name}.nii.gz",
        like="T1w",
        reversed=False,
        coregistration=info,
        moving=moving,
        fixed=fixed,
    )


def answered(pair: dict[str, Any], method: str, channels: list[Channel], **more: Any) -> tuple[Any, ...]:
    """Where points go, the appearance, and the record."""
    forward, _, appearance, used = register(
        **pair, method=method, seed=3, gpu="none", channels=channels, **more
    )
    residual = None if appearance is None else to_array(read_image(appearance))
    return apply_to_points(read_transform(forward), POINTS), residual, json.loads(used.read_text())


def test_modality_given_twice_counts_once(coarse, here, monkeypatch):
    # the flow behind the geodesic is followed in tests/interfaces/registration: exactly the same from the same start
    monkeypatch.setitem(SPEEDS, "default", (80, 50, 0))
    once, appearance, record = answered(coarse, "metamorphosis", [])
    assert "modalities" not in record
    copy = channel("T2w", coarse["moving"], coarse["fixed"])
    twice, other, record = answered(coarse, "metamorphosis", [copy])
    # each modality's appearance adds a force of its own in the tumour; voxels are of 8 mm
    assert np.linalg.norm(once - POINTS, axis=1).max() > 3
    assert np.linalg.norm(twice - once, axis=1).max() < 0.5
    assert other.shape == appearance.shape
    assert np.corrcoef(other.ravel(), appearance.ravel())[0, 1] > 0.9
    assert [each["modality"] for each in record["modalities"]] == ["T2w"]


def test_modality_that_is_left_out_has_no_part(coarse, here, fake):
    _, _, record = answered(coarse, "lddmm", [channel("T2w", None, coarse["fixed"])])
    assert not fake["images"].has_channels
    assert "modalities" not in record


def test_second_modality_shows_what_the_first_does_not(coarse, here, tmp_path):
    """The primary image is blank within the brain's outline."""
    blank = {}
    for name in ("moving", "fixed"):
        image = read_image(coarse[name])
        flat = 0.5 * (to_array(image) > 0).astype(np.float32)
        blank[name] = write_image(from_array(flat, image), tmp_path / f"{name}.nii.gz")
    errors = []
    for channels in ([], [channel("T2w", coarse["moving"], coarse["fixed"])]):
        forward, *_ = register(**coarse | blank, method="lddmm", seed=3, gpu="none", channels=channels)
        errors.append(outside_error(coarse, read_transform(forward)))
    assert errors[1] < 0.6 * errors[0]


def test_network_reads_the_primary_image_and_its_refinement_all(coarse, here, networks):
    learned = coarse | {"weights": networks["metamorph-r"]}
    both = [channel("T2w", coarse["moving"], coarse["fixed"])]
    plain, _, _ = answered(learned, "metamorph-r", [])
    same, _, _ = answered(learned, "metamorph-r", both)
    assert np.array_equal(plain, same)
    _, appearance, record = answered(learned, "metamorph-r", both, refine=2)
    assert appearance.shape == (20, 24, 16)
    assert record["refinement"]["floor"] == pytest.approx(2 * FlowSettings().floor)


def test_method_of_one_modality_refuses_more(coarse, here):
    with pytest.raises(ValueError, match="syn-cfm compares one modality, got T2w too"):
        answered(coarse, "syn-cfm", [channel("T2w", coarse["moving"], coarse["fixed"])])


@pytest.mark.parametrize("method", NEEDED)
def test_refinement_brings_a_networks_answer_nearer_and_is_on_record(coarse, here, networks, method):
    learned = coarse | {"weights": networks[method], "method": method, "seed": 7, "gpu": "none"}
    plain = read_transform(register(**learned)[0])
    forward, inverse, appearance, used = register(**learned, refine=4)
    refined = read_transform(forward)
    assert outside_error(coarse, refined) < 0.9 * outside_error(coarse, plain)
    moved = apply_to_points(read_transform(inverse), apply_to_points(refined, POINTS))
    assert np.linalg.norm(moved - POINTS, axis=1).max() < 2.0  # rough networks on voxels of 8 mm
    record, network = json.loads(used.read_text()), tiny_networks.SETTINGS[method]
    assert (record["refine"], record["settings"]) == (4, attrs.asdict(network))
    assert record["refinement"]["masking"] == network.masking
    assert record["refinement"]["iterations"] == [*SPEEDS["default"][:-1], 4]
    assert (appearance is not None) == method.startswith("metamorph-")


def test_without_refinement_the_answer_is_the_networks(pair, here, networks):
    images = {name: to_array(read_image(pair[name])) for name in ("moving", "fixed", "tumor", "fixed_brain")}
    answer = predict(
        load_network(networks["metamorph-g"], "metamorph-g"),
        pair_of(images["moving"], images["fixed"], images["tumor"], (4.0, 4.0, 4.0), images["fixed_brain"]),
    )
    expected = write_transform(
        displacement_to_itk(answer.displacement, read_image(pair["fixed"])), here / "expected.h5"
    )
    learned = pair | {"weights": networks["metamorph-g"], "method": "metamorph-g"}
    for options in ({}, {"refine": 0}):
        forward, _, _, used = register(**learned, seed=7, gpu="none", **options)
        assert forward.read_bytes() == expected.read_bytes()
        record = json.loads(used.read_text())
        assert record["refine"] == 0 and "refinement" not in record


@pytest.mark.parametrize(("method", "refine"), [("syn", 3), ("metamorphosis", 1), ("metamorph-r", -1)])
def test_refinement_that_cannot_be_is_refused(pair, here, method, refine):
    with pytest.raises(ValueError, match=rf"refine has to be 0 or more, .*: got {refine} for {method}"):
        register(**pair, method=method, seed=0, gpu="none", refine=refine)


def test_an_unknown_speed_is_refused(pair, here):
    with pytest.raises(ValueError, match="speed has to be one of fast, default, accurate: got slow"):
        register(**pair, method="metamorphosis", seed=0, gpu="none", speed="slow")


def test_learned_method_without_its_weights_says_what_it_needs(pair, here, networks, tmp_path, monkeypatch):
    other = networks["voxelmorph"]
    with pytest.raises(WeightsError, match=r"metamorph-r takes one file .*voxelmorph.safetensors holds"):
        register(**pair | {"weights": other}, method="metamorph-r", seed=0, gpu="none")
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "none")
    with pytest.raises(WeightsError, match="no file was given"):
        register(**pair, method="metamorph-r", seed=0, gpu="none")


@pytest.mark.parametrize("name", ["moving", "tumor", "fixed_brain"])
@pytest.mark.parametrize(
    ("shape", "spacing", "axes", "shift", "said"),
    [
        ((40, 48, 30), 4.0, (-1, 1, 1), 0.0, r"size \(40, 48, 32\) against \(40, 48, 30\)"),
        ((40, 48, 32), 3.9, (-1, 1, 1), 0.0, r"spacing \(4\.0, 4\.0, 4\.0\) against \(3\.9, 3\.9, 3\.9\)"),
        ((40, 48, 32), 4.0, (-1, 1, 1), 0.5, r"origin \(.*\) against \(.*\)"),
        ((40, 48, 32), 4.0, (1, 1, 1), 0.0, r"direction \(-1\.0, .*\) against \(1\.0, "),
    ],
)
def test_images_on_other_grids_are_refused(pair, here, tmp_path, name, shape, spacing, axes, shift, said):
    grid = phantoms.grid(shape, (spacing,) * 3, np.diag(np.array(axes, float)))
    grid.SetOrigin((np.array(grid.GetOrigin()) + shift).tolist())
    path = write_image(from_array(np.ones(shape, np.uint8), grid), tmp_path / "other.nii.gz")
    with pytest.raises(ImageError, match=rf"fixed and {name} have to lie on one grid: .*{said}"):
        register(**pair | {name: path}, method="affine", seed=0, gpu="none")


def test_unknown_method_is_an_error(pair, here):
    with pytest.raises(KeyError, match="voodoo"):
        register(**pair, method="voodoo", seed=0, gpu="none")


@pytest.fixture
def registered(
    gpu: None, files: dict[str, Path], here: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], tuple[list[Any], dict[str, Any], Path]]:
    """Registration by an optimisation that moves everything by one voxel of its grid."""

    def shifted(pair: Pair, *_: Any) -> Registration:
        step = np.zeros((3, *pair.shape), np.float32)
        step[0] = 1
        return Registration(
            displacement=step, inverse_displacement=-step, appearance=np.ones_like(step[0]), energy=[]
        )

    devices: list[str] = []

    def placed(*images: Any) -> Pair:
        devices.append(images[-1])
        return pair_of(*images)

    monkeypatch.setattr(registration_pair, "pair_of", placed)

    def run(times: int) -> tuple[list[Any], dict[str, Any], Path]:
        seen: list[Any] = []

        def told(pair: Pair, *_: Any) -> Any:
            return devices[-1], pair.shape

        monkeypatch.setattr(refinement, "refine", unrefined)
        monkeypatch.setattr(metamorphosis, "register", short_of_memory(shifted, times, seen, told))
        forward, _, appearance, used = register(
            moving=files["head"],
            fixed=files["head"],
            tumor=files["tumor"],
            fixed_brain=files["brain"],
            rigid=files["affine"],
            affine=files["affine"],
            weights=None,
            method="metamorphosis",
            seed=1,
            gpu="auto",
        )
        assert appearance is not None
        assert phantoms.same_grid(sitk.ReadImage(str(appearance)), sitk.ReadImage(str(files["head"])))
        return seen, json.loads(used.read_text()), forward

    return run


@pytest.mark.parametrize(
    ("times", "device_told", "notices", "millimetres"),
    [(0, "cpu", None, 4.0), (1, "cpu", [torch_bridge.HALF], 8.0), (2, "cpu", [torch_bridge.CPU], 4.0)],
)
def test_registration_takes_half_the_resolution_then_the_cpu(
    registered: Any,
    files: dict[str, Path],
    times: int,
    device_told: str,
    notices: list[str] | None,
    millimetres: float,
) -> None:
    seen, used, forward = registered(times)
    whole, half = (40, 48, 32), (20, 24, 16)
    assert seen == [("cpu:0", whole), ("cpu:0", half), ("cpu", whole)][: times + 1]
    assert (used["device"], used.get("notices")) == (device_told, notices)
    assert used.get("voxels") == ("half" if times == 1 else None)
    grid = sitk.ReadImage(str(files["head"]))
    start = np.array(grid.TransformIndexToPhysicalPoint((20, 20, 16)))
    moved = np.array(read_transform(forward).TransformPoint(start.tolist())) - start
    assert np.linalg.norm(moved) == pytest.approx(millimetres, abs=1e-3)


def test_network_leaves_the_gpu_whatever_happens(
    gpu: None, files: dict[str, Path], here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_networks.write_tiny(tmp_path, "metamorph-r")
    seen: list[Any] = []
    real = catalogue.predict
    monkeypatch.setattr(
        catalogue, "predict", short_of_memory(real, 0, seen, lambda network, *_, **__: id(network))
    )
    moved: list[str] = []
    network = loaded_networks.loaded_network(path, "metamorph-r")
    monkeypatch.setattr(type(network), "cpu", lambda self: moved.append("cpu") or self)
    pair = {"moving": files["head"], "fixed": files["head"], "tumor": files["tumor"]}
    pair |= {"fixed_brain": files["brain"], "rigid": files["affine"], "affine": files["affine"]}
    for _ in range(2):
        register(**pair, weights=path, method="metamorph-r", seed=1, gpu="auto")
    assert seen == [id(network)] * 2 and moved == ["cpu"] * 2
