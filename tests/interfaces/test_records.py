"""Records and groups of ports: what of them goes into JSON."""

from __future__ import annotations

import attrs
import pytest

from gliomorph.interfaces.records import Record, as_dict


@attrs.frozen(kw_only=True)
class Volume(Record):
    """Two values, of which one may be missing."""

    volume_ml: float
    weights: str | None = None


def test_fields_that_are_set_are_in_the_dictionary_in_their_order() -> None:
    assert list(as_dict(Volume(weights="a", volume_ml=0.0)).items()) == [("volume_ml", 0.0), ("weights", "a")]
    assert as_dict(Volume(volume_ml=1.5)) == {"volume_ml": 1.5}


def test_records_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Volume(volume_ml=1.0).volume_ml = 2.0  # type: ignore[misc]
