"""Lobes, necks, windows and parts that lie apart."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from scipy.spatial import ConvexHull

from segdata.measure.measure import measure_batch
from segdata.measure.registry import BatchView
from segdata.measure.tables import lobes
from segdata.measure.tables.lobes import MIN_GROUP_SEGMENTS, SegmentCrops, measure_lobes
from segdata.testing.pictures import draw_picture

Mask = NDArray[np.uint8]
MASKS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))


def dumbbell(radius: int, half_neck: int, away: int = 0) -> Mask:
    """Two discs and a bar between their middles."""
    side = 2 * radius + 3
    y, x = np.mgrid[:side, : 2 * side + away]
    middle = side // 2
    discs = [(x - at) ** 2 + (y - middle) ** 2 <= radius**2 for at in (middle, side + away + middle)]
    bar = (np.abs(y - middle) < half_neck) & (x > middle) & (x < side + away + middle)
    return (discs[0] | discs[1] | bar).astype(np.uint8)


@given(MASKS)
def test_windows_show_the_pixels(mask: Mask) -> None:
    assume(mask.any())
    text = "\n".join("".join(".a"[value] for value in row) for row in mask)
    batch = draw_picture(text).batch
    windows = SegmentCrops(batch.runs, batch.segment_size[0])
    x, y, width, height = (int(side[0]) for side in windows.box)
    np.testing.assert_array_equal(windows.mask(0), mask[y : y + height, x : x + width])
    assert mask.sum() == windows.mask(0).sum()


@given(MASKS)
def test_distances_and_regions_within_a_mask_are_those_of_scipy(mask: Mask) -> None:
    room = np.pad(mask, 1)
    np.testing.assert_array_equal(lobes.inner_distances(room), distance_transform_edt(room))
    regions, number = lobes.label_regions(room > 0)
    expected, expected_number = label(room, np.ones((3, 3)))
    assert number == expected_number
    np.testing.assert_array_equal(regions, expected)


@given(MASKS)
def test_solidity_is_the_share_of_the_hull_of_all_pixel_corners(mask: Mask) -> None:
    assume(mask.any())
    corners = np.concatenate([np.argwhere(mask) + by for by in ((0, 0), (0, 1), (1, 0), (1, 1))])
    assert lobes.solidity(mask) == pytest.approx(mask.sum() / ConvexHull(corners).volume, rel=1e-5)


@pytest.mark.parametrize("half_neck", [1, 2, 3, 5])
def test_a_dumbbell_is_cut_in_two_and_its_neck_measured(half_neck: int) -> None:
    mask = dumbbell(10, half_neck)
    cut = lobes.cut_at_necks(mask)
    assert cut is not None
    assert cut.neck == pytest.approx(half_neck / 10, abs=0.1)
    assert len(cut.pieces) == 2
    np.testing.assert_array_equal(sum(piece[1:-1, 1:-1] for piece in cut.pieces), mask)
    first, second = (int(piece.sum()) for piece in cut.pieces)
    assert first == pytest.approx(second, rel=0.1)


@pytest.mark.parametrize("mask", [dumbbell(10, 10), np.ones((9, 30), np.uint8), np.ones((1, 1), np.uint8)])
def test_what_is_nowhere_narrower_has_no_neck(mask: Mask) -> None:
    assert lobes.cut_at_necks(mask) is None


@given(st.integers(5, 9), st.integers(1, 4), st.sampled_from([np.fliplr, np.flipud, np.transpose]))
def test_a_turned_segment_has_the_same_neck(radius: int, half_neck: int, turn: object) -> None:
    assert callable(turn)
    mask = dumbbell(radius, half_neck)
    one, other = lobes.cut_at_necks(mask), lobes.cut_at_necks(np.ascontiguousarray(turn(mask)))
    assert one is not None
    assert other is not None
    assert one.neck == pytest.approx(other.neck)
    sizes = [sorted(int(piece.sum()) for piece in cut.pieces) for cut in (one, other)]
    np.testing.assert_allclose(sizes[0], sizes[1], atol=2 * radius)  # pixels in the middle go either way


def test_a_large_segment_is_looked_at_in_a_smaller_picture() -> None:
    mask = dumbbell(100, 20)
    small, scale = lobes.shrink_mask(mask)
    assert max(small.shape) == 160
    assert small.sum() / scale**2 == pytest.approx(mask.sum(), rel=0.02)
    same, unscaled = lobes.shrink_mask(small)
    assert (unscaled, same.sum()) == (1.0, small.sum())


GRID = """
aaa.bbb.ccc.ddd
aaa.bbb.ccc.ddd
aaa.bbb.ccc.ddd
...............
eee.fff.ggggggg
eee.fff.ggg.ggg
eee.fff.ggg.ggg
"""


def lobes_of(picture: str) -> pa.Table:
    drawing = draw_picture(picture)
    return measure_lobes(BatchView(drawing.batch, drawing.profile))


def test_a_segment_with_lobes_is_told_beside_what_is_usual() -> None:
    (row,) = lobes_of(f"{GRID}\na, b, c, d, e, f, g: cell").to_pylist()
    assert (row["segment"], row["lobes"], row["neck"], row["typical"]) == (6, 2, 0.5, pytest.approx(9))
    assert {row["first"], row["second"]} == {9, 10}
    assert row["solidity"] == pytest.approx(19 / 21)
    assert (row["typical_solidity"], row["spread"], row["solidity_spread"]) == (1, 0, 0)


@pytest.mark.parametrize(
    "legend",
    ["a, b, c, d, e, f, g: cell (crowd)", "a, b, c, d, e, f: cell\ng: other", "a: other\nb, c, d, e, f, g: cell"],
)
def test_fewer_companions_tell_nothing(legend: str) -> None:
    assert MIN_GROUP_SEGMENTS == 7
    assert lobes_of(f"{GRID}\n{legend}").num_rows == 0


@pytest.mark.parametrize(
    ("row", "legend", "hidden"),
    [
        ("aa........aa", "a: car", 0.0),
        ("aabbbbbbbbaa", "a, b: car", 1.0),
        ("aabbbb....aa", "a, b: car", 0.5),
        ("aabbbbbbbbaa", "a: car\nb: road (stuff)", 0.0),
        ("aabbbbbbbbaa", "a: car\nb: haze (void)", 0.0),
    ],
)
def test_things_hide_what_lies_between_two_parts(row: str, legend: str, hidden: float) -> None:
    drawing = draw_picture(f"{row}\n{row}\n\n{legend}")
    (found,) = measure_batch(drawing.batch, drawing.profile, frozenset({"apart"})).tables["apart"].to_pylist()
    assert (found["segment"], found["first"], found["second"]) == (0, 4, 4)
    assert found["first_reach"] == pytest.approx(8**0.5)
    assert found["hidden"] == pytest.approx(hidden, abs=0.03)


def test_a_small_second_part_is_left_out() -> None:
    drawing = draw_picture("aaaaaaaa.a\naaaaaaaa..\n\na: car")
    measured = measure_batch(drawing.batch, drawing.profile, frozenset({"apart"}))
    assert measured.tables["apart"].num_rows == 0


@pytest.mark.parametrize("radius", [5, 8, 13])
def test_depths_are_exact(radius: int) -> None:
    """To the last digit: which pixels are deeper than a level must not depend on rounding."""
    mask = dumbbell(radius, 2)
    mask[radius + 1, radius - 1] = 0  # a hole beside the middle: distances that are no whole numbers
    depth = distance_transform_edt(np.pad(mask, 1))
    cut = lobes.cut_at_necks(mask)
    assert cut is not None
    levels = np.arange(2, 20) / 20 * depth.max()
    assert cut.neck in {float(level) / second for level in levels for second in np.unique(depth[depth > 0]).tolist()}
