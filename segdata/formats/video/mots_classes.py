"""MOTS classes: the number of each category, 1 to 64 and 10 for regions to be ignored, with or without labels.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.runs import Ints
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
    """What the classes of a dataset are.

    Attributes
    ----------
    naming : of their names
    category : class -> category id
    official : they are those of the benchmark
    defects : what is wrong with labels.txt
    """

    naming: CategoryNames
    category: Mapping[int, int]
    official: bool
    defects: tuple[Defect, ...] = ()

    def of(self, classes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """The category id (n,) of each class, 0 where there is none, and whether there is one."""
        kinds, inverse = np.unique(classes, return_inverse=True)
        known = np.array([kind in self.category for kind in kinds.tolist()], bool)
        category = np.array([self.category.get(kind, 0) for kind in kinds.tolist()], np.int64)
        return category[inverse], known[inverse]


def read_mots_classes(root: Path, folder: Path, given: Taxonomy | None) -> MotsClasses:
    """The classes by `labels.txt` in the folder of the masks, line k being class k; else the official ones.

    Class 10 is what is ignored where the file has fewer lines, as Datumaro reads it. In the user's taxonomy the first
    category of kind void stands for it, whatever its name.
    """
    names, defects = _read_labels(root, folder / LABELS)
    own = _OFFICIAL
    if names and IGNORED not in names:
        listed = next((k for k, name in names.items() if name == IGNORED_NAME), None)
        names[IGNORED] = IGNORED_NAME if listed is None else names.pop(listed)
    if names:
        own = Taxonomy(
            categories=tuple(Category(id=k, name=name, kind=kind_from_name(name)) for k, name in names.items())
        )
    called = {category.id: category.name for category in own.categories}
    void = next((each.name for each in given.categories if each.kind == "void"), None) if given else None
    if void is not None and called[IGNORED].lower() in VOID_NAMES and called[IGNORED] not in (given or own).by_name():
        called[IGNORED] = void
    known = resolve_names(called.values(), given, own)
    return MotsClasses(known, {k: known.to[name] for k, name in called.items()}, not names, defects)


def _read_labels(root: Path, path: Path) -> tuple[dict[int, str], tuple[Defect, ...]]:
    """Class -> name from a list of labels; blank lines do not count."""
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
            message = f"label {name!r} is here twice; the first one counts"
            defects.append(Defect("SEG008", message, relative_path(root, path), line=number))
        elif number > LAST:
            message = f"{len(lines)} labels, but 16 bits hold {LAST} classes; the others are left out"
            defects.append(Defect("SEG004", message, relative_path(root, path), line=number))
            break
        else:
            names[number] = name
    return names, tuple(defects)


def mots_class_numbers(taxonomy: Taxonomy) -> tuple[dict[int, int], list[str] | None]:
    """Category id -> class, those of kind void left out, and the lines of labels.txt where classes are not official.

    Only `car` and `pedestrian` are official. Other categories get the classes from 1 in the order of the taxonomy; the
    tenth line is what is ignored, or the last one where there are fewer.
    """
    first = taxonomy.by_id()
    categories = [each for each in taxonomy.categories if each.kind != "void" and first[each.id] is each]
    official = {each.name: each.id for each in _OFFICIAL.categories if each.kind != "void"}
    if all(each.name in official for each in categories):
        return {each.id: official[each.name] for each in categories}, None
    names = [each.name for each in categories]
    _check(names)
    names.insert(IGNORED - 1, IGNORED_NAME)
    numbers = [k for k in range(1, len(names) + 1) if k != names.index(IGNORED_NAME) + 1]
    return {each.id: k for each, k in zip(categories, numbers, strict=True)}, names


def _check(names: list[str]) -> None:
    """Raise SegdataError for more names than there are classes, and for those that lines cannot tell apart."""
    if len(names) >= LAST:
        raise SegdataError(f"MOTS holds {LAST - 1} categories beside what is ignored, the taxonomy has {len(names)}")
    for name in names:
        if "\n" in name or "\r" in name or not name.strip() or name == IGNORED_NAME or names.count(name) > 1:
            raise SegdataError(f"category {name!r}: MOTS knows categories by a line of their own; rename it")
