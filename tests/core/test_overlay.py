"""Twins against masks compared one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from segdata.core.finding import Box
from segdata.core.overlay import count_pixels, crop_to_box, difference, first_identical, intersection, union
from segdata.core.runs import Runs, mask_to_runs, runs_to_mask
from segdata.testing.pictures import runs_of_masks


@given(st.lists(st.tuples(hnp.arrays(bool, (2, 2)), st.integers(0, 1)), max_size=8))
def test_the_first_with_the_same_pixels_in_the_same_frame(drawn: list[tuple[np.ndarray, int]]) -> None:
    masks, frame = [mask for mask, _ in drawn], np.array([place for _, place in drawn], np.int64)
    expected = [
        next(
            j for j, (other, at) in enumerate(drawn) if (at == place and (other == mask).all() and mask.any()) or j == k
        )
        for k, (mask, place) in enumerate(drawn)
    ]
    runs = runs_of_masks(masks)
    assert first_identical(runs, frame, runs.areas(len(masks))).tolist() == expected


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
    return runs_to_mask(runs, *size)


@given(masks())
def test_they_are_what_sets_are(pair: list[Mask]) -> None:
    a, b = map(mask_to_runs, pair)
    size = pair[0].shape
    np.testing.assert_array_equal(sound(union([a, b], size), size), pair[0] | pair[1])
    np.testing.assert_array_equal(sound(intersection(a, b, size), size), pair[0] & pair[1])
    np.testing.assert_array_equal(sound(difference(a, b, size), size), pair[0] & ~pair[1])
    assert count_pixels(a) == pair[0].sum()


@given(masks(1), st.tuples(*[st.integers(0, 8)] * 4))
def test_within_a_box(one: list[Mask], box: Box) -> None:
    (mask,) = one
    x, y, wide, high = box
    inside = np.zeros(mask.shape, bool)
    inside[y : y + high, x : x + wide] = True
    np.testing.assert_array_equal(sound(crop_to_box(mask_to_runs(mask), box, mask.shape), mask.shape), mask & inside)


def test_nothing() -> None:
    none = Runs.empty()
    for found in (
        union([], (3, 3)),
        union([none, none], (3, 3)),
        intersection(none, none, (3, 3)),
        difference(none, none, (3, 3)),
    ):
        assert len(found) == 0
