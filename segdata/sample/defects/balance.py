"""A dataset in which one category drowns another."""

from collections.abc import Iterator

import numpy as np

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import PERSON, SIGN
from segdata.sample.write import Json

KEPT_SIGNS = 3
ADDED_PEOPLE = 32


@seeds("imbalance")
def class_imbalance(site: Site) -> Iterator[Defect]:
    """SEG301: three signs in all, and in every image 32 people more, far away."""
    document = site.document
    best: dict[int, Json] = {}
    for sign in sorted(_of(site, SIGN.id), key=lambda sign: -int(sign["area"])):
        best.setdefault(sign["image_id"], sign)
    kept = [sign["id"] for sign in list(best.values())[:KEPT_SIGNS]]
    document["annotations"] = [a for a in document["annotations"] if a["category_id"] != SIGN.id or a["id"] in kept]
    model = next(person for person in _of(site, PERSON.id) if not person["iscrowd"])
    for image in document["images"]:
        for number in range(ADDED_PEOPLE):
            person = site.add(model, image_id=image["id"])
            site.redraw(person, [_figure(image["width"] / ADDED_PEOPLE * (number + 0.5), image["height"] - 14)])
    pixels = sum(int(sign["area"]) for sign in _of(site, SIGN.id))
    what = f"{len(kept)} signs, {sum(not person['iscrowd'] for person in _of(site, PERSON.id))} people"
    where = {"file": "instances.json", "segments": sorted(kept), "category": SIGN.name}
    yield site.defect("SEG301", what, pixels=pixels, **where)


def _of(site: Site, category: int) -> list[Json]:
    return [annotation for annotation in site.document["annotations"] if annotation["category_id"] == category]


def _figure(x: float, y: float) -> list[float]:
    """A small upright figure about (x, y), as a ring."""
    outline = np.array([(0, -5), (1.6, -3), (2.4, 0), (1.4, 5), (-1.4, 5), (-2.4, 0), (-1.6, -3)])
    return [round(float(value), 1) for value in (outline + np.array([x, y])).ravel()]
