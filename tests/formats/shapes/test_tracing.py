"""Tracing: masks become rings that rasterise to the same pixels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from segdata.core.profile import RasterRule
from segdata.formats.shapes.geometry import Polygon
from segdata.formats.shapes.polygons import Points, bridge_rings, trace_polygons
from segdata.testing.pictures import Mask, runs_of_masks
from segdata.testing.strategies import masks
from tests.formats.shapes.drawings import RULES, draw_masks, full_canvas

some_masks = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(lambda size: masks(*size))


def sizes(masks: list[Mask]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([len(mask) for mask in masks], np.int64), np.array([mask.shape[1] for mask in masks], np.int64)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=50)
@given(st.lists(some_masks, max_size=4))
def test_polygons_draw_exactly_the_segment(rule: RasterRule, masks: list[Mask]) -> None:
    transcript = trace_polygons(runs_of_masks(masks), rule, *sizes(masks))
    assert transcript.wrong.tolist() == [0] * len(masks)
    for mask, polygons in zip(masks, transcript.polygons, strict=True):
        np.testing.assert_array_equal(draw_masks([polygons], rule, *mask.shape)[0], mask)
        assert all(len(ring) >= 3 for polygon in polygons for ring in polygon.rings)


@pytest.mark.parametrize("rule", ["pil", "cv2"])
@settings(max_examples=50)
@given(some_masks)
def test_a_part_without_holes_is_one_polygon(rule: RasterRule, mask: Mask) -> None:
    """So any tool that draws by the rule can read it, without holes and unions."""
    labels, n_parts = ndimage.label(mask, np.ones((3, 3)))
    (polygons,) = trace_polygons(runs_of_masks([mask]), rule, *sizes([mask])).polygons
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    if holes == 0:
        assert len(polygons) == n_parts
        parts = [full_canvas(polygon, rule, *mask.shape) for polygon in polygons]
        assert {part.tobytes() for part in parts} == {(labels == k + 1).tobytes() for k in range(n_parts)}


@settings(max_examples=50)
@given(some_masks)
def test_half_a_pixel_more_is_the_same_to_readers_that_truncate(mask: Mask) -> None:
    runs = runs_of_masks([mask])
    for rule in ("pil", "cv2"):
        (polygons,) = trace_polygons(runs, rule, *sizes([mask])).polygons
        moved = [Polygon(each.exterior + 0.5, tuple(hole + 0.5 for hole in each.holes)) for each in polygons]
        (before,), (after,) = draw_masks([polygons], rule, *mask.shape), draw_masks([moved], rule, *mask.shape)
        np.testing.assert_array_equal(before, after)


def test_a_part_in_the_frame_is_found_where_it_is() -> None:
    """Runs count from the corner of the image, not of the segment."""
    mask = np.zeros((30, 40), bool)
    mask[10:13, 20:25] = True
    ((polygon,),) = trace_polygons(runs_of_masks([mask]), "pil", *sizes([mask])).polygons
    assert sorted(map(tuple, polygon.exterior.tolist())) == [(20, 10), (20, 12), (24, 10), (24, 12)]


def test_real_masks(real_data: Path) -> None:
    values = np.asarray(Image.open(real_data / "camvid11/trainannot/0001TP_008520.png"))
    masks = [values == value for value in np.unique(values)]
    runs, size = runs_of_masks(masks), sizes(masks)
    for rule in RULES:
        assert not trace_polygons(runs, rule, *size).wrong.any()


places = st.integers(0, 12)
one_ring = st.lists(st.tuples(places, places), min_size=1, max_size=6).map(lambda points: np.array(points, np.int32))
on_a_line = st.lists(places, min_size=1, max_size=4).map(lambda x: np.column_stack([x, x]).astype(np.int32))


def edges(ring: Points) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    points = [tuple(point) for point in ring.tolist()]
    return [(a, b) for a, b in zip(points, points[1:] + points[:1], strict=True) if a != b]


def shortest(rings: list[Points]) -> float:
    """The length of the shortest tree over all rings, by Prim's algorithm over all pairs of points."""
    joined, left, length = [rings[0]], list(rings[1:]), 0.0
    while left:
        gaps = [min(float(np.hypot(*(a[:, None] - b[None]).T.astype(float)).min()) for a in joined) for b in left]
        nearest = int(np.argmin(gaps))
        length += gaps[nearest]
        joined.append(left.pop(nearest))
    return length


@given(st.lists(one_ring, min_size=1, max_size=6) | st.lists(on_a_line, min_size=1, max_size=6))
def test_the_ring_is_all_rings_and_the_shortest_bridges_there_and_back(rings: list[Points]) -> None:
    left = edges(bridge_rings(rings))
    for ring in rings:
        for edge in edges(ring):
            left.remove(edge)
    bridges = sorted(left)
    assert bridges == sorted((b, a) for a, b in bridges)
    length = sum(np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in bridges) / 2
    np.testing.assert_allclose(length, shortest(rings))


@given(arrays(np.int32, (300, 2), elements=st.integers(0, 4000)))
def test_hundreds_of_single_points_are_joined(points: Points) -> None:
    ring = bridge_rings(list(points[:, None]))
    assert {tuple(point) for point in ring.tolist()} == {tuple(point) for point in points.tolist()}
    assert len(ring) == 3 * 300 - 2
