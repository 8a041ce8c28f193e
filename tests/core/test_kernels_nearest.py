"""Distances to the nearest pixel, against all distances."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

GROUPS = 3
Mask = np.ndarray


def strips(masks: list[Mask]) -> tuple[np.ndarray, ...]:
    """The strips of masks, each a group: x, top, bottom, group."""
    rows = []
    for group, mask in enumerate(masks):
        for x, column in enumerate(mask.T):
            inside = np.concatenate([[False], column, [False]])
            for top, bottom in np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2):
                rows.append((x, top, bottom, group))
    x, top, bottom, group = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    return x, top, bottom, group.astype(np.int32)


def brute(a: list[Mask], b: list[Mask], scale: np.ndarray) -> np.ndarray:
    found = []
    for group, (one, other) in enumerate(zip(a, b, strict=True)):
        x, y = np.nonzero(one.T)
        other_x, other_y = np.nonzero(other.T)
        across = (x[:, None] - other_x) * scale[group, 0]
        down = (y[:, None] - other_y) * scale[group, 1]
        found.append(np.sqrt(across**2 + down**2).min(axis=1, initial=np.inf))
    return np.concatenate(found)


masks = st.integers(0, 2**32).map(
    lambda seed: [
        np.random.default_rng(seed + k).random((17, 23)) < np.random.default_rng(seed).choice([0.003, 0.05, 0.4])
        for k in range(GROUPS)
    ]
) | st.lists(arrays(bool, (5, 4)), min_size=GROUPS, max_size=GROUPS)


@given(
    a=masks,
    b=masks,
    scale=st.sampled_from([np.ones((GROUPS, 2)), np.array([[1, 1], [0.5, 2.3], [7.0, 1.1]])]),
)
def test_distances_are_the_least_of_all(kernels: ModuleType, a: list[Mask], b: list[Mask], scale: np.ndarray) -> None:
    found = kernels.nearest(*strips(a), *strips(b), scale[:, 0].copy(), scale[:, 1].copy())
    np.testing.assert_allclose(found, brute(a, b, scale), rtol=1e-12)


def test_far_away_strips_and_empty_columns(kernels: ModuleType) -> None:
    a = np.zeros((300, 400), bool)
    b = a.copy()
    a[:10, 5] = True
    b[290:, 395] = b[299, 0] = True
    found = kernels.nearest(*strips([a]), *strips([b]), np.ones(1), np.ones(1))
    np.testing.assert_allclose(found, brute([a], [b], np.ones((1, 2))))


def test_no_pixels(kernels: ModuleType) -> None:
    some, none = strips([np.ones((2, 2), bool)]), strips([np.zeros((2, 2), bool)])
    one = np.ones(1)
    assert kernels.nearest(*some, *none, one, one).tolist() == [np.inf] * 4
    assert kernels.nearest(*none, *some, one, one).tolist() == []


def test_misuse_is_refused(kernels: ModuleType) -> None:
    x, top, bottom, group = strips([np.ones((2, 2), bool)])
    one = np.ones(1)
    fine = (x, top, bottom, group)
    for bad, scale, message in (
        ((x, top, bottom, group + 1), (one, one), "groups"),
        ((x, top, bottom, np.array([1, 0], np.int32)), (np.ones(2), np.ones(2)), "ascending"),
        (fine, (one, np.ones(2)), "widths"),
        (fine, (one, 0 * one), "above 0"),
        (fine, (one, np.nan * one), "above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            kernels.nearest(*bad, *fine, *scale)
        with pytest.raises(ValueError, match=message):
            kernels.nearest(*fine, *bad, *scale)


def test_columns_that_do_not_fit_are_refused() -> None:
    """They would be read beyond their end."""
    compiled = pytest.importorskip("segdata.core.kernels._compiled.nearest")
    fine = strips([np.ones((2, 2), bool)])
    for place in (0, 1, 2, 3):
        bad = [each[:-1] if k == place else each for k, each in enumerate(fine)]
        for sides in ((bad, fine), (fine, bad)):
            with pytest.raises(ValueError, match="x come with"):
                compiled.nearest(*sides[0], *sides[1], np.ones(1), np.ones(1))
