"""Ellipses: their pixels, by the rule of the tool that drew them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.profile import RasterRule
from segdata.core.runs import Ints
from segdata.formats.shapes.geometry import Bitmap, Ellipse, Floats

_POINT = 16  # bits below the point
_HALF = 1 << _POINT - 1
_SINE = np.round(np.sin(np.radians(np.arange(361))), 7).astype(np.float32)  # by degrees, of OpenCV's precision


def draw_ellipse(ellipse: Ellipse, rule: RasterRule, height: int, width: int) -> Bitmap:
    """The pixels of an ellipse in an image of this size, in pixels.

    "pil": Pillow's ``ImageDraw.ellipse`` in the truncated box, as LabelMe draws circles. "cv2" and "coco": OpenCV's
    ``ellipse`` about the rounded centre with rounded radii, as CVAT does before it hands masks to pycocotools. Else,
    and if Pillow would have to turn one: the pixels whose centres lie inside.
    Source: wkentaro/labelme labelme/_utils/shape.py; cvat-ai/cvat cvat/apps/dataset_manager/formats/transformations.py.
    """
    radius = max(ellipse.radius_x, ellipse.radius_y) + 2
    left, right = (int(np.clip(side, 0, width)) for side in (ellipse.x - radius, ellipse.x + radius + 1))
    top, bottom = (int(np.clip(side, 0, height)) for side in (ellipse.y - radius, ellipse.y + radius + 1))
    if left == right or top == bottom:
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    if rule == "pil" and ellipse.degrees == 0:
        canvas = Image.new("L", (width, height))
        corners = [ellipse.x - ellipse.radius_x, ellipse.y - ellipse.radius_y]
        corners += [ellipse.x + ellipse.radius_x, ellipse.y + ellipse.radius_y]
        ImageDraw.Draw(canvas).ellipse(corners, fill=1)
        mask = np.asarray(canvas.crop((left, top, right, bottom))) > 0
    elif rule in ("cv2", "coco"):
        mask = _draw_like_opencv(ellipse, height, width)[top:bottom, left:right]
    else:
        mask = _centres_inside(ellipse, np.arange(left + 0.5, right), np.arange(top + 0.5, bottom))
    return Bitmap(left, top, mask)


def _centres_inside(ellipse: Ellipse, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """(len(y), len(x)): whether the points lie inside."""
    cos, sin = np.cos(np.deg2rad(ellipse.degrees)), np.sin(np.deg2rad(ellipse.degrees))
    across, down = x[None, :] - ellipse.x, y[:, None] - ellipse.y
    along, aside = across * cos + down * sin, down * cos - across * sin
    inside: NDArray[np.bool_] = (
        np.hypot(along * ellipse.radius_y, aside * ellipse.radius_x) < ellipse.radius_x * ellipse.radius_y
    )
    return inside


def _draw_like_opencv(ellipse: Ellipse, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of `ellipse` of OpenCV: a convex polygon in fixed point, its edges as lines and what lies between.

    Source: EllipseEx, ellipse2Poly, Line2 and FillConvexPoly in opencv/opencv, modules/imgproc/src/drawing.cpp.
    """
    mask = np.zeros((height, width), bool)
    points = _ellipse_points(ellipse)
    for x0, y0, x1, y1 in np.concatenate([np.roll(points, 1, axis=0), points], axis=1).tolist():
        _draw_line(mask, x0, y0, x1, y1)
    if len(points) > 2:
        _fill_convex(mask, points)
    return mask


def _ellipse_points(ellipse: Ellipse) -> Ints:
    """The corners (n, 2) of the polygon that OpenCV draws for an ellipse, in fixed point."""
    centre = np.array([round(ellipse.x), round(ellipse.y)]) * (1 << _POINT)
    radius_x, radius_y = round(ellipse.radius_x), round(ellipse.radius_y)
    largest = max(radius_x, radius_y)
    step = 90 if largest < 3 else 30 if largest < 10 else 18 if largest < 15 else 5
    angle = np.arange(0, 361, step)
    x, y = (radius_x << _POINT) * _cosine(angle).astype(float), (radius_y << _POINT) * _SINE[angle].astype(float)
    degrees = round(ellipse.degrees) % 360
    alpha, beta = float(_cosine(np.array(degrees))), float(_SINE[degrees])
    corners = np.stack([centre[0] + x * alpha - y * beta, centre[1] + x * beta + y * alpha], axis=1)
    points = np.rint(corners).astype(np.int64)
    points = points[np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))]
    return points if len(points) > 1 else np.repeat(centre[None], 2, axis=0)


def _cosine(degrees: Ints) -> NDArray[np.float32]:
    cosine: NDArray[np.float32] = _SINE[(90 - degrees) % 360]
    return cosine


def _draw_line(mask: NDArray[np.bool_], x0: int, y0: int, x1: int, y1: int) -> None:
    """Draw a line from pixel to pixel along its longer side; its ends are in fixed point."""
    clipped = _clip_line(mask.shape[0] << _POINT, mask.shape[1] << _POINT, x0, y0, x1, y1)
    if clipped is None:
        return
    x0, y0, x1, y1 = clipped
    dx, dy = x1 - x0, y1 - y0
    last = [np.array([x1 + _HALF >> _POINT]), np.array([y1 + _HALF >> _POINT])]
    steep = abs(dx) <= abs(dy)
    if (dy if steep else dx) < 0:
        x0, y0, x1, y1, dx, dy = x1, y1, x0, y0, -dx, -dy
        last = [np.array([x1 + _HALF >> _POINT]), np.array([y1 + _HALF >> _POINT])]
    count = np.arange(((dy if steep else dx) >> _POINT) + 1)
    slope = _divide((dx if steep else dy) << _POINT, (dy if steep else dx) | 1)
    along, aside = (y0, x0) if steep else (x0, y0)
    ways = [(along + _HALF >> _POINT) + count, aside + _HALF + slope * count >> _POINT]
    x, y = (np.concatenate(pair) for pair in zip(ways[::-1] if steep else ways, last, strict=True))
    inside = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
    mask[y[inside], x[inside]] = True


def _clip_line(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> tuple[int, int, int, int] | None:
    """A line, cut at the borders of a rectangle: at the upper and lower one, then left and right; None: outside."""
    ends = [[x0, y0], [x1, y1]]
    for axis, last in ((1, height - 1), (0, width - 1)):
        sides = [[(end[k] > most) - (end[k] < 0) for k, most in ((0, width - 1), (1, height - 1))] for end in ends]
        if any(a == b != 0 for a, b in zip(*sides, strict=True)):
            return None
        for end, side in zip(ends, sides, strict=True):
            if side[axis]:
                to = 0 if side[axis] < 0 else last
                run, rise = ends[1][axis] - ends[0][axis], ends[1][1 - axis] - ends[0][1 - axis]
                end[1 - axis] += int(float(to - end[axis]) * rise / run)
                end[axis] = to
    return ends[0][0], ends[0][1], ends[1][0], ends[1][1]


def _divide(a: int, b: int) -> int:
    """The quotient of whole numbers, truncated."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _fill_convex(mask: NDArray[np.bool_], points: Ints) -> None:
    """Fill a convex polygon, in every row from one of its two sides to the other; points (n, 2) are in fixed point."""
    n, vertex = len(points), int(points[:, 1].argmin())
    x, rows = points[:, 0].tolist(), (points[:, 1] + _HALF >> _POINT).tolist()
    edges = n  # the vertices that neither side has passed
    sides = [[vertex, rows[vertex], -1 << _POINT, 0] for _ in range(2)]  # next vertex, its row, x here, step a row
    for y in range(rows[vertex], min(max(rows), len(mask) - 1) + 1):
        for side, way in zip(sides, (1, -1), strict=True):
            vertex = side[0]
            while y >= side[1] and edges > 0:
                edges -= 1
                before, vertex = vertex, (vertex + way) % n
                if rows[vertex] > y:
                    count = rows[vertex] - y
                    side[:] = vertex, rows[vertex], x[before], _divide(2 * (x[vertex] - x[before]) + count, 2 * count)
            if y >= side[1]:
                return
        left, right = sorted(side[2] + _HALF >> _POINT for side in sides)
        if y >= 0 and right >= 0:
            mask[y, max(left, 0) : right + 1] = True
        for side in sides:
            side[2] += side[3]
