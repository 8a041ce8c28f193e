"""Look: what is drawn on one image in VOC's layout."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.runs import Ints, bounding_boxes
from segdata.formats.shared.mask_files import ValueRuns, decode_entry_mask, decode_mask, undecodable_mask
from segdata.formats.shared.mask_values import UNKNOWN, unknown_value_defects, unpack_color
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, relative_path
from segdata.formats.voc.boxes import COLUMNS, Boxed, read_boxes
from segdata.formats.voc.classes import VOID
from segdata.formats.voc.classmap import ClassMap
from segdata.formats.voc.joining import Joined, join
from segdata.formats.voc.listing import Labels
from segdata.formats.voc.matching import match
from segdata.formats.voc.numbers import object_numbers

Columns = dict[str, list[object]]


@dataclass(frozen=True, slots=True)
class _Classes:
    """A mask of classes without its pixels, whose memory the mask of objects can have.

    Attributes
    ----------
    runs, category : of its values, and the category id of each (NOBODY, UNKNOWN)
    coloured, encoding : as in `MaskFile`
    """

    runs: ValueRuns
    category: Ints
    coloured: bool
    encoding: str


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at images of a dataset.

    Attributes
    ----------
    root : where names in defects start
    classes : what the values of class masks mean
    named : category ids by name, for the XML files
    things : (k,) the ids of countable categories
    has_objects : the dataset has masks of objects
    """

    root: Path
    classes: ClassMap
    named: Mapping[str, int]
    things: Ints
    has_objects: bool

    @staticmethod
    def of(root: Path, classes: ClassMap, has_objects: bool) -> "Look":
        """Of a dataset with these classes."""
        taxonomy = classes.taxonomy
        named = {name: each.id for name, each in taxonomy.by_name().items()}
        named |= {name: id_ for id_, name in classes.categories.unknown.items()}
        things = np.array([each.id for each in taxonomy.categories if each.kind == "thing"], np.int64)
        return Look(root, classes, named, things, has_objects)

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """The objects and regions of one image."""
        labels: Labels = entry.record
        classes, defects = self._classes(entry)
        found = self._joined(labels, classes.runs, classes.category, defects)
        regions = np.arange(len(found.category_id)) >= found.n_objects
        columns: Columns = {
            "file": [relative_path(self.root, labels.classes)] * len(regions),
            "place": _places(classes, found),
            "iscrowd": (regions & self.has_objects & np.isin(found.category_id, self.things)).tolist(),
        }
        if labels.boxes is not None and found.n_objects:
            self._describe(labels.boxes, found, classes.runs, columns, defects)
        return [
            ImageAnnotation(
                size=(classes.runs.height, classes.runs.width),
                segment_id=found.segment_id,
                category_id=found.category_id,
                runs=found.runs,
                columns=columns,
                encoding=classes.encoding,
                defects=defects,
            )
        ]

    def _classes(self, entry: ImageEntry) -> tuple[_Classes, list[Defect]]:
        """The mask of classes, and what is wrong with it."""
        mask = decode_entry_mask(self.root, entry)
        runs = ValueRuns.of(mask.pixels)
        category = self.classes.read(mask, runs)
        unsure = bool(mask.lossy or (category == UNKNOWN).any())
        defects = unknown_value_defects(mask, runs, category, self.classes.taxonomy) if unsure else []
        encoding = mask.encoding.partition(", palette")[0]  # what colours a palette has means nothing here
        return _Classes(runs, category, mask.coloured, encoding), defects

    def _joined(self, labels: Labels, runs: ValueRuns, category: Ints, defects: list[Defect]) -> Joined:
        """The segments: objects where a mask tells them, else one segment a category."""
        objects = self._objects(labels, runs, defects) if self.has_objects else None
        if objects is not None:
            values, number = objects
            found = join(runs, category, values, number, self.classes.void, self.things)
            defects += found.defects
            return found
        ids, owner = np.unique(category, return_inverse=True)
        known = ids > UNKNOWN
        owner = (np.cumsum(known) - 1)[owner]
        owner[category <= UNKNOWN] = -1
        return Joined(ids[known], ids[known], runs.owned(owner.astype(np.int32), int(known.sum())), 0)

    def _objects(self, labels: Labels, classes: ValueRuns, defects: list[Defect]) -> tuple[ValueRuns, Ints] | None:
        """The mask of objects, and the number of each of its values; None where it cannot be used."""
        if labels.objects is None:
            message = "the mask of objects does not exist, so nothing tells the objects of this image apart"
            defects.append(Defect("SEG002", message))
            return None
        file = relative_path(self.root, labels.objects)
        try:
            mask = decode_mask(labels.objects)
        except OSError as error:
            defects.append(undecodable_mask(self.root, labels.objects, error))
            return None
        runs = ValueRuns.of(mask.pixels)
        if (runs.height, runs.width) != (classes.height, classes.width):
            message = (
                f"the mask of objects is {runs.width}x{runs.height}, that of classes {classes.width}x{classes.height}"
            )
            defects.append(Defect("SEG003", message, file, lost=True))
            return None
        if mask.lossy:
            message = f"{mask.lossy} changes values, so objects cannot be told apart; save masks as PNG"
            defects.append(Defect("SEG010", message, file))
            return None
        number, strange = object_numbers(mask, runs)
        defects += [replace(each, file=file) for each in strange]
        return runs, number

    def _describe(self, path: Path, found: Joined, runs: ValueRuns, columns: Columns, defects: list[Defect]) -> None:
        """Add to `columns` what the XML file says of the objects, and to `defects` what is wrong with it."""
        file = relative_path(self.root, path)
        said, wrong = read_boxes(path, file, (runs.height, runs.width))
        height = np.full(len(found.category_id), runs.height, np.int64)
        drawn = [side[: found.n_objects] for side in bounding_boxes(found.runs, height, len(height))]
        rows, lonely = match(drawn, found.category_id[: found.n_objects], said, self.named)
        bordered = bool((found.category_id[found.n_objects :] == self.classes.void).any())
        n = len(height)
        columns |= {name: [None] * n for name in ("declared_bbox", "attributes", "score", "source", "track_id")}
        measured = np.stack(drawn, axis=1).astype(np.float64).tolist()
        for row in np.flatnonzero(rows >= 0).tolist():
            _write_into(columns, row, said[rows[row]], measured[row], bordered)
        defects += wrong
        if lonely:
            message = (
                f"{count_noun(len(lonely), 'box', 'boxes')} without an object of that class ({lonely[0].name!r} …)"
            )
            defects.append(Defect("SEG014", message, file, lonely[0].place, severity="info"))


def _write_into(columns: Columns, row: int, said: Boxed, drawn: list[float], bordered: bool) -> None:
    """What is said of one object. Boxes include the border, masks do not: only without border they must agree."""
    attributes, box = dict(said.attributes), list(said.box)
    if bordered and box != drawn:
        attributes.setdefault("bndbox", msgspec.json.encode(box).decode())
    else:
        columns["declared_bbox"][row] = box
    columns["attributes"][row] = sorted(attributes.items()) or None
    for column, _ in COLUMNS.values():
        if column in said.columns:
            columns[column][row] = said.columns[column]


def _places(classes: _Classes, found: Joined) -> list[object]:
    """Where each segment is in its mask: an object's number, else a value of the class mask."""
    values = zip(classes.runs.value[::-1].tolist(), classes.category[::-1].tolist(), strict=True)
    first = {category: value for value, category in values}
    places: list[object] = [f"object {id_}" for id_ in found.segment_id[: found.n_objects].tolist()]
    for id_ in found.category_id[found.n_objects :].tolist():
        value = first.get(id_, VOID)
        places.append(f"colour {unpack_color(value)}" if classes.coloured else f"value {value}")
    return places
