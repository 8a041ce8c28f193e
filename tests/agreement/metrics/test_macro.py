"""Means over images, then categories, against loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.macro import macro
from segdata.agreement.metrics.marginals import marginals

rows = st.lists(
    st.tuples(st.sampled_from([np.nan, 0.0, 0.5, 1.0, 0.25]), st.integers(0, 3), st.integers(0, 2)), max_size=20
)


@given(rows, st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_means_are_those_of_repeated_images(found: list[tuple[float, int, int]], weight: list[int]) -> None:
    value, image, category = np.array(found).reshape(-1, 3).T
    mean, n, overall = macro(value, image, category, 3, np.array([weight, [1, 1, 1, 1]]))
    for row, times in enumerate((weight, [1, 1, 1, 1])):
        means = []
        for code in range(3):
            mine = [v for v, i, c in found for _ in range(times[i]) if c == code and not np.isnan(v)]
            assert n[row, code] == len(mine)
            means.append(np.mean(mine) if mine else np.nan)
        np.testing.assert_allclose(mean[row], means)
        known = [each for each in means if not np.isnan(each)]
        np.testing.assert_allclose(overall[row], np.mean(known) if known else np.nan)


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_marginals_are_sums(found: list[tuple[int, int, int]]) -> None:
    code, *pixels = np.array(found, int).reshape(-1, 3).T
    total = marginals(code, np.stack(pixels), [-1, 0, 1, 2])
    for k, each in enumerate(range(-1, 3)):
        np.testing.assert_array_equal(total[:, k], np.stack(pixels)[:, code == each].sum(axis=1))
