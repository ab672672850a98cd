"""``gliomorph-export``: a copy of derivatives that can be shared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..interfaces.files.text import some
from .numbers import not_negative

PROGRAM = "gliomorph-export"
EPILOG = """
Subjects become sub-001, sub-002... in a random order, sessions ses-1, ses-2... Masks, label maps, maps, transforms,
JSON, tables, the atlas, and images of brains are shared; pages, pictures and logs are not. The whole folder is searched
for old names and paths before it comes to its place. It is you who decides whether it may be shared: docs/sharing.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : int
        0 when the copy is there, 1 when not, and then nothing of it is (argparse itself exits with 2).
    """
    options = _parser().parse_args(argv)
    from ..interfaces.sharing.export import Exported, Request, export

    known = options.participants or options.out_dir / "participants.tsv"
    request = Request(
        out=options.out_dir,
        shared=options.shared_dir,
        mapping=options.mapping,
        deface=options.deface,
        columns=tuple(options.columns),
        participants=known if options.columns else None,
        seed=options.seed,
    )
    try:
        done: Exported = export(request)
    except (ValueError, OSError) as error:
        if options.verbose:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    print(
        f"{done.files} files of {done.subjects} subjects are in {options.shared_dir}; {options.mapping} leads back"
    )
    if done.defaced:
        print(f"{len(done.defaced)} images were defaced: {some(done.defaced)}: look at them")
    if done.left_out:
        print(
            f"{len(done.left_out)} images show more than the brain, or may, and were left out: {some(done.left_out)}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Make a copy of derivatives that can be shared.", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    add = parser.add_argument
    add(
        "out_dir",
        metavar="OUT",
        type=Path,
        help="derivatives folder that gliomorph has written; is not changed",
    )
    add("shared_dir", metavar="SHARED", type=Path, help="new or empty folder, outside of OUT")
    add("--mapping", metavar="FILE", type=Path, required=True,
        help="table of old and new names, which stays at home: a new one, or that of an earlier export")  # fmt: skip
    add("--deface", action="store_true",
        help="native images that show more than the brain are shared without what is farther than 5 mm from their "
        "brain mask, where OUT has one; else they are left out")  # fmt: skip
    add("--columns", metavar="NAME", nargs="+", default=[],
        help="columns of the participants' table to share; ages above 89 become 89+ (default: none)")  # fmt: skip
    add("--participants", metavar="FILE", type=Path,
        help="the participants' table, with the old names (default: OUT/participants.tsv)")  # fmt: skip
    add("--seed", type=not_negative, metavar="N",
        help="makes the random order one that others can draw, too: for tests alone")  # fmt: skip
    add("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
