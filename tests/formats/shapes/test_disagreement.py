import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.profile import RasterRule
from segdata.formats.shapes.differing import differing
from segdata.formats.shapes.disagreement import Disagreement, disagreement
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Polygon, box
from tests.formats.shapes.drawings import RULES, batch_of, drawn, polygons


@settings(max_examples=50)
@given(st.lists(polygons(max_holes=0), max_size=4), st.sampled_from(RULES), st.sampled_from(RULES))
def test_pixels_are_counted_one_by_one(shapes: list[Polygon], by: RasterRule, rule: RasterRule) -> None:
    segments = [[shape] for shape in shapes]
    batch = batch_of(segments, rasterise(segments, by, 40, 40), 40, 40)
    pairs = zip(drawn(segments, by, 40, 40), drawn(segments, rule, 40, 40), strict=True)
    wrong = [int((a != b).sum()) for a, b in pairs]
    assert disagreement(batch, rule) == Disagreement(len(shapes), sum(each > 0 for each in wrong), sum(wrong))


def test_coco_fills_holes_and_others_do_not() -> None:
    segments = [[Polygon(box(10, 10, 60, 60).exterior, (box(25, 25, 45, 45).exterior,))], [box(1, 1, 3, 3)], []]
    batch = batch_of(segments, rasterise(segments, "centre-evenodd", 80, 80), 80, 80)
    assert disagreement(batch, "centre-evenodd") == Disagreement(2, 0, 0)
    assert disagreement(batch) == Disagreement(2, 1, 400)
    # 51 x 51 pixels without the 21 x 21 of the hole, where there were 50 x 50 without 20 x 20; and 3 x 3 for 2 x 2.
    assert disagreement(batch, "cv2") == Disagreement(2, 2, 101 + 41 + 5)
    assert disagreement(batch) + disagreement(batch, "cv2") == Disagreement(4, 3, 547)


def test_differing_counts_both_sides() -> None:
    size = np.full(2, 9)
    a = rasterise([[box(0, 0, 4, 4)], []], "coco", 9, 9)
    b = rasterise([[box(2, 2, 5, 5)], [box(1, 1, 2, 2)]], "coco", 9, 9)
    assert differing(a, b, size, size).tolist() == [16 + 9 - 2 * 4, 1]
