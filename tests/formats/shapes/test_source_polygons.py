"""Polygons as a source has them, in runs and back."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.profile import RasterRule
from segdata.formats.shapes.geometry import Polygon, box, count_differing_pixels, rasterise
from segdata.formats.shapes.polygons import RasterDisagreement, SourcePolygons, raster_disagreement
from tests.formats.shapes.drawings import RULES, batch_of, draw_masks, polygons

FRAME = Polygon(box(2, 2, 30, 30).exterior, (box(5, 5, 12, 12).exterior, box(15.5, 15, 25, 25.25).exterior))
ISLAND = box(18, 18, 20.5, 20)
PART = Polygon(box(31, 2, 38, 30).exterior, (box(33, 4, 36, 9).exterior,))


def kept(shapes: list[list[Polygon]], rule: RasterRule) -> SourcePolygons:
    return SourcePolygons.from_batch(batch_of(shapes, rasterise(shapes, rule, 40, 40), 40, 40))


@pytest.mark.parametrize("rule", RULES)
def test_parts_holes_and_islands_come_back(rule: RasterRule) -> None:
    shapes = [[FRAME, ISLAND, PART], [], [box(1.1, 2, 3, 4)]]
    drawn = kept(shapes, rule)
    for row, polygons_ in enumerate(shapes):
        found = drawn.of_segment(row)
        assert len(found) == len(polygons_)
        for polygon, again in zip(polygons_, found, strict=True):
            np.testing.assert_equal(again.rings, polygon.rings)
    assert drawn.exact(rasterise(shapes, rule, 40, 40), rule).tolist() == [True, False, True]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=30)
@given(st.lists(st.lists(polygons(), max_size=3), max_size=3))
def test_exact_means_that_the_polygons_draw_the_pixels(rule: RasterRule, shapes: list[list[Polygon]]) -> None:
    """Whatever the rings were taken for: holes may lie anywhere."""
    runs = rasterise(shapes, rule, 40, 40)
    drawn = SourcePolygons.from_batch(batch_of(shapes, runs, 40, 40))
    again = rasterise([drawn.of_segment(row) for row in range(len(shapes))], rule, 40, 40)
    for row, exact in enumerate(drawn.exact(runs, rule).tolist()):
        mine, other = runs.owner == row, again.owner == row
        same = np.array_equal(runs.start[mine], again.start[other]) and np.array_equal(
            runs.length[mine], again.length[other]
        )
        assert exact == (same and bool(shapes[row]))


def test_a_ring_that_cannot_be_drawn_takes_its_segment_out() -> None:
    shapes = [[box(0, 0, 4, 4)]] * 5
    batch = batch_of(shapes, rasterise(shapes, "coco", 9, 9), 9, 9)
    square = [0.0, 0, 4, 0, 4, 4, 0, 4]
    rings = [[square], [square, [1.0, 2, 3, 4]], [square, [1.0] * 7], [[1.0, 2, 3, 4, float("nan"), 6]], [[9e7] * 6]]
    at = batch.segments.schema.get_field_index("rings")
    column = pa.array(rings, batch.segments.schema.field(at).type)
    segments = batch.segments.set_column(at, batch.segments.schema.field(at), column)
    drawn = SourcePolygons.from_batch(type(batch)(batch.images, batch.annotations, segments, batch.runs))
    assert drawn.segment.tolist() == [0]
    assert drawn.exact(batch.runs, "coco").tolist() == [True, False, False, False, False]
    assert drawn.of_segment(1) == []


def test_no_segments_keep_nothing() -> None:
    drawn = kept([], "pil")
    assert len(drawn.segment) == 0
    assert len(drawn.rasterise("pil")) == 0


@settings(max_examples=50)
@given(st.lists(polygons(max_holes=0), max_size=4), st.sampled_from(RULES), st.sampled_from(RULES))
def test_pixels_are_counted_one_by_one(shapes: list[Polygon], by: RasterRule, rule: RasterRule) -> None:
    segments = [[shape] for shape in shapes]
    batch = batch_of(segments, rasterise(segments, by, 40, 40), 40, 40)
    pairs = zip(draw_masks(segments, by, 40, 40), draw_masks(segments, rule, 40, 40), strict=True)
    wrong = [int((a != b).sum()) for a, b in pairs]
    assert raster_disagreement(batch, rule) == RasterDisagreement(
        len(shapes), sum(each > 0 for each in wrong), sum(wrong)
    )


def test_coco_fills_holes_and_others_do_not() -> None:
    segments = [[Polygon(box(10, 10, 60, 60).exterior, (box(25, 25, 45, 45).exterior,))], [box(1, 1, 3, 3)], []]
    batch = batch_of(segments, rasterise(segments, "centre-evenodd", 80, 80), 80, 80)
    assert raster_disagreement(batch, "centre-evenodd") == RasterDisagreement(2, 0, 0)
    assert raster_disagreement(batch) == RasterDisagreement(2, 1, 400)
    # 51 x 51 pixels without the 21 x 21 of the hole, where there were 50 x 50 without 20 x 20; and 3 x 3 for 2 x 2.
    assert raster_disagreement(batch, "cv2") == RasterDisagreement(2, 2, 101 + 41 + 5)
    assert raster_disagreement(batch) + raster_disagreement(batch, "cv2") == RasterDisagreement(4, 3, 547)


def test_differing_counts_both_sides() -> None:
    size = np.full(2, 9)
    a = rasterise([[box(0, 0, 4, 4)], []], "coco", 9, 9)
    b = rasterise([[box(2, 2, 5, 5)], [box(1, 1, 2, 2)]], "coco", 9, 9)
    assert count_differing_pixels(a, b, size, size).tolist() == [16 + 9 - 2 * 4, 1]
