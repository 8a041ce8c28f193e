"""Chunks of images by their number of segments."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.shared.per_image import chunk_segments


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 60))
def test_chunks_hold_all_images_in_order_and_no_more_than_asked_for(counts: list[int], per_chunk: int) -> None:
    chunks = chunk_segments(np.r_[0, np.cumsum(counts, dtype=np.int64)], per_chunk)
    assert np.array_equal(np.concatenate([np.empty(0, np.int64), *chunks]), np.arange(len(counts)))
    for rows in chunks:
        assert len(rows) > 0
        assert sum(counts[row] + 1 for row in rows[:-1]) < per_chunk


@given(st.integers(20, 500))
def test_the_last_chunks_of_many_are_smaller(n: int) -> None:
    *_, last = sizes = [len(rows) for rows in chunk_segments(np.zeros(20 * n + 1, np.int64), 20)]
    assert sizes[: n - 1] == [20] * (n - 1)
    assert set(sizes[n - 1 :]) == {5} == {last}
