"""Distinct numbers are those of numpy, however far apart they lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.runs import unique_inverse

NEAR, FAR = st.integers(-50, 5_000), st.integers(-(2**62), 2**62)


@given(st.lists(NEAR, max_size=60) | st.lists(NEAR | FAR, max_size=60))
def test_as_numpy_says(numbers: list[int]) -> None:
    """Values and places are those of `np.unique`."""
    found, which = unique_inverse(np.array(numbers, np.int64))
    values, places = np.unique(np.array(numbers, np.int64), return_inverse=True)
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(which, places)


@given(st.lists(st.integers(0, 100), max_size=60))
def test_small_types_do_not_overflow(numbers: list[int]) -> None:
    """Numbers of few bits are told apart as well."""
    for kind in (np.int8, np.uint8, np.int32):
        found, which = unique_inverse(np.array(numbers, kind))
        assert found[which].tolist() == numbers
