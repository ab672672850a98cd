"""Pictures of validation examples show what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from gliomorph.training.pictures import draw_examples, draw_pairs


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


def pair_of(shift: int) -> dict[str, np.ndarray]:
    image = np.random.default_rng(1).random((16, 16, 12))
    mask = np.zeros(image.shape)
    mask[4:9, 4:9, 5] = 1
    warped = {"warped": np.roll(image, shift, axis=0), "warped_mask": mask}
    return {"moving": image, "mask": mask, "fixed": image, **warped}


def test_a_picture_of_pairs_shows_a_row_a_pair(tmp_path: Path) -> None:
    two = draw_pairs([pair_of(1)] * 2, "", tmp_path / "figures" / "two.png")
    one = draw_pairs([pair_of(1)], "", tmp_path / "figures" / "one.png")
    assert imread(two).shape[0] > 1.5 * imread(one).shape[0]


def test_equal_images_have_no_difference_and_unequal_ones_show_it(tmp_path: Path) -> None:
    """The last panel is of one colour beside the outline, or of many."""
    colours = []
    for shift in (0, 3):
        picture = imread(draw_pairs([pair_of(shift)], "", tmp_path / f"{shift}.png"))
        panel = picture[60:-20, int(0.83 * picture.shape[1]) : int(0.97 * picture.shape[1])]
        flat = np.round(panel[..., :3].reshape(-1, 3), 2)
        colours.append(np.unique(flat, axis=0, return_counts=True)[1].max() / len(flat))
    assert colours[0] > 0.6 > 0.3 > colours[1]


def test_a_picture_without_a_tumour_is_drawn(tmp_path: Path) -> None:
    healthy = pair_of(1) | {"mask": np.zeros((16, 16, 12)), "warped_mask": np.zeros((16, 16, 12))}
    path = draw_pairs([healthy], "", tmp_path / "a.png")
    ill = draw_pairs([pair_of(1)], "", tmp_path / "b.png")
    assert path.read_bytes() != ill.read_bytes()
