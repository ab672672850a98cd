"""Options of how a run uses its machine, or each Slurm job the machine that it gets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

from ..interfaces.machine.device import GPU_CHOICES
from ..interfaces.machine.limits import available_cpus, available_memory_gb
from .option import SettingsError, option, require_least, resolved

GPU_STAGES = ("segment", "register")
"""Stages that can use a GPU."""
SLURM_CPUS = 2
"""CPUs of each Slurm job, unless ``--nprocs`` says otherwise."""


def _words(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _known_gpu(_: object, __: object, gpu: tuple[str, ...]) -> None:
    alone = len(gpu) == 1 and gpu[0] in GPU_CHOICES
    if not alone and (not gpu or not set(gpu) <= set(GPU_STAGES)):
        raise SettingsError(
            f"--gpu {' '.join(gpu)}: one of {', '.join(GPU_CHOICES)}, or one or more of the stages "
            f"{', '.join(GPU_STAGES)}, is required"
        )


@attrs.frozen(kw_only=True)
class Resources:
    """CPUs, memory, GPUs and the work directory."""

    process_gb: float
    """Memory set aside for one worker process."""
    in_jobs: bool = False
    """Whether CPUs and memory are those of each Slurm job."""
    work_dir: Path = option("-w", "--work-dir", type=Path, metavar="DIR", converter=resolved,
        page="scale.md#disk",
        help="intermediate results (default: OUTPUT_DIR/work)")  # fmt: skip
    nprocs: int = option(
        help="CPUs to use in all (default: those available)", type=int, metavar="N", page="scale.md#memory"
    )
    omp_nthreads: int | None = option(type=int, metavar="N", default=None, page="scale.md#memory",
        help="threads of each process (default: CPUs shared among scans)")  # fmt: skip
    mem_gb: float = option("--mem", type=float, metavar="GB", page="scale.md#memory",
        help="memory to use in all (default: what is free)")  # fmt: skip
    gpu: tuple[str, ...] = option(nargs="+", choices=(*GPU_CHOICES, *GPU_STAGES), metavar="WORD",
        default=("auto",), converter=_words, validator=_known_gpu, page="scale.md#gpus",
        help="auto: if there is one; all: required; none; or the stages that are to have one, of "
        f"{', '.join(GPU_STAGES)} (default: auto)")  # fmt: skip
    gpu_slots: int = option(type=int, metavar="N", default=1, page="scale.md#gpus",
        help="stages on one GPU at a time (default: %(default)s)")  # fmt: skip
    clean_workdir: bool = option(default=False, page="scale.md#disk",
        help="remove the intermediate results of each scan that is done, and what is left at the end")  # fmt: skip
    stop_on_first_crash: bool = option(help="start nothing more after a failure", default=False)

    @nprocs.default
    def _default_nprocs(self) -> int:
        return SLURM_CPUS if self.in_jobs else available_cpus()

    @mem_gb.default
    def _default_mem_gb(self) -> float:
        if self.in_jobs:
            return 1 + max(1, self.nprocs // self.threads(1)) * self.process_gb
        return available_memory_gb()

    def __attrs_post_init__(self) -> None:
        require_least(1, nprocs=self.nprocs, omp_nthreads=self.omp_nthreads or 1, gpu_slots=self.gpu_slots)
        if self.mem_gb <= 0:
            raise SettingsError(f"--mem: a positive number of GB is required, got {self.mem_gb}")

    def gpu_of(self, stage: str) -> str:
        """Use of GPUs by a stage, one of :data:`~.interfaces.machine.device.GPU_CHOICES`."""
        if self.gpu[0] in GPU_CHOICES:
            return self.gpu[0]
        return "all" if stage in self.gpu else "none"

    @property
    def needs_gpu(self) -> bool:
        """Whether a GPU was asked for by name: without one there is no run."""
        return any(self.gpu_of(stage) == "all" for stage in GPU_STAGES)

    def threads(self, scans: int) -> int:
        """Threads of one process: as given, else the CPUs shared among the scans that run at once."""
        return self.omp_nthreads or max(1, min(8, self.nprocs // max(1, scans)))

    def processes(self, scans: int) -> int:
        """Processes at once, within CPUs and memory."""
        by_memory = int(self.mem_gb // self.process_gb)
        return max(1, min(self.nprocs // self.threads(scans), by_memory))
