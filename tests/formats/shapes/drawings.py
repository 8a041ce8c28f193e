"""Random shapes, drawings of them on whole canvases by other people's code, and batches that keep them."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_masks

from segdata.core.batch import Batch
from segdata.core.profile import RasterRule
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.shapes.geometry import Polygon, Ring, Shape, rasterise
from segdata.testing.pictures import masks_of_runs

Mask = NDArray[np.bool_]
Draw = Callable[[st.SearchStrategy[Any]], Any]  # Any: a strategy may draw anything
RULES: tuple[RasterRule, ...] = ("coco", "pil", "cv2", "centre-evenodd")

_NUMBERS = {
    "pixels": st.integers(-20, 70),
    "few": st.integers(-1, 4),  # points coincide, edges lie on one line
    "quarters": st.integers(-80, 280).map(lambda number: number / 4),
    "any": st.floats(-20, 70),
    "far": st.integers(-9000, 9000),
}


@st.composite
def rings(draw: Draw, numbers: Sequence[str] = tuple(_NUMBERS)) -> Ring:
    """3 to 9 points, in the frame or beyond it; edges may cross and points coincide."""
    number = _NUMBERS[draw(st.sampled_from(numbers))]
    points = draw(st.lists(st.tuples(number, number), min_size=3, max_size=9))
    return np.array(points, np.float64)


@st.composite
def polygons(draw: Draw, max_holes: int = 2) -> Polygon:
    """A polygon whose holes may lie anywhere."""
    return Polygon(draw(rings()), tuple(draw(st.lists(rings(), max_size=max_holes))))


sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


def full_canvas(polygon: Polygon, rule: RasterRule, height: int, width: int) -> Mask:
    """The polygon as the library of the rule draws it on a canvas of the image's size."""
    if rule == "coco":
        covered = [_coco(ring, height, width) for ring in polygon.rings]
        return covered[0] & ~np.any([np.zeros((height, width), bool), *covered[1:]], axis=0)
    if rule == "pil":
        image = Image.new("L", (width, height))
        for row, ring in enumerate(polygon.rings):
            corners = [tuple(point) for point in ring.tolist()]
            ImageDraw.Draw(image).polygon(corners, outline=int(row == 0), fill=int(row == 0))
        return np.array(image) > 0
    canvas = np.zeros((height, width), np.uint8)
    exterior, *holes = (ring.astype(np.int32) for ring in polygon.rings)
    cv2.fillPoly(canvas, [exterior], 1)
    if holes:
        cv2.fillPoly(canvas, holes, 0)
    return canvas > 0


def _coco(ring: Ring, height: int, width: int) -> Mask:
    covered: Mask = coco_masks.decode(coco_masks.frPyObjects([ring.ravel().tolist()], height, width))[..., 0] > 0
    return covered


def draw_masks(
    segments: Sequence[Sequence[Shape]], rule: RasterRule, height: int, width: int, **options: Any
) -> list[Mask]:
    """The masks of segments in one image; the runs keep their promises."""
    high, wide = np.full(len(segments), height), np.full(len(segments), width)
    runs = rasterise(segments, rule, height, width, **options).checked(high, wide)
    return masks_of_runs(runs, high, wide)


def ring_lists(segments: Sequence[Sequence[Shape]]) -> list[list[list[float]] | None]:
    """The column `rings` of segments; None if a shape is not a polygon."""
    return [
        [ring.ravel().tolist() for shape in segment if isinstance(shape, Polygon) for ring in shape.rings]
        if segment and all(isinstance(shape, Polygon) for shape in segment)
        else None
        for segment in segments
    ]


def batch_of(segments: Sequence[Sequence[Shape]], runs: Runs, height: int, width: int) -> Batch:
    """One image with segments that keep their polygons."""
    n = len(segments)
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["a.png"], height=[height], width=[width]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(BATCH_SEGMENTS, n, annotation=[0] * n, segment_id=range(n), rings=ring_lists(segments)),
        runs,
    )
