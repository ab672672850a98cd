"""Which further images of a session are carried along with its primary one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from ...config.processing import Processing
from ...interfaces.datasets.query import Scan
from ...interfaces.files.folders import missing_content
from ...interfaces.files.text import printable
from ...models.regions import MODALITIES
from ..contents import Contents
from ..keys import key_of


@attrs.frozen(kw_only=True)
class FurtherFiles:
    """Further images of one scan's session."""

    paths: Mapping[str, Path] = attrs.field(factory=dict)
    """By modality."""
    hashes: Mapping[str, str] = attrs.field(factory=dict)
    """sha256 of each."""
    flags: tuple[str, ...] = ()
    """What is left out, and why."""

    @property
    def key(self) -> str:
        """Hash of the images and of their names; empty where there are none."""
        files = {name: [path.name, self.hashes[name]] for name, path in self.paths.items()}
        return key_of(**files) if files else ""


def further_files(scan: Scan, processing: Processing, contents: Contents) -> FurtherFiles:
    """The images that ``--sequences`` and ``--registration-modalities`` ask for, as far as they can be read."""
    asked = MODALITIES if processing.sequences == "all" else processing.registration_modalities or ()
    paths, hashes, flags = {}, {}, []
    for name in MODALITIES:
        if name not in asked or name not in scan.others or scan.image is None:
            continue
        path = scan.others[name]
        try:
            hashes[name] = contents.hash_of(path)
            paths[name] = path
        except OSError as error:
            reason = missing_content(path) or f"cannot be read ({error.strerror})"
            flags.append(printable(f"{name} is left out: {path.name}: {reason}"))
    return FurtherFiles(paths=paths, hashes=hashes, flags=tuple(flags))
