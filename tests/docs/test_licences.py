"""The list of licences names whatever comes with the package, as the files' own cards do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gliomorph.cli.fetch import SOURCES

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "gliomorph" / "models" / "weights"
TEXT = (ROOT / "docs" / "licences.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w-]+)\.safetensors` \| (.+?) \|", TEXT, re.MULTILINE))


def test_every_network_has_its_licence_as_its_card_says() -> None:
    cards = {path.stem: json.loads(path.read_text()) for path in WEIGHTS.glob("*.json")}
    assert ROWS.keys() == cards.keys() == {path.stem for path in WEIGHTS.glob("*.safetensors")}
    for name, card in cards.items():
        source = card.get("source", {})
        wanted = ", ".join([source["license"], source["copyright"]]) if source else "Apache-2.0"
        assert ROWS[name].startswith(wanted), name
        assert not source or (WEIGHTS / source["notice"]).is_file()


def test_nothing_else_is_in_the_package_than_code_pages_and_networks() -> None:
    files = [path for path in (ROOT / "gliomorph").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    others = {path.name for path in files if path.suffix not in (".py", ".j2") and path.parent != WEIGHTS}
    assert others == set()
    assert {path.name for path in WEIGHTS.glob("*.txt")} == {"any-LICENSE.txt", "brain-LICENSE.txt"}


def test_licences_of_templates_are_those_that_are_fetched_with_them() -> None:
    for name, (*_, licence) in SOURCES.items():
        assert re.search(rf"^\| {name} \|.*\| {re.escape(licence)} \|$", TEXT, re.MULTILINE)


def test_a_file_of_somebody_else_carries_its_licence() -> None:
    text = (ROOT / "docs" / "assets" / "iframe-worker.js").read_text()
    holder = re.search(r"iframe-worker.js`.*MIT, (Copyright .*) \|", TEXT)
    assert holder and holder[1] in text and "Permission is hereby granted, free of charge" in text
