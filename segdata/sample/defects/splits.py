"""Defects of a dataset as a whole: its balance, its splits, its duplicates and its annotators."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import BUS, CAR, PERSON, SIGN
from segdata.sample.tidy import small_parts
from segdata.sample.write import Json, segmentation


def _drop(site: Site, doomed: list[Json]) -> None:
    ids = {annotation["id"] for annotation in doomed}
    site.document["annotations"] = [a for a in site.document["annotations"] if a["id"] not in ids]


def _of(site: Site, category: int, split: str = "") -> list[Json]:
    return [
        annotation for annotation in site.document["annotations"]
        if annotation["category_id"] == category and site.image_of(annotation)["file_name"].startswith(split)
    ]  # fmt: skip


@seeds("splits")
def split_leak(site: Site) -> Iterator[Defect]:
    """SEG304: an image of train again in val, and one that was only saved again, brighter by a little."""
    for number, (gain, what) in enumerate(((0, "the same file"), (6, "the same picture, 6 grey levels brighter"))):
        source = site.document["images"][number]
        copy = _copy_of(site, source, f"val/again{number}.jpg", gain)
        for annotation in [a for a in site.document["annotations"] if a["image_id"] == source["id"]]:
            site.add(annotation, image_id=copy["id"])
        yield site.defect(
            "SEG304", f"{what} as {source['file_name']}", file=f"images/{copy['file_name']}", image=copy["file_name"]
        )


@seeds("splits")
def unannotated_image(site: Site) -> Iterator[Defect]:
    """SEG312: an image whose annotations are all gone."""
    image = site.document["images"][3]
    _drop(site, [a for a in site.document["annotations"] if a["image_id"] == image["id"]])
    yield site.defect("SEG312", "image without a segment", file="instances.json", image=image["file_name"])


@seeds("splits")
def split_missing(site: Site) -> Iterator[Defect]:
    """SEG303: no bus in val."""
    _drop(site, _of(site, BUS.id, "val"))
    yield site.defect("SEG303", "no bus in val", file="instances.json", category=BUS.name, pixels=0)


@seeds("splits")
def too_few(site: Site) -> Iterator[Defect]:
    """SEG302: one sign is left, the smallest, and none in val."""
    kept = min(_of(site, SIGN.id, "train"), key=lambda sign: int(sign["area"]))
    _drop(site, [sign for sign in _of(site, SIGN.id) if sign is not kept])
    yield site.covering("SEG302", "the only sign", site.mask_of(kept), **site.about(kept))
    yield site.defect("SEG303", "no sign in val", file="instances.json", category=SIGN.name, pixels=0)


@seeds("splits")
def conflicting_duplicates(site: Site) -> Iterator[Defect]:
    """SEG305: an image twice in train, with other masks the second time."""
    # Not one with the only sign, which would become two.
    signed = {annotation["image_id"] for annotation in _of(site, SIGN.id)}
    source = next(image for image in site.document["images"][4:] if image["id"] not in signed)
    copy = _copy_of(site, source, "train/other.jpg", 0)
    changed = 0
    for annotation in [a for a in site.document["annotations"] if a["image_id"] == source["id"] and not a["iscrowd"]]:
        twin = site.add(annotation, image_id=copy["id"])
        mask = site.mask_of(twin)
        eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        eroded &= ~small_parts(eroded.astype(np.int32), 20)
        if eroded.any():
            site.redraw(twin, segmentation(eroded))
            changed += int((mask & ~eroded).sum())
    what = f"the same file as {source['file_name']} with other masks"
    yield site.defect("SEG305", what, file=f"images/{copy['file_name']}", image=copy["file_name"], pixels=changed)


@seeds("outliers")
def size_outlier(site: Site) -> Iterator[Defect]:
    """SEG307: a person nearly as high as the image."""
    annotation = max(_of(site, PERSON.id), key=lambda person: 0 if person["iscrowd"] else int(person["area"]))
    height, width = site.mask_of(annotation).shape
    giant = cv2.resize(_cut_out(site, annotation), (width // 3, height - 10), interpolation=cv2.INTER_NEAREST)
    mask = np.zeros((height, width), bool)
    mask[5 : height - 5, 20 : 20 + width // 3] = giant.astype(bool)
    site.redraw(annotation, segmentation(mask))
    yield site.covering("SEG307", "a giant", mask, **site.about(annotation))


@seeds("outliers")
def count_outlier(site: Site) -> Iterator[Defect]:
    """SEG308: a picture in which every sign was drawn as 40 crumbs."""
    image, number = site.document["images"][0], 0
    model = _of(site, SIGN.id)[0]
    for row in range(4):
        for column in range(10):
            x, y = 12 + 20 * column, 12 + 20 * row
            crumb = site.add(model, image_id=image["id"])
            site.redraw(crumb, [[x, y + 4, x + 4, y, x + 9, y + 5, x + 5, y + 9]])
            number += 1
    where = {"file": "instances.json", "image": image["file_name"], "category": SIGN.name}
    yield site.defect("SEG308", f"{number} more signs than usual", **where)


@seeds("companions")
def missing_companion(site: Site) -> Iterator[Defect]:
    """SEG309: cars are in all of 48 pictures, but in the last one nobody drew them."""
    image = site.document["images"][-1]
    lost = [a for a in site.document["annotations"] if a["image_id"] == image["id"] and a["category_id"] == CAR.id]
    pixels = sum(annotation["area"] for annotation in lost)
    _drop(site, lost)
    where = {"file": "instances.json", "image": image["file_name"], "category": CAR.name}
    yield site.defect("SEG309", f"{len(lost)} cars not drawn", pixels=pixels, **where)


@seeds("drift")
def split_drift(site: Site) -> Iterator[Defect]:
    """SEG306: val has persons only in name: all cars were taken out there."""
    cars = _of(site, CAR.id, "val")
    _drop(site, cars[1:])
    what = f"{len(cars) - 1} of {len(cars)} cars left out of val"
    yield site.defect(
        "SEG306", what, file="instances.json", category=CAR.name, pixels=sum(car["area"] for car in cars[1:])
    )


def _copy_of(site: Site, source: Json, name: str, gain: int) -> Json:
    copy = dict(source) | {"id": 1 + max(image["id"] for image in site.document["images"]), "file_name": name}
    original, target = site.folder / "images" / source["file_name"], site.folder / "images" / name
    if gain:
        with Image.open(original) as image:
            brighter = np.clip(np.array(image).astype(int) + gain, 0, 255).astype(np.uint8)
        Image.fromarray(brighter).save(target, quality=85)
    else:
        target.write_bytes(original.read_bytes())
    site.document["images"].append(copy)
    return copy


def _cut_out(site: Site, annotation: Json) -> np.ndarray:
    x, y, width, height = annotation["bbox"]
    return site.mask_of(annotation)[y : y + height, x : x + width].astype(np.uint8)
