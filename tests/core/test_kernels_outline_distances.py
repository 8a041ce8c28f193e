"""Distances of outlines and their sums, against a count pixel by pixel."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

HEIGHT, WIDTH = 7, 9


def strips_of(masks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The strips (3, n) of masks, each on a sheet, and where each sheet begins."""
    rows: list[tuple[int, int, int]] = []
    first = [0]
    for mask in masks:
        for x, column in enumerate(mask.T):
            inside = np.concatenate([[False], column, [False]])
            pairs = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
            rows += [(x, top, bottom) for top, bottom in pairs.tolist()]
        first.append(len(rows))
    return np.array(rows, np.int64).reshape(-1, 3).T.copy(), np.array(first, np.int64)


def count_pixels(
    edges: list[np.ndarray],
    others: list[np.ndarray],
    areas: list[np.ndarray],
    sheets: np.ndarray,
    sizes: np.ndarray,
    reach: np.ndarray,
) -> tuple[list[float], np.ndarray, np.ndarray]:
    distances: list[float] = []
    counts, sums = np.zeros((reach.shape[1], 3), np.int64), np.zeros((reach.shape[1], 3))
    for (own, other, k, width, height), (wide, high, beside) in zip(sheets.T.tolist(), sizes.T.tolist(), strict=True):
        target_x, target_y = np.nonzero(others[other].T)
        for x, y in zip(*np.nonzero(edges[own].T), strict=True):
            d = float(np.sqrt(((x - target_x) * wide) ** 2 + ((y - target_y) * high) ** 2).min(initial=np.inf))
            distances.append(d)
            end = min(min(x, width - 1 - x) * wide, beside, min(y, height - 1 - y) * high)
            compared = bool(np.isfinite(d) and d <= reach[1, k] and d < end)
            counts[k] += (1, d <= reach[0, k], compared)
            sums[k, 0] += d
            if compared:
                sums[k, 1:] += (-d if areas[other][y, x] else d, d * d)
    return distances, counts, sums


@given(seed=st.integers(0, 10**6), unit=st.booleans(), known=st.booleans())
def test_sums_are_those_of_single_pixels(kernels: ModuleType, seed: int, unit: bool, known: bool) -> None:
    """Sheets of either side in any order, some of them twice; whole pixels, and others."""
    rng = np.random.default_rng(seed)
    n_own, n_other, n_sheets = 3, 4, 5
    dense = rng.choice([0.0, 0.03, 0.3, 0.8], 3)
    edges, others, areas = (
        [rng.random((HEIGHT, WIDTH)) < share for _ in range(n)]
        for share, n in zip(dense, (n_own, n_other, n_other), strict=True)
    )
    sheets = np.stack(
        [
            rng.integers(0, n_own, n_sheets),
            rng.integers(0, n_other, n_sheets),
            np.sort(rng.integers(0, 3, n_sheets)),
            np.full(n_sheets, WIDTH),
            np.full(n_sheets, HEIGHT),
        ]
    )
    sizes = np.stack([*(np.ones((2, n_sheets)) if unit else rng.choice([0.5, 1.0, 2.3], (2, n_sheets))), np.ones(5)])
    sizes[2] = rng.choice([np.inf, 1.0, 3.0], n_sheets)
    reach = np.stack([rng.choice([0.5, 1.0, 2.0], 3), rng.choice([2.0, np.inf], 3)])
    wanted = count_pixels(edges, others, areas, sheets, sizes, reach)
    sides = (*strips_of(edges), *strips_of(others), *strips_of(areas))
    given_ = np.array(wanted[0]) if known else np.empty(0)
    for found, value in zip(kernels.outline_distances(*sides, sheets, sizes, reach, given_), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)


def test_outlines_far_away(kernels: ModuleType) -> None:
    """Where parts are missing the nearest pixels are many columns away, in the same few ones again and again."""
    rng = np.random.default_rng(1)
    edges, others = np.zeros((2, 300, 400), bool)
    edges[40:280:7, 3:200] = rng.random((35, 197)) < 0.3
    others[:, 390:] = rng.random((300, 10)) < 0.02
    others[150, 100] = True
    sheets, sizes = np.array([[0], [0], [0], [400], [300]]), np.array([[1.0], [1.0], [np.inf]])
    reach = np.array([[2.0], [50.0]])
    wanted = count_pixels([edges], [others], [others], sheets, sizes, reach)
    sides = (*strips_of([edges]), *strips_of([others]), *strips_of([others]))
    for found, value in zip(kernels.outline_distances(*sides, sheets, sizes, reach, np.empty(0)), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-12)


def test_misuse_is_refused(kernels: ModuleType) -> None:
    """Rows that are not there would be read beyond the end of columns."""
    strips, first = strips_of([np.ones((2, 2), bool)])
    sheets, sizes, reach = np.array([[0], [0], [0], [2], [2]]), np.ones((3, 1)), np.ones((2, 1))
    fine: list[Any] = [strips, first, strips, first, strips, first, sheets, sizes, reach, np.empty(0)]

    def change(place: int, value: Any) -> list[Any]:
        return [value if k == place else column for k, column in enumerate(fine)]

    wrong = [
        (change(9, np.zeros(3)), "4 pixels come with 3 distances"),
        (change(1, np.array([0, 3])), "the sheets of `edge` part other strips than the 2"),
        (change(3, np.array([0, 2, 2])), "2 sheets of outlines come with 1 of areas"),
        (change(0, strips[:2].copy()), "strips of `edge`"),
        (change(2, strips[[0, 2, 1]]), "not above it"),
        (change(6, sheets[:4].copy()), "5 rows of numbers"),
        (change(8, np.ones((3, 1))), "a tolerance and a reach"),
        (change(7, 0 * sizes), "above 0"),
        *((change(6, sheets + np.eye(5, dtype=np.int64)[:, [row]]), f"row {row} of the sheets") for row in range(3)),
    ]
    for columns, message in wrong:
        with pytest.raises(ValueError, match=message):
            kernels.outline_distances(*columns)
