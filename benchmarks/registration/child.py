"""One measurement, in a process that does nothing else: ``SETTINGS PAIR RESULT``, started by :mod:`.runs`.

What is measured is the registration, from arrays to the two transforms (and the appearance) in memory; imports,
the pair's loading and the network's making come before. ANTs writes its transforms to disk: that is part of it.
What torch loads on first use is loaded by a short registration of a crop, on CUDA of the whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from gliomorph.interfaces.machine.limits import peak_gb, reset_peak

from .images import Images, load
from .runs import SHIPPED

if TYPE_CHECKING:
    from gliomorph.models.registration.pair import Pair

Action = Callable[[Images], object]
"""A registration of a pair."""

CROP = 64
"""Voxels along each axis of the pair for first uses: for smaller grids torch has other convolutions."""


def main() -> None:
    """Measure, and write the figures."""
    settings, images, result = sys.argv[1:]
    run = json.loads(settings)
    measure = {"registration": registration, "training": training}[run["kind"]]
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        figures = measure(load(Path(images)), run)
    Path(result).write_text(json.dumps(figures | {"load": load_before, **hardware(run["device"])}))


def registration(images: Images, run: dict[str, Any]) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of one registration; of the whole process, and on CUDA of torch."""
    if not run["method"].startswith("syn"):
        prepare(run, brief=True)(for_first_use(images, run["device"]))
    action = prepare(run)
    figures = timed(lambda: action(images), run["device"])
    return figures | {"peak_gb": peak_gb()}


def training(images: Images, run: dict[str, Any]) -> dict[str, float]:
    """What one step of training adds to the resident memory of the process.

    Voxels count as 1 mm wide whatever they are: then a smaller grid is a crop, and its velocities' grid is
    smaller too.
    """
    from gliomorph.models.registration.catalogue import build
    from gliomorph.models.registration.objective import Objective
    from gliomorph.models.registration.training import Trainer, TrainingSettings

    def batch(part: Images) -> Pair:
        return pair_on(attrs.evolve(part, spacing_mm=(1.0, 1.0, 1.0)), run["device"])

    network = build(network_settings(run)).to(run["device"])
    network.checkpointed = run["checkpointed"]
    objective = Objective(lam=1e-7, masking=network.settings.masking)
    trainer = Trainer(network, objective, TrainingSettings(iterations=10))
    trainer.step(batch(for_first_use(images, run["device"])))
    whole = batch(images)
    before = resident_gb()
    reset_peak()
    figures = timed(lambda: trainer.step(whole), run["device"])
    return figures | {"peak_gb": peak_gb(), "growth_gb": peak_gb() - before}


def for_first_use(images: Images, device: str) -> Images:
    """What is registered before, unmeasured: cuDNN chooses its algorithms for one shape, hence the whole there."""
    return images if device == "cuda" else images.crop(CROP)


def timed(action: Callable[[], object], device: str) -> dict[str, float]:
    """Wall-clock and CPU seconds of ``action``, and torch's peak memory on CUDA."""
    cuda = importlib.import_module("torch.cuda") if device == "cuda" else None
    if cuda is not None:
        cuda.synchronize()
        cuda.reset_peak_memory_stats()
    start, busy = time.perf_counter(), time.process_time()
    action()
    if cuda is not None:
        cuda.synchronize()
    figures = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - busy}
    return figures | ({} if cuda is None else {"cuda_gb": cuda.max_memory_allocated() / 1e9})


def prepare(run: dict[str, Any], brief: bool = False) -> Action:
    """The method, ready to register; ``brief`` is one iteration of each kind."""
    if run["method"].startswith("syn"):
        return syn(run["method"])
    if run["method"] == SHIPPED:
        return shipped(run, brief)
    return predicted(run) if run["width"] else optimised(run, brief)


def syn(method: str) -> Action:
    """SyN with the options of :mod:`gliomorph.interfaces.scan.register`, on all threads.

    The package keeps ANTs to one thread, so that it repeats itself.
    """
    import ants
    import SimpleITK as sitk

    from gliomorph.interfaces.registration.ants import to_ants
    from gliomorph.interfaces.registration.syn import CC_RADIUS

    def action(images: Images) -> object:
        def image(array: Any) -> sitk.Image:
            voxels = sitk.GetImageFromArray(array.T)
            voxels.SetSpacing(images.spacing_mm)
            return voxels

        fixed, moving = image(images.fixed), image(images.moving)
        options: dict[str, Any] = {"random_seed": 1, "initial_transform": "identity"}
        if method == "syn-cc":
            options |= {"syn_metric": "CC", "syn_sampling": CC_RADIUS}
        if method == "syn-cfm":
            tumor = sitk.BinaryDilate(image(images.tumor), [2, 2, 2])
            options["moving_mask"] = to_ants(sitk.Cast(tumor == 0, sitk.sitkUInt8))
            options["mask_all_stages"] = True
        return ants.registration(to_ants(fixed), to_ants(moving), "SyNOnly", outprefix="./syn-", **options)

    return action


def optimised(run: dict[str, Any], brief: bool) -> Action:
    """The optimisation of one pair as the package does it: default settings, for LDDMM without any appearance."""
    from gliomorph.models.registration.metamorphosis import MetamorphosisSettings, register

    settings = MetamorphosisSettings()
    if run["method"] == "lddmm":
        settings = attrs.evolve(settings, mu=0.0, masking="none")
    if brief:
        once = tuple(1 for _ in settings.iterations)
        settings = attrs.evolve(settings, iterations=once, appearance_iterations=1)

    def action(images: Images) -> object:
        return register(pair_on(images, run["device"]), settings)

    return action


def predicted(run: dict[str, Any]) -> Action:
    """An untrained network's registration."""
    import torch

    from gliomorph.models.registration.catalogue import build, predict

    torch.manual_seed(0)
    network = build(network_settings(run)).to(run["device"])

    def action(images: Images) -> object:
        return predict(network, pair_on(images, run["device"]))

    return action


def shipped(run: dict[str, Any], brief: bool) -> Action:
    """The network that comes with gliomorph and the iterations that follow it by default."""
    from gliomorph.interfaces.networks.registration import load_network, shipped_network
    from gliomorph.models.registration.catalogue import predict
    from gliomorph.models.registration.flow import FlowSettings
    from gliomorph.models.registration.refinement import refine

    path = shipped_network("metamorph-r")
    assert path is not None
    network = load_network(path, "metamorph-r").to(run["device"])
    settings = FlowSettings(iterations=(1, 1, 1)) if brief else FlowSettings()

    def action(images: Images) -> object:
        pair = pair_on(images, run["device"])
        return refine(predict(network, pair), pair, settings)

    return action


def pair_on(images: Images, device: str) -> Pair:
    """The images as models take them."""
    from gliomorph.models.registration.pair import pair_of

    return pair_of(images.moving, images.fixed, images.tumor, images.spacing_mm, images.brain, device)


def network_settings(run: dict[str, Any]) -> Any:
    """The method's default settings with the run's width and, but for VoxelMorph's squarings, its steps."""
    from gliomorph.models.registration.networks import DEFAULTS

    settings = DEFAULTS[run["method"].removesuffix("-h60")]
    steps = settings.steps if settings.method == "voxelmorph" else run["steps"]
    return attrs.evolve(settings, width=run["width"], steps=steps, voxel_mm=2.0)


def resident_gb() -> float:
    """Resident memory now, once what the allocator holds but nobody uses is given back.

    Else the step would find its first memory there, and seem to need less.
    """
    import gc

    import psutil

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e9


def hardware(device: str) -> dict[str, str]:
    """Names of the CPU and, where it was used, of the CUDA device."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    found = {"cpu": f"{names[0] if names else 'unknown CPU'}, {len(os.sched_getaffinity(0))} CPUs"}
    if device == "cuda":
        import torch

        found["cuda"] = torch.cuda.get_device_name()
    return found


if __name__ == "__main__":
    main()
