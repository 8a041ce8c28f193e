"""Bitmaps to runs and back, against slices of arrays."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

pictures = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40), elements=st.integers(0, 2))
places = st.integers(-50, 50)
sizes = st.integers(0, 50)


def drawn(kernels: ModuleType, some: list[tuple[Picture, int, int, int, int]]) -> list[tuple[list[int], list[int]]]:
    """Starts and lengths of each picture with left, top, height and width."""
    left, top, height, width = np.array([each[1:] for each in some], np.int64).reshape(-1, 4).T.copy()
    pixels = np.concatenate([np.empty(0, np.uint8), *(each[0].ravel() for each in some)])
    bitmap = np.cumsum([0, *(each[0].size for each in some)], dtype=np.int64)
    wide = np.array([each[0].shape[1] for each in some], np.int64)
    start, length, owner = kernels.draw_bitmaps(pixels, bitmap, left, top, wide, height, width)
    assert (start.dtype, length.dtype, owner.dtype) == (np.int64, np.int64, np.int32)
    assert (np.diff(owner) >= 0).all()
    return [(start[owner == i].tolist(), length[owner == i].tolist()) for i in range(len(some))]


def runs_of(mask: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """The longest vertical runs, counted pixel by pixel."""
    starts, lengths = [], []
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if mask[y, x]:
                if y and mask[y - 1, x]:
                    lengths[-1] += 1
                else:
                    starts.append(x * mask.shape[0] + y)
                    lengths.append(1)
    return starts, lengths


@given(st.lists(st.tuples(pictures, places, places, sizes, sizes), max_size=4))
def test_a_bitmap_lies_where_it_says_and_ends_at_the_frame(
    kernels: ModuleType, some: list[tuple[Picture, int, int, int, int]]
) -> None:
    for (picture, left, top, height, width), found in zip(some, drawn(kernels, some), strict=True):
        room = np.zeros((height + 140, width + 140), bool)
        rows, columns = picture.shape
        room[top + 50 : top + 50 + rows, left + 50 : left + 50 + columns] = picture > 0
        assert found == runs_of(room[50 : 50 + height, 50 : 50 + width])


@given(st.lists(pictures, max_size=4))
def test_runs_come_back_as_their_bitmap(kernels: ModuleType, some: list[Picture]) -> None:
    runs = drawn(kernels, [(picture, 0, 0, *picture.shape) for picture in some])
    owner = np.repeat(np.arange(len(some), dtype=np.int32), [len(start) for start, _ in runs])
    start = np.array([number for numbers, _ in runs for number in numbers], np.int64)
    length = np.array([number for _, numbers in runs for number in numbers], np.int64)
    tall, wide = np.array([picture.shape for picture in some], np.int64).reshape(-1, 2).T.copy()
    x, y = np.divmod(start, tall[owner])
    pixels = kernels.crop_runs(x, y, length, owner, wide, tall)
    assert pixels.dtype == np.uint8
    expected = np.concatenate([np.empty(0, bool), *(picture.ravel() > 0 for picture in some)])
    np.testing.assert_array_equal(pixels, expected)


def test_the_order_of_runs_does_not_matter(kernels: ModuleType) -> None:
    x, y, length = np.array([2, 0]), np.array([0, 1]), np.array([1, 2])
    owner, wide, tall = np.array([1, 0], np.int32), np.array([1, 3]), np.array([3, 1])
    assert kernels.crop_runs(x, y, length, owner, wide, tall).tolist() == [0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("x", "y", "length", "owner"),
    [(2, 0, 1, 0), (-1, 0, 1, 0), (0, 1, 2, 0), (0, -1, 1, 0), (0, 0, 1, 1), (0, 0, -1, 0)],
)
def test_runs_that_leave_their_bitmap_are_refused(kernels: ModuleType, x: int, y: int, length: int, owner: int) -> None:
    run = np.array([x]), np.array([y]), np.array([length]), np.array([owner], np.int32)
    with pytest.raises(ValueError, match="1 runs leave their bitmaps"):
        kernels.crop_runs(*run, np.array([2]), np.array([2]))


def test_columns_that_do_not_fit_are_refused(kernels: ModuleType) -> None:
    """Compiled code would read beyond their end."""
    two, three = np.zeros(2, np.int64), np.zeros(3, np.int64)
    pixels = np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match="other lengths"):
        kernels.crop_runs(two, two, three, np.zeros(2, np.int32), two, two)
    with pytest.raises(ValueError, match="other lengths"):
        kernels.draw_bitmaps(pixels, three, two, two, two, two, three)
    with pytest.raises(ValueError, match="do not cut"):
        kernels.draw_bitmaps(pixels, np.array([0, 2, 5]), two, two, two, two, two)
