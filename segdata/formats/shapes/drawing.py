"""Drawing: polygons as Pillow and OpenCV draw them.

Both take whole numbers for the centres of pixels and draw the edges too, so that shapes come out half a pixel larger on
every side. What they draw depends on more than the shape: Pillow computes in single precision, where moving a polygon
sideways changes its rounding, and OpenCV shortens edges at the border of the canvas before it draws them. So each
polygon is drawn at its place on a canvas of the image's size. Only OpenCV inside the frame, which computes in whole
numbers, draws straight into the atlas.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.atlas import Atlas, Boxes
from segdata.formats.shapes.flat import Flat

Library = Literal["pil", "cv2"]
Rounding = Literal["truncate", "nearest"]
Pixels = NDArray[np.uint8]
Rings = list[NDArray[np.int32]]

_REACH = 4  # pixels beyond the points that single precision may reach with coordinates of 10^7


def draw_polygons(flat: Flat, library: Library, rounding: Rounding, height: Ints, width: Ints) -> Runs:
    """The pixels of n polygons; owners are the polygons, sizes (n,) of their images are in pixels.

    Coordinates become whole first, by truncation or by rounding to the nearest (a half to the even one). Holes are
    drawn last, as a polygon of nothing: with their edges.
    """
    whole = (np.rint(flat.points) if rounding == "nearest" else flat.points).astype(np.int32)
    extent = _extent(whole, flat.ring[flat.polygon[:-1]])
    frame = extent.within(height, width)
    direct = (frame.width == extent.width) & (frame.height == extent.height) & (library == "cv2")
    boxes = extent.grown(np.where(direct, 0, _REACH)).within(height, width)
    rings = [whole[i:j] for i, j in zip(flat.ring[:-1].tolist(), flat.ring[1:].tolist(), strict=True)]
    first, last = flat.polygon[:-1].tolist(), flat.polygon[1:].tolist()
    canvases = _Canvases(library, int((height * width)[~direct].max(initial=0)))
    found = []
    for rows in boxes.portions():
        some = boxes.take(rows)
        atlas = Atlas(some)
        drawn = [rings[first[row] : last[row]] for row in rows.tolist()]
        straight = direct[rows]
        _draw_directly(atlas, some, np.flatnonzero(straight), drawn)
        canvases.draw(atlas, some, np.flatnonzero(~straight), drawn, height[rows], width[rows])
        runs = atlas.runs(height[rows])
        found.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
    return Runs.concatenate(found, [0] * len(found))


def _extent(whole: NDArray[np.int32], first: Ints) -> Boxes:
    """The boxes of polygons whose points begin at `first`: from the first to the last centre of a pixel."""
    if len(first) == 0:
        return Boxes(*np.empty((4, 0), np.int64))
    low, high = (side.reduceat(whole, first, axis=0).astype(np.int64) for side in (np.minimum, np.maximum))
    return Boxes(low[:, 0], low[:, 1], high[:, 0] + 1, high[:, 1] + 1)


def _draw_directly(atlas: Atlas, boxes: Boxes, rows: Ints, drawn: list[Rings]) -> None:
    """Draw polygons that lie inside the frame with OpenCV, each in its own cell."""
    left, top = (-boxes.left).tolist(), (-boxes.top).tolist()
    for i in rows.tolist():
        exterior, *holes = drawn[i]
        cv2.fillPoly(atlas.cells[i], [exterior], 1, offset=(left[i], top[i]))
        if holes:
            cv2.fillPoly(atlas.cells[i], holes, 0, offset=(left[i], top[i]))


class _Canvases:
    """Canvases of all sizes in one piece of memory, all of it zeros between two polygons."""

    def __init__(self, library: Library, n_pixels: int) -> None:
        self._on = _pillow if library == "pil" else _opencv
        self._memory = np.zeros(n_pixels, np.uint8)
        self._of_size: dict[tuple[int, int], tuple[Pixels, Callable[[Rings], None]]] = {}

    def draw(self, atlas: Atlas, boxes: Boxes, rows: Ints, drawn: list[Rings], height: Ints, width: Ints) -> None:
        """Draw some polygons where they belong in their images, and move each to its cell."""
        size = list(zip(height.tolist(), width.tolist(), strict=True))
        places = np.column_stack([boxes.top, boxes.bottom, boxes.left, boxes.right]).tolist()
        for i in rows.tolist():
            pixels, draw = self._of_size.get(size[i]) or self._prepared(*size[i])
            draw(drawn[i])
            top, bottom, left, right = places[i]
            atlas.cells[i][:] = pixels[top:bottom, left:right]
            pixels[top:bottom, left:right] = 0

    def _prepared(self, height: int, width: int) -> tuple[Pixels, Callable[[Rings], None]]:
        pixels = self._memory[: height * width].reshape(height, width)
        self._of_size[height, width] = pixels, self._on(pixels)
        return self._of_size[height, width]


def _pillow(pixels: Pixels) -> Callable[[Rings], None]:
    """A function that draws a polygon on these pixels with Pillow."""
    height, width = pixels.shape
    image = Image.frombuffer("L", (width, height), pixels, "raw", "L", 0, 1)
    image.readonly = 0  # else Pillow would draw on a copy
    canvas = ImageDraw.Draw(image)

    def draw(rings: Rings) -> None:
        for row, ring in enumerate(rings):
            canvas.polygon(ring.ravel().tolist(), fill=int(row == 0))

    return draw


def _opencv(pixels: Pixels) -> Callable[[Rings], None]:
    """A function that draws a polygon on these pixels with OpenCV."""

    def draw(rings: Rings) -> None:
        cv2.fillPoly(pixels, rings[:1], 1)
        if len(rings) > 1:
            cv2.fillPoly(pixels, rings[1:], 0)

    return draw
