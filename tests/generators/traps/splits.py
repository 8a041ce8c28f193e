"""Traps of datasets with splits."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.traps.trap import TrueSegment, Truth, trap


@trap("T56", format="yolo-seg")
def one_image_in_two_splits(folder: Path) -> Truth:
    """An image of the training set again in the validation set under another name, with another label.

    No metric notices; trainers read it twice. The copy must be told, and both labels must be read.
    """
    rng = np.random.default_rng(0)
    square = "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / "images" / "train" / "a.png")
    shutil.copyfile(folder / "images" / "train" / "a.png", folder / "images" / "val" / "b.png")
    (folder / "labels" / "train" / "a.txt").write_text(square)
    (folder / "labels" / "val" / "b.txt").write_text("0 0 0 0.5 0 0.5 0.5 0 0.5\n")
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat]\n")
    inner, corner = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    inner[2:7, 2:7] = True  # Ultralytics draws with cv2.fillPoly, which takes both borders in
    corner[:5, :5] = True
    segments = [TrueSegment("train/a.png", "cat", inner), TrueSegment("val/b.png", "cat", corner)]
    return Truth("", segments, findings=["SEG304"])


@trap("T56", format="yolo-seg")
def one_picture_saved_again_in_another_split(folder: Path) -> Truth:
    """An image of the training set again in the validation set, as a JPEG instead of a PNG, smaller and brighter.

    No two bytes are the same, so that hashes of files do not tell. The copy must be told all the same.
    """
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
    rng = np.random.default_rng(0)
    blobs = Image.fromarray(rng.integers(20, 220, (9, 12, 3), np.uint8)).resize((96, 72), Image.Resampling.BICUBIC)
    blobs.save(folder / "images" / "train" / "a.png")
    brighter = np.asarray(blobs.resize((80, 60), Image.Resampling.BICUBIC)).astype(np.int64) + 12
    Image.fromarray(np.minimum(brighter, 255).astype(np.uint8)).save(folder / "images" / "val" / "b.jpg", quality=80)
    for split, name in (("train", "a"), ("val", "b")):
        (folder / "labels" / split / f"{name}.txt").write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat]\n")
    large, small = np.zeros((72, 96), bool), np.zeros((60, 80), bool)
    large[18:55, 24:73] = True  # Ultralytics draws with cv2.fillPoly, which takes both borders in
    small[15:46, 20:61] = True
    segments = [TrueSegment("train/a.png", "cat", large), TrueSegment("val/b.jpg", "cat", small)]
    return Truth("", segments, findings=["SEG304"])
