"""The parser that is made of the settings' fields, and the documents' table of the same."""

from __future__ import annotations

from pathlib import Path

from gliomorph.cli.parser import build_parser, option_table
from gliomorph.config.option import options_of
from gliomorph.config.settings import Settings

DOCUMENTED = [
    "--participant-label",
    "--session-label",
    "--bids-filter-file",
    "-d",
    "--derivatives",
    "--skip-bids-validation",
    "--nprocs",
    "--omp-nthreads",
    "--mem",
    "-w",
    "--work-dir",
    "--clean-workdir",
    "--stop-on-first-crash",
    "--dry-run",
    "--config-file",
    "--random-seed",
    "--gpu",
    "--gpu-slots",
    "--version",
    "-v",
    "--notrack",
    "--registration",
    "--registration-weights",
    "--refine",
    "--template",
    "--template-dir",
    "--resolution",
    "--weights",
    "--modality",
    "--strata",
    "--min-cell",
    "--min-coverage",
    "--tests",
    "--permutations",
    "--correction",
    "--tfce",
    "--min-lesions",
    "--worker",
    "--slurm-args",
    "--no-requeue",
    "--dask-scheduler",
]


def test_help_names_every_documented_option() -> None:
    words = build_parser().format_help().replace(",", " ").replace("[", " ").replace("]", " ").split()
    assert [option for option in DOCUMENTED if option not in words] == []


def test_every_field_is_an_option_of_the_parser_and_the_other_way_round() -> None:
    fields = [field.name for _, field, _ in options_of(Settings)]
    read = {action.dest for action in build_parser()._actions} - {"help", "version"}
    assert len(set(fields)) == len(fields)
    assert set(fields) == read


def test_usage_has_the_table_that_is_made_of_the_options() -> None:
    usage = (Path(__file__).parents[2] / "docs" / "usage.md").read_text()
    assert option_table() in usage, "put what python -m gliomorph.cli.parser prints into docs/usage.md"
