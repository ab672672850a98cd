"""What one run was asked to do: parsed once, validated once, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..interfaces.group.strata.groups import Variable, parse_strata
from ..interfaces.group.strata.small_cells import SmallCells, small_cells
from ..interfaces.machine.device import GPU_CHOICES
from ..interfaces.machine.limits import available_cpus, available_memory_gb
from ..interfaces.methods import METHODS, NEEDED
from ..interfaces.networks.files import WeightsError
from ..interfaces.networks.registration import fitting, read_header, shipped_network
from ..interfaces.networks.segmentation import read_modalities
from .estimates import process_memory_gb
from .sbatch import check_sbatch

if TYPE_CHECKING:
    from ..interfaces.group.associations.options import TestOptions

MODALITIES = ("T1w", "T1ce", "T2w", "FLAIR")
GPU_STAGES = ("segment", "register")
"""Those that can use a GPU."""
REFINE = 60
"""Iterations of optimisation after a network's answer, unless ``--refine`` says otherwise."""
LEVELS = ("participant", "group")
WORKERS = ("pool", "slurm", "dask")
SLURM_CPUS = 2
"""Of each Slurm job, unless ``--nprocs`` says otherwise."""
OPEN_GRAPHS = 200
"""Scans whose stages are handed out at a time: the driver holds each one's graph in memory."""
MIN_COVERAGE = 0.5
"""Share of the participants whose field of view has to hold a voxel, unless ``--min-coverage`` says otherwise."""
CORRECTIONS = ("fwer", "fdr")
PERMUTATIONS = 1000
"""Of every test, unless ``--permutations`` says otherwise."""
TEST_REGIONS = ("WT", "TC", "ET", "NCR", "ED")
MIN_LESIONS = 5
"""Participants lesioned, and as many spared, in every voxel that is tested, unless ``--min-lesions`` says otherwise."""


class SettingsError(ValueError):
    """An option that cannot be carried out: the message names it and says what is possible."""


def default_method(modality: str) -> str:
    """The registration of a run that names none: MetaMorph-R, whose network reads T1w, else the metamorphosis."""
    return "metamorph-r" if modality == "T1w" else "metamorphosis"


def _resolved(path: str | Path) -> Path:
    return Path(path).expanduser().resolve() if str(path).startswith("~") else Path(path).resolve()


def _paths(values: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(_resolved(value) for value in values)


def _subjects(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(value).removeprefix("sub-") for value in values)


def _sessions(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(value).removeprefix("ses-") for value in values)


def _words(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.frozen(kw_only=True)
class Settings:
    """The options of ``gliomorph``, as in its help.

    Raises
    ------
    SettingsError
        On construction, for a combination that cannot be carried out.
    """

    bids_dir: Path = attrs.field(converter=_resolved)
    output_dir: Path = attrs.field(converter=_resolved)
    levels: tuple[str, ...] = attrs.field(converter=tuple, default=("participant",))
    work_dir: Path = attrs.field(converter=_resolved, default=Path("work"))
    participants: tuple[str, ...] = attrs.field(converter=_subjects, default=())
    sessions: tuple[str, ...] = attrs.field(converter=_sessions, default=())
    bids_filters: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    derivatives: Mapping[str, Path] = attrs.field(factory=dict)
    modality: str = attrs.field(default="T1w", validator=attrs.validators.in_(MODALITIES))
    template: str = "MNI152"
    template_dirs: tuple[Path, ...] = attrs.field(converter=_paths, default=())
    resolution: int = attrs.field(default=1, validator=attrs.validators.in_((1, 2, 3, 4)))
    registration: tuple[str, ...] = attrs.field(converter=tuple)
    registration_weights: tuple[Path, ...] = attrs.field(converter=_paths, default=())
    refine: int | None = None
    weights: Path | None = attrs.field(converter=attrs.converters.optional(_resolved), default=None)
    strata: tuple[str, ...] = attrs.field(converter=tuple, default=())
    parcellation: str = ""
    min_cell: int | None = None
    min_coverage: float = MIN_COVERAGE
    tests: tuple[str, ...] = attrs.field(converter=tuple, default=())
    test_regions: tuple[str, ...] = attrs.field(converter=tuple, default=("WT",))
    covariates: tuple[str, ...] = attrs.field(converter=tuple, default=())
    permutations: int = PERMUTATIONS
    correction: Literal["fwer", "fdr"] = attrs.field(
        default="fwer", validator=attrs.validators.in_(CORRECTIONS)
    )
    tfce: bool = False
    min_lesions: int = MIN_LESIONS
    worker: str = attrs.field(default="pool", validator=attrs.validators.in_(WORKERS))
    slurm_args: str = ""
    requeue: bool = True
    dask_scheduler: str | None = None
    nprocs: int = attrs.field()
    omp_nthreads: int | None = None
    mem_gb: float = attrs.field()
    random_seed: int = 0
    gpu: tuple[str, ...] = attrs.field(converter=_words, default=("auto",))
    gpu_slots: int = 1
    skip_bids_validation: bool = False
    clean_workdir: bool = False
    stop_on_first_crash: bool = False

    @registration.default
    def _default_registration(self) -> tuple[str, ...]:
        return (default_method(self.modality),)

    @nprocs.default
    def _default_nprocs(self) -> int:
        return SLURM_CPUS if self.worker == "slurm" else available_cpus()

    @mem_gb.default
    def _default_mem_gb(self) -> float:
        if self.worker == "slurm":
            processes = max(1, self.nprocs // self.threads(1))
            return 1 + processes * process_memory_gb(self.resolution, self.registration)
        return available_memory_gb()

    def __attrs_post_init__(self) -> None:
        self._check_choices()
        self._check_worker()
        self._check_gpu()
        self._check_atlas()
        self._check_tests()
        self._check_folders()
        self._check_networks()

    def _check_choices(self) -> None:
        for name, given, known in (
            ("analysis level", self.levels, LEVELS),
            ("--registration", self.registration, METHODS),
            ("--test-regions", self.test_regions, TEST_REGIONS),
        ):
            unknown = [value for value in given if value not in known]
            if unknown or not given or len(set(given)) != len(given):
                what = f"unknown {', '.join(unknown)}" if unknown else "none, or one twice"
                raise SettingsError(f"{name}: {what}; choose from {', '.join(known)}")
        for name, number in (
            ("--nprocs", self.nprocs),
            ("--omp-nthreads", self.omp_nthreads or 1),
            ("--gpu-slots", self.gpu_slots),
        ):
            if number < 1:
                raise SettingsError(f"{name}: at least 1 is required, got {number}")
        if self.refine is not None and self.refine < 0:
            raise SettingsError(f"--refine: 0 or more iterations are required, got {self.refine}")
        if self.mem_gb <= 0:
            raise SettingsError(f"--mem: a positive number of GB is required, got {self.mem_gb}")
        if not 0 <= self.random_seed < 2**31:
            raise SettingsError(f"--random-seed: 0 to 2147483647 is required, got {self.random_seed}")
        for name in self.derivatives:
            if not name.isalnum():
                raise SettingsError(
                    f"-d {name}=…: the name becomes a BIDS label and must be alphanumeric, for instance masks"
                )

    def _check_worker(self) -> None:
        """Options of a worker are refused beside another one."""
        for worker, given in (
            ("slurm", {"--slurm-args": self.slurm_args, "--no-requeue": not self.requeue}),
            ("dask", {"--dask-scheduler": self.dask_scheduler}),
        ):
            options = [name for name, value in given.items() if value]
            if options and self.worker != worker:
                raise SettingsError(
                    f"{', '.join(options)}: of --worker {worker}, and the worker is {self.worker}: "
                    f"add --worker {worker}, or leave it out"
                )
        try:
            check_sbatch(self.slurm_args)
        except ValueError as error:
            raise SettingsError(f"--slurm-args: {error}") from error

    def _check_gpu(self) -> None:
        alone = len(self.gpu) == 1 and self.gpu[0] in GPU_CHOICES
        if not alone and (not self.gpu or not set(self.gpu) <= set(GPU_STAGES)):
            raise SettingsError(
                f"--gpu {' '.join(self.gpu)}: one of {', '.join(GPU_CHOICES)}, or one or more of the stages "
                f"{', '.join(GPU_STAGES)}, is required"
            )

    def _check_atlas(self) -> None:
        if not 0 <= self.min_coverage <= 1:
            raise SettingsError(f"--min-coverage: a share, 0 to 1, is required, got {self.min_coverage}")
        try:
            small_cells(self.min_cell)
        except ValueError as error:
            raise SettingsError(f"--min-cell: {error}") from error
        try:
            parse_strata(self.strata)
        except ValueError as error:
            raise SettingsError(str(error)) from error

    def _check_tests(self) -> None:
        """Words and options; columns are read when the run starts."""
        if not self.tests:
            return
        # only now: these read scipy, for which a command line without tests does not wait
        from ..interfaces.group.associations.words import AssociationError, parse_associations
        from ..models.statistics import COVARIATES

        wrong = []
        if self.min_lesions < 1:
            wrong.append(f"--min-lesions: at least 1 participant is required, got {self.min_lesions}")
        try:
            kinds = {asked.kind for asked in parse_associations(self.tests)}
            if self.covariates and kinds.isdisjoint(COVARIATES):
                wrong.append(
                    f"--covariates: {' and '.join(COVARIATES)} take covariates, --tests asks for "
                    f"{', '.join(sorted(kinds))} only: add one of those, or leave --covariates out"
                )
        except AssociationError as error:
            wrong.append(str(error))
        try:
            self.test_options()
        except AssociationError as error:
            wrong.append(f"--tests: {error}")
        if wrong:
            raise SettingsError("; ".join(wrong))

    def test_options(self) -> TestOptions:
        """How ``--tests`` are made: a voxel that is tested has as many lesions as the smallest cell of strata."""
        from ..interfaces.group.associations.options import TestOptions

        return TestOptions(
            permutations=self.permutations,
            seed=self.random_seed,
            correction=self.correction,
            tfce=self.tfce,
            min_lesions=max(self.min_lesions, self.cells.strata),
            min_coverage=self.min_coverage,
            min_cell=self.cells.strata,
            covariates=self.covariates,
            threads=self.threads(1),
        )

    @property
    def cells(self) -> SmallCells:
        """How few participants a map may be of."""
        return small_cells(self.min_cell)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What ``--strata`` divides the participants by."""
        return parse_strata(self.strata)

    def _check_folders(self) -> None:
        if not self.bids_dir.is_dir():
            raise SettingsError(
                f"bids_dir {self.bids_dir} is not a folder (in a container: is it mounted, with -B or -v?)"
            )
        if self.output_dir == self.bids_dir or self.output_dir in self.bids_dir.parents:
            raise SettingsError(f"output_dir {self.output_dir} must be neither bids_dir nor above it")
        if self.work_dir == self.bids_dir or self.bids_dir in self.work_dir.parents:
            raise SettingsError(
                f"the work directory {self.work_dir} lies inside bids_dir: give another with -w"
            )
        if self.work_dir == self.output_dir:
            raise SettingsError("the work directory must not be output_dir itself: give another with -w")
        for name, path in self.derivatives.items():
            if not path.is_dir():
                raise SettingsError(
                    f"-d {name}={path}: not a folder (in a container: is it mounted, with -B or -v?)"
                )
        for path in self.template_dirs:
            if not path.is_dir():
                raise SettingsError(f"--template-dir {path}: not a folder")
        if self.weights is not None and not self.weights.is_file():
            raise SettingsError(f"--weights {self.weights}: no such file")

    def _check_networks(self) -> None:
        if self.weights is not None:
            try:
                read_modalities(self.weights)
            except WeightsError as error:
                raise SettingsError(f"--weights: {error}") from error
        for path in self.registration_weights:
            if not path.is_file():
                raise SettingsError(f"--registration-weights {path}: no such file")
        try:
            used = self.networks().values()
            unused = [f"{p.name} ({read_header(p)})" for p in self.registration_weights if p not in used]
        except WeightsError as error:
            raise SettingsError(f"--registration-weights: {error}") from error
        if unused:
            raise SettingsError(
                f"--registration-weights: {', '.join(unused)}: no requested method takes it; --registration asks "
                f"for {', '.join(self.registration)}: add the method that it is for, or leave the file out"
            )
        if self.refine and not used:
            raise SettingsError(
                f"--refine {self.refine}: learned methods alone are refined, --registration asks for "
                f"{', '.join(self.registration)}: add one of {', '.join(NEEDED)}, or leave --refine out"
            )

    def networks(self) -> dict[str, Path]:
        """The weights file of each learned method that was asked for: the given one, else the shipped one."""
        return {
            method: fitting(method, self.registration_weights, shipped_network(method))
            for method in self.registration
            if method in NEEDED
        }

    def refinement(self, method: str) -> int:
        """Iterations of optimisation after a method's answer: 0 for those that are not learned."""
        wanted = REFINE if self.refine is None else self.refine
        return wanted if method in NEEDED else 0

    def gpu_of(self, stage: str) -> str:
        """What a stage is told of GPUs, one of :data:`~.interfaces.device.GPU_CHOICES`."""
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
        by_memory = int(self.mem_gb // process_memory_gb(self.resolution, self.registration))
        return max(1, min(self.nprocs // self.threads(scans), by_memory))

    def scans_at_once(self, scans: int) -> int:
        """Scans that are worked on at a time.

        On this machine one more than processes, so that none waits for the last stage; elsewhere as many as there are,
        but of graphs that are opened here not more than :data:`OPEN_GRAPHS`.
        """
        if self.worker == "pool" or (self.worker == "dask" and self.dask_scheduler is None):
            return min(scans, self.processes(scans) + 1)
        return scans if self.worker == "slurm" else min(scans, OPEN_GRAPHS)
