"""Sums over outlines, against a count pixel by pixel."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@given(seed=st.integers(0, 10**6), n_strips=st.integers(0, 12))
def test_sums_are_those_of_single_pixels(kernels: ModuleType, seed: int, n_strips: int) -> None:
    rng = np.random.default_rng(seed)
    n_shapes, n_sheets = 3, 4
    shape = np.sort(rng.integers(0, n_shapes, n_sheets))
    height = rng.integers(5, 9, n_sheets)
    wide, high = rng.choice([0.5, 1.0, 2.0], (2, n_sheets))
    beside = rng.choice([np.inf, 1.0, 3.0], n_sheets)
    within, far = rng.choice([0.5, 1.0, 2.0], n_shapes), rng.choice([2.0, np.inf], n_shapes)
    sheet = np.sort(rng.integers(0, n_sheets, n_strips)).astype(np.int32)
    length, top = rng.integers(0, 4, n_strips), rng.integers(0, 3, n_strips)
    across, inside = rng.integers(0, 6, n_strips), rng.integers(0, 2, n_strips).astype(np.uint8)
    distance = rng.choice([0.0, 0.5, 1.0, 1.5, 4.0, np.inf], int(length.sum()))
    counts, sums = kernels.outline_sums(
        *(distance, length, top, across, inside, sheet, shape, height, wide, high, beside, within, far)
    )
    expected = np.zeros((n_shapes, 3), np.int64), np.zeros((n_shapes, 3))
    left = iter(distance.tolist())
    for strip in range(n_strips):
        s = int(sheet[strip])
        k = int(shape[s])
        for row in range(int(top[strip]), int(top[strip] + length[strip])):
            d = next(left)
            end = min(across[strip] * wide[s], beside[s], min(row, height[s] - 1 - row) * high[s])
            expected[0][k] += (1, d <= within[k], np.isfinite(d) and d <= far[k] and d < end)
            expected[1][k, 0] += d
            if np.isfinite(d) and d <= far[k] and d < end:
                expected[1][k, 1:] += (-d if inside[strip] else d, d * d)
    np.testing.assert_array_equal(counts, expected[0])
    np.testing.assert_allclose(sums, expected[1])


def test_misuse_is_refused(kernels: ModuleType) -> None:
    one, ones = np.zeros(1, np.int64), np.ones(1)
    strips = (np.array([2]), one, one, np.zeros(1, np.uint8))
    sheets = (one, np.array([5]), ones, ones, ones)
    with pytest.raises(ValueError, match="2 pixels come with 3 distances"):
        kernels.outline_sums(np.zeros(3), *strips, np.zeros(1, np.int32), *sheets, ones, ones)
    with pytest.raises(ValueError, match="on sheet 1 of 1"):
        kernels.outline_sums(np.zeros(2), *strips, np.ones(1, np.int32), *sheets, ones, ones)
    with pytest.raises(ValueError, match="equally long"):
        kernels.outline_sums(np.zeros(2), *strips, np.zeros(2, np.int32), *sheets, ones, ones)
    with pytest.raises(ValueError, match="of shape 1 of 1"):
        kernels.outline_sums(np.zeros(2), *strips, np.zeros(1, np.int32), np.ones(1, np.int64), *sheets[1:], ones, ones)
