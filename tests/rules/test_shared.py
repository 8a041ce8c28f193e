"""Companions: medians and spreads against a loop over segments."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.rule import Tables
from segdata.measure.measure import measure_source
from segdata.rules.shared import is_thing, typical_values
from segdata.testing.pictures import draw_picture

PICTURE = draw_picture("aabbcc\naabbcc\n\nddeeff\nddeeff\n\na, b, d, e: car\nc, f: bus")


def tables_of(text: str) -> Tables:
    return measure_source(draw_picture(text), frozenset(), jobs=1)


@given(
    st.lists(st.floats(-5, 5), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_usual_is_the_median_of_the_nearest_group_that_is_large_enough(
    values: list[float], among: list[bool], near: int, far: int
) -> None:
    tables = measure_source(PICTURE, frozenset(), jobs=1)
    value, chosen = np.array(values), np.array(among)
    middle, spread = typical_values(tables, value, chosen, near, far)
    annotation, category = tables.segments["annotation"], tables.segments["category_id"]
    for row in range(6):
        alike = (category == category[row]) & chosen
        here = alike & (annotation == annotation[row])
        group = value[here] if here.sum() >= near else value[alike] if alike.sum() >= far else np.array([])
        if len(group) == 0:
            assert np.isnan([middle[row], spread[row]]).all()
        else:
            assert middle[row] == np.median(group)
            np.testing.assert_allclose(spread[row], 1.4826 * np.median(np.abs(group - np.median(group))))


def test_usual_of_nothing_is_nothing() -> None:
    middle, spread = typical_values(tables_of("..."), np.empty(0), np.empty(0, bool))
    assert len(middle) == len(spread) == 0


def test_crowds_void_and_stuff_are_no_things() -> None:
    tables = tables_of("abcde\n\na: car\nb: bus (crowd)\nc: sky (stuff)\nd: haze (void)\ne: what (unknown)")
    assert is_thing(tables).tolist() == [True, False, False, False, False]
