"""pycocotools: load, decode every mask, and count overlaps and gaps per image the plain way."""

import contextlib
import io
import sys

import numpy as np
from pycocotools.coco import COCO

with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO(sys.argv[1])
overlaps = gaps = 0
for key, image in coco.imgs.items():
    count = np.zeros((image["height"], image["width"]), np.uint16)
    for annotation in coco.imgToAnns[key]:
        if not annotation["iscrowd"]:
            count += coco.annToMask(annotation)
    overlaps += int((count > 1).sum())
    gaps += int((count == 0).sum())
print(len(coco.imgs), "images,", overlaps, "px claimed twice,", gaps, "px unlabelled")
