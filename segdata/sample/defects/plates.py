"""Plates: a row of oval signs of one size over the street, among which one that is two stands out."""

import cv2
import numpy as np
from PIL import Image

from segdata.sample.defects.site import Mask, Site
from segdata.sample.write import Shot

COUNT = 10
_HALF_WIDTH, _HALF_HEIGHT = 6, 9  # pixels


def plates(height: int, width: int, nearer: int = 0) -> list[Mask]:
    """The pixels of each plate, left to right; the fifth hangs `nearer` pixels nearer to the fourth."""
    step = width // (COUNT + 1)
    y, x = np.mgrid[:height, :width]
    middles = [step * (number + 1) - (nearer if number == 4 else 0) for number in range(COUNT)]
    return [((x - at) / _HALF_WIDTH) ** 2 + ((y - 14) / _HALF_HEIGHT) ** 2 <= 1 for at in middles]


def hang(site: Site, shot: Shot, nearer: int = 0) -> list[Mask]:
    """Paint the plates into a picture's image file; returns their pixels."""
    path = site.path("images", shot)
    with Image.open(path) as image:
        pixels = np.array(image)
    found = plates(pixels.shape[0], pixels.shape[1], nearer)
    for plate in found:
        pixels[plate] = (216, 196, 60)
        pixels[plate & ~cv2.erode(plate.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)] = (90, 84, 40)
    Image.fromarray(pixels).save(path, quality=88, subsampling=0)
    return found
