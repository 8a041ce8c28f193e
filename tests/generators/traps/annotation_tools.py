"""Traps of LabelMe, VIA and CVAT: groups, bridges, masks by rows, areas that nobody measured."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_SIZE = (20, 30)


def _box(left: int, top: int, right: int, bottom: int) -> Mask:
    """The pixels of a box, the last column and row included."""
    mask = np.zeros(_SIZE, bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def _corners(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _labelme(folder: Path, *shapes: object, size: tuple[int, int] = _SIZE) -> None:
    """A LabelMe file of a.png."""
    document: dict[str, object] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    (folder / "a.json").write_text(json.dumps(document), encoding="utf-8")


def _polygon(label: str, points: object, group: int | None = None) -> dict[str, object]:
    return {"label": label, "points": points, "group_id": group, "shape_type": "polygon", "flags": {}}


@trap("T47", format="labelme")
def parts_joined_by_a_bridge(folder: Path) -> Truth:
    """Two squares as one polygon, joined by a way there and back.

    Pillow and OpenCV draw that way as a line of pixels (2240 pixels for 2100), other tools make two objects of it.
    """
    ring = [*_corners(2, 2, 8, 8), [2, 2], [20, 10], [26, 10], [26, 16], [20, 16], [20, 10], [2, 2]]
    _labelme(folder, _polygon("car", ring))
    return Truth("", [TrueSegment("a.png", "car", _box(2, 2, 8, 8) | _box(20, 10, 26, 16))])


@trap("T47", format="labelme")
def a_hole_behind_a_bridge(folder: Path) -> Truth:
    """A square with a hole, its ring joined to the outer one by a way there and back: the edges are the segment's."""
    ring = [*_corners(2, 2, 17, 17), [2, 2], [6, 6], [6, 12], [12, 12], [12, 6], [6, 6], [2, 2]]
    _labelme(folder, _polygon("car", ring))
    return Truth("", [TrueSegment("a.png", "car", _box(2, 2, 17, 17) & ~_box(7, 7, 11, 11))])


@trap("T53", format="labelme")
def parts_of_a_group_are_one_segment(folder: Path) -> Truth:
    """Two polygons of one label and group_id, and one of another label with the same number.

    Exports that ignore group_id make two cars of it, those that look at nothing else one thing of three.
    """
    _labelme(
        folder,
        _polygon("car", _corners(2, 2, 8, 8), 0),
        _polygon("car", _corners(12, 2, 16, 8), 0),
        _polygon("wheel", _corners(4, 6, 6, 10), 0),
    )
    both = _box(2, 2, 8, 8) | _box(12, 2, 16, 8)
    return Truth("", [TrueSegment("a.png", "car", both), TrueSegment("a.png", "wheel", _box(4, 6, 6, 10))])


@trap("T53", format="labelme")
def parts_of_a_group_stay_one_segment(folder: Path) -> Truth:
    """Two polygons of one group, to be written as CVAT: the parts of one segment, not two."""
    _labelme(folder, _polygon("car", _corners(2, 2, 8, 8), 5), _polygon("car", _corners(12, 2, 16, 8), 5))
    both = _box(2, 2, 8, 8) | _box(12, 2, 16, 8)
    return Truth("", [TrueSegment("a.png", "car", both)], to="cvat")


@trap("T54", format="labelme")
def points_outside_the_image(folder: Path) -> Truth:
    """A polygon that reaches beyond the image, as LabelMe allows: clipped when it is drawn, and reported."""
    _labelme(folder, _polygon("car", _corners(-5, -5, 8, 8)))
    return Truth("", [TrueSegment("a.png", "car", _box(0, 0, 8, 8))], ["SEG115"])


@trap("T41", format="labelme")
def an_image_that_viewers_turn(folder: Path) -> Truth:
    """A photograph with EXIF orientation 6, which LabelMe turns before anybody draws on it: said, and not turned twice.

    Tools that do not turn it draw the labels off by 90 degrees (labelme#499).
    """
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (_SIZE[0], _SIZE[1])).save(folder / "a.jpg", exif=exif)
    document = {"shapes": [_polygon("car", _corners(2, 2, 8, 8))], "imagePath": "a.jpg"}
    (folder / "a.json").write_text(json.dumps({**document, "imageHeight": _SIZE[0], "imageWidth": _SIZE[1]}))
    return Truth("", [TrueSegment("a.jpg", "car", _box(2, 2, 8, 8))], ["SEG012"])


@trap("T12", format="via")
def circles_that_are_no_boxes(folder: Path) -> Truth:
    """A circle. VIA's own COCO export writes the area of its box; the area is that of the pixels."""
    Image.new("L", (_SIZE[1], _SIZE[0])).save(folder / "a.png")
    circle = {"shape_attributes": {"name": "circle", "cx": 12, "cy": 10, "r": 0.4}, "region_attributes": {"c": "dot"}}
    square = {
        "shape_attributes": {"name": "rect", "x": 2, "y": 3, "width": 5, "height": 4},
        "region_attributes": {"c": "dot"},
    }
    listed = {"a.png1": {"filename": "a.png", "size": 1, "regions": [circle, square], "file_attributes": {}}}
    (folder / "via.json").write_text(json.dumps(listed), encoding="utf-8")
    return Truth("", [TrueSegment("a.png", "dot", _box(12, 10, 12, 10)), TrueSegment("a.png", "dot", _box(2, 3, 6, 6))])


def _cvat(folder: Path, shapes: str) -> None:
    size = f'width="{_SIZE[1]}" height="{_SIZE[0]}"'
    text = f'<annotations><version>1.1</version><meta/><image id="0" name="a.png" {size}>{shapes}</image></annotations>'
    (folder / "annotations.xml").write_text(text, encoding="utf-8")


@trap("T48", format=None)
def a_mask_by_rows_in_its_box(folder: Path) -> Truth:
    """A mask whose counts go row by row through its box.

    Taken for COCO's, column by column through the image, it is shredded (CVAT#8124).
    """
    _cvat(folder, '<mask label="car" rle="0, 3, 2, 1, 3, 3" left="4" top="5" width="4" height="3" z_order="0"/>')
    mask = np.zeros(_SIZE, bool)
    mask[5:8, 4:8] = [[1, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]]
    return Truth("", [TrueSegment("a.png", "car", mask)])


@trap("T53", format="cvat")
def shapes_of_a_group(folder: Path) -> Truth:
    """Two polygons of one label and group_id are one segment, as Datumaro makes of them for COCO."""
    _cvat(
        folder,
        '<polygon label="car" points="2,2;8,2;8,8;2,8" group_id="1"/>'
        '<polygon label="car" points="12,2;16,2;16,8;12,8" group_id="1"/>',
    )
    return Truth("", [TrueSegment("a.png", "car", _box(2, 2, 7, 7) | _box(12, 2, 15, 7))])


@trap("T54", format="cvat")
def a_polygon_beyond_the_frame(folder: Path) -> Truth:
    """A polygon with points outside of the image: clipped when it is drawn, and reported."""
    _cvat(folder, '<polygon label="car" points="-5,-5;8,-5;8,8;-5,8"/>')
    return Truth("", [TrueSegment("a.png", "car", _box(0, 0, 7, 7))], ["SEG115"])


@trap("T03", format="cvat")
def masks_of_one_pixel_lines(folder: Path) -> Truth:
    """A line one pixel wide, to be written as LabelMe: OpenCV's contour of it has two points, which tools drop."""
    _cvat(folder, '<mask label="car" rle="0, 9" left="4" top="5" width="9" height="1"/>')
    return Truth("", [TrueSegment("a.png", "car", _box(4, 5, 12, 5))], to="labelme")
