"""Outlines: the boundary pixels of each annotator in their colour, and where two differ most."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segdata.core.batch import Batch
from segdata.core.finding import Finding
from segdata.report.pictures.annotators import AnnotatedImage, _closely, _side_by_side, densest_square
from segdata.report.pictures.canvas import BackgroundImage, View
from segdata.report.pictures.colors import ANNOTATOR_COLORS, annotator_color
from tests.generators.agreement_tables import tables_of_maps
from tests.generators.panels import panel_of_masks

VIEW = View(0, 0, 12, 10, 1.0)


def square(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((10, 12), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def drawn(*masks: np.ndarray) -> AnnotatedImage:
    batch: Batch = panel_of_masks([(10, 12)], [[[(0, mask)]] for mask in masks], ["thing"]).batch
    return AnnotatedImage(batch, BackgroundImage(None, 12, 10))


def colored(picture: np.ndarray, number: int) -> np.ndarray:
    return np.asarray((np.asarray(picture) == ANNOTATOR_COLORS[number]).all(axis=2))


def test_outlines_lie_inside_their_segments() -> None:
    one, two = square(0, 0, 5), square(6, 4, 6)
    people = [("a", annotator_color(0)), ("b", annotator_color(1))]
    picture = np.asarray(drawn(one, two).render_outlines(VIEW, people, {1}))
    for number, mask in enumerate((one, two)):
        shown = colored(picture, number)
        assert shown.any()
        assert not (shown & ~mask).any()
    assert colored(picture, 0)[4, 4]  # a corner that nothing frames


def test_coinciding_outlines_take_turns() -> None:
    view = View(0, 0, 12, 10, 4.0)
    people = [("a", annotator_color(0)), ("b", annotator_color(1))]
    both = np.asarray(drawn(square(3, 3, 5), square(3, 3, 5)).render_outlines(view, people, None))
    alone = np.asarray(drawn(square(3, 3, 5)).render_outlines(view, people[:1], None))
    first, second = colored(both, 0), colored(both, 1)
    assert first.any()
    assert second.any()
    np.testing.assert_array_equal(first | second, colored(alone, 0))


def test_other_categories_and_annotators_are_not_drawn() -> None:
    picture = drawn(square(3, 3, 5))
    assert not picture.labels(VIEW, "a", {2}).any()
    assert not picture.labels(VIEW, "b", {1}).any()
    np.testing.assert_array_equal(picture.labels(VIEW, "a", None) > 0, square(3, 3, 5))


def test_differing_is_what_only_one_has() -> None:
    one, two = square(2, 2, 5), square(4, 3, 5)
    np.testing.assert_array_equal(drawn(one, two).differing(VIEW, "a", "b", {1}), one != two)


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(1, 12))
def test_the_densest_square_holds_most(flags: np.ndarray, side: int) -> None:
    height, width = flags.shape
    x, y = densest_square(flags, side)
    assert 0 <= x < width
    assert 0 <= y < height
    tall, wide = min(side, height), min(side, width)
    held = {
        (top, left): flags[top : top + tall, left : left + wide].sum()
        for top in range(height - tall + 1)
        for left in range(width - wide + 1)
    }
    most = max(held.values())
    inside = [at for at, n in held.items() if n == most and at[0] <= y < at[0] + tall and at[1] <= x < at[1] + wide]
    assert inside


def test_colours_are_enough_for_seven_and_then_come_again() -> None:
    assert len({annotator_color(k) for k in range(7)}) == 7
    assert annotator_color(7) == annotator_color(0)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))
def test_the_close_picture_is_not_in_the_midst_of_a_dispute(left: int, top: int, side: int) -> None:
    """At most half of what is shown closely is in dispute, unless the whole image is shown; some of it is."""
    mask = np.zeros((100, 100), bool)
    mask[top : top + side, left : left + side] = True
    batch = panel_of_masks([(100, 100)], [[[(0, mask)]], [[]]], ["stuff"]).batch
    picture = AnnotatedImage(batch, BackgroundImage(None, 100, 100))
    view = _closely(picture, "a", "b", 1, 200, False)
    shown = mask[view.y : view.y + view.height, view.x : view.x + view.width]
    assert shown.any()
    assert shown.mean() <= 0.5 or shown.shape == (100, 100)


def test_who_calls_a_place_without_a_box_what() -> None:
    """Where the finding's annotator lacks what most others have, or has what most lack; a file is no place."""
    one, two = square(0, 0, 5), square(6, 4, 6)
    panel = panel_of_masks([(10, 12)], [[[(0, one)]], [[(0, one)]], [[(0, two)]]], ["stuff"])
    picture = AnnotatedImage(panel.batch, BackgroundImage(None, 12, 10))
    comparison = tables_of_maps([[np.zeros((10, 12), int)]] * 3, panel.categories)
    what = panel.categories[0].name
    finding = Finding(code="SEG401", rule="missed-object", severity="warning", message="", annotator="c", category=what)
    place = (0, 0, 12, 10)
    assert picture.names_at(finding, place, comparison) == {"a": what, "b": what, "c": "nothing"}
    extra = replace(finding, code="SEG402")
    assert picture.names_at(extra, place, comparison) == {"a": "nothing", "b": "nothing", "c": what}
    assert picture.names_at(replace(finding, category=None), place, comparison) == {}


def test_names_stand_on_the_picture_only_where_they_differ() -> None:
    picture, people = drawn(square(0, 0, 5)), [("a", annotator_color(0)), ("b", annotator_color(1))]
    plain = _side_by_side(picture, VIEW, people, None)
    assert _side_by_side(picture, VIEW, people, None, {"a": "thing", "b": "thing"}) == plain
    assert _side_by_side(picture, VIEW, people, None, {"a": "thing", "b": "nothing"}) != plain
