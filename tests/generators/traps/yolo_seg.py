"""Traps of YOLO segmentation labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_SIDE = 20  # of the images, in pixels


def _line(points: list[tuple[float, float]], category: int = 0) -> str:
    """A line of points in pixels."""
    return f"{category} " + " ".join(f"{x / _SIDE!r} {y / _SIDE!r}" for x, y in points) + "\n"


def _files(folder: Path, text: str) -> None:
    """An image and its labels, of cats."""
    for name in ("images", "labels"):
        (folder / name).mkdir()
    Image.fromarray(np.zeros((_SIDE, _SIDE), np.uint8)).save(folder / "images/a.png")
    (folder / "labels/a.txt").write_text(text, encoding="utf-8")
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n", encoding="utf-8")


def _box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A mask that is True from (left, top) up to and with (right, bottom)."""
    mask = np.zeros((_SIDE, _SIDE), bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


@trap("T45", format=None)
def boxes_among_polygons(folder: Path) -> Truth:
    """A file of a polygon and a box (class x y width height).

    Ultralytics takes every line of such a file for a polygon, and makes two points of the box.
    """
    _files(folder, _line([(2, 2), (8, 2), (8, 8), (2, 8)]) + "0 0.5 0.5 0.25 0.25\n")
    return Truth("", [TrueSegment("a.png", "cat", _box(2, 2, 8, 8))], findings=["SEG004"])


@trap("T46", format="yolo-seg")
def coordinates_are_cut_off(folder: Path) -> Truth:
    """Corners at fractions of pixels, 2.9 and 8.1.

    OpenCV draws whole numbers: what is cut off is 2 and 8, and the edges belong to the polygon. Who rounds, or fills to
    the centres of pixels, has another box.
    """
    _files(folder, _line([(2.9, 2.9), (8.1, 2.9), (8.1, 8.1), (2.9, 8.1)]))
    return Truth("", [TrueSegment("a.png", "cat", _box(2, 2, 8, 8))])


@trap("T47", format="yolo-seg")
def yolo_parts_joined_by_a_bridge(folder: Path) -> Truth:
    """Two parts of one cat as one ring, with a bridge there and back, as Ultralytics' converter makes them.

    OpenCV draws the bridge as a line of pixels. supervision makes two cats of a cat of two parts.
    """
    ring = [(2, 2), (6, 2), (6, 4), (12, 4), (12, 2), (16, 2), (16, 8), (12, 8), (12, 4), (6, 4), (6, 8), (2, 8)]
    _files(folder, _line([(x + 0.5, y + 0.5) for x, y in ring]))
    return Truth("", [TrueSegment("a.png", "cat", _box(2, 2, 6, 8) | _box(12, 2, 16, 8))])


@trap("T47", format="yolo-seg")
def a_hole_is_written_and_comes_back(folder: Path) -> Truth:
    """A cat with a hole, to be written as YOLO: as cv2.findContours has it, the hole would be a second cat."""
    hole = [(5, 5), (5, 9), (9, 9), (9, 5)]
    ring = [(2, 2), (12, 2), (12, 12), (2, 12), (2, 2), *hole, (5, 5)]
    _files(folder, _line([(x + 0.5, y + 0.5) for x, y in ring]))
    return Truth("", [TrueSegment("a.png", "cat", _box(2, 2, 12, 12) & ~_box(6, 6, 8, 8))], to="yolo-seg")
