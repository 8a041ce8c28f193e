"""The categories of the sample street, and the YAML that describes them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml


class Category(NamedTuple):
    """One category: `kind` is thing, stuff or void; `color` is RGB, 0 to 255."""

    id: int
    name: str
    color: tuple[int, int, int]
    kind: str
    parent: str | None = None
    definition: str = ""
    boundary_rule: str = ""

    def entry(self) -> dict[str, object]:
        """The category as an entry of taxonomy.yaml, without its empty fields."""
        values = self._asdict() | {"color": list(self.color)}
        return {key: value for key, value in values.items() if value not in (None, "")}


SKY = Category(1, "sky", (70, 130, 180), "stuff", None, "Open sky and clouds.", "Wires in front belong to pole.")
ROAD = Category(2, "road", (128, 64, 128), "stuff", "ground", "Asphalt that cars drive on, with its markings.")
SIDEWALK = Category(3, "sidewalk", (244, 35, 232), "stuff", "ground", "Paved strip for people, with its kerb.")
VEGETATION = Category(4, "vegetation", (107, 142, 35), "stuff", None, "Trees, hedges and grass, trunks included.")
BUILDING = Category(5, "building", (70, 70, 70), "stuff", "construction", "Houses with windows, doors and roofs.")
FENCE = Category(
    6,
    "fence",
    (190, 153, 153),
    "stuff",
    "construction",
    "Bars and rails.",
    "What is seen between the bars is not fence.",
)
POLE = Category(7, "pole", (153, 153, 153), "stuff", "construction", "Lamp and sign posts, and the wires between.")
SIGN = Category(
    8, "sign", (220, 220, 0), "thing", None, "The plate of a sign without its post.", "A ring sign has a hole."
)
PERSON = Category(9, "person", (220, 20, 60), "thing", None, "A person with clothes and bags.")
CAR = Category(
    10, "car", (0, 0, 142), "thing", "vehicle", "A passenger car.", "What is seen through an open window is not car."
)
BUS = Category(11, "bus", (0, 60, 100), "thing", "vehicle", "A bus, windows included.")
VOID = Category(255, "void", (255, 255, 255), "void", None, "Haze and mirror images on wet road: not to be labelled.")

LEAVES = (SKY, ROAD, SIDEWALK, VEGETATION, BUILDING, FENCE, POLE, SIGN, PERSON, CAR, BUS, VOID)
BY_ID = {category.id: category for category in LEAVES}
BY_NAME = {category.name: category for category in LEAVES}
THINGS = tuple(category for category in LEAVES if category.kind == "thing")


def write_taxonomy(path: Path, categories: Iterable[Category] = LEAVES, unlabelled: object = None) -> None:
    """Write a taxonomy.yaml with these categories; `unlabelled` is the colour or id of "nobody labelled this"."""
    document: dict[str, object] = {} if unlabelled is None else {"unlabelled": unlabelled}
    document["categories"] = [category.entry() for category in categories]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
