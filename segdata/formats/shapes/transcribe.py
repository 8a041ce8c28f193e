"""Transcription: pixels to polygons that a rule draws as exactly these pixels."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.core.polygons import trace_outlines
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.bitmap import crop_bitmaps
from segdata.formats.shapes.bridge import Points
from segdata.formats.shapes.differing import differing
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Polygon, Ring

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The polygons of n segments.

    Attributes
    ----------
    polygons : of each segment; none for a segment without pixels
    wrong : (n,) int64, pixels that the polygons have and the segment has not, or the reverse
    """

    polygons: list[list[Polygon]]
    wrong: Ints


def as_polygons(runs: Runs, rule: RasterRule, height: Ints, width: Ints) -> Transcript:
    """A polygon with its holes for each part of each segment; sizes (n,) of their images are in pixels.

    Exact by each of the four rules. By "coco" and "centre-evenodd" rings run along the edges of pixels. By "pil" and
    "cv2", which draw the edges too, they run from centre to centre of the pixels at the border, whose numbers are whole
    there (for readers that truncate what they have scaled, half a pixel more keeps the pixels); parts are 8-connected,
    and where a hole closes diagonally around pixels of its part, these are one more polygon.
    """
    from_centres = rule in ("pil", "cv2")
    polygons = _from_bitmaps(runs, height, _parts) if from_centres else _along_edges(runs, height)
    return Transcript(polygons, differing(runs, rasterise(polygons, rule, height, width), height, width))


def _along_edges(runs: Runs, height: Ints) -> list[list[Polygon]]:
    rings = trace_outlines(runs, height)
    points = rings.xy.reshape(-1, 2).astype(np.float64)
    polygons: list[list[Polygon]] = [[] for _ in height]
    each = [points[i:j] for i, j in zip((rings.ring[:-1] // 2).tolist(), (rings.ring[1:] // 2).tolist(), strict=True)]
    first = np.flatnonzero(~rings.hole)
    last = np.append(first, len(rings))[1:]
    for owner, i, j in zip(rings.owner[first].tolist(), first.tolist(), last.tolist(), strict=True):
        polygons[owner].append(Polygon(each[i], tuple(each[i + 1 : j])))
    return polygons


def _from_bitmaps(runs: Runs, height: Ints, outline: Callable[[Pixels], list[Polygon]]) -> list[list[Polygon]]:
    """What `outline` makes of each segment's bitmap, at its place in the image."""
    polygons = []
    for bitmap in crop_bitmaps(runs, height, len(height)):
        found = outline(bitmap.mask.view(np.uint8)) if bitmap.mask.size else []
        at = np.array([bitmap.x, bitmap.y], np.float64)
        polygons.append([Polygon(each.exterior + at, tuple(hole + at for hole in each.holes)) for each in found])
    return polygons


def _parts(mask: Pixels) -> list[Polygon]:
    """Polygons whose union is the mask (height, width) of zeros and ones."""
    found: list[Polygon] = []
    left, holed = mask, True
    while holed and left.any():
        contours, levels = cv2.findContours(left, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        outer = [(row, child >= 0) for row, (_, _, child, parent) in enumerate(levels[0].tolist()) if parent < 0]
        holed = any(has_holes for _, has_holes in outer)
        left = left.copy() if holed else left
        for row, has_holes in outer:
            points = contours[row][:, 0].astype(np.int32)
            if has_holes:
                found.append(_part(points, mask, left))
            else:  # all of its part
                found.append(Polygon(_ring(points)))
                if holed:
                    cv2.fillPoly(left, [points], 0)
    return found


def _part(contour: Points, mask: Pixels, left: Pixels) -> Polygon:
    """The polygon in this contour, without what is not in the mask; what it covers is taken out of `left`."""
    x, y, width, height = cv2.boundingRect(contour)
    window, corner = (slice(y, y + height), slice(x, x + width)), np.array([x, y], np.int32)
    part = np.zeros((height, width), np.uint8)
    cv2.fillPoly(part, [contour - corner], 1)
    # OpenCV traces holes along the pixels around them; here their own pixels are wanted.
    holes = _contours(part & ~mask[window], cv2.RETR_EXTERNAL)
    cv2.fillPoly(part, holes, 0)
    left[window][part > 0] = 0
    return Polygon(_ring(contour), tuple(_ring(hole + corner) for hole in holes))


def _contours(mask: Pixels, which: int) -> list[Points]:
    """The rings along the border pixels of a mask."""
    contours, _ = cv2.findContours(mask, which, cv2.CHAIN_APPROX_SIMPLE)
    return [contour[:, 0].astype(np.int32) for contour in contours]


def _ring(points: Points) -> Ring:
    """The points as numbers, three at least: tools refuse less, even where it is all of a small part."""
    ring = points.astype(np.float64)
    return ring if len(ring) >= 3 else np.concatenate([ring, np.repeat(ring[-1:], 3 - len(ring), axis=0)])
