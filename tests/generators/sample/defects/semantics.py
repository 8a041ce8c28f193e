"""Defects against the taxonomy: its use, relations, expected sizes and counts, and how annotators draw."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import cv2
import numpy as np
import yaml

from tests.generators.sample import writers
from tests.generators.sample.defects.coco import disc_in, solid
from tests.generators.sample.defects.masks import save_palette
from tests.generators.sample.defects.seeding import SeededDataset, SeededDefect, remove_specks, seeds_defect
from tests.generators.sample.label_noise import EditableLabels
from tests.generators.sample.taxonomy import BUS, BY_ID, CAR, LEAVES, PERSON, ROAD, SIDEWALK, SIGN, VOID, write_taxonomy
from tests.generators.sample.writers import Json, NamedPicture, rings, segmentation

Entries = list[dict[str, Any]]  # Any: YAML values


def _entries(site: SeededDataset) -> tuple[dict[str, Any], Entries]:  # Any: a YAML document
    document = yaml.safe_load((site.folder / "taxonomy.yaml").read_text(encoding="utf-8"))
    return document, document["categories"]


def _save(site: SeededDataset, document: dict[str, Any]) -> None:  # Any: a YAML document
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    (site.folder / "taxonomy.yaml").write_text(text, encoding="utf-8")


def _relabel(site: SeededDataset, was: int, becomes: int) -> list[Json]:
    """Give the first segment of a category another one, in three images; returns these annotations."""
    annotations: dict[int, Json] = {}
    for annotation in site.document["annotations"]:
        if annotation["category_id"] == was and not annotation["iscrowd"] and annotation["area"] >= 100:
            annotations.setdefault(annotation["image_id"], annotation)
    chosen = list(annotations.values())[:3]
    for annotation in chosen:
        annotation["category_id"] = becomes
    return chosen


def _named(entries: Entries, name: str) -> dict[str, Any]:  # Any: YAML values
    return next(entry for entry in entries if entry["name"] == name)


@seeds_defect("taxonomy_broken")
def taxonomy_broken(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG208: an id twice, a name twice, a colour twice, colours that look alike, and a cycle of parents."""
    document, entries = _entries(site)
    common = {"definition": "seeded"}
    entries.append({"id": CAR.id, "name": "van", "color": [1, 200, 200], "kind": "thing", **common})
    entries.append({"id": 41, "name": SIGN.name, "color": [200, 1, 200], "kind": "thing", **common})
    entries.append({"id": 42, "name": "bridge", "color": list(ROAD.color), "kind": "stuff", **common})
    red, green, blue = SIDEWALK.color
    entries.append({"id": 43, "name": "kerb", "color": [red, green, blue + 1], "kind": "stuff", **common})
    entries.append({"id": 44, "name": "egg", "color": [9, 90, 9], "kind": "thing", "parent": "hen", **common})
    entries.append({"id": 45, "name": "hen", "color": [90, 9, 90], "kind": "thing", "parent": "egg", **common})
    _save(site, document)
    for note, category in (
        (f"id {CAR.id} twice", "van"), (f"name {SIGN.name!r} twice", SIGN.name),
        (f"colour of {ROAD.name} twice", "bridge"),
        (f"colour one step from {SIDEWALK.name}", "kerb"), ("parents go in a circle: egg, hen", "egg"),
    ):  # fmt: skip
        yield site.defect("SEG208", note, file="taxonomy.yaml", category=category)


@seeds_defect("taxonomy_use")
def unknown_category(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG201: a category of the file, with segments, that the taxonomy does not have."""
    site.document["categories"].append({"id": 12, "name": "lorry", "supercategory": "vehicle", "isthing": 1})
    for annotation in _relabel(site, CAR.id, 12):
        about = site.about(annotation) | {"category": "lorry"}
        yield site.covering("SEG201", "category lorry is not in the taxonomy", site.mask_of(annotation), **about)


@seeds_defect("taxonomy_use")
def alias_used(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG203: the file says pedestrian where the taxonomy says person."""
    document, entries = _entries(site)
    _named(entries, PERSON.name)["aliases"] = ["pedestrian"]
    _save(site, document)
    next(entry for entry in site.document["categories"] if entry["id"] == PERSON.id)["name"] = "pedestrian"
    yield site.defect("SEG203", "pedestrian is an old name of person", file="instances.json", category=PERSON.name)


@seeds_defect("taxonomy_use")
def unused_category(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG204: a tram without segments."""
    document, entries = _entries(site)
    entries.append({"id": 13, "name": "tram", "color": [0, 80, 100], "kind": "thing", "parent": "vehicle"})
    _save(site, document)
    site.document["categories"].append({"id": 13, "name": "tram", "supercategory": "vehicle", "isthing": 1})
    yield site.defect("SEG204", "no segment of tram", file="taxonomy.yaml", category="tram", pixels=0)


@seeds_defect("taxonomy_use")
def not_a_leaf(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG205: a segment called vehicle, which is the parent of car and bus."""
    document, entries = _entries(site)
    entries.append({"id": 14, "name": "vehicle", "color": [0, 0, 230], "kind": "thing"})
    _save(site, document)
    site.document["categories"].append({"id": 14, "name": "vehicle", "supercategory": "vehicle", "isthing": 1})
    for annotation in _relabel(site, BUS.id, 14):
        about = site.about(annotation) | {"category": "vehicle"}
        yield site.covering("SEG205", "vehicle has children: car, bus", site.mask_of(annotation), **about)


@seeds_defect("taxonomy_mapping")
def inconsistent_mapping(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG202: the file and the taxonomy have exchanged the ids of car and bus."""
    for entry in site.document["categories"]:
        entry["name"] = {CAR.name: BUS.name, BUS.name: CAR.name}.get(entry["name"], entry["name"])
    for name, number in ((CAR.name, BUS.id), (BUS.name, CAR.id)):
        note = f"{name} is {number} in instances.json and another id in taxonomy.yaml"
        yield site.defect("SEG202", note, file="instances.json", category=name)


@seeds_defect("palette_masks")
def inconsistent_palette(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG202: palette masks, one of which shows road and sidewalk in each other's colours."""
    colours = {category.id: category.color for category in LEAVES}
    for number, shot in enumerate(site.shots):
        shown = colours | {ROAD.id: SIDEWALK.color, SIDEWALK.id: ROAD.color} if number == 1 else colours
        ids = np.array([0, *(segment.category.id for segment in shot.picture.segments)], np.uint8)[shot.picture.labels]
        save_palette(site, shot.name, ids, shown)
    changed = site.shots[1]
    inside = np.isin([segment.category.id for segment in changed.picture.segments], [ROAD.id, SIDEWALK.id])
    mask = np.r_[False, inside][changed.picture.labels]
    about = {"file": f"masks/{changed.name}.png", "image": f"{changed.name}.jpg", "category": ROAD.name}
    yield site.defect("SEG016", "a palette unlike the others", file=about["file"], image=about["image"])
    yield site.covering("SEG202", "the palette exchanges the colours of road and sidewalk", mask, **about)


@seeds_defect("suppressions")
def expired_suppression(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG019: a suppression whose date has passed, and one that matches nothing."""
    suppress = [
        {"code": "SEG101", "image": "*.jpg", "reason": "first batch", "until": date(2020, 1, 31)},
        {"code": "SEG102", "image": "no_such_image*.jpg", "reason": "glass in front"},
    ]
    writers.write_config(site.folder, coverage="exhaustive", overlap="forbid", suppress=suppress)
    yield site.defect("SEG019", "suppression of SEG101 ended on 2020-01-31", file="segdata.yaml")
    yield site.defect("SEG019", "suppression of SEG102 matches no finding", file="segdata.yaml")


RELATIONS = "relations"
PLATE: dict[str, Any] = {  # Any: YAML values
    "id": 15, "name": "plate", "color": [90, 200, 250], "kind": "thing", "part_of": [CAR.name],
    "definition": "A number plate.",
}  # fmt: skip
DRIVEN = {"name": "driven", "values": ["parked", "moving"], "required": True}


@seeds_defect(RELATIONS)
def hierarchy(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG207: number plates lie in their cars, but one lies beside."""
    _declare_relation(site)
    site.document["categories"].append({"id": PLATE["id"], "name": "plate", "supercategory": "plate", "isthing": 1})
    cars = [solid(site) for _ in range(6)]
    for car in cars:
        plate = site.add(car, category_id=PLATE["id"], attributes={})
        mask = site.redraw(plate, rings(disc_in(site.mask_of(car), 5)))
    height, width = mask.shape
    outside = site.redraw(
        plate, [[width - 40, height - 12, width - 34, height - 12, width - 34, height - 8, width - 40, height - 8]]
    )
    about = site.about(plate) | {"category": "plate"}
    yield site.covering("SEG207", "a plate that is part of no car", outside, **about)


@seeds_defect(RELATIONS)
def attributes(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG209: every car says whether it is driven, but for one that does not, and one that says nonsense."""
    for annotation in site.document["annotations"]:
        if annotation["category_id"] == CAR.id:
            annotation["attributes"] = {"driven": "parked" if annotation["id"] % 2 else "moving"}
    silent, odd = solid(site, min_pixels=200), solid(site, min_pixels=200)
    silent["attributes"] = {}
    odd["attributes"] = {"driven": "flying"}
    yield site.covering("SEG209", "required attribute driven is missing", site.mask_of(silent), **site.about(silent))
    yield site.covering("SEG209", "driven is 'flying', which is not allowed", site.mask_of(odd), **site.about(odd))


@seeds_defect(RELATIONS)
def multi_category(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG211: a car that is also said to be a person."""
    annotation = solid(site, min_pixels=200)
    annotation["also"] = [PERSON.id]
    yield site.covering("SEG211", "a car that is also a person", site.mask_of(annotation), **site.about(annotation))


def _declare_relation(site: SeededDataset) -> None:
    """Declare plates in the taxonomy, and the attribute that every car must have."""
    path = site.folder / "taxonomy.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["categories"].append(PLATE)
    next(entry for entry in document["categories"] if entry["name"] == CAR.name)["attributes"] = [DRIVEN]
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


EXPECTATIONS = "expectations"
MIN_CAR_PIXELS = 30  # pixels: smaller cars were not drawn


@seeds_defect(EXPECTATIONS)
def absent_category(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG213: there are people wherever there are cars, but in one image they were forgotten."""
    _declare_expectation(site, PERSON.name, expected={"whenever": [CAR.name]})
    annotations = site.document["annotations"]
    people, cars = (
        {a["image_id"] for a in annotations if a["category_id"] == category.id} for category in (PERSON, CAR)
    )
    chosen = min(cars & people)
    forgotten = [a for a in annotations if (a["category_id"], a["image_id"]) == (PERSON.id, chosen)]
    without = [a for a in annotations if a["category_id"] == CAR.id and a["image_id"] not in people]
    site.document["annotations"] = [a for a in annotations if a not in forgotten and a not in without]
    note, image = f"{len(forgotten)} people are not drawn beside cars", site.image_of(forgotten[0])["file_name"]
    yield site.defect("SEG213", note, file="instances.json", image=image, category=PERSON.name)


@seeds_defect(EXPECTATIONS)
def size_out_of_range(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG214: a car of 16 pixels, where the smallest that are drawn have 30."""
    _declare_expectation(site, CAR.name, size={"min_pixels": MIN_CAR_PIXELS})
    site.document["annotations"] = [
        a for a in site.document["annotations"] if a["category_id"] != CAR.id or a["area"] >= MIN_CAR_PIXELS
    ]
    car = solid(site)
    rows, columns = np.nonzero(site.mask_of(car))
    x, y = int(np.median(columns)), int(np.median(rows))
    tiny = site.redraw(car, [[x, y, x + 4, y, x + 4, y + 4, x, y + 4]])
    yield site.covering("SEG214", "a car of 16 px", tiny, **site.about(car))


def _declare_expectation(site: SeededDataset, name: str, **said: Any) -> None:  # Any: YAML values
    """Let the taxonomy say something of a category."""
    path = site.folder / "taxonomy.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    next(entry for entry in document["categories"] if entry["name"] == name).update(said)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


KEPT_SIGNS = 3
ADDED_PEOPLE = 32


@seeds_defect("imbalance")
def class_imbalance(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG301: three signs in all, and in every image 32 people more, far away."""
    document = site.document
    best: dict[int, Json] = {}
    for sign in sorted(_annotations_of(site, SIGN.id), key=lambda sign: -int(sign["area"])):
        best.setdefault(sign["image_id"], sign)
    kept_ids = [sign["id"] for sign in list(best.values())[:KEPT_SIGNS]]
    document["annotations"] = [a for a in document["annotations"] if a["category_id"] != SIGN.id or a["id"] in kept_ids]
    model = next(person for person in _annotations_of(site, PERSON.id) if not person["iscrowd"])
    for image in document["images"]:
        for number in range(ADDED_PEOPLE):
            person = site.add(model, image_id=image["id"])
            site.redraw(person, [_figure(image["width"] / ADDED_PEOPLE * (number + 0.5), image["height"] - 14)])
    pixels = sum(int(sign["area"]) for sign in _annotations_of(site, SIGN.id))
    note = f"{len(kept_ids)} signs, {sum(not person['iscrowd'] for person in _annotations_of(site, PERSON.id))} people"
    about = {"file": "instances.json", "segments": sorted(kept_ids), "category": SIGN.name}
    yield site.defect("SEG301", note, pixels=pixels, **about)


def _annotations_of(site: SeededDataset, category: int) -> list[Json]:
    return [annotation for annotation in site.document["annotations"] if annotation["category_id"] == category]


def _figure(x: float, y: float) -> list[float]:
    """A small upright figure about (x, y), as a ring."""
    outline = np.array([(0, -5), (1.6, -3), (2.4, 0), (1.4, 5), (-1.4, 5), (-2.4, 0), (-1.6, -3)])
    return [round(float(value), 1) for value in (outline + np.array([x, y])).ravel()]


@seeds_defect("boundary_treatment")
def boundary_treatment(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG311: every other file leaves a band of void, two pixels wide, on the road around the cars."""
    for shot in site.shots[1::2]:
        mask = site.pixels("masks", shot)
        car, road = (mask == CAR.color).all(axis=-1), (mask == ROAD.color).all(axis=-1)
        band = cv2.dilate(car.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & road
        void_before = (mask == VOID.color).all(axis=-1)
        mask[band] = VOID.color
        mask = remove_specks(mask)
        band = (mask == VOID.color).all(axis=-1) & ~void_before
        writers.write_png(site.path("masks", shot), mask)
        about = {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", "category": CAR.name}
        yield site.covering(
            "SEG311", "a band of void between car and road; other files draw them touching", band, **about
        )


@seeds_defect("occlusion_treatment")
def occlusion_treatment(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG212: in every other file, cars are drawn whole, with what others hide, guessed as their convex outline."""
    for image in site.document["images"][1::2]:
        cars = list(site.annotations(partial(_is_car_of, image["id"])))
        added = 0
        for annotation in cars:
            before = annotation["area"]
            rows, columns = np.nonzero(mask := site.mask_of(annotation))
            hull = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
            masks = np.zeros(mask.shape, np.uint8)
            cv2.fillConvexPoly(masks, hull, 1)
            site.redraw(annotation, segmentation(masks.astype(bool)))
            added += annotation["area"] - before
        about = {"file": "instances.json", "image": image["file_name"], "category": CAR.name}
        segments = [annotation["id"] for annotation in cars]
        yield site.defect(
            "SEG212", "cars drawn whole; other files draw what is visible", pixels=added, segments=segments, **about
        )


@seeds_defect("annotator_drift")
def annotator_drift(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG310: Label Studio tasks of three annotators; the third gives people and signs up as void."""
    writers.write_images(site.folder, site.shots)
    write_taxonomy(site.folder / "taxonomy.yaml")
    masks = {"first": site.shots, "second": site.shots, "third": [_given_up(shot) for shot in site.shots]}
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/{shot.name}.jpg"},
            "annotations": [_annotation(shots[number], annotator) for annotator, shots in masks.items()],
        }
        for number, shot in enumerate(site.shots)
    ]
    writers.write_json(site.folder / "tasks.json", tasks)
    for category in (PERSON, SIGN):
        lost = sum(int(shot.picture.mask(k).sum()) for shot in site.shots for k in _labels(shot, category.id))
        note = f"annotator third marks every {category.name} as void"
        yield site.defect("SEG310", note, file="tasks.json", category=category.name, pixels=lost)


def _annotation(shot: NamedPicture, annotator: str) -> Json:
    """One annotator's things and void in a picture: the outer outline of each, in percent."""
    height, width = shot.picture.labels.shape
    results = []
    for number, segment in enumerate(shot.picture.segments, start=1):
        if segment.category.kind == "stuff" or not (mask := shot.picture.mask(number)).any():
            continue
        ring = np.array(max(rings(mask), key=len), float).reshape(-1, 2) * 100 / (width, height)
        value = {"points": ring.tolist(), "polygonlabels": [segment.category.name], "closed": True}
        results.append(
            {
                "id": f"{annotator}-{number}", "type": "polygonlabels", "from_name": "label", "to_name": "image",
                "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
            }
        )  # fmt: skip
    return {
        "id": f"{shot.name}-{annotator}",
        "completed_by": {"email": annotator},
        "was_cancelled": False,
        "result": results,
    }


def _is_car_of(image_id: int, annotation: Json) -> bool:
    return bool(annotation["image_id"] == image_id and annotation["category_id"] == CAR.id)


def _given_up(shot: NamedPicture) -> NamedPicture:
    sheet = EditableLabels.of(shot.picture)
    for track, (kind, _) in sheet.things.items():
        if kind.category in (PERSON, SIGN):
            sheet.rename(track, BY_ID[VOID.id])
    return NamedPicture(shot.name, sheet.picture())


def _labels(shot: NamedPicture, category: int) -> list[int]:
    return [k for k, segment in enumerate(shot.picture.segments, start=1) if segment.category.id == category]
