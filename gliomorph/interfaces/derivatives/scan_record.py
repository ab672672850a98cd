"""The record that is published last of a scan's outputs, and whether the files that it lists are there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import attrs

from ..files.sidecars import read_object
from ..records import Record, as_dict
from ..scan.records import TumorInfo


@attrs.frozen(kw_only=True)
class PublishedTumor(TumorInfo):
    """What is known of a tumour's labels, and where they came from."""

    sources: list[str]
    """BIDS URI of the segmentation; empty where a network segmented."""


@attrs.frozen(kw_only=True)
class ScanRecord(Record):
    """The ``_registration.json`` of a scan and method; what a file does not say, or not as its type, is empty."""

    registration: dict[str, Any]
    """What the registration recorded: method, device, seconds, seed, settings… In the file these come first."""
    version: str = ""
    """The package that wrote it, and its version."""
    key: str = ""
    inputs_key: str = ""
    """``key``, ``inputs_key``: Hash of inputs and code, and of inputs alone."""
    page_key: str = ""
    """Hash of the page's code and of the remarks that it shows."""
    scan: str = ""
    template: str = ""
    tumor: PublishedTumor
    """Without ``kind`` where the file lacks what the atlas asks of a tumour."""
    flags: list[str] = attrs.field(factory=list)
    doubts: list[str] = attrs.field(factory=list)
    """``flags``, ``doubts``: What the files and all stages remark, as :class:`~.scan.records.Remarks` has it."""
    quality: dict[str, Any]
    """The row of ``group_quality.tsv``."""
    further: dict[str, Any] = attrs.field(factory=dict)
    """``key``, the hash of the session's further images, and what became of each; empty where there are none."""
    outputs: list[str] = attrs.field(factory=list)
    """All files of the scan and method, relative to the output folder."""

    @property
    def method(self) -> str:
        """The registration method, as on the command line."""
        return str(self.registration["method"])

    @property
    def fits_the_atlas(self) -> bool:
        """Whether it says what the group level asks; files in the output folder may be anyone's."""
        return bool(self.key and self.tumor.kind) and {"status", "reason", "flag"} <= self.quality.keys()

    def text(self) -> str:
        """The file's content."""
        content = as_dict(self)
        if not self.further:
            del content["further"]
        return json.dumps(content.pop("registration") | content, indent=1) + "\n"


def read_scan_record(path: Path) -> ScanRecord | None:
    """A scan's ``_registration.json``; None where it is not one, without a method or a row of quality."""
    content = read_object(path)
    if not isinstance(content.get("method"), str) or not isinstance(content.get("quality"), dict):
        return None
    tumor = _held(PublishedTumor, content.get("tumor"))
    if not {"kind", "frame", "sources"} <= tumor.keys():
        tumor["kind"] = ""
    empty: dict[str, Any] = {"frame": "", "labels": [], "sources": []}
    empty |= dict.fromkeys(("volume_ml", "share_of_brain"), math.nan)
    known = _held(ScanRecord, content)
    known["registration"] = {k: v for k, v in content.items() if k not in attrs.fields_dict(ScanRecord)}
    return ScanRecord(**known, tumor=PublishedTumor(**empty | tumor))


def _held(kind: type[Record], content: Any) -> dict[str, Any]:
    """What a JSON object holds of the fields of a record, each of its type."""
    hints = get_type_hints(kind).items() if isinstance(content, dict) else ()
    plain = {name: getattr(hint, "__origin__", hint) for name, hint in hints if name in content}
    return {name: content[name] for name, hint in plain.items() if isinstance(content[name], hint)}


def is_complete(out_dir: Path, record: Path, key: str, further_key: str = "") -> bool:
    """Whether a record exists, was made from these inputs, and all its files are there and not empty."""
    content = read_scan_record(record)
    return (
        content is not None
        and (content.key, content.further.get("key", "")) == (key, further_key)
        and all_outputs_exist(out_dir, content.outputs)
    )


def all_outputs_exist(out_dir: Path, outputs: Sequence[str]) -> bool:
    """Whether files are there and not empty; nothing is proved where none is listed."""
    try:
        return bool(outputs) and all((out_dir / str(name)).stat().st_size > 0 for name in outputs)
    except OSError:
        return False
