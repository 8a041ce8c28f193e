import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segdata.core.runs import Runs
from segdata.formats.shapes.bitmap import crop_bitmaps, fill_bitmaps
from segdata.formats.shapes.shape import Bitmap
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks

pictures = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
places = st.integers(-12, 12)


@given(st.lists(st.builds(Bitmap, places, places, pictures), max_size=5), st.integers(1, 9), st.integers(1, 9))
def test_a_bitmap_lies_where_it_says_and_ends_at_the_frame(bitmaps: list[Bitmap], height: int, width: int) -> None:
    high, wide = np.full(len(bitmaps), height), np.full(len(bitmaps), width)
    found = masks_of_runs(fill_bitmaps(bitmaps, high, wide).checked(high, wide), high, wide)
    for bitmap, mask in zip(bitmaps, found, strict=True):
        room = np.zeros((height + 48, width + 48), bool)
        rows, columns = bitmap.mask.shape
        room[bitmap.y + 24 : bitmap.y + 24 + rows, bitmap.x + 24 : bitmap.x + 24 + columns] = bitmap.mask
        np.testing.assert_array_equal(mask, room[24 : 24 + height, 24 : 24 + width])


@given(st.lists(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)), max_size=5))
def test_a_segment_is_cropped_to_its_box(masks: list[Mask]) -> None:
    height = np.array([len(mask) for mask in masks], np.int64)
    bitmaps = list(crop_bitmaps(runs_of_masks(masks), height, len(masks)))
    for bitmap, mask in zip(bitmaps, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) == 0:
            assert bitmap.mask.size == 0
            continue
        assert (bitmap.x, bitmap.y) == (columns[0], rows[0])
        np.testing.assert_array_equal(bitmap.mask, mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def test_more_than_is_cropped_at_once() -> None:
    side = 2200  # squared, two of them are more than the 2^23 pixels that are cropped at once
    corners = [np.zeros((side, side), bool) for _ in range(3)]
    for row, mask in enumerate(corners):
        mask[0, 0] = mask[-1, -1] = mask[row, 5] = True
    bitmaps = [Bitmap(0, 0, mask) for mask in corners]
    size = np.full(3, side)
    runs = fill_bitmaps(bitmaps, size, size).checked(size, size)
    assert runs.areas(3).tolist() == [3, 3, 3]
    for bitmap, mask in zip(crop_bitmaps(runs, size, 3), corners, strict=True):
        np.testing.assert_array_equal(bitmap.mask, mask)


def test_no_bitmaps_have_no_pixels() -> None:
    nothing = np.empty(0, np.int64)
    assert len(fill_bitmaps([], nothing, nothing)) == 0
    assert list(crop_bitmaps(Runs.empty(), nothing, 0)) == []
