"""Lines of YOLO's label files: one ring each, in which bridges (edges passed in both directions) join parts and holes.

OpenCV draws a bridge as a line of pixels. Those do not belong to the segment.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.polygons import Rings
from segdata.core.runs import Floats, Ints, Runs
from segdata.formats.shapes.geometry import (
    Bitmap,
    Polygon,
    PolygonArrays,
    Ring,
    Shape,
    crop_bitmaps,
    fill_rings,
    scale_points,
)
from segdata.formats.shapes.polygons import bridge_rings
from segdata.formats.shared.file_names import stands_in
from segdata.formats.shared.json_files import BOM
from segdata.formats.tools.shapes import PolygonNotation, PolygonText, ToolShape, split_bridged

_STEPS_PER_PIXEL = 32  # positions at which rings may pass without meeting
_LAST_STEP = _STEPS_PER_PIXEL // 2 - 1  # below 0.5: Ultralytics truncates, others round
_MIN_POINTS = 3  # of a ring
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TOLERANCE = 0.01  # beyond the frame, as in Ultralytics' verify_image_label (ultralytics/data/utils.py)


def shares_to_pixels(shares: Floats, sides: Floats) -> Floats:
    """Convert relative points (n, 2) to pixels, in single precision as Ultralytics does.

    `sides` (2,) or (n, 2) are the image's width and height in pixels.
    """
    pixels: Floats = (shares.astype(np.float32) * sides.astype(np.float32)).astype(np.float64)
    return pixels


def remove_bridges(flat: PolygonArrays, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """Row -> pixels without bridges, for those of n polygons that have bridges.

    Sizes (n,) of the images are in pixels.
    """
    return {row: _draw_rings(parts, int(height[row]), int(width[row])) for row, parts in split_bridged(flat).items()}


def ring_shapes(rings: Sequence[Floats], height: Ints, width: Ints) -> list[Shape]:
    """The shapes of n rings (m, 2), in pixels: polygons, or bitmaps without the bridges of bridged rings.

    Sizes (n,) of the images are in pixels.
    """
    shapes: list[Shape] = [Polygon(ring) for ring in rings]
    for row, bitmap in remove_bridges(PolygonArrays.of([Polygon(ring) for ring in rings]), height, width).items():
        shapes[row] = bitmap
    return shapes


def _draw_rings(rings: Rings[np.float64], height: int, width: int) -> Bitmap:
    """The pixels that OpenCV fills for several rings in one call: even-odd, with edges."""
    points = [np.array(ring).reshape(-1, 2).astype(np.int32) for ring in rings.as_lists()]
    low, high = np.concatenate(points).min(axis=0), np.concatenate(points).max(axis=0) + 1
    corner, end = np.maximum(low, 0), np.minimum(high, [width, height])
    if (end <= corner).any():
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    pixels = fill_rings([ring - corner for ring in points], *(end - corner)[::-1].tolist())
    return Bitmap(int(corner[0]), int(corner[1]), pixels)


def single_rings(runs: Runs, height: Ints) -> list[Floats]:
    """One ring (m, 2) in pixels for each segment, such that `ring_shapes` gives the segment back; (0, 2) if empty.

    `height` (n,) is that of the segments' images, in pixels.

    Points lie within the pixels at the borders, no two at the same place: so nothing but bridges is gone back, not even
    along parts that are one pixel wide.
    """
    single: list[Floats] = []
    for bitmap in crop_bitmaps(runs, height, len(height)):
        if not bitmap.mask.size:
            single.append(np.empty((0, 2)))
            continue
        xy, ring, _, _ = kernels.borders(np.ascontiguousarray(bitmap.mask, np.uint8))
        rings = [_pad(points) for points in np.split(xy, ring[1:-1])]
        single.append(bridge_rings(_separate(rings)) / _STEPS_PER_PIXEL + [bitmap.x, bitmap.y])
    return single


def _pad(ring: NDArray[np.int32]) -> NDArray[np.int32]:
    """The ring, with its last point repeated if it has fewer than three."""
    return np.concatenate([ring, np.repeat(ring[-1:], max(_MIN_POINTS - len(ring), 0), axis=0)])


def _separate(rings: list[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
    """The rings in fractions of pixels; each time a ring passes a pixel, it does so at a different position."""
    points = np.concatenate(rings).astype(np.int64)
    _, pixel = np.unique(points[:, 0] << 32 | points[:, 1], return_inverse=True)
    time = _occurrences(pixel)
    within = np.stack([1 + time % (_LAST_STEP - 1), 1 + time * time % _LAST_STEP], axis=1)
    apart = (points * _STEPS_PER_PIXEL + np.minimum(within, _LAST_STEP)).astype(np.int32)
    return np.split(apart, np.cumsum([len(ring) for ring in rings])[:-1])


def _occurrences(value: Ints) -> Ints:
    """(n,) how often each value occurred before.

    >>> _occurrences(np.array([5, 7, 5, 5])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(value, kind="stable")
    ordered = value[order]
    times = np.empty(len(value), np.int64)
    times[order] = np.arange(len(value)) - np.searchsorted(ordered, ordered)
    return times


def read_lines(
    text: bytes, names: Mapping[bytes, str], keypoints: int | None, defects: list[Defect]
) -> list[ToolShape]:
    """Parse the rings in a label file; adds the defects of other lines to `defects`.

    `names` are those of the classes by their numbers. `keypoints` is the number of values after the box in lines of a
    pose dataset.
    """
    reason = stands_in(text, "the labels")
    if reason is not None:
        defects.append(Defect("SEG001", reason))
        return []
    shapes = []
    lines = text.removeprefix(BOM).splitlines()
    has_boxes = _begins_with_box(next((words for words in map(bytes.split, lines) if words), []))
    if has_boxes:
        defects.append(Defect("SEG004", _BOX_FIRST, lost=False))
    for number, line in enumerate(lines, 1):
        word, _, rest = line.strip().partition(b" ")
        name = names.get(word)
        if not word:
            continue
        place = f"line {number}"
        if has_boxes and _begins_with_box(line.split()):
            rest = rest.split(maxsplit=4)[4]
            line = word + b" " + rest
        if name is None or b"," in rest or keypoints is not None:
            try:
                name, rest = _parse_closely(line.split(), names, keypoints)
            except ValueError as wrong:
                code, message = wrong.args
                defects.append(Defect(code, message, place=place, line=number))
                continue
        shapes.append(
            ToolShape(
                name, PolygonText((b"[[%b]]" % rest.replace(b" ", b","),), word.decode(), place), place, None, number
            )
        )
    return shapes


_BOX_FIRST = (
    "lines begin with the box of their points (class x y width height, then points), which YOLO reads as two points "
    "more; read without the boxes: remove these four numbers before you train"
)
_BOX_TOLERANCE = 0.002  # of an image's side


def _begins_with_box(words: Sequence[bytes]) -> bool:
    """Whether the four numbers after the class are the box around the points that follow: centre, width and height."""
    if len(words) < 5 + 2 * _MIN_POINTS or len(words) % 2 == 0:
        return False
    with suppress(ValueError):
        x, y, width, height, *points = map(float, words[1:])
        left, right, top, bottom = min(points[::2]), max(points[::2]), min(points[1::2]), max(points[1::2])
        off = (2 * x - left - right, 2 * y - top - bottom, width + left - right, height + top - bottom)
        return max(map(abs, off)) <= _BOX_TOLERANCE
    return False


def _parse_closely(words: Sequence[bytes], names: Mapping[bytes, str], keypoints: int | None) -> tuple[str, bytes]:
    """The class name and the ring of a line; raises ValueError with code and message for other lines."""
    values = _parse_numbers(words)
    classes = {int(key) for key in names}
    problem = _problem(values, classes, keypoints)
    if problem is not None:
        raise ValueError(*problem)
    return names[b"%d" % int(values[0])], b" ".join(words[1:])


def _parse_numbers(words: Sequence[bytes]) -> list[float]:
    """The numbers of a line; raises ValueError with a code and a message."""
    try:
        return [float(word) for word in words]
    except ValueError:
        shown = b" ".join(words)[:40].decode("utf-8", "backslashreplace")
        other = next((word for word in words if _NUMBER.fullmatch(word) is None), b"")[:20].decode("utf-8", "replace")
        where = "" if other in shown else f": it has {other!r}"
        message = f"{shown!r} is not a row of numbers{where}; left out"
        with suppress(ValueError):
            [float(word.replace(b",", b".")) for word in words]
            message = f"{shown!r} has commas in its numbers; write points (0.5); left out"
        with suppress(ValueError):
            values = [float(word) for word in words[1:]]
            if len(values) >= 2 * _MIN_POINTS:
                name = words[0][:40].decode("utf-8", "backslashreplace")
                message = f"the class is a name, {name!r}, where YOLO has its number"
                far = next((value for value in values if abs(value) > 1 + _TOLERANCE), None)
                message += "" if far is None else f", and {far:g} is in pixels, where YOLO has shares of the image"
                message += "; left out"
        raise ValueError("SEG004", message) from None


def occurring_classes(text: bytes) -> set[int]:
    """The classes of the rings in a label file."""
    classes = set()
    for line in text.removeprefix(BOM).splitlines():
        words = line.split()
        try:
            values = _parse_numbers(words)
        except ValueError:
            continue
        if values and _problem(values, None, None) is None:
            classes.add(int(values[0]))
    return classes


def _parse_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a line in another spelling, or why it is left out."""
    written = shape.geometry
    words = (
        [written.name.encode(), *written.texts[0][2:-2].replace(b",", b" ").split()]
        if isinstance(written, PolygonText)
        else []
    )
    try:
        values = _parse_numbers(words)
        problem = _problem(values, None, None)
        if problem is None:
            return [np.array(values[1:]).reshape(-1, 2)]
    except ValueError as strange:
        problem = strange.args[0], strange.args[1]
    return Defect(problem[0], problem[1], place=shape.place, line=shape.id)


def _to_pixels(flat: PolygonArrays, sides: Floats) -> tuple[Floats, Floats]:
    """Relative points in pixels, twice: as Ultralytics computes them, and without its rounding noise."""
    return shares_to_pixels(flat.points, sides), scale_points(flat.points, sides)


NOTATION = PolygonNotation(
    "flat", -_TOLERANCE, 1 + _TOLERANCE, _to_pixels, _parse_leniently, remove_bridges, keeps_bridges=True
)


def _problem(values: list[float], classes: Collection[int] | None, keypoints: int | None) -> tuple[str, str] | None:
    """The code and message of a line's defect; None for a ring of a known class."""
    category, n = values[0], len(values) - 1
    if not 0 <= category < 2**31 or category != int(category):
        return "SEG004", f"class {category:g} is not a whole number from 0; left out"
    if n == 4:
        return (
            "SEG004",
            "a box (x y width height) is not a segment; left out (among polygons Ultralytics makes 2 points of it)",
        )
    if n == 5:
        return "SEG004", "a box with a confidence is not a segment; left out"
    if keypoints is not None and n == 4 + keypoints:
        return "SEG004", "a pose (box and key points) is not a segment; left out"
    if n % 2:
        cause = "a confidence at the end, or a pose?"
        if values[1] > 1 + _TOLERANCE >= max(values[2:]) and values[1].is_integer():
            cause = f"is {values[1]:g}, behind the class, the number of the object? YOLO has none"
        return "SEG006", f"the polygon has {count_noun(n, 'number')}; x and y come in pairs ({cause})"
    if n < 6:
        return "SEG006", f"the polygon has {count_noun(n // 2, 'point')}; at least 3 are needed"
    low, high = min(values[1:]), max(values[1:])
    if low < -_TOLERANCE or high > 1 + _TOLERANCE or sum(values) != sum(values):  # true for nan, too
        worst = next(value for value in values[1:] if not -_TOLERANCE <= value <= 1 + _TOLERANCE)
        code = "SEG004" if abs(worst) < float("inf") else "SEG006"
        outside = [value for value in values[1:] if value > 1 + _TOLERANCE]
        is_class = 0 < len(outside) <= n // (2 * _MIN_POINTS + 1) and all(map(float.is_integer, outside))
        hint = ": is it the class of a further object, whose line end was lost?" if is_class and worst > 1 else ""
        return code, f"the coordinate {worst:g} is not a share of the image (0 to 1){hint}; left out"
    if classes is not None and int(category) not in classes:
        listed = sorted(classes)
        hint = f"; names are {listed[0]} to {listed[-1]}" if listed else ""
        if listed and category == listed[-1] + 1:
            hint += ": if the classes of the files begin at 1, each one is read as the next"
        return "SEG007", f"class {int(category)} has no name in data.yaml{hint}; left out"
    return None
