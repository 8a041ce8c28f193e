"""The list of everything that can be spoiled: each seeding function says in which dataset it works."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from segdata.sample.defects.site import Defect, Site

Seeding = Callable[[Site], Iterator[Defect]]
SEEDINGS: dict[str, list[Seeding]] = {}


def seeds(dataset: str) -> Callable[[Seeding], Seeding]:
    """Register a function that spoils a dataset and yields what it did."""

    def register(seeding: Seeding) -> Seeding:
        SEEDINGS.setdefault(dataset, []).append(seeding)
        return seeding

    return register


def discover() -> dict[str, list[Seeding]]:
    """All seeding functions by dataset, found in the modules of this folder."""
    package = importlib.import_module("segdata.sample.defects")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"segdata.sample.defects.{module.name}")
    return SEEDINGS
