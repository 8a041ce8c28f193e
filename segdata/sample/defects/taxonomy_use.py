"""Defects of taxonomies and of how files use them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import yaml

from segdata.sample import write
from segdata.sample.defects.mask_reading import save_palette
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import BUS, CAR, LEAVES, PERSON, ROAD, SIDEWALK, SIGN
from segdata.sample.write import Json

Entries = list[dict[str, Any]]  # Any: YAML values


def _entries(site: Site) -> tuple[dict[str, Any], Entries]:  # Any: a YAML document
    document = yaml.safe_load((site.folder / "taxonomy.yaml").read_text(encoding="utf-8"))
    return document, document["categories"]


def _save(site: Site, document: dict[str, Any]) -> None:  # Any: a YAML document
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    (site.folder / "taxonomy.yaml").write_text(text, encoding="utf-8")


def _relabel(site: Site, was: int, becomes: int) -> list[Json]:
    """Give the first segment of a category another one, in three images; returns these annotations."""
    found: dict[int, Json] = {}
    for annotation in site.document["annotations"]:
        if annotation["category_id"] == was and not annotation["iscrowd"] and annotation["area"] >= 100:
            found.setdefault(annotation["image_id"], annotation)
    chosen = list(found.values())[:3]
    for annotation in chosen:
        annotation["category_id"] = becomes
    return chosen


def _named(entries: Entries, name: str) -> dict[str, Any]:  # Any: YAML values
    return next(entry for entry in entries if entry["name"] == name)


@seeds("taxonomy_broken")
def taxonomy_broken(site: Site) -> Iterator[Defect]:
    """SEG208: an id twice, a name twice, a colour twice, colours that look alike, and a cycle of parents."""
    document, entries = _entries(site)
    black = {"definition": "seeded"}
    entries.append({"id": CAR.id, "name": "van", "color": [1, 200, 200], "kind": "thing", **black})
    entries.append({"id": 41, "name": SIGN.name, "color": [200, 1, 200], "kind": "thing", **black})
    entries.append({"id": 42, "name": "bridge", "color": list(ROAD.color), "kind": "stuff", **black})
    red, green, blue = SIDEWALK.color
    entries.append({"id": 43, "name": "kerb", "color": [red, green, blue + 1], "kind": "stuff", **black})
    entries.append({"id": 44, "name": "egg", "color": [9, 90, 9], "kind": "thing", "parent": "hen", **black})
    entries.append({"id": 45, "name": "hen", "color": [90, 9, 90], "kind": "thing", "parent": "egg", **black})
    _save(site, document)
    for what, category in (
        (f"id {CAR.id} twice", "van"), (f"name {SIGN.name!r} twice", SIGN.name),
        (f"colour of {ROAD.name} twice", "bridge"),
        (f"colour one step from {SIDEWALK.name}", "kerb"), ("parents go in a circle: egg, hen", "egg"),
    ):  # fmt: skip
        yield site.defect("SEG208", what, file="taxonomy.yaml", category=category)


@seeds("taxonomy_use")
def unknown_category(site: Site) -> Iterator[Defect]:
    """SEG201: a category of the file, with segments, that the taxonomy does not have."""
    site.document["categories"].append({"id": 12, "name": "lorry", "supercategory": "vehicle", "isthing": 1})
    for annotation in _relabel(site, CAR.id, 12):
        about = site.about(annotation) | {"category": "lorry"}
        yield site.covering("SEG201", "category lorry is not in the taxonomy", site.mask_of(annotation), **about)


@seeds("taxonomy_use")
def alias_used(site: Site) -> Iterator[Defect]:
    """SEG203: the file says pedestrian where the taxonomy says person."""
    document, entries = _entries(site)
    _named(entries, PERSON.name)["aliases"] = ["pedestrian"]
    _save(site, document)
    next(entry for entry in site.document["categories"] if entry["id"] == PERSON.id)["name"] = "pedestrian"
    yield site.defect("SEG203", "pedestrian is an old name of person", file="instances.json", category=PERSON.name)


@seeds("taxonomy_use")
def unused_category(site: Site) -> Iterator[Defect]:
    """SEG204: a tram that never comes."""
    document, entries = _entries(site)
    entries.append({"id": 13, "name": "tram", "color": [0, 80, 100], "kind": "thing", "parent": "vehicle"})
    _save(site, document)
    site.document["categories"].append({"id": 13, "name": "tram", "supercategory": "vehicle", "isthing": 1})
    yield site.defect("SEG204", "no segment of tram", file="taxonomy.yaml", category="tram", pixels=0)


@seeds("taxonomy_use")
def not_a_leaf(site: Site) -> Iterator[Defect]:
    """SEG205: a segment called vehicle, which is the parent of car and bus."""
    document, entries = _entries(site)
    entries.append({"id": 14, "name": "vehicle", "color": [0, 0, 230], "kind": "thing"})
    _save(site, document)
    site.document["categories"].append({"id": 14, "name": "vehicle", "supercategory": "vehicle", "isthing": 1})
    for annotation in _relabel(site, BUS.id, 14):
        about = site.about(annotation) | {"category": "vehicle"}
        yield site.covering("SEG205", "vehicle has children: car, bus", site.mask_of(annotation), **about)


@seeds("taxonomy_mapping")
def inconsistent_mapping(site: Site) -> Iterator[Defect]:
    """SEG202: the file and the taxonomy have exchanged the ids of car and bus."""
    for entry in site.document["categories"]:
        entry["name"] = {CAR.name: BUS.name, BUS.name: CAR.name}.get(entry["name"], entry["name"])
    for name, number in ((CAR.name, BUS.id), (BUS.name, CAR.id)):
        what = f"{name} is {number} in instances.json and another id in taxonomy.yaml"
        yield site.defect("SEG202", what, file="instances.json", category=name)


@seeds("palette_masks")
def inconsistent_palette(site: Site) -> Iterator[Defect]:
    """SEG202: palette masks, one of which shows road and sidewalk in each other's colours."""
    colours = {category.id: category.color for category in LEAVES}
    for number, shot in enumerate(site.shots):
        shown = colours | {ROAD.id: SIDEWALK.color, SIDEWALK.id: ROAD.color} if number == 1 else colours
        ids = np.array([0, *(segment.category.id for segment in shot.picture.segments)], np.uint8)[shot.picture.labels]
        save_palette(site, shot.name, ids, shown)
    wrong = site.shots[1]
    inside = np.isin([segment.category.id for segment in wrong.picture.segments], [ROAD.id, SIDEWALK.id])
    mask = np.r_[False, inside][wrong.picture.labels]
    where = {"file": f"masks/{wrong.name}.png", "image": f"{wrong.name}.jpg", "category": ROAD.name}
    yield site.defect("SEG016", "a palette unlike the others", file=where["file"], image=where["image"])
    yield site.covering("SEG202", "the palette exchanges the colours of road and sidewalk", mask, **where)


@seeds("suppressions")
def expired_suppression(site: Site) -> Iterator[Defect]:
    """SEG019: a suppression whose date has passed, and one that matches nothing."""
    suppress = [
        {"code": "SEG101", "image": "*.jpg", "reason": "first batch", "until": date(2020, 1, 31)},
        {"code": "SEG102", "image": "no_such_image*.jpg", "reason": "glass in front"},
    ]
    write.write_config(site.folder, coverage="exhaustive", overlap="forbid", suppress=suppress)
    yield site.defect("SEG019", "suppression of SEG101 ended on 2020-01-31", file="segdata.yaml")
    yield site.defect("SEG019", "suppression of SEG102 matches no finding", file="segdata.yaml")
