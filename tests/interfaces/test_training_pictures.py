"""Pictures of validation examples show what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from gliomorph.interfaces.training_pictures import draw_examples


@pytest.mark.parametrize("labelled", [True, False])
def test_a_picture_shows_a_row_a_head(labelled: bool, tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((16, 20, 12))
    truth = np.zeros(image.shape, np.int64)
    truth[4:9, 4:9, 3] = 2 * labelled
    path = draw_examples([(image, truth, truth)] * 2, "after epoch 3", tmp_path / "figures" / "a.png")
    one = draw_examples([(image, truth, truth)], "after epoch 3", tmp_path / "figures" / "b.png")
    assert imread(path).shape[0] > 1.5 * imread(one).shape[0]


def test_a_picture_shows_the_slice_with_most_tumour(tmp_path: Path) -> None:
    """What is drawn elsewhere makes no difference."""
    image, truth = np.zeros((16, 16, 12)), np.zeros((16, 16, 12), np.int64)
    truth[4:9, 4:9, 3], truth[5, 5, 8] = 2, 2
    other = truth.copy()
    other[:, :, 8] = 0
    pictures = [
        draw_examples([(image, labels, labels)], "", tmp_path / f"{number}.png").read_bytes()
        for number, labels in enumerate((truth, other, np.roll(truth, 3, axis=0)))
    ]
    assert pictures[0] == pictures[1] != pictures[2]
