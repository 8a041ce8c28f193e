"""Defects that show between files only: one guideline, read in two ways."""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np

from segdata.sample import write
from segdata.sample.defects.crumbs import without_crumbs
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.redraw import Sheet
from segdata.sample.taxonomy import BY_ID, CAR, PERSON, ROAD, SIGN, VOID
from segdata.sample.write import Json, Shot, segmentation


@seeds("boundary_treatment")
def boundary_treatment(site: Site) -> Iterator[Defect]:
    """SEG311: every other file leaves a band of void, two pixels wide, on the road around the cars."""
    for shot in site.shots[1::2]:
        mask = site.pixels("masks", shot)
        car, road = (mask == CAR.color).all(axis=-1), (mask == ROAD.color).all(axis=-1)
        band = cv2.dilate(car.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & road
        void_before = (mask == VOID.color).all(axis=-1)
        mask[band] = VOID.color
        mask = without_crumbs(mask)
        band = (mask == VOID.color).all(axis=-1) & ~void_before
        write.write_png(site.path("masks", shot), mask)
        where = {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", "category": CAR.name}
        yield site.covering(
            "SEG311", "a band of void between car and road; other files draw them touching", band, **where
        )


@seeds("occlusion_treatment")
def occlusion_treatment(site: Site) -> Iterator[Defect]:
    """SEG212: in every other file, cars are drawn whole, with what others hide, guessed as their convex outline."""
    for image in site.document["images"][1::2]:
        cars = list(site.annotations(partial(_is_car_of, image["id"])))
        added = 0
        for annotation in cars:
            before = annotation["area"]
            rows, columns = np.nonzero(mask := site.mask_of(annotation))
            hull = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
            whole = np.zeros(mask.shape, np.uint8)
            cv2.fillConvexPoly(whole, hull, 1)
            site.redraw(annotation, segmentation(whole.astype(bool)))
            added += annotation["area"] - before
        where = {"file": "instances.json", "image": image["file_name"], "category": CAR.name}
        segments = [annotation["id"] for annotation in cars]
        yield site.defect(
            "SEG212", "cars drawn whole; other files draw what is visible", pixels=added, segments=segments, **where
        )


@seeds("annotator_drift")
def annotator_drift(site: Site) -> Iterator[Defect]:
    """SEG310: three annotators, each in a folder; the third gives people and signs up as void."""
    for name in ("first", "second", "third"):
        shots = site.shots
        if name == "third":
            shots = [_given_up(shot) for shot in shots]
        write.write_panoptic(site.folder / name, shots)
    for category in (PERSON, SIGN):
        lost = sum(int(shot.picture.mask(k).sum()) for shot in site.shots for k in _labels(shot, category.id))
        what = f"annotator third marks every {category.name} as void"
        yield site.defect("SEG310", what, file="third/panoptic.json", category=category.name, pixels=lost)


def _is_car_of(image_id: int, annotation: Json) -> bool:
    return bool(annotation["image_id"] == image_id and annotation["category_id"] == CAR.id)


def _given_up(shot: Shot) -> Shot:
    sheet = Sheet.of(shot.picture)
    for track, (kind, _) in sheet.things.items():
        if kind.category in (PERSON, SIGN):
            sheet.rename(track, BY_ID[VOID.id])
    return Shot(shot.name, sheet.picture())


def _labels(shot: Shot, category: int) -> list[int]:
    return [k for k, segment in enumerate(shot.picture.segments, start=1) if segment.category.id == category]
