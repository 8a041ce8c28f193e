"""Defects that show between files only: one guideline, read in two ways."""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np

from segdata.sample import write
from segdata.sample.defects.crumbs import without_crumbs
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.outline import rings
from segdata.sample.redraw import Sheet
from segdata.sample.taxonomy import BY_ID, CAR, PERSON, ROAD, SIGN, VOID, write_taxonomy
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
    """SEG310: Label Studio tasks of three annotators; the third gives people and signs up as void."""
    write.write_images(site.folder, site.shots)
    write_taxonomy(site.folder / "taxonomy.yaml")
    drawn = {"first": site.shots, "second": site.shots, "third": [_given_up(shot) for shot in site.shots]}
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/{shot.name}.jpg"},
            "annotations": [_annotation(shots[number], who) for who, shots in drawn.items()],
        }
        for number, shot in enumerate(site.shots)
    ]
    write.write_json(site.folder / "tasks.json", tasks)
    for category in (PERSON, SIGN):
        lost = sum(int(shot.picture.mask(k).sum()) for shot in site.shots for k in _labels(shot, category.id))
        what = f"annotator third marks every {category.name} as void"
        yield site.defect("SEG310", what, file="tasks.json", category=category.name, pixels=lost)


def _annotation(shot: Shot, who: str) -> Json:
    """What one annotator drew of the things and void of a picture: the outer outline of each, in percent."""
    height, width = shot.picture.labels.shape
    results = []
    for number, segment in enumerate(shot.picture.segments, start=1):
        if segment.category.kind == "stuff" or not (mask := shot.picture.mask(number)).any():
            continue
        ring = np.array(max(rings(mask), key=len), float).reshape(-1, 2) * 100 / (width, height)
        value = {"points": ring.tolist(), "polygonlabels": [segment.category.name], "closed": True}
        results.append(
            {
                "id": f"{who}-{number}", "type": "polygonlabels", "from_name": "label", "to_name": "image",
                "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
            }
        )  # fmt: skip
    return {"id": f"{shot.name}-{who}", "completed_by": {"email": who}, "was_cancelled": False, "result": results}


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
