"""Shape defects of COCO instances, where overlap is allowed and coverage is sparse."""

from collections.abc import Iterator

import cv2
import numpy as np

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.outline import rings
from segdata.sample.taxonomy import BUS, CAR, SIGN
from segdata.sample.write import Json, rle, segmentation

SET = "coco_shapes"


def solid(site: Site, category: int = CAR.id, min_pixels: int = 400) -> Json:
    """An untouched annotation of a category that is in one part, without holes, and away from the frame."""

    def fits(annotation: Json) -> bool:
        if (
            annotation["category_id"] != category
            or annotation["area"] < min_pixels
            or not isinstance(annotation["segmentation"], list)
        ):
            return False
        (x, y, width, height), image = annotation["bbox"], site.image_of(annotation)
        inside = x > 0 and y > 0 and x + width < image["width"] and y + height < image["height"]
        return inside and len(annotation["segmentation"]) == 1

    return next(site.annotations(fits))


def core_of(mask: Mask, radius: int) -> Mask:
    """A square of 2 x radius + 1 pixels about the point that is deepest inside the mask."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    square = np.zeros_like(mask)
    square[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = True
    return square


def disc_in(mask: Mask, radius: int) -> Mask:
    """The pixels of a mask within a radius of the point that is deepest inside."""
    disc = np.zeros(mask.shape, np.uint8)
    rows, columns = np.nonzero(core_of(mask, 0))
    cv2.circle(disc, (int(columns[0]), int(rows[0])), radius, 1, -1)
    return np.asarray(disc.astype(bool) & mask)


@seeds(SET)
def filled_hole(site: Site) -> Iterator[Defect]:
    """SEG018: an inner ring given as a second polygon, which COCO's union fills."""
    annotation = solid(site, min_pixels=700)
    inner = core_of(site.mask_of(annotation), 4)
    annotation["segmentation"] += rings(inner)
    yield site.covering("SEG018", "a ring inside another is filled", inner, **site.about(annotation))


@seeds(SET)
def duplicate_segment(site: Site) -> Iterator[Defect]:
    """SEG104: the same car twice, and a car that is also called a bus."""
    first, second = solid(site), solid(site)
    again, other = site.add(first), site.add(second, category_id=BUS.id)
    for annotation, copy, what in (
        (first, again, "the same segment twice"),
        (second, other, "one shape as car and as bus"),
    ):
        about = site.about(annotation) | {"segments": [annotation["id"], copy["id"]]}
        yield site.covering("SEG104", what, site.mask_of(annotation), **about)


@seeds(SET)
def empty_segment(site: Site) -> Iterator[Defect]:
    """SEG105: an RLE without a set pixel."""
    annotation = solid(site)
    site.redraw(annotation, rle(np.zeros_like(site.mask_of(annotation)), compressed=False))
    yield site.defect("SEG105", "no pixel is set", pixels=0, **site.about(annotation))


@seeds(SET)
def speck(site: Site) -> Iterator[Defect]:
    """SEG106: a stray part of 6 pixels far from its car."""
    annotation = solid(site)
    mask = site.mask_of(annotation)
    stray = np.zeros_like(mask)
    stray[6:9, 10:12] = True
    site.redraw(annotation, segmentation(mask | stray))
    yield site.covering("SEG106", "stray part", stray, **site.about(annotation))


@seeds(SET)
def pinhole(site: Site) -> Iterator[Defect]:
    """SEG107: a hole of 3 pixels inside a car."""
    annotation = solid(site)
    mask = site.mask_of(annotation)
    hole = core_of(mask, 0)
    hole |= np.roll(hole, 1, axis=1) | np.roll(hole, -1, axis=1)
    site.redraw(annotation, rle(mask & ~hole))
    yield site.covering("SEG107", "hole of a few pixels", hole, **site.about(annotation))


@seeds(SET)
def nested_segment(site: Site) -> Iterator[Defect]:
    """SEG110: a car drawn inside a car."""
    annotation = solid(site, min_pixels=700)
    inner = core_of(site.mask_of(annotation), 6) & site.mask_of(annotation)
    nested = site.add(annotation)
    site.redraw(nested, segmentation(inner))
    about = site.about(annotation) | {"segments": [annotation["id"], nested["id"]]}
    yield site.covering("SEG110", "a segment inside another of its category", inner, **about)


@seeds(SET)
def coarse_outline(site: Site) -> Iterator[Defect]:
    """SEG113: a car outlined by a handful of points."""
    annotation = solid(site, min_pixels=600)
    ring = np.array(annotation["segmentation"][0], np.float32).reshape(-1, 1, 2)
    coarse = cv2.approxPolyDP(ring, 0.04 * float(cv2.arcLength(ring, True)), True).ravel().tolist()
    mask = site.redraw(annotation, [coarse])
    yield site.covering("SEG113", f"{len(coarse) // 2} vertices", mask, **site.about(annotation))


@seeds(SET)
def self_intersection(site: Site) -> Iterator[Defect]:
    """SEG114: a ring whose points were clicked in the wrong order."""
    annotation = solid(site)
    x, y, width, height = annotation["bbox"]
    crossed = [x, y, x + width, y + height, x + width, y, x, y + height]
    mask = site.redraw(annotation, [crossed])
    yield site.covering("SEG114", "the ring crosses itself", mask, **site.about(annotation))


@seeds(SET)
def out_of_frame(site: Site) -> Iterator[Defect]:
    """SEG115: a car pushed over the right edge of the image."""
    annotation = solid(site)
    whole, image = site.mask_of(annotation), site.image_of(annotation)
    x, _, width, _ = annotation["bbox"]
    push = image["width"] - x - width // 2
    ring = np.array(annotation["segmentation"][0], dtype=float).reshape(-1, 2) + np.array([push, 0])
    mask = site.redraw(annotation, [ring.ravel().tolist()])
    outside = int(whole.sum()) - int(mask.sum())
    what = f"vertices reach {push - (image['width'] - x - width)} px beyond the right edge"
    yield site.defect("SEG115", what, pixels=outside, bbox=annotation["bbox"], **site.about(annotation))


@seeds(SET)
def frame_filling_thing(site: Site) -> Iterator[Defect]:
    """SEG117: a bus that fills all but the corners of the image."""
    annotation = next(site.annotations(lambda annotation: annotation["category_id"] == BUS.id))
    width, height = site.image_of(annotation)["width"], site.image_of(annotation)["height"]
    corners = [9, 0, width - 9, 0, width, 9, width, height - 9, width - 9, height, 9, height, 0, height - 9, 0, 9]
    mask = site.redraw(annotation, [corners])
    yield site.covering("SEG117", "a thing over nearly the whole frame", mask, **site.about(annotation))


@seeds(SET)
def box_mask(site: Site) -> Iterator[Defect]:
    """SEG112: every sign is its own bounding box."""
    signs = list(site.annotations(lambda annotation: annotation["category_id"] == SIGN.id))
    for annotation in signs:
        x, y, width, height = annotation["bbox"]
        site.redraw(annotation, [[x, y, x + width, y, x + width, y + height, x, y + height]])
    total = sum(annotation["area"] for annotation in signs)
    what = f"{len(signs)} of {len(signs)} signs are exact rectangles"
    segments = [annotation["id"] for annotation in signs]
    yield site.defect("SEG112", what, file="instances.json", segments=segments, category=SIGN.name, pixels=total)
