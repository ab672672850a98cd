"""The parser of ``gliomorph``, made of the fields of its settings.

``python -m gliomorph.cli.parser`` prints the table of all options that ``docs/usage.md`` has.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import Any

import attrs

from .. import __version__
from ..config.option import Option, options_of
from ..config.settings import Settings

EPILOG = """examples:
  gliomorph BIDS OUT participant group -d masks=BIDS/derivatives/masks --registration metamorph-r syn-cfm
  gliomorph BIDS OUT participant --participant-label 01 02 --template SRI24 --template-dir TEMPLATES
  gliomorph BIDS OUT group
Run the same command again after a failure or an interruption: what is done is kept. A tool for research, not for
diagnosis."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``gliomorph``; what it reads has the names of the settings' fields."""
    parser = argparse.ArgumentParser(
        prog="gliomorph",
        description="From a BIDS cohort of brain-tumour MRI to derivatives in template space and a tumour atlas.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gliomorph {__version__}")
    sections: dict[str, Any] = {"": parser}
    for title, field, option in options_of(Settings):
        section = sections.get(title) or sections.setdefault(title, parser.add_argument_group(title))
        section.add_argument(*option.names(field.name), **_keywords(field, option))
    return parser


def _keywords(field: attrs.Attribute[Any], option: Option) -> dict[str, Any]:
    default = field.default
    if isinstance(default, bool):  # a switch, whose flag changes it
        action = "store_false" if default else "store_true"
        return {"dest": field.name, "action": action, **option.keywords}
    if not option.names(field.name)[0].startswith("-"):
        return option.keywords
    known = not isinstance(default, attrs.Factory) and default not in (attrs.NOTHING, ())  # type: ignore[arg-type]
    return {"dest": field.name, "default": default if known else None, **option.keywords}


def option_table() -> str:
    """All options in Markdown, by section of the help: flags, what they do, and where the documents say more."""
    actions = {action.dest: action for action in build_parser()._actions}
    lines = []
    for title, found in groupby(options_of(Settings), key=lambda each: each[0]):
        lines += ["", f"| {title or 'what has to be given'} | |", "|---|---|"]
        for _, field, option in found:
            action = actions[field.name]
            flags = ", ".join(f"`{name}`" for name in option.names(field.name) if "_" not in name.lstrip("-"))
            help_text = str(action.help) % {"default": field.default}
            more = f"; [more]({option.page})" if option.page else ""
            lines.append(f"| {flags or f'`{field.name}`'} | {help_text}{more} |".replace("*", r"\*"))
    return "\n".join(lines[1:]) + "\n"


if __name__ == "__main__":
    print(option_table(), end="")
