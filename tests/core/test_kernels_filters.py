"""The filters of PNG, undone, against the formulas of the specification."""

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core import kernels as chosen


@pytest.fixture(scope="session")
def kernels() -> Any:
    """The compiled kernel alone: it has no reference."""
    kernel = chosen.find_compiled("undo_filters")
    if kernel is None:
        pytest.skip("not built")
    return SimpleNamespace(undo_filters=kernel)


def specified(filtered: np.ndarray, step: int) -> np.ndarray:
    """Section 9.2 of the specification, byte by byte."""
    height, size = filtered.shape[0], filtered.shape[1] - 1
    rows = np.zeros((height, size), int)
    for y in range(height):
        for x in range(size):
            a = rows[y, x - step] if x >= step else 0
            b = rows[y - 1, x] if y else 0
            c = rows[y - 1, x - step] if y and x >= step else 0
            p = a + b - c
            pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
            paeth = a if pa <= pb and pa <= pc else b if pb <= pc else c
            rows[y, x] = (filtered[y, x + 1] + [0, a, b, (a + b) // 2, paeth][filtered[y, 0]]) % 256
    return rows


@given(
    st.integers(1, 9).flatmap(
        lambda step: st.tuples(
            st.just(step),
            st.integers(0, 4).flatmap(
                lambda height: st.tuples(
                    arrays(np.uint8, (height, 1), elements=st.integers(0, 4)),
                    arrays(np.uint8, (height, 3 * step), elements=st.sampled_from([0, 0, 1, 127, 255])),
                ).map(np.hstack)
            ),
        )
    )
)
def test_rows_are_those_of_the_specification(kernels: ModuleType, rows: tuple[int, np.ndarray]) -> None:
    step, filtered = rows
    found = kernels.undo_filters(filtered, step)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert found.tolist() == specified(filtered.astype(int), step).tolist()


def test_what_png_does_not_have(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="row 1 has filter 5; PNG has 0 to 4"):
        kernels.undo_filters(np.array([[0, 1], [5, 1]], np.uint8), 1)
    for step in (0, 3):
        with pytest.raises(ValueError, match=f"rows of 2 bytes have no pixels of {step}"):
            kernels.undo_filters(np.zeros((1, 3), np.uint8), step)
