"""Defects of COCO instances between two segments, where overlap is forbidden."""

from collections.abc import Iterator

import cv2
import numpy as np

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.taxonomy import CAR
from segdata.sample.write import Json, segmentation

SET = "coco_overlap"


@seeds(SET)
def overlap(site: Site) -> Iterator[Defect]:
    """SEG102: a car that was drawn over its neighbour."""
    for car, other in _neighbours(site):
        shared = _grown(site.mask_of(car), 4) & site.mask_of(other)
        if 40 <= shared.sum() < 0.5 * other["area"]:
            site.redraw(car, segmentation(site.mask_of(car) | shared))
            yield site.covering("SEG102", "pixels claimed by two segments", shared, **_about(site, car, other))
            return


@seeds(SET)
def hairline(site: Site) -> Iterator[Defect]:
    """SEG111: a line one pixel wide that belongs to both of two things that touch."""
    for car, other in _neighbours(site):
        line = _grown(site.mask_of(car), 1) & site.mask_of(other)
        if line.sum() >= 14:
            site.redraw(car, segmentation(site.mask_of(car) | line))
            about = _about(site, car, other)
            yield site.covering("SEG111", "a line of doubly claimed pixels along the border", line, **about)
            return


def _neighbours(site: Site) -> Iterator[tuple[Json, Json]]:
    """A car and another thing of the same image, image by image; each image is taken as it is tried."""
    for image in site.document["images"]:
        things = [a for a in site.document["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        stem = image["file_name"].rpartition(".")[0]
        if stem in site.taken:
            continue
        cars = [thing for thing in things if thing["category_id"] == CAR.id and thing["area"] > 300]
        for car, other in ((car, other) for car in cars for other in things if other is not car):
            site.taken.add(stem)
            yield car, other


def _grown(mask: Mask, pixels: int) -> Mask:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), dtype=bool)


def _about(site: Site, car: Json, other: Json) -> Json:
    return site.about(car) | {"segments": sorted([car["id"], other["id"]])}
