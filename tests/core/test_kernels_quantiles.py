"""Quantiles of groups against numpy, one group after the other."""

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

groups = st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, 1e9, np.inf]) | st.floats(0, 10)), max_size=5)


@given(groups=groups, share=st.sampled_from([0, 0.05, 0.5, 0.95, 1]) | st.floats(0, 1))
def test_quantiles_are_numpys(kernels: ModuleType, groups: list[list[float]], share: float) -> None:
    values = np.array([3.0, *(value for group in groups for value in group), 5.0])
    offset = 1 + np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
    given_ = values.copy()
    found = kernels.quantiles(values, offset, share)
    np.testing.assert_array_equal(values, given_)
    for group, value in zip(groups, found, strict=True):
        if not group:
            assert np.isnan(value)
            continue
        ascending, place = np.sort(group), (len(group) - 1) * share
        low, high = ascending[math.floor(place)], ascending[math.ceil(place)]
        wanted = low if low == high else low + (high - low) * (place - math.floor(place))
        assert value == pytest.approx(wanted, rel=1e-12)
        if np.isfinite(group).all():
            assert value == pytest.approx(np.quantile(group, share), rel=1e-9, abs=1e-12)


def test_many_values_of_every_shape(kernels: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for values in (np.arange(5000.0), np.arange(5000.0)[::-1], np.zeros(5000), rng.integers(0, 3, 5000) * 1.0):
        found = kernels.quantiles(values.copy(), np.array([0, 5000]), 0.95)
        assert found.tolist() == [np.quantile(values, 0.95)]


def test_misuse_is_refused(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="cut 2 items"):
        kernels.quantiles(np.zeros(2), np.array([0, 3]), 0.5)
    with pytest.raises(ValueError, match="share"):
        kernels.quantiles(np.zeros(2), np.array([0, 2]), 1.5)
