"""Options of ``--config-file``: TOML by the options' long names, converted and checked as the command line would."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from ..config.option import SettingsError


def read_config(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Values of options, by what the parser calls them.

    Raises
    ------
    SettingsError
        No TOML, an unknown option, or a value that the parser would not take.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config-file {path}: cannot be read as TOML ({error})") from error
    actions = {
        option.lstrip("-").replace("_", "-"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    values = {}
    for key, value in content.items():
        action = actions.get(key.replace("_", "-"))
        if action is None or action.dest in ("help", "version", "config_file"):
            raise SettingsError(f"--config-file {path}: unknown option {key!r}")
        try:
            values[action.dest] = _typed(action, value)
        except ValueError as error:
            raise SettingsError(f"--config-file {path}: {key} = {value!r}; {error}") from None
    return values


def _typed(action: argparse.Action, value: Any) -> Any:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("choose from true and false")
        return value if action.const is None else value == action.const
    values = value if isinstance(value, list) and action.nargs == "+" else [value]
    if not values or not all(type(v) in (str, int, float) for v in values):
        raise ValueError("a list of values is required" if action.nargs == "+" else "one value is required")
    typed = [action.type(str(v)) if callable(action.type) else str(v) for v in values]
    if action.choices and not all(v in action.choices for v in typed):
        raise ValueError(f"choose from {list(action.choices)}")
    return typed if action.nargs == "+" else typed[0]
