"""Defects of instance-ID images: ids shared, missing, cut and merged."""

from collections.abc import Iterator

import numpy as np

from segdata.sample import write
from segdata.sample.defects.plates import COUNT, hang
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.outline import n_parts
from segdata.sample.taxonomy import CAR, ROAD, SIGN, Category
from segdata.sample.tidy import tidy
from segdata.sample.write import DIVISOR, Shot

SET = "instance_shapes"


def ids_of_category(ids: np.ndarray, category: Category, min_pixels: int = 200) -> list[int]:
    """The instance values of a category with at least that many pixels, each in one part."""
    values, counts = np.unique(ids[ids // DIVISOR == category.id], return_counts=True)
    return [int(v) for v, n in zip(values, counts, strict=True) if n >= min_pixels and n_parts(ids == v) == 1]


def _take_cars(site: Site, count: int) -> tuple[Shot, np.ndarray, list[int]]:
    shot = site.take(lambda shot: len(ids_of_category(site.pixels("masks", shot), CAR)) >= count)
    ids = site.pixels("masks", shot)
    return shot, ids, ids_of_category(ids, CAR)


def _about(shot: Shot, category: Category, segments: list[int]) -> dict[str, object]:
    return {
        "file": f"masks/{shot.name}.png",
        "image": f"{shot.name}.jpg",
        "category": category.name,
        "segments": segments,
    }


def _hang_signs(site: Site, nearer: int = 0) -> tuple[Shot, np.ndarray, list[int]]:
    """A picture with a row of signs of one size, its ids, and theirs; the fifth hangs nearer to the fourth."""
    shot = site.take()
    ids = site.pixels("masks", shot)
    first = 1 + max(SIGN.id * DIVISOR, int(ids[ids // DIVISOR == SIGN.id].max(initial=0)))
    values = list(range(first, first + COUNT))
    for value, plate in zip(values, hang(site, shot, nearer), strict=True):
        ids[plate] = value
    labels, kept = tidy(ids.astype(np.int32), 20)  # what the signs left of what they hide
    return shot, np.array([0, *kept], ids.dtype)[labels], values


@seeds(SET)
def shared_id(site: Site) -> Iterator[Defect]:
    """SEG108: two signs that hang apart have one id, among others of their size."""
    shot, ids, values = _hang_signs(site)
    second = ids == values[4]
    ids[second] = values[3]
    write.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG108", f"id {values[3]} on a second sign", second, **_about(shot, SIGN, [values[3]]))


@seeds(SET)
def split_instance(site: Site) -> Iterator[Defect]:
    """SEG109: a car cut into two ids along an upright line."""
    shot, ids, cars = _take_cars(site, 1)
    car = max(cars, key=lambda value: int((ids == value).sum()))
    whole: Mask = ids == car
    x, _, width, _ = write.box_of(whole)
    half = whole.copy()
    half[:, : x + width // 2] = False
    fresh = 1 + int(ids[ids // DIVISOR == CAR.id].max())
    ids[half] = fresh
    write.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG109", f"cut along x = {x + width // 2}", half, **_about(shot, CAR, [car, fresh]))


@seeds(SET)
def unseparated_instances(site: Site) -> Iterator[Defect]:
    """SEG120: two touching signs under one id, among others of their size."""
    shot, ids, values = _hang_signs(site, nearer=11)
    ids[ids == values[4]] = values[3]
    write.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG120", "two touching signs are one", ids == values[3], **_about(shot, SIGN, [values[3]]))


@seeds(SET)
def seam(site: Site) -> Iterator[Defect]:
    """SEG116: the signs of a row were cut where two tiles meet, and what is below became others."""
    shot, ids, values = _hang_signs(site)
    line = 14
    below = np.isin(ids, values)
    below[:line] = False
    ids[below] += len(values)
    write.write_png(site.path("masks", shot), ids)
    cut = [value + len(values) for value in values]
    yield site.covering("SEG116", f"cut along y = {line}", below, **_about(shot, SIGN, [*values, *cut]))


@seeds(SET)
def thing_stuff(site: Site) -> Iterator[Defect]:
    """SEG206: road in two instances."""
    shot = site.take()
    ids = site.pixels("masks", shot)
    right = ids == ROAD.id * DIVISOR
    right[:, : ids.shape[1] // 2] = False
    ids[right] = ROAD.id * DIVISOR + 1
    write.write_png(site.path("masks", shot), ids)
    values = [ROAD.id * DIVISOR, ROAD.id * DIVISOR + 1]
    yield site.covering("SEG206", "stuff in two instances", np.isin(ids, values), **_about(shot, ROAD, values))


@seeds("wrapped_ids")
def lossy_mask(site: Site) -> Iterator[Defect]:
    """SEG010: 16-bit ids that an 8-bit file wrapped."""
    for shot in site.shots:
        ids = site.pixels("masks", shot)
        wrapped = ids > 255
        write.write_png(site.path("masks", shot), (ids & 255).astype(np.uint8))
        where = {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg"}
        yield site.covering("SEG010", "ids above 255 wrapped in 8 bits", wrapped, **where)
