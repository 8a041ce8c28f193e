"""Repeats: the tolerance that somebody needs against themselves is how far they moved what they drew."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.agreement.repeatability import ProposedTolerance, proposed_tolerance
from segdata.api.agreement import agree
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy

THINGS = Taxonomy(categories=(Category(id=1, name="cell", kind="thing"),))
Place = tuple[int, int]


def square(place: Place) -> NDArray[np.bool_]:
    mask = np.zeros((60, 80), bool)
    mask[place[0] : place[0] + 20, place[1] : place[1] + 20] = True
    return mask


def drawn(*images: list[Place]) -> OpenDataset:
    return segdata.from_arrays(
        {f"{k}.png": [(square(each), "cell") for each in places] for k, places in enumerate(images)}, THINGS
    )


def proposed(*who: tuple[str, OpenDataset]) -> tuple[ProposedTolerance, ...]:
    return segdata.agree(list(who), resamples=100).proposed_tolerance


FIRST = drawn([(10, 10), (10, 50)], [(20, 30)], [(30, 40)])


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_it_is_how_far_everything_was_moved(rows: int) -> None:
    again = drawn([(10 + rows, 10), (10 + rows, 50)], [(20 + rows, 30)], [(30 + rows, 40)])
    found = proposed(("anna", FIRST), ("anna", again), ("ben", drawn([(15, 15)], [(25, 35)], [(30, 40)])))
    assert found == (ProposedTolerance("px", float(rows), ("anna",), images=3, boundaries=4),)


def test_what_is_missed_the_second_time_is_not_far_away() -> None:
    again = drawn([(11, 10)], [(21, 30)], [(31, 40)])  # (10, 50) is not there
    (found,) = proposed(("anna", FIRST), ("anna", again))
    assert (found.value, found.boundaries) == (1, 3)


def test_all_who_repeat_are_taken_together_and_named() -> None:
    again = drawn([(13, 10), (13, 50)], [(23, 30)], [(33, 40)])
    (found,) = proposed(("anna", FIRST), ("anna", again), ("ben", FIRST), ("ben", FIRST))
    assert (found.annotators, found.images, found.boundaries) == (("anna", "ben"), 6, 8)
    assert found.value == 1.5  # four of 3 px, and four of 0


def test_nothing_without_repeats() -> None:
    assert proposed(("anna", FIRST), ("ben", FIRST)) == ()


def test_in_mm_where_the_spacing_is_known() -> None:
    """Of the three images one has no spacing."""
    compared = agree([("anna", FIRST), ("anna", FIRST)], resamples=100).run
    opposed = compared.tables.annotator_pairs
    assert opposed is not None
    cases = opposed.cases.beside(spacing_x=np.array([0.5, 0.5, np.nan]))
    px, mm = proposed_tolerance(replace(opposed, cases=cases))
    assert (px.unit, px.images, px.boundaries) == ("px", 1, 1)
    assert (mm.unit, mm.images, mm.boundaries) == ("mm", 2, 3)
