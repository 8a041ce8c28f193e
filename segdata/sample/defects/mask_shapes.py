"""Shape defects of colour masks, where every pixel must be labelled."""

from collections.abc import Iterator

import cv2
import numpy as np

from segdata.sample import write
from segdata.sample.defects.coco_shapes import core_of
from segdata.sample.defects.crumbs import nearest_colour, without_crumbs
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.taxonomy import PERSON, POLE, ROAD, SKY, VOID, Category
from segdata.sample.write import Shot

SET = "mask_shapes"


def _where(mask: np.ndarray, category: Category) -> Mask:
    return np.asarray((mask == category.color).all(axis=-1))


def _about(shot: Shot, category: Category | None = None) -> dict[str, object]:
    segments = {"category": category.name, "segments": [category.id]} if category else {}
    return {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", **segments}


def _largest(mask: Mask) -> Mask:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


@seeds(SET)
def gap(site: Site) -> Iterator[Defect]:
    """SEG101: a patch of road that nobody labelled."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    patch = core_of(_where(mask, ROAD), 9) & _where(mask, ROAD)
    mask[patch] = 0
    write.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG101", "unlabelled pixels", patch, **_about(shot))


@seeds(SET)
def speck(site: Site) -> Iterator[Defect]:
    """SEG106: a stray piece of pole, 2 x 2 pixels, on the road at the lower edge of the frame."""
    shot = site.take(lambda shot: any(s.category is POLE for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    stray = np.zeros(mask.shape[:2], bool)
    stray[-2:, mask.shape[1] // 2 : mask.shape[1] // 2 + 2] = True
    mask[stray] = POLE.color
    write.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG106", "stray part", stray, **_about(shot, POLE))


@seeds(SET)
def pinhole(site: Site) -> Iterator[Defect]:
    """SEG107: two pixels in the sky that nobody labelled; they are a gap as well."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    hole = core_of(_where(mask, SKY), 0)
    hole |= np.roll(hole, 1, axis=1)
    mask[hole] = 0
    write.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG107", "hole of a few pixels", hole, **_about(shot, SKY))
    yield site.covering("SEG101", "unlabelled pixels", hole, **_about(shot))


@seeds(SET)
def hairline(site: Site) -> Iterator[Defect]:
    """SEG111: an unlabelled line one pixel wide where road meets what stands on it; it is a gap as well."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    road = _where(mask, ROAD)
    line = _largest(road & cv2.dilate((~road).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool))
    mask[line] = 0
    write.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG111", "a line of unlabelled pixels along the border of road", line, **_about(shot))
    yield site.covering("SEG101", "unlabelled pixels", line, **_about(shot))


@seeds(SET)
def blocky_boundary(site: Site) -> Iterator[Defect]:
    """SEG118: a mask that was drawn six times smaller and enlarged."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    height, width = mask.shape[:2]
    blocky = np.ascontiguousarray(mask[3::6, 3::6].repeat(6, axis=0).repeat(6, axis=1)[:height, :width])
    changed = (blocky != mask).any(axis=-1)
    write.write_png(site.path("masks", shot), blocky)
    yield site.covering("SEG118", "enlarged six times", changed, **_about(shot))


@seeds("thin_lines")
def broken_thin(site: Site) -> Iterator[Defect]:
    """SEG119: posts, which the taxonomy calls thin, with pieces missing, as if drawn dashed."""
    declared = site.folder / "taxonomy.yaml"
    declared.write_text(
        declared.read_text("utf-8").replace(f"name: {POLE.name}\n", f"name: {POLE.name}\n  thin: true\n")
    )
    shot = site.take(lambda shot: any(s.category is POLE for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    pole = _where(mask, POLE)
    dashed = without_crumbs(nearest_colour(mask, pole & (np.arange(mask.shape[0]) // 9 % 2 == 0)[:, None], pole))
    write.write_png(site.path("masks", shot), dashed)
    changed = (dashed != mask).any(axis=-1)
    yield site.covering("SEG119", "pieces of the posts are missing", changed, **_about(shot, POLE))


@seeds(SET)
def too_much_void(site: Site) -> Iterator[Defect]:
    """SEG210: all that is not sky or road given up as void."""
    shot = site.take(lambda shot: any(s.category is PERSON for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    mask[~_where(mask, SKY) & ~_where(mask, ROAD)] = VOID.color
    write.write_png(site.path("masks", shot), mask)
    void = _where(mask, VOID)
    yield site.covering("SEG210", f"void is {void.mean():.0%} of the image", void, **_about(shot, VOID))
