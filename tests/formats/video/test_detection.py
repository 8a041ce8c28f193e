"""Videos are recognised by their frames, and folders of single images are not taken for videos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.core.format import detect


def save(path: Path, pixels: np.ndarray) -> None:
    """A palette PNG for 8 bits, grey for 16, colours for three channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        picture.putpalette([90] * 768)
    picture.save(path)


WIDE, INDEX, RGB = (np.full((4, 4), 1001, np.uint16), np.ones((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("masks", "pixels", "images", "format"),
    [
        ("instances/0002/000000.png", WIDE, "training/image_02/0002/000000.png", "mots"),
        ("0002/000000.png", WIDE, None, "mots"),
        ("panoptic_maps/train/0002/000000.png", RGB, "images/train/0002/000000.png", "kitti-step"),
        ("Annotations/480p/bear/00000.png", INDEX, "JPEGImages/480p/bear/00000.jpg", "davis"),
        ("Annotations/0a23/00000.png", INDEX, "JPEGImages/0a23/00000.jpg", "davis"),
        ("bear/00000.png", INDEX, None, "davis"),
        ("masks/000000.png", WIDE, "images/000000.jpg", "instance-ids"),
        ("masks/train/000000.png", WIDE, "images/train/000000.jpg", "instance-ids"),
        ("instances/000000.png", WIDE, "images/000000.jpg", "instance-ids"),
        ("instances/train/000000.png", WIDE, "images/train/000000.jpg", "instance-ids"),
        ("masks/00000.png", INDEX, "images/00000.jpg", "colour-masks"),
        ("Annotations/00000.png", INDEX, "JPEGImages/00000.jpg", "colour-masks"),
        ("Annotations/train/00000.png", INDEX, "JPEGImages/train/00000.jpg", "colour-masks"),
    ],
)
def test_what_is_a_video(tmp_path: Path, masks: str, pixels: np.ndarray, images: str | None, format: str) -> None:
    save(tmp_path / masks, pixels)
    if images is not None:
        save(tmp_path / images, RGB)
    assert detect(tmp_path) == format
