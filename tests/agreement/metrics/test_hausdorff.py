"""Hausdorff distances: percentiles as numpy has them, both directions, and what is undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import directed_hausdorff as oracle

from segdata.agreement.metrics.hausdorff import directed_hausdorff, hausdorff

boundaries = st.lists(st.lists(st.floats(0, 100, allow_subnormal=False), max_size=30), max_size=4)


@given(boundaries=boundaries, percent=st.sampled_from([50.0, 95.0, 100.0]))
def test_percentiles_are_numpys(boundaries: list[list[float]], percent: float) -> None:
    offset = np.concatenate([[0], np.cumsum([len(each) for each in boundaries])]).astype(np.int64)
    found = directed_hausdorff(np.array([value for each in boundaries for value in each]), offset, percent)
    wanted = [np.percentile(each, percent) if each else np.nan for each in boundaries]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(st.integers(0, 2**32))
def test_the_farthest_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 50, (7, 2)), rng.integers(0, 50, (9, 2))
    apart = np.sqrt(((a[:, None] - b) ** 2).sum(axis=2))
    there = directed_hausdorff(apart.min(axis=1), np.array([0, 7]))
    back = directed_hausdorff(apart.min(axis=0), np.array([0, 9]))
    assert there == pytest.approx(oracle(a, b)[0])
    assert hausdorff(there, back) == pytest.approx(max(oracle(a, b)[0], oracle(b, a)[0]))
    assert hausdorff(there, back) == hausdorff(back, there)


def test_a_boundary_with_nothing_to_be_near_to_is_undefined() -> None:
    found = directed_hausdorff(np.array([np.inf, np.inf, 1.0]), np.array([0, 2, 2, 3]), 95)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1])
    np.testing.assert_array_equal(hausdorff(found, np.array([1.0, 1.0, 2.0])), [np.nan, np.nan, 2])


def test_the_larger_of_both_percentiles_is_not_that_of_all() -> None:
    near, far = np.zeros(100), np.full(4, 9.0)
    both = [directed_hausdorff(each, np.array([0, len(each)]), 95) for each in (near, far)]
    assert hausdorff(*both).tolist() == [9.0]
    assert np.percentile(np.concatenate([near, far]), 95) == 0
