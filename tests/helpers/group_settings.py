"""Settings of a group level on three participants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gliomorph.config.settings import Settings

TABLE = "participant_id\tsex\tage\tsite\nsub-1\tF\t30\tA\nsub-2\tM\tn/a\tA\nsub-3\tF\t70\tA\n"


def settings(folder: Path, table: str | None = TABLE, **options: Any) -> Settings:
    for name in ("sub-1", "sub-2", "sub-3"):
        (folder / "bids" / name).mkdir(parents=True, exist_ok=True)
    if table is not None:
        (folder / "bids" / "participants.tsv").write_text(table)
    given = {"bids_dir": folder / "bids", "output_dir": folder / "out", "work_dir": folder / "work"}
    return Settings.of(
        **{**given, "levels": ("group",), "registration": ("affine",), "min_cell": 1, **options}
    )
