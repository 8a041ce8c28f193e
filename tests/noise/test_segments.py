"""Drawn segments and the depth of their pixels, beside masks."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from segdata.noise.neighbours import SegmentDepths
from segdata.noise.segments import SegmentPixels, SegmentSet, distances_to, overlaps, runs_of_pixels, segments_of_map

masks = arrays(bool, st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(3, 9)))
maps = arrays(np.int64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2))


def drawn_of(layers: np.ndarray) -> SegmentSet:
    flat = layers.transpose(0, 2, 1).reshape(len(layers), -1)
    of, at = np.nonzero(flat)
    return SegmentSet.from_runs(
        runs_of_pixels(at, of, layers.shape[1]), np.ones(len(layers), np.int64), *layers.shape[1:]
    )


@given(masks)
def test_runs_hold_the_pixels_that_they_are_made_of(layers: np.ndarray) -> None:
    drawn = drawn_of(layers)
    drawn.runs.checked(drawn.heights, drawn.widths)
    pixels = SegmentPixels.of_runs(drawn.runs, len(drawn))
    again = np.zeros((len(layers), layers[0].size), bool)
    again[pixels.owner, pixels.index] = True
    np.testing.assert_array_equal(again.reshape(len(layers), drawn.width, drawn.height).transpose(0, 2, 1), layers)


@given(masks, st.data())
def test_shared_pixels_are_those_of_both_masks(layers: np.ndarray, data: st.DataObject) -> None:
    others = data.draw(arrays(bool, layers.shape))
    met = overlaps(drawn_of(layers), drawn_of(others))
    expected = {
        (a, b): int((layers[a] & others[b]).sum())
        for a in range(len(layers))
        for b in range(len(others))
        if (layers[a] & others[b]).any()
    }
    assert dict(zip(zip(met.a.tolist(), met.b.tolist(), strict=True), met.pixels.tolist(), strict=True)) == expected


@given(maps)
def test_parts_of_a_map_are_its_connected_components(values: np.ndarray) -> None:
    drawn = segments_of_map(values.T.ravel(), *values.shape)
    expected = sum(ndimage.label(values == each)[1] for each in (1, 2))
    assert len(drawn) == expected
    np.testing.assert_array_equal(drawn.categories().reshape(values.shape[::-1]).T, values)


@given(masks)
def test_depth_is_the_distance_to_where_a_segment_ends(layers: np.ndarray) -> None:
    drawn = drawn_of(layers)
    deep = SegmentDepths.measure(drawn)
    for row, mask in enumerate(layers):
        inner = ndimage.binary_erosion(mask, border_value=1)
        if mask.any() and not mask.all():
            expected = ndimage.distance_transform_edt(~(mask & ~inner))[mask] + 1
            mine = deep.pixels.owner == row
            found = np.zeros(mask.size)
            found[deep.pixels.index[mine]] = deep.depth[mine]
            np.testing.assert_allclose(found.reshape(mask.shape[::-1]).T[mask], expected, atol=1e-4)


def test_the_frame_ends_no_segment() -> None:
    deep = SegmentDepths.measure(drawn_of(np.ones((1, 4, 5), bool)))
    assert deep.rim.sum() == 0
    assert deep.depth.min() == pytest.approx(np.hypot(4, 5) + 1)


def test_distances_are_the_same_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random((60, 80)), 3) > 0.52
    with_opencv = distances_to(mask)
    assert with_opencv.max() > 5
    monkeypatch.setitem(sys.modules, "cv2", None)
    np.testing.assert_array_equal(distances_to(mask), with_opencv)
    np.testing.assert_array_equal(distances_to(np.zeros((3, 4), bool)), np.full((3, 4), 5.0))


def test_distances_do_not_depend_on_where_an_array_lies_in_memory() -> None:
    """OpenCV's own do, by a last digit."""
    rng = np.random.default_rng(0)
    mask, kept = rng.random((97, 131)) < 0.002, []
    first = distances_to(mask)
    for _ in range(30):
        kept.append(np.empty(int(rng.integers(1, 5000)), np.uint8))
        np.testing.assert_array_equal(distances_to(mask.copy()), first)


@given(st.lists(st.integers(0, 5), max_size=40), st.booleans())
def test_sums_are_those_of_the_pixels_in_any_order(of: list[int], is_sorted: bool) -> None:
    owner = np.array(sorted(of) if is_sorted else of, np.int64)
    pixels, values = SegmentPixels(np.arange(len(of)), owner, 7), np.arange(len(of)) ** 2
    assert pixels.areas.tolist() == [int((owner == segment).sum()) for segment in range(7)]
    assert pixels.sums(values).tolist() == [int(values[owner == segment].sum()) for segment in range(7)]
