"""Ellipses as the tools draw them."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.profile import RasterRule
from segdata.formats.shapes.shape import Bitmap, Ellipse, Floats


def draw_ellipse(ellipse: Ellipse, rule: RasterRule, height: int, width: int) -> Bitmap:
    """The pixels of an ellipse in an image of this size, in pixels.

    "pil": Pillow's ``ImageDraw.ellipse`` in the truncated box, as LabelMe draws circles. "cv2" and "coco": OpenCV's
    ``ellipse`` about the rounded centre with rounded radii, as CVAT does before it hands masks to pycocotools. Else,
    and where Pillow would have to turn one: the pixels whose centres lie inside.
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
        pixels = np.zeros((height, width), np.uint8)
        centre, radii = (round(ellipse.x), round(ellipse.y)), (round(ellipse.radius_x), round(ellipse.radius_y))
        cv2.ellipse(pixels, centre, radii, ellipse.degrees, 0, 360, 1, thickness=-1)
        mask = pixels[top:bottom, left:right] > 0
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
