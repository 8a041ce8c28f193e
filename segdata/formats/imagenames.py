"""Image names: what files and folders of images, and those of masks, are called."""

import os
from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"})
MASK_FOLDERS = (
    "masks",
    "labels",
    "annotations",
    "mask",
    "label",
    "segmentationclass",
    "gt",
    "groundtruth",
    "ground_truth",
    "instances",
    "instance_ids",
    "targets",
)
IMAGE_FOLDERS = ("images", "imgs", "image", "img", "jpegimages", "raw", "rgb", "inputs")


def is_image_name(name: str) -> bool:
    """Whether a file of this name is an image, or a mask."""
    dot = name.rfind(".")
    return name.rfind("/") + 1 < dot and name[dot:].lower() in SUFFIXES


def holds_images(root: Path) -> bool:
    """Whether an image file lies below a folder, at any depth."""
    return any(is_image_name(name) for _, _, names in os.walk(root) for name in names)
