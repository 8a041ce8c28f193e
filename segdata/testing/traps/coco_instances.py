"""Traps of COCO instances files."""

from pathlib import Path

import numpy as np

from segdata.testing.coco_documents import annotation, document, written
from segdata.testing.traps.trap import Mask, TrueSegment, Truth, trap


def box(left: int, top: int, right: int, bottom: int, width: int = 6, height: int = 5) -> Mask:
    """A mask that is True from (left, top) up to, not with, (right, bottom)."""
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


@trap("T05", format="coco-instances")
def a_ring_of_four_numbers(folder: Path) -> Truth:
    """A "polygon" of 4 numbers, a box in truth, behind a sound ring.

    pycocotools 2.0.11 reads no pixels from it and says nothing, and raises TypeError where it comes first. The sound
    ring must stay.
    """
    sound = [1, 1, 3, 1, 3, 3, 1, 3]
    content = document(annotations=[annotation(segmentation=[sound, [4, 1, 5, 3]])])
    written(folder, content, "labels.json")
    return Truth("labels.json", [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG006"])
