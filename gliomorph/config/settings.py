"""What one run was asked to do: parsed once, validated once, frozen."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .atlas import Atlas
from .cluster import Cluster
from .estimates import process_memory_gb
from .inputs import Inputs
from .option import SettingsError, group, option, options_of, resolved, some_of
from .processing import Processing, default_method
from .resources import Resources
from .testing import Testing

if TYPE_CHECKING:
    from ..interfaces.group.associations.options import TestOptions

LEVELS = ("participant", "group")
RUNNING = "how it is run"


@attrs.frozen(kw_only=True)
class Settings:
    """The options of ``gliomorph``, in the groups of its help; :meth:`of` makes them.

    Raises
    ------
    SettingsError
        On construction, for a combination that cannot be carried out.
    """

    bids_dir: Path = option("bids_dir", help="BIDS dataset", type=Path, converter=resolved)
    output_dir: Path = option("output_dir", help="where the derivatives go", type=Path, converter=resolved)
    levels: tuple[str, ...] = option("levels", nargs="+", choices=LEVELS, metavar="{participant,group}",
        validator=some_of("analysis level"),
        help="one level, or both")  # fmt: skip
    verbose: int = option("-v", "--verbose", action="count", default=0,
        help="tracebacks of failures on the terminal, with --dry-run the files of every scan; "
             "-vv: also the registrations' iterations")  # fmt: skip
    inputs: Inputs = group(Inputs, "what is read")
    processing: Processing = group(Processing, "what is done")
    atlas: Atlas = group(Atlas, "the atlas")
    testing: Testing = group(Testing, "tests at every voxel of the atlas")
    resources: Resources = group(Resources, RUNNING)
    dry_run: bool = option(help="say what would be run, and stop", default=False, title=RUNNING)
    config_file: Path | None = option(type=Path, metavar="FILE", default=None, title=RUNNING,
        help="TOML with these options, by their long names")  # fmt: skip
    notrack: bool = option(
        help="accepted and without effect: there is no telemetry", default=False, title=RUNNING
    )
    cluster: Cluster = group(Cluster, "where it is run")

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Settings of options by the names of their fields; what is not given follows from what is.

        Parameters
        ----------
        **given : any
            At least the two folders.

        Raises
        ------
        SettingsError
            An option, or a combination of them, that cannot be carried out.
        """

        def group_of(kind: type, **defaults: Any) -> Any:
            names = [field.name for _, field, _ in options_of(kind) if field.name in given]
            return kind(**defaults | {name: given.pop(name) for name in names})

        given = {"levels": LEVELS[:1]} | given
        inputs = group_of(Inputs)
        processing = group_of(Processing, registration=(default_method(inputs.modality),))
        cluster = group_of(Cluster)
        return cls(
            inputs=inputs,
            processing=processing,
            atlas=group_of(Atlas),
            testing=group_of(Testing),
            cluster=cluster,
            resources=group_of(
                Resources,
                process_gb=process_memory_gb(
                    processing.resolution, processing.methods, processing.further_count
                ),
                in_jobs=cluster.worker == "slurm",
                work_dir=Path(given["output_dir"]) / "work",
            ),
            **given,
        )

    def __attrs_post_init__(self) -> None:
        work_dir = self.resources.work_dir
        if not self.bids_dir.is_dir():
            raise SettingsError(
                f"bids_dir {self.bids_dir} is not a folder (in a container: is it mounted, with -B or -v?)"
            )
        if self.output_dir == self.bids_dir or self.output_dir in self.bids_dir.parents:
            raise SettingsError(f"output_dir {self.output_dir} must be neither bids_dir nor above it")
        if work_dir == self.bids_dir or self.bids_dir in work_dir.parents:
            raise SettingsError(f"the work directory {work_dir} lies inside bids_dir: give another with -w")
        if self.processing.longitudinal and "participant" not in self.levels:
            raise SettingsError("--longitudinal: is of the level participant, which was not asked for")
        if work_dir == self.output_dir:
            raise SettingsError("the work directory must not be output_dir itself: give another with -w")
        self.further_modalities  # noqa: B018 (made once, and checked by that)

    def options(self) -> dict[str, Any]:
        """All options by the names of their fields."""
        groups = (self.inputs, self.processing, self.atlas, self.testing, self.resources, self.cluster)
        names = [field.name for _, field, _ in options_of(type(self))]
        return {
            name: getattr(each, name) for name in names for each in (self, *groups) if hasattr(each, name)
        }

    @cached_property
    def further_modalities(self) -> tuple[str, ...]:
        """Modalities that are registered with the primary image."""
        return self.processing.further_modalities(self.inputs.modality)

    @cached_property
    def test_options(self) -> TestOptions:
        """How ``--tests`` are made: a voxel that is tested has as many lesions as the smallest cell of strata."""
        smallest = self.atlas.cells.strata
        return self.testing.options(
            seed=self.processing.random_seed,
            min_lesions=max(self.testing.min_lesions, smallest),
            min_coverage=self.atlas.min_coverage,
            min_cell=smallest,
            threads=self.resources.threads(1),
        )
