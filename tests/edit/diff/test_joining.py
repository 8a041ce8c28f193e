"""Joining rows by keys, against doing it row by row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.runs import Ints
from segdata.edit.diff.joining import joined

_KEYS = st.integers(0, 5).flatmap(lambda n: arrays(np.int64, (2, n), elements=st.integers(0, 2)))


@given(_KEYS, _KEYS)
def test_each_row_goes_with_the_next_of_its_key(a: Ints, b: Ints) -> None:
    rest = list(range(b.shape[1]))
    expected = []
    for row in range(a.shape[1]):
        fits = [other for other in rest if (b[:, other] == a[:, row]).all()]
        if fits:
            rest.remove(fits[0])
            expected.append((row, fits[0]))
    rows_a, rows_b = joined(list(a), list(b))
    assert sorted(zip(rows_a.tolist(), rows_b.tolist(), strict=True)) == expected
