"""Defects against what the taxonomy expects: where a category must be, and how large its segments are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml

from segdata.sample.defects.coco_shapes import solid
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import CAR, PERSON

SET = "expectations"
LEAST = 30  # pixels: smaller cars were not drawn


@seeds(SET)
def absent_category(site: Site) -> Iterator[Defect]:
    """SEG213: there are people wherever there are cars, but in one image they were forgotten."""
    _declare(site, PERSON.name, expected={"whenever": [CAR.name]})
    annotations = site.document["annotations"]
    people, cars = ({a["image_id"] for a in annotations if a["category_id"] == each.id} for each in (PERSON, CAR))
    chosen = min(cars & people)
    gone = [a for a in annotations if (a["category_id"], a["image_id"]) == (PERSON.id, chosen)]
    without = [a for a in annotations if a["category_id"] == CAR.id and a["image_id"] not in people]
    site.document["annotations"] = [a for a in annotations if a not in gone and a not in without]
    what, image = f"{len(gone)} people are not drawn beside cars", site.image_of(gone[0])["file_name"]
    yield site.defect("SEG213", what, file="instances.json", image=image, category=PERSON.name)


@seeds(SET)
def size_out_of_range(site: Site) -> Iterator[Defect]:
    """SEG214: a car of 16 pixels, where the smallest that are drawn have 30."""
    _declare(site, CAR.name, size={"min_pixels": LEAST})
    site.document["annotations"] = [
        a for a in site.document["annotations"] if a["category_id"] != CAR.id or a["area"] >= LEAST
    ]
    car = solid(site)
    rows, columns = np.nonzero(site.mask_of(car))
    x, y = int(np.median(columns)), int(np.median(rows))
    tiny = site.redraw(car, [[x, y, x + 4, y, x + 4, y + 4, x, y + 4]])
    yield site.covering("SEG214", "a car of 16 px", tiny, **site.about(car))


def _declare(site: Site, name: str, **said: Any) -> None:  # Any: YAML values
    """Let the taxonomy say something of a category."""
    path = site.folder / "taxonomy.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    next(entry for entry in document["categories"] if entry["name"] == name).update(said)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
