import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.shapes.atlas import Atlas, Boxes
from segdata.testing.dense import masks_of_runs

HEIGHT, WIDTH = 30, 40
spans = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, WIDTH), st.integers(1, HEIGHT))


@given(st.lists(spans, min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_what_is_drawn_in_a_cell_comes_out_at_its_place(places: list[tuple[int, ...]], seed: int) -> None:
    left, top, wide, high = np.array(places, np.int64).T
    boxes = Boxes(left, top, left + wide, top + high).within(np.full(len(left), HEIGHT), np.full(len(left), WIDTH))
    atlas = Atlas(boxes)
    noise = np.random.default_rng(seed)
    expected = np.zeros((len(places), HEIGHT, WIDTH), bool)
    for i, cell in enumerate(atlas.cells):
        cell[:] = noise.random(cell.shape) < noise.random()
        expected[i, top[i] : top[i] + cell.shape[0], left[i] : left[i] + cell.shape[1]] = cell
    size = np.full(len(places), HEIGHT), np.full(len(places), WIDTH)
    runs = atlas.runs(size[0]).checked(*size)
    np.testing.assert_array_equal(np.array(masks_of_runs(runs, *size)), expected)


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1, max_size=30))
def test_an_atlas_is_not_much_larger_than_its_pictures(shapes: list[tuple[int, int]]) -> None:
    high, wide = np.array(shapes, np.int64).T
    zero = np.zeros(len(shapes), np.int64)
    boxes = Boxes(zero, zero, wide, high)
    portions = list(boxes.portions())
    np.testing.assert_array_equal(np.concatenate(portions), np.arange(len(shapes)))
    assert all(int((wide * high)[rows].sum()) <= 2**23 + int((wide * high)[rows].max()) for rows in portions)
