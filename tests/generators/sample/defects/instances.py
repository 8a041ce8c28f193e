"""Defects of COCO panoptic files and of 16-bit instance ids."""

from collections.abc import Iterator

import numpy as np

from tests.generators.sample import writers
from tests.generators.sample.defects.seeding import (
    N_PLATES,
    Mask,
    SeededDataset,
    SeededDefect,
    paint_plates,
    seeds_defect,
)
from tests.generators.sample.scene import remove_small_parts
from tests.generators.sample.taxonomy import BY_ID, CAR, ROAD, SIGN, Category
from tests.generators.sample.writers import DIVISOR, Json, NamedPicture, n_parts

PANOPTIC = "panoptic_reading"


def entry_of(site: SeededDataset, shot: NamedPicture) -> Json:
    """The annotation of a picture in a panoptic file."""
    return next(entry for entry in site.document["annotations"] if entry["file_name"] == f"{shot.name}.png")


def ids_of(site: SeededDataset, shot: NamedPicture) -> np.ndarray:
    """The panoptic ids of a picture, (height, width)."""
    return np.asarray(site.pixels("panoptic", shot).astype(np.int64) @ np.array([1, 256, 65536]))


def _about_entry(shot: NamedPicture, info: Json | None = None) -> Json:
    about: Json = {"file": "panoptic.json", "image": f"{shot.name}.jpg"}
    if info and info["category_id"] in BY_ID:
        about |= {"segments": [info["id"]], "category": BY_ID[info["category_id"]].name}
    return about


@seeds_defect(PANOPTIC)
def panoptic_mismatch(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG014: a segment of the PNG that the JSON does not list, and one of the JSON that the PNG does not show."""
    shot = site.take(_has_car)
    entry = entry_of(site, shot)
    info = next(info for info in entry["segments_info"] if info["category_id"] == CAR.id)
    entry["segments_info"].remove(info)
    yield site.covering(
        "SEG014", f"id {info['id']} is only in the PNG", ids_of(site, shot) == info["id"], **_about_entry(shot, info)
    )
    shot = site.take()
    ghost = {"id": 123456, "category_id": CAR.id, "area": 400, "bbox": [20, 20, 20, 20], "iscrowd": 0}
    entry_of(site, shot)["segments_info"].append(ghost)
    yield site.defect("SEG014", "id 123456 is only in the JSON", **_about_entry(shot, ghost))


@seeds_defect(PANOPTIC)
def missing_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG002: a PNG that is gone."""
    shot = site.take()
    site.path("panoptic", shot).unlink()
    yield site.defect(
        "SEG002", "panoptic PNG does not exist", **_about_entry(shot) | {"file": f"panoptic/{shot.name}.png"}
    )


@seeds_defect(PANOPTIC)
def unreadable_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG001: a PNG that stops in the middle."""
    shot = site.take()
    path = site.path("panoptic", shot)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    yield site.defect(
        "SEG001", "PNG cut off after half of its bytes", **_about_entry(shot) | {"file": f"panoptic/{shot.name}.png"}
    )


@seeds_defect(PANOPTIC)
def dangling_reference(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG007: a segment of a category that the file does not have."""
    shot = site.take(_has_car)
    info = next(info for info in entry_of(site, shot)["segments_info"] if info["category_id"] == CAR.id)
    info["category_id"] = 77
    mask = ids_of(site, shot) == info["id"]
    yield site.covering("SEG007", "category_id 77 does not exist", mask, **_about_entry(shot), segments=[info["id"]])


@seeds_defect(PANOPTIC)
def duplicate_id(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG008: a segment listed twice."""
    shot = site.take(_has_car)
    infos = entry_of(site, shot)["segments_info"]
    info = next(info for info in infos if info["category_id"] == CAR.id)
    infos.append(dict(info))
    yield site.covering(
        "SEG008", f"segment id {info['id']} twice", ids_of(site, shot) == info["id"], **_about_entry(shot, info)
    )


@seeds_defect(PANOPTIC)
def stale_measure(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG013: an area that is not the PNG's."""
    shot = site.take(_has_car)
    info = next(info for info in entry_of(site, shot)["segments_info"] if info["category_id"] == CAR.id)
    info["area"] *= 2
    yield site.covering(
        "SEG013", f"area {info['area']} declared", ids_of(site, shot) == info["id"], **_about_entry(shot, info)
    )


@seeds_defect(PANOPTIC)
def gap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG101: a car erased to 0, unlabelled, in the PNG and from the JSON."""
    shot = site.take(_has_car)
    entry, ids = entry_of(site, shot), ids_of(site, shot)
    info = next(info for info in entry["segments_info"] if info["category_id"] == CAR.id)
    entry["segments_info"].remove(info)
    hole = ids == info["id"]
    ids[hole] = 0
    writers.write_png(site.path("panoptic", shot), writers.packed_png(ids))
    yield site.covering(
        "SEG101", "unlabelled pixels", hole, **_about_entry(shot) | {"file": f"panoptic/{shot.name}.png"}
    )


def _has_car(shot: NamedPicture) -> bool:
    return any(segment.category is CAR for segment in shot.picture.segments)


INSTANCES = "instance_shapes"


def ids_of_category(ids: np.ndarray, category: Category, min_pixels: int = 200) -> list[int]:
    """The instance values of a category with at least that many pixels, each in one part."""
    values, counts = np.unique(ids[ids // DIVISOR == category.id], return_counts=True)
    return [int(v) for v, n in zip(values, counts, strict=True) if n >= min_pixels and n_parts(ids == v) == 1]


def _take_cars(site: SeededDataset, count: int) -> tuple[NamedPicture, np.ndarray, list[int]]:
    shot = site.take(lambda shot: len(ids_of_category(site.pixels("masks", shot), CAR)) >= count)
    ids = site.pixels("masks", shot)
    return shot, ids, ids_of_category(ids, CAR)


def _about_instances(shot: NamedPicture, category: Category, segments: list[int]) -> dict[str, object]:
    return {
        "file": f"masks/{shot.name}.png",
        "image": f"{shot.name}.jpg",
        "category": category.name,
        "segments": segments,
    }


def _hang_signs(site: SeededDataset, nearer: int = 0) -> tuple[NamedPicture, np.ndarray, list[int]]:
    """A picture with a row of signs of one size, its ids, and theirs; the fifth hangs nearer to the fourth."""
    shot = site.take()
    ids = site.pixels("masks", shot)
    first = 1 + max(SIGN.id * DIVISOR, int(ids[ids // DIVISOR == SIGN.id].max(initial=0)))
    values = list(range(first, first + N_PLATES))
    for value, plate in zip(values, paint_plates(site, shot, nearer), strict=True):
        ids[plate] = value
    labels, old_labels = remove_small_parts(ids.astype(np.int32), 20)  # what the signs left of what they hide
    return shot, np.array([0, *old_labels], ids.dtype)[labels], values


@seeds_defect(INSTANCES)
def shared_id(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG108: two signs that hang apart have one id, among others of their size."""
    shot, ids, values = _hang_signs(site)
    second = ids == values[4]
    ids[second] = values[3]
    writers.write_png(site.path("masks", shot), ids)
    yield site.covering(
        "SEG108", f"id {values[3]} on a second sign", second, **_about_instances(shot, SIGN, [values[3]])
    )


@seeds_defect(INSTANCES)
def split_instance(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG109: a car cut into two ids along an upright line."""
    shot, ids, cars = _take_cars(site, 1)
    car = max(cars, key=lambda value: int((ids == value).sum()))
    mask: Mask = ids == car
    x, _, width, _ = writers.box_of(mask)
    half = mask.copy()
    half[:, : x + width // 2] = False
    fresh = 1 + int(ids[ids // DIVISOR == CAR.id].max())
    ids[half] = fresh
    writers.write_png(site.path("masks", shot), ids)
    yield site.covering("SEG109", f"cut along x = {x + width // 2}", half, **_about_instances(shot, CAR, [car, fresh]))


@seeds_defect(INSTANCES)
def unseparated_instances(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG120: two touching signs under one id, among others of their size."""
    shot, ids, values = _hang_signs(site, nearer=11)
    ids[ids == values[4]] = values[3]
    writers.write_png(site.path("masks", shot), ids)
    yield site.covering(
        "SEG120", "two touching signs are one", ids == values[3], **_about_instances(shot, SIGN, [values[3]])
    )


@seeds_defect(INSTANCES)
def seam(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG116: the signs of a row were cut where two tiles meet, and what is below became others."""
    shot, ids, values = _hang_signs(site)
    line = 14
    below = np.isin(ids, values)
    below[:line] = False
    ids[below] += len(values)
    writers.write_png(site.path("masks", shot), ids)
    cut = [value + len(values) for value in values]
    yield site.covering("SEG116", f"cut along y = {line}", below, **_about_instances(shot, SIGN, [*values, *cut]))


@seeds_defect(INSTANCES)
def thing_stuff(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG206: road in two instances."""
    shot = site.take()
    ids = site.pixels("masks", shot)
    right_half = ids == ROAD.id * DIVISOR
    right_half[:, : ids.shape[1] // 2] = False
    ids[right_half] = ROAD.id * DIVISOR + 1
    writers.write_png(site.path("masks", shot), ids)
    values = [ROAD.id * DIVISOR, ROAD.id * DIVISOR + 1]
    yield site.covering(
        "SEG206", "stuff in two instances", np.isin(ids, values), **_about_instances(shot, ROAD, values)
    )


@seeds_defect("wrapped_ids")
def lossy_mask(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG010: 16-bit ids that an 8-bit file wrapped."""
    for shot in site.shots:
        ids = site.pixels("masks", shot)
        wrapped = ids > 255
        writers.write_png(site.path("masks", shot), (ids & 255).astype(np.uint8))
        about = {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg"}
        yield site.covering("SEG010", "ids above 255 wrapped in 8 bits", wrapped, **about)
