"""Counts of two annotators, and what disagreeing pixels are due to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.count_agreement import count_agreement
from segdata.agreement.metrics.decomposition import decomposition

COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)
PIXELS = st.lists(st.integers(0, 99), min_size=4, max_size=4)


@given(COUNTS)
def test_counts_by_numpy(counts: list[tuple[int, int]]) -> None:
    a, b = np.array(counts, float).T
    found = count_agreement(a, b)
    some = (a > 0) | (b > 0)
    if not some.any():
        assert np.isnan(found).all()
        return
    np.testing.assert_allclose(found.difference, (b - a)[some].mean(), atol=1e-9)
    np.testing.assert_allclose(found.absolute, abs(b - a)[some].mean(), atol=1e-9)
    np.testing.assert_allclose(found.ratio, b.sum() / a.sum() if a.any() else np.nan)
    varied = np.ptp(a[some]) > 0 and np.ptp(b[some]) > 0
    np.testing.assert_allclose(found.correlation, np.corrcoef(a[some], b[some])[0, 1] if varied else np.nan, atol=1e-9)


@given(COUNTS)
def test_counts_the_other_way_round(counts: list[tuple[int, int]]) -> None:
    a, b = np.array(counts, float).T
    one, other = count_agreement(a, b), count_agreement(b, a)
    np.testing.assert_allclose(one.difference, -other.difference)
    np.testing.assert_allclose(one.absolute, other.absolute)
    np.testing.assert_allclose(one.correlation, other.correlation)
    same = count_agreement(a, a)
    assert np.isnan(same.difference) or float(same.difference) == 0


@given(COUNTS, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_a_weight_is_so_many_images(counts: list[tuple[int, int]], weight: list[int]) -> None:
    a, b = np.array(counts, float).T
    times = np.array(weight[: len(a)])
    repeated = count_agreement(np.repeat(a, times), np.repeat(b, times))
    found = count_agreement(a, b, np.stack([times, np.ones(len(a))]))
    for both, again, plain in zip(found, repeated, count_agreement(a, b), strict=True):
        np.testing.assert_allclose(both, [again, plain], atol=1e-9)


@given(PIXELS)
def test_shares_are_parts_of_a_whole(pixels: list[int]) -> None:
    found = decomposition(*pixels)
    if sum(pixels) == 0:
        assert np.isnan(found).all()
    else:
        np.testing.assert_allclose(sum(found), 1)
        np.testing.assert_allclose(found, np.array(pixels) / sum(pixels))
    swapped = decomposition(pixels[1], pixels[0], *pixels[2:])
    np.testing.assert_array_equal([swapped.extra, swapped.missed], [found.missed, found.extra])
