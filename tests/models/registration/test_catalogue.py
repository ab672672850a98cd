"""What every network's prediction has, and refuses."""

import numpy as np
import pytest
import torch
from network_pairs import FLAT, SOLID, a_pair, arrays, each, random_network, settings_of

from gliomorph.models import geometry
from gliomorph.models.registration.catalogue import build, predict
from gliomorph.models.registration.pair import pair_of


@each
def test_prediction_has_the_contract_of_every_registration(method):
    pair, seen = a_pair(SOLID), []
    network = random_network(settings_of(method, 3))
    result = predict(network, pair_of(*arrays(pair)), progress=seen.append)
    assert result.displacement.shape == result.inverse_displacement.shape == (3, *SOLID)
    assert result.appearance.shape == SOLID
    assert {array.dtype for array in (result.displacement, result.appearance)} == {np.dtype(np.float32)}
    assert result.energy == seen
    assert not network.training
    predict(network.train(), pair_of(*arrays(pair)))
    assert network.training
    there, back = (torch.from_numpy(u)[None] for u in (result.displacement, result.inverse_displacement))
    assert geometry.compose(there, back).norm(dim=1).mean() < 0.05


@each
def test_images_the_network_was_not_made_for_are_refused(method):
    network = build(settings_of(method, 3))
    with pytest.raises(ValueError, match="registers 3-D images of 1 channels, got 2-D images of 1"):
        predict(network, pair_of(*arrays(a_pair(FLAT))))
    moving, fixed, mask, spacing = arrays(a_pair(SOLID))
    with pytest.raises(ValueError, match="got 3-D images of 2"):
        predict(network, pair_of(np.stack([moving] * 2), np.stack([fixed] * 2), mask, spacing))
