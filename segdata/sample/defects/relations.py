"""Defects between categories and within segments' attributes: what the taxonomy declares, and the data break."""

from collections.abc import Iterator
from typing import Any

import yaml

from segdata.sample.defects.coco_shapes import disc_in, solid
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.outline import rings
from segdata.sample.taxonomy import CAR, PERSON

SET = "relations"
PLATE: dict[str, Any] = {  # Any: YAML values
    "id": 15, "name": "plate", "color": [90, 200, 250], "kind": "thing", "part_of": [CAR.name],
    "definition": "A number plate.",
}  # fmt: skip
DRIVEN = {"name": "driven", "values": ["parked", "moving"], "required": True}


@seeds(SET)
def hierarchy(site: Site) -> Iterator[Defect]:
    """SEG207: number plates lie in their cars, but one lies beside."""
    _declare(site)
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


@seeds(SET)
def attributes(site: Site) -> Iterator[Defect]:
    """SEG209: every car says whether it is driven, but for one that does not, and one that says nonsense."""
    for annotation in site.document["annotations"]:
        if annotation["category_id"] == CAR.id:
            annotation["attributes"] = {"driven": "parked" if annotation["id"] % 2 else "moving"}
    silent, odd = solid(site, min_pixels=200), solid(site, min_pixels=200)
    silent["attributes"] = {}
    odd["attributes"] = {"driven": "flying"}
    yield site.covering("SEG209", "required attribute driven is missing", site.mask_of(silent), **site.about(silent))
    yield site.covering("SEG209", "driven is 'flying', which is not allowed", site.mask_of(odd), **site.about(odd))


@seeds(SET)
def multi_category(site: Site) -> Iterator[Defect]:
    """SEG211: a car that is also said to be a person."""
    annotation = solid(site, min_pixels=200)
    annotation["also"] = [PERSON.id]
    yield site.covering("SEG211", "a car that is also a person", site.mask_of(annotation), **site.about(annotation))


def _declare(site: Site) -> None:
    """Tell the taxonomy of plates, and of what every car must say."""
    path = site.folder / "taxonomy.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["categories"].append(PLATE)
    next(entry for entry in document["categories"] if entry["name"] == CAR.name)["attributes"] = [DRIVEN]
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
