"""MOTS classes: the number of each category, 1 to 64, with 10 for regions to ignore; with or without labels.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import VOID_NAMES, CategoryNames, kind_from_name, resolve_names

LABELS = "labels.txt"
IGNORED, IGNORED_NAME = 10, "ignored"
DIVISOR = 1000
LAST = 64  # 16 bits hold 65 535
_OFFICIAL = Taxonomy(
    categories=(
        Category(id=1, name="car"),
        Category(id=2, name="pedestrian"),
        Category(id=IGNORED, name=IGNORED_NAME, kind="void"),
    )
)


@dataclass(frozen=True, slots=True)
class MotsClasses:
    """The classes of a dataset."""

    naming: CategoryNames  # of their names
    category: Mapping[int, int]  # class -> category id
    official: bool  # whether they are the benchmark's
    defects: tuple[Defect, ...] = ()  # of labels.txt

    def category_of(self, classes: Ints) -> tuple[Ints, Flags]:
        """The category id (n,) of each class, or 0, and whether the class has a category."""
        kinds, inverse = np.unique(classes, return_inverse=True)
        is_known = np.array([kind in self.category for kind in kinds.tolist()], bool)
        category = np.array([self.category.get(kind, 0) for kind in kinds.tolist()], np.int64)
        return category[inverse], is_known[inverse]


def read_mots_classes(root: Path, folder: Path, taxonomy: Taxonomy | None) -> MotsClasses:
    """The classes by `labels.txt` in the folder of the masks, line k being class k; else the official ones.

    Class 10 is ignored if the file has fewer lines, as in Datumaro. In the user's taxonomy the first
    category of kind void stands for it, whatever its name.
    """
    names, defects = _read_labels(root, folder / LABELS)
    own_taxonomy = _OFFICIAL
    if names and IGNORED not in names:
        ignored_line = next((k for k, name in names.items() if name == IGNORED_NAME), None)
        names[IGNORED] = IGNORED_NAME if ignored_line is None else names.pop(ignored_line)
    if names:
        own_taxonomy = Taxonomy(
            categories=tuple(Category(id=k, name=name, kind=kind_from_name(name)) for k, name in names.items())
        )
    name_of_class = {category.id: category.name for category in own_taxonomy.categories}
    void = next((item.name for item in taxonomy.categories if item.kind == "void"), None) if taxonomy else None
    if (
        void is not None
        and name_of_class[IGNORED].lower() in VOID_NAMES
        and name_of_class[IGNORED] not in (taxonomy or own_taxonomy).by_name()
    ):
        name_of_class[IGNORED] = void
    resolved = resolve_names(name_of_class.values(), taxonomy, own_taxonomy)
    return MotsClasses(resolved, {k: resolved.to[name] for k, name in name_of_class.items()}, not names, defects)


def _read_labels(root: Path, path: Path) -> tuple[dict[int, str], tuple[Defect, ...]]:
    if not path.is_file():
        return {}, ()
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        return {}, (Defect("SEG001", f"the labels cannot be read: {error}", relative_path(root, path)),)
    names: dict[int, str] = {}
    defects = []
    for number, line in enumerate(lines, 1):
        name = line.rstrip("\r")
        if name in names.values():
            message = f"label {name!r} occurs twice; the first one counts"
            defects.append(Defect("SEG008", message, relative_path(root, path), line=number))
        elif number > LAST:
            message = f"{len(lines)} labels, but 16 bits hold {LAST} classes; the others are left out"
            defects.append(Defect("SEG004", message, relative_path(root, path), line=number))
            break
        else:
            names[number] = name
    return names, tuple(defects)


def mots_class_numbers(taxonomy: Taxonomy) -> tuple[dict[int, int], list[str] | None]:
    """Category id -> class, without void categories, and the lines of labels.txt if classes are not official.

    Only `car` and `pedestrian` are official. Other categories get the classes from 1 in the order of the taxonomy; the
    tenth line is the ignored class, or the last line if there are fewer.
    """
    first = taxonomy.by_id()
    categories = [
        category for category in taxonomy.categories if category.kind != "void" and first[category.id] is category
    ]
    official = {category.name: category.id for category in _OFFICIAL.categories if category.kind != "void"}
    if all(category.name in official for category in categories):
        return {category.id: official[category.name] for category in categories}, None
    names = [category.name for category in categories]
    _check(names)
    names.insert(IGNORED - 1, IGNORED_NAME)
    numbers = [k for k in range(1, len(names) + 1) if k != names.index(IGNORED_NAME) + 1]
    return {category.id: k for category, k in zip(categories, numbers, strict=True)}, names


def _check(names: list[str]) -> None:
    """Raise SegdataError for too many names, and for names that are not unique lines."""
    if len(names) >= LAST:
        raise SegdataError(f"MOTS holds {LAST - 1} categories besides the ignored one; the taxonomy has {len(names)}")
    for name in names:
        if "\n" in name or "\r" in name or not name.strip() or name == IGNORED_NAME or names.count(name) > 1:
            raise SegdataError(f"category {name!r}: MOTS needs a unique name in a line of its own; rename it")
