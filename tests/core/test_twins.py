"""Twins against masks compared one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segdata.core.twins import first_twins
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
    assert first_twins(runs_of_masks(masks), frame, len(masks)).tolist() == expected
