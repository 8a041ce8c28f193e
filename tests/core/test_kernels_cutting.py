"""Cut intervals against places that are coloured one by one."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

LINE = 30
Pairs = list[tuple[int, int]]


def columns(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    start, end = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    return start, end


@st.composite
def disjoint(draw: st.DrawFn) -> Pairs:
    """Sorted intervals, some of which touch."""
    bounds = sorted(draw(st.sets(st.integers(0, LINE), max_size=12)))
    every = list(pairwise(bounds))
    return [pair for pair in every if draw(st.booleans())]


intervals = st.lists(st.tuples(st.integers(0, LINE), st.integers(0, LINE)), max_size=8)


@given(a=intervals, b=disjoint())
def test_pieces_are_the_places_of_a_by_whether_b_has_them(kernels: ModuleType, a: Pairs, b: Pairs) -> None:
    row, start, end, inside = kernels.cut(*columns(a), *columns(b))
    assert [each.dtype for each in (row, start, end, inside)] == [np.int64, np.int64, np.int64, np.bool_]
    assert (end > start).all()
    has_b = np.zeros(LINE, bool)
    for first, last in b:
        has_b[first:last] = True
    pieces = zip(row.tolist(), start.tolist(), end.tolist(), inside.tolist(), strict=True)
    found = [(of, place, is_in) for of, first, last, is_in in pieces for place in range(first, last)]
    assert found == [(of, place, has_b[place]) for of, pair in enumerate(a) for place in range(*pair)]


@given(a=intervals, b=disjoint(), inside=st.booleans(), outside=st.booleans())
def test_only_what_is_wanted(kernels: ModuleType, a: Pairs, b: Pairs, inside: bool, outside: bool) -> None:
    every = kernels.cut(*columns(a), *columns(b))
    wanted = np.where(every[3], inside, outside)
    for found, column in zip(kernels.cut(*columns(a), *columns(b), inside, outside), every, strict=True):
        np.testing.assert_array_equal(found, column[wanted])


@given(a=intervals, b=disjoint())
def test_pieces_are_as_long_as_can_be(kernels: ModuleType, a: Pairs, b: Pairs) -> None:
    """A piece ends where its interval does, or where an interval of b begins or ends."""
    row, start, end, _ = kernels.cut(*columns(a), *columns(b))
    bounds = {place for pair in b for place in pair}
    for of, first, last in zip(row.tolist(), start.tolist(), end.tolist(), strict=True):
        assert first == a[of][0] or first in bounds
        assert last == a[of][1] or last in bounds
        assert not bounds & set(range(first + 1, last))


def test_columns_that_do_not_fit_are_refused() -> None:
    """They would be read beyond their end."""
    compiled = pytest.importorskip("segdata.core.kernels._compiled.sweep")
    three, two = np.arange(3), np.arange(2)
    with pytest.raises(ValueError, match="3"):
        compiled.cut(three, two, three, three)
    with pytest.raises(ValueError, match="3"):
        compiled.cut(three, three, three, two)
