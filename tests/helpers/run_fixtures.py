"""The run that several tests of whole runs look at, which ask for this module as a plugin of pytest."""

from __future__ import annotations

import json

import cohorts
import pytest
import tiny_networks
from cohorts import Place
from runs import NETWORK, Run, every_method, ran


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three subjects, four methods (one by random weights), cut off from the network where the system lets us."""
    place = Place(tmp_path_factory.mktemp("cohort")).prepare(["01", "02", "03"])
    (place.root / "input.json").write_text(json.dumps(cohorts.listing(place.bids)))
    tiny_networks.write_tiny(place.root, "metamorph-r", NETWORK)
    return ran(place, *every_method(place), before=cohorts.without_network())
