"""How few participants a map may be of: the whole cohort always has maps, unless a smallest cell is asked for."""

import pytest

from gliomorph.models.small_cells import MIN_CELL, SmallCells, small_cells


def test_unasked_the_whole_cohort_shows_everything_and_strata_do_not() -> None:
    cells = small_cells()
    assert (cells.everybody, cells.strata) == (1, MIN_CELL)
    assert not any(cells.refusal(count) for count in range(1, 10))


def test_what_is_asked_for_holds_for_all() -> None:
    cells = small_cells(3)
    assert (cells.everybody, cells.strata) == (3, 3)
    assert cells.refusal(2).startswith(
        "an atlas of 2 participants would show nothing: --min-cell is 3; without"
    )
    assert cells.refusal(3) == ""


@pytest.mark.parametrize("asked", [None, 1])
def test_maps_of_few_that_show_everything_are_not_to_be_shared(asked: int | None) -> None:
    cells = small_cells(asked)
    assert cells.warning(1) == "1 patient: single patients can be read from these maps; do not share them"
    assert cells.warning(MIN_CELL - 1).startswith("4 patients: ")
    assert cells.warning(MIN_CELL) == ""
    assert small_cells(2).warning(3) == ""


def test_a_cell_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 participant is required, got 0"):
        small_cells(0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        SmallCells(everybody=1, strata=0)


def test_the_cells_of_everybody_are_one_or_those_of_strata() -> None:
    with pytest.raises(ValueError, match="of everybody must be 1 or 5, got 3"):
        SmallCells(everybody=3, strata=5)


def test_a_number_is_shown_from_the_smallest_cell_on_and_where_everything_is() -> None:
    cells = small_cells()
    assert [count for count in range(8) if cells.shows(count, "sexF")] == [5, 6, 7]
    assert all(cells.shows(count, "all") for count in range(8))
