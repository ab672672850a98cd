"""What a pair's registration recorded."""

from __future__ import annotations

from pathlib import Path

import attrs

from gliomorph.interfaces.pairs.records import PairFiles


def test_a_pair_reads_its_own_record(tmp_path: Path) -> None:
    names = {field.name: tmp_path / field.name for field in attrs.fields(PairFiles)}
    (tmp_path / "used").write_text('{"linear": "rigid"}')
    assert PairFiles(**names).registration() == {"linear": "rigid"}
