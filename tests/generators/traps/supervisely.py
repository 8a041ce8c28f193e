"""Traps of Supervisely projects."""

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_HEIGHT, _WIDTH = 6, 9


def _project(folder: Path, *objects: dict[str, object]) -> None:
    """A project of one image with these objects, all of them cats."""
    classes = [{"title": "cat", "shape": "any", "color": "#FF0000", "id": 3}]
    files = {
        "meta.json": {"classes": classes, "tags": [], "projectType": "images"},
        "ds/ann/a.png.json": {
            "description": "",
            "tags": [],
            "size": {"height": _HEIGHT, "width": _WIDTH},
            "objects": [{"classTitle": "cat", "tags": [], **each} for each in objects],
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "ds/img").mkdir()
    Image.fromarray(np.zeros((_HEIGHT, _WIDTH), np.uint8)).save(folder / "ds/img/a.png")


def _bitmap(pixels: object, x: int, y: int) -> dict[str, object]:
    """An object whose PNG has these pixels."""
    packed = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(packed, format="PNG")
    data = base64.b64encode(zlib.compress(packed.getvalue())).decode()
    return {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [x, y]}}


def _box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A mask that is True from (left, top) up to and with (right, bottom)."""
    mask = np.zeros((_HEIGHT, _WIDTH), bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


@trap("T52", format=None)
def origin_is_column_then_row(folder: Path) -> Truth:
    """A bitmap of 2 x 2 pixels at column 6, row 1: taken for row and column it would leave the image."""
    _project(folder, _bitmap([[255, 255], [255, 255]], 6, 1))
    return Truth("", [TrueSegment("ds/a.png", "cat", _box(6, 1, 7, 2))])


@trap("T52", format="supervisely")
def a_picture_of_the_whole_image_at_an_origin(folder: Path) -> Truth:
    """A bitmap as large as the image, and an origin as if it were cut out: it would leave the image."""
    _project(folder, _bitmap(np.full((_HEIGHT, _WIDTH), 255), 2, 1), _bitmap([[255]], 0, 0))
    return Truth("", [TrueSegment("ds/a.png", "cat", _box(0, 0, 0, 0))], findings=["SEG004"])


@trap("T52", format="supervisely")
def a_picture_of_three_channels(folder: Path) -> Truth:
    """A PNG of red, green and blue, of which nobody knows what is the mask: the SDK refuses it."""
    _project(folder, _bitmap(np.full((2, 2, 3), 255), 2, 1), _bitmap([[255]], 0, 0))
    return Truth("", [TrueSegment("ds/a.png", "cat", _box(0, 0, 0, 0))], findings=["SEG001"])


@trap("T52", format="supervisely")
def both_corners_belong_to_a_rectangle(folder: Path) -> Truth:
    """A rectangle from (1, 1) to (3, 2) has 3 x 2 pixels, and a hole of a polygon takes its border with it."""
    hole = [[3, 2], [5, 2], [5, 3], [3, 3]]
    points = {"exterior": [[1, 1], [7, 1], [7, 4], [1, 4]], "interior": [hole]}
    _project(
        folder,
        {"geometryType": "rectangle", "points": {"exterior": [[3, 2], [1, 1]], "interior": []}},
        {"geometryType": "polygon", "points": points},
    )
    polygon = _box(1, 1, 7, 4) & ~_box(3, 2, 5, 3)
    return Truth("", [TrueSegment("ds/a.png", "cat", _box(1, 1, 3, 2)), TrueSegment("ds/a.png", "cat", polygon)])
