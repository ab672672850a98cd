"""An option is a field of an attrs class; the field says how the command line has it, and what its values may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

OPTION = "option"
"""Key of a field's metadata under which its :class:`Option` lies."""
GROUP = "group"
"""Key under which a field that holds a group of options has the group's class."""
TITLE = "title"
"""Key under which a field has the section of the help that it is in."""

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


class SettingsError(ValueError):
    """An option that cannot be carried out: the message names it and says what is possible."""


@attrs.frozen(kw_only=True)
class Option:
    """The command line's side of a field."""

    flags: tuple[str, ...]
    """Its names there; empty for the field's own name with dashes."""
    keywords: dict[str, Any]
    """Further arguments of :meth:`argparse.ArgumentParser.add_argument`."""
    page: str = ""
    """Where the documentation says more, relative to ``docs``."""

    def names(self, field: str) -> tuple[str, ...]:
        """Flags of the option, or the name of the positional argument, that fills a field."""
        return self.flags or ("--" + field.replace("_", "-"),)


def option(
    *flags: str,
    default: Any = attrs.NOTHING,
    converter: Callable[[Any], Any] | None = None,
    validator: Validator | None = None,
    title: str = "",
    page: str = "",
    **keywords: Any,
) -> Any:
    """A field that is an option of the command line, of ``--config-file`` and of the documents' table.

    Parameters
    ----------
    *flags : str
        As for :class:`Option`.
    default : any
        Value where the option is not given.
    converter, validator : callable, optional
        As for :func:`attrs.field`; by default ``choices`` alone are accepted, in lists each once.
    title : str
        Section of the help, where it is not that of the group.
    page : str
        As for :class:`Option`.
    **keywords : any
        Arguments of :meth:`argparse.ArgumentParser.add_argument`.
    """
    several = "nargs" in keywords
    if validator is None and "choices" in keywords:
        validator = some_of() if several else attrs.validators.in_(keywords["choices"])
    return attrs.field(
        default=default,
        converter=converter or (tuple if several else None),
        validator=validator,
        metadata={OPTION: Option(flags=flags, keywords=keywords, page=page), TITLE: title},
    )


def group(cls: type, title: str) -> Any:
    """A field that holds a group of options, which have a section of the help."""
    return attrs.field(metadata={GROUP: cls, TITLE: title})


def options_of(cls: type, title: str = "") -> Iterator[tuple[str, attrs.Attribute[Any], Option]]:
    """Section, field and option of all options of a class and of its groups, in the order of the help."""
    for field in attrs.fields(cls):
        section = field.metadata.get(TITLE) or title
        if OPTION in field.metadata:
            yield section, field, field.metadata[OPTION]
        elif GROUP in field.metadata:
            yield from options_of(field.metadata[GROUP], section)


def some_of(name: str = "") -> Validator:
    """A validator of lists: one or more of the option's choices, each once; errors call it by ``name``, or its flag."""

    def check(_: Any, field: attrs.Attribute[Any], given: tuple[str, ...]) -> None:
        found: Option = field.metadata[OPTION]
        known = found.keywords["choices"]
        unknown = [value for value in given if value not in known]
        if unknown or not given or len(set(given)) != len(given):
            what = f"unknown {', '.join(unknown)}" if unknown else "none, or one twice"
            raise SettingsError(
                f"{name or found.names(field.name)[-1]}: {what}; choose from {', '.join(known)}"
            )

    return check


def require_least(least: int, **numbers: float) -> None:
    """Refuse numbers that are smaller; they are named as their options are, with underscores."""
    for name, number in numbers.items():
        if number < least:
            raise SettingsError(f"--{name.replace('_', '-')}: at least {least} is required, got {number}")


def resolved(path: str | Path) -> Path:
    """The absolute path, links and ``~`` followed."""
    return Path(path).expanduser().resolve() if str(path).startswith("~") else Path(path).resolve()


def resolved_all(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The absolute paths."""
    return tuple(resolved(path) for path in paths)
