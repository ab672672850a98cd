"""Slices lie where the lesion is, and say which way they are seen."""

from ball_pictures import head

from gliomorph.interfaces.reports.cuts import choose_cuts, spread_cuts


def test_letters_and_position_are_those_of_the_planes(grid):
    cuts = choose_cuts(head(grid)[0], [head(grid)[1]])
    assert [cut.plane.letters for cut in cuts] == ["RLAP", "RLSI", "APSI"]
    assert [cut.label for cut in cuts] == ["axial z = 13 mm", "coronal y = -9 mm", "sagittal x = -7 mm"]


def test_spread_slices_lie_inside_what_they_are_spread_over(grid):
    image, lesion = head(grid)
    cuts = spread_cuts(image, lesion, 4)
    assert len(cuts) == 12
    assert all(cut.sample(lesion).max() > 0 for cut in cuts)
