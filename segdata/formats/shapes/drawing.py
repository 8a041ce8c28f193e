"""Drawing: polygons as pycocotools, Pillow and OpenCV draw them.

Pillow and OpenCV take whole numbers for the centres of pixels and draw the edges too, so that shapes come out half a
pixel larger on every side. What they draw depends on more than the shape: Pillow computes in single precision, where
moving a polygon sideways changes its rounding, and OpenCV shortens edges at the border of the image before it draws
them. So each polygon is drawn at its place in an image of its size.
"""

from typing import Literal

import numpy as np

from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, Runs
from segdata.formats.shapes.flat import Flat

Library = Literal["coco", "pil", "cv2"]
Rounding = Literal["truncate", "nearest"]

_DRAW = {"coco": kernels.rasterise, "pil": kernels.draw_pillow, "cv2": kernels.draw_opencv}


def draw_polygons(flat: Flat, library: Library, rounding: Rounding, height: Ints, width: Ints) -> Runs:
    """The pixels of n polygons; owners are the polygons, sizes (n,) of their images are in pixels.

    By "pil" and "cv2" coordinates become whole first, by truncation or by rounding to the nearest (a half to the even
    one). Holes are drawn last, as a polygon of nothing, in one call: by "pil" and "cv2" with their edges.
    """
    points = np.rint(flat.points) if rounding == "nearest" and library != "coco" else flat.points
    exterior, last = flat.polygon[:-1], flat.polygon[-1:]
    if len(flat.ring) - 1 == len(height):  # no holes
        return Runs(*_DRAW[library](points.ravel(), 2 * flat.ring, flat.polygon, height, width))
    # The exterior of each polygon, then its holes.
    pieces = np.concatenate([np.column_stack([exterior, exterior + 1]).ravel(), last])
    size = np.repeat(height, 2), np.repeat(width, 2)
    runs = Runs(*_DRAW[library](points.ravel(), 2 * flat.ring, pieces, *size))
    hole = runs.owner % 2 == 1
    line, polygon = NumberLine.of(height, width), np.repeat(np.arange(len(height)), 2)
    outer, inner = (
        SweepRuns.of(Runs(runs.start[some], runs.length[some], runs.owner[some]), line, polygon)
        for some in (~hole, hole)
    )
    return _minus(outer, inner, line)


def _minus(a: SweepRuns, b: SweepRuns, line: NumberLine) -> Runs:
    """What the runs of `a`, of which no two overlap, have and those of `b` have not; owners are the line's frames."""
    covered, length, _ = kernels.cover(b.start, b.end)
    nobody = np.zeros(len(covered), np.int32)
    _, _, cut, size = kernels.strips(a.start, a.end, a.owner, covered, covered + length, nobody)
    start, end = np.sort(np.concatenate([a.start, cut + size])), np.sort(np.concatenate([a.end, cut]))
    some = end > start
    frame, x, y = line.lower(start[some])
    return Runs(x * line.height[frame] + y, (end - start)[some], frame.astype(np.int32))
