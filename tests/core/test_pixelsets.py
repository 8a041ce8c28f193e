"""Sets of pixels as runs, against arrays of pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from segdata.core.finding import Box
from segdata.core.pixelsets import area, common, minus, union, within
from segdata.core.redraw import dense, runs_of
from segdata.core.runs import Runs

Mask = NDArray[np.bool_]
SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def masks(draw: st.DrawFn, n: int = 2) -> list[Mask]:
    """Masks of one size."""
    shape = draw(SIDES)
    return [draw(arrays.arrays(np.bool_, shape)) for _ in range(n)]


def sound(runs: Runs, size: tuple[int, ...]) -> Mask:
    """The pixels, after every promise of runs was checked."""
    runs.checked(*(np.array([side]) for side in size))
    column, top = np.divmod(runs.start, size[0])
    touching = (column[1:] == column[:-1]) & (top[1:] <= (top + runs.length)[:-1])
    assert not touching.any()  # they would be one run
    return dense(runs, *size)


@given(masks())
def test_they_are_what_sets_are(pair: list[Mask]) -> None:
    a, b = map(runs_of, pair)
    size = pair[0].shape
    np.testing.assert_array_equal(sound(union([a, b], size), size), pair[0] | pair[1])
    np.testing.assert_array_equal(sound(common(a, b, size), size), pair[0] & pair[1])
    np.testing.assert_array_equal(sound(minus(a, b, size), size), pair[0] & ~pair[1])
    assert area(a) == pair[0].sum()


@given(masks(1), st.tuples(*[st.integers(0, 8)] * 4))
def test_within_a_box(one: list[Mask], box: Box) -> None:
    (mask,) = one
    x, y, wide, high = box
    inside = np.zeros(mask.shape, bool)
    inside[y : y + high, x : x + wide] = True
    np.testing.assert_array_equal(sound(within(runs_of(mask), box, mask.shape), mask.shape), mask & inside)


def test_nothing() -> None:
    none = Runs.empty()
    for found in (
        union([], (3, 3)),
        union([none, none], (3, 3)),
        common(none, none, (3, 3)),
        minus(none, none, (3, 3)),
    ):
        assert len(found) == 0
