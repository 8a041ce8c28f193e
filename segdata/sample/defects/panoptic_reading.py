"""Reading defects of COCO panoptic: PNG and segments_info disagree, or are not there."""

from collections.abc import Iterator

import numpy as np

from segdata.sample import write
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import BY_ID, CAR
from segdata.sample.write import Json, Shot

SET = "panoptic_reading"


def entry_of(site: Site, shot: Shot) -> Json:
    """The annotation of a picture in a panoptic file."""
    return next(entry for entry in site.document["annotations"] if entry["file_name"] == f"{shot.name}.png")


def ids_of(site: Site, shot: Shot) -> np.ndarray:
    """The panoptic ids of a picture, (height, width)."""
    return np.asarray(site.pixels("panoptic", shot).astype(np.int64) @ np.array([1, 256, 65536]))


def _about(shot: Shot, info: Json | None = None) -> Json:
    about: Json = {"file": "panoptic.json", "image": f"{shot.name}.jpg"}
    if info and info["category_id"] in BY_ID:
        about |= {"segments": [info["id"]], "category": BY_ID[info["category_id"]].name}
    return about


@seeds(SET)
def panoptic_mismatch(site: Site) -> Iterator[Defect]:
    """SEG014: a segment of the PNG that the JSON does not list, and one of the JSON that the PNG does not show."""
    shot = site.take(_has_car)
    entry = entry_of(site, shot)
    info = next(info for info in entry["segments_info"] if info["category_id"] == CAR.id)
    entry["segments_info"].remove(info)
    yield site.covering(
        "SEG014", f"id {info['id']} is only in the PNG", ids_of(site, shot) == info["id"], **_about(shot, info)
    )
    shot = site.take()
    ghost = {"id": 123456, "category_id": CAR.id, "area": 400, "bbox": [20, 20, 20, 20], "iscrowd": 0}
    entry_of(site, shot)["segments_info"].append(ghost)
    yield site.defect("SEG014", "id 123456 is only in the JSON", **_about(shot, ghost))


@seeds(SET)
def missing_file(site: Site) -> Iterator[Defect]:
    """SEG002: a PNG that is gone."""
    shot = site.take()
    site.path("panoptic", shot).unlink()
    yield site.defect("SEG002", "panoptic PNG does not exist", **_about(shot) | {"file": f"panoptic/{shot.name}.png"})


@seeds(SET)
def unreadable_file(site: Site) -> Iterator[Defect]:
    """SEG001: a PNG that stops in the middle."""
    shot = site.take()
    path = site.path("panoptic", shot)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    yield site.defect(
        "SEG001", "PNG cut off after half of its bytes", **_about(shot) | {"file": f"panoptic/{shot.name}.png"}
    )


@seeds(SET)
def dangling_reference(site: Site) -> Iterator[Defect]:
    """SEG007: a segment of a category that the file does not have."""
    shot = site.take(_has_car)
    info = next(info for info in entry_of(site, shot)["segments_info"] if info["category_id"] == CAR.id)
    info["category_id"] = 77
    mask = ids_of(site, shot) == info["id"]
    yield site.covering("SEG007", "category_id 77 does not exist", mask, **_about(shot), segments=[info["id"]])


@seeds(SET)
def duplicate_id(site: Site) -> Iterator[Defect]:
    """SEG008: a segment listed twice."""
    shot = site.take(_has_car)
    infos = entry_of(site, shot)["segments_info"]
    info = next(info for info in infos if info["category_id"] == CAR.id)
    infos.append(dict(info))
    yield site.covering(
        "SEG008", f"segment id {info['id']} twice", ids_of(site, shot) == info["id"], **_about(shot, info)
    )


@seeds(SET)
def stale_measure(site: Site) -> Iterator[Defect]:
    """SEG013: an area that is not the PNG's."""
    shot = site.take(_has_car)
    info = next(info for info in entry_of(site, shot)["segments_info"] if info["category_id"] == CAR.id)
    info["area"] *= 2
    yield site.covering(
        "SEG013", f"area {info['area']} declared", ids_of(site, shot) == info["id"], **_about(shot, info)
    )


@seeds(SET)
def gap(site: Site) -> Iterator[Defect]:
    """SEG101: a car erased to 0, unlabelled, in the PNG and from the JSON."""
    shot = site.take(_has_car)
    entry, ids = entry_of(site, shot), ids_of(site, shot)
    info = next(info for info in entry["segments_info"] if info["category_id"] == CAR.id)
    entry["segments_info"].remove(info)
    hole = ids == info["id"]
    ids[hole] = 0
    write.write_png(site.path("panoptic", shot), write.packed_png(ids))
    yield site.covering("SEG101", "unlabelled pixels", hole, **_about(shot) | {"file": f"panoptic/{shot.name}.png"})


def _has_car(shot: Shot) -> bool:
    return any(segment.category is CAR for segment in shot.picture.segments)
