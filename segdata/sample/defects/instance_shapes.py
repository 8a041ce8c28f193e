"""Defects of instance-ID images: ids shared, missing, cut and merged."""

from collections.abc import Iterator

import cv2
import numpy as np

from segdata.sample import write
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.outline import n_parts
from segdata.sample.taxonomy import CAR, ROAD, Category
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


def _touching(ids: np.ndarray, values: list[int]) -> tuple[int, int] | None:
    for first in values:
        near = cv2.dilate((ids == first).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        for second in values:
            if second > first and (near & (ids == second)).sum() >= 6:
                return first, second
    return None


def _apart(ids: np.ndarray, values: list[int]) -> tuple[int, int] | None:
    for first in values:
        near = cv2.dilate((ids == first).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        for second in values:
            if second > first and not (near & (ids == second)).any():
                return first, second
    return None


@seeds(SET)
def shared_id(site: Site) -> Iterator[Defect]:
    """SEG108: two cars that stand apart have one id. A mask cannot tell two uses of an id from one car in two parts."""
    shot = site.take(lambda shot: _apart(ids := site.pixels("masks", shot), ids_of_category(ids, CAR)) is not None)
    ids = site.pixels("masks", shot)
    pair = _apart(ids, ids_of_category(ids, CAR))
    assert pair, "the picture was taken for its pair"
    second = ids == pair[1]
    ids[second] = pair[0]
    write.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG108", f"id {pair[0]} on a second car", second, **_about(shot, CAR, [pair[0]]))


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
    """SEG120: two touching cars under one id."""
    shot = site.take(lambda shot: _touching(ids := site.pixels("masks", shot), ids_of_category(ids, CAR)) is not None)
    ids = site.pixels("masks", shot)
    pair = _touching(ids, ids_of_category(ids, CAR))
    assert pair, "the picture was taken for its pair"
    ids[ids == pair[1]] = pair[0]
    write.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG120", "two touching cars are one", ids == pair[0], **_about(shot, CAR, [pair[0]]))


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
