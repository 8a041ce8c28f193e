"""Raster: shapes to pixels by the rule of the tool that drew them."""

from collections.abc import Sequence

import numpy as np

from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints, NumberLine, Runs
from segdata.formats.shapes.bitmap import fill_bitmaps
from segdata.formats.shapes.centre import fill_centres
from segdata.formats.shapes.drawing import Rounding, draw_polygons
from segdata.formats.shapes.ellipse import draw_ellipse
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Bitmap, Ellipse, Polygon, Shape


def rasterise(
    segments: Sequence[Sequence[Shape]],
    rule: RasterRule,
    height: int | Ints,
    width: int | Ints,
    *,
    rounding: Rounding = "truncate",
) -> Runs:
    """The pixels of n segments, each the union of its shapes; owners are the segments.

    Parameters
    ----------
    segments : of each segment its shapes; every ring is sound (`check_ring`)
    rule : how polygons become pixels; see below
    height, width : of the image in pixels, or (n,) of each segment's image
    rounding : how "cv2" makes coordinates whole: "truncate" (YOLO, Supervisely) or "nearest" (a half to the even one)

    Rules, each pixel for pixel as a drawing on a canvas of the image's size:

    - "coco": pycocotools' ``frPyObjects``, even-odd within a ring; what the holes' rings cover is taken out
    - "pil": Pillow's ``ImageDraw.polygon`` with fill, on truncated coordinates; holes are drawn with 0
    - "cv2": OpenCV's ``fillPoly``; the holes of a polygon are drawn with 0 afterwards, in one call
    - "centre-evenodd": the centre lies inside, even-odd over the exterior and its holes, half open

    Raises ValueError for "mask-native", which has no polygons.
    Source: cocodataset/cocoapi common/maskApi.c rleFrPoly; wkentaro/labelme labelme/_utils/shape.py;
    supervisely/supervisely supervisely/geometry/polygon.py; ultralytics/ultralytics ultralytics/data/utils.py.

    >>> square = Polygon(np.array([[1.0, 1], [3, 1], [3, 3], [1, 3]]))
    >>> {rule: int(rasterise([[square]], rule, 9, 9).areas(1)[0]) for rule in ("coco", "pil", "cv2", "centre-evenodd")}
    {'coco': 4, 'pil': 9, 'cv2': 9, 'centre-evenodd': 4}
    """
    n = len(segments)
    high, wide = np.full(n, height, np.int64), np.full(n, width, np.int64)
    shapes = [shape for segment in segments for shape in segment]
    owner = np.repeat(np.arange(n), np.fromiter(map(len, segments), np.int64, n))
    size = high[owner], wide[owner]
    drawn = np.fromiter((isinstance(shape, Polygon) for shape in shapes), bool, len(shapes))
    polygons = Flat.of([shape for shape in shapes if isinstance(shape, Polygon)])
    runs = rasterise_flat(polygons, rule, size[0][drawn], size[1][drawn], rounding=rounding)
    if not drawn.all():
        bitmaps = fill_bitmaps(_pictures(shapes, rule, *size), size[0][~drawn], size[1][~drawn])
        row = np.concatenate([np.flatnonzero(drawn), np.flatnonzero(~drawn)]).astype(np.int32)
        both = Runs.concatenate([runs, bitmaps], [len(polygons.polygon) - 1, 0])
        runs = Runs(both.start, both.length, row[both.owner]).sorted_by_owner(len(shapes))
    return united(runs, owner, high, wide)


def _pictures(shapes: list[Shape], rule: RasterRule, height: Ints, width: Ints) -> list[Bitmap]:
    """The ellipses and bitmaps among the shapes, as bitmaps; sizes (n_shapes,) of the images are in pixels."""
    found = []
    for shape, high, wide in zip(shapes, height.tolist(), width.tolist(), strict=True):
        if isinstance(shape, Ellipse):
            found.append(draw_ellipse(shape, rule, high, wide))
        elif isinstance(shape, Bitmap):
            found.append(shape)
    return found


def united(runs: Runs, owner: Ints, height: Ints, width: Ints) -> Runs:
    """The runs of shapes, united over their owners: those of shape i belong to ``owner[i]``, and owners ascend.

    Sizes (n_owners,) of the owners' images are in pixels.
    """
    runs = Runs(runs.start, runs.length, owner[runs.owner].astype(np.int32))
    several = (np.bincount(owner, minlength=len(height)) > 1)[runs.owner]
    if not several.any():
        return runs
    line = NumberLine.of(height, width)
    mixed = Runs(runs.start[several], runs.length[several], runs.owner[several])
    single = Runs(runs.start[~several], runs.length[~several], runs.owner[~several])
    joined = union_by_frame(SweepRuns.of(mixed, line, np.arange(len(height))), line).runs
    return Runs.concatenate([single, joined], [0, 0]).sorted_by_owner(len(height))


def rasterise_flat(
    polygons: Flat, rule: RasterRule, height: Ints, width: Ints, *, rounding: Rounding = "truncate"
) -> Runs:
    """The pixels of n polygons; owners are the polygons, sizes (n,) of their images are in pixels. See `rasterise`."""
    if rule == "centre-evenodd":
        return fill_centres(polygons, height, width)
    if rule == "mask-native":
        raise ValueError("mask-native is no rule for polygons: coco, pil, cv2 or centre-evenodd is needed")
    return draw_polygons(polygons, rule, rounding, height, width)
