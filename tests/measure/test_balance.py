"""Balance: each weighting does what its paper says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.measure.balance import effective_weights, inverse_frequency, median_frequency

COUNTS = arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 10**9))


@given(COUNTS)
def test_by_inverse_frequency_all_that_occur_count_the_same(count: np.ndarray) -> None:
    weighted = inverse_frequency(count) * count
    some = count > 0
    assert (weighted[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(weighted[some], count.sum() / some.sum())


@given(COUNTS, st.integers(1, 5))
def test_the_median_category_weighs_one(pixels: np.ndarray, times: int) -> None:
    found = median_frequency(pixels, pixels * times)
    np.testing.assert_allclose(found, (pixels > 0).astype(float))  # all are as frequent where they occur
    odd = median_frequency(np.array([1, 10, 100]), np.array([1000, 1000, 1000]))
    np.testing.assert_allclose(odd, [10, 1, 0.1])


@given(COUNTS)
def test_effective_numbers_are_the_geometric_sum(count: np.ndarray) -> None:
    count = count % 2000
    found, beta = effective_weights(count), 0.999
    sums = np.array([sum(beta**k for k in range(n)) for n in count.tolist()])
    some = count > 0
    assert (found[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(found[some], (1 / sums[some]) / (1 / sums[some]).mean())
