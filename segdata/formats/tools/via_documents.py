"""VIA documents: which are the dataset's, images with undecoded regions, and the attribute that names categories."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import UNSET

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.paths import SPLIT_WORD, split_of_folder
from segdata.formats.coco.document import Document, DocumentKind, explain_validation_error, read_document
from segdata.formats.shared.file_names import divide_labels
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.per_image import relative_path

VIA = DocumentKind("a VIA document", "an object of images, each with filename and regions")
_PROJECT_KEY = "_via_img_metadata"
_N_COLUMNS = 7  # of a CSV export
_MAX_FIELD_LENGTH = 2**26  # of a CSV field; a polygon of a million points has a tenth of that
Raw = msgspec.Raw
NO_CATEGORY = "region"  # the category of regions without one
_NOT_DEFINED = "not_defined"  # what VIA writes into a text attribute of a new region
# Region attributes that segdata's writer uses for columns.
COLUMN_KEYS = frozenset({"segment_id", "track_id", "score", "source", "iscrowd"})
USUAL_ATTRIBUTES = (
    "category", "class", "label", "name", "type", "object", "classes", "labels", "class_name", "category_name",
)  # fmt: skip


class _ViaImageItem(msgspec.Struct, gc=False):
    """An image entry of VIA."""

    filename: str
    size: object = -1
    regions: Raw = Raw(b"[]")
    file_attributes: object = None


class ViaShape(msgspec.Struct, gc=False):
    """The shape of a region, with the points of a polygon undecoded; other keys are ignored."""

    name: object = None
    all_points_x: Raw = Raw(b"null")
    all_points_y: Raw = Raw(b"null")
    x: object = UNSET
    y: object = UNSET
    width: object = UNSET
    height: object = UNSET
    cx: object = UNSET
    cy: object = UNSET
    r: object = UNSET
    rx: object = UNSET
    ry: object = UNSET
    theta: object = UNSET


class ViaRegion(msgspec.Struct, gc=False):
    """A region entry of VIA."""

    shape_attributes: ViaShape | None = None
    region_attributes: object = None


class _ViaShapeHead(msgspec.Struct, gc=False):
    name: object = None


class _RegionHead(msgspec.Struct, gc=False):
    """The keys of a region that are read when the dataset is opened; points are skipped."""

    shape_attributes: _ViaShapeHead | None = None
    region_attributes: object = None


_HEADS = msgspec.json.Decoder(list[_RegionHead] | dict[str, _RegionHead])
_REGIONS = msgspec.json.Decoder(list[ViaRegion] | dict[str, ViaRegion])


@dataclass(frozen=True, slots=True)
class ViaImage:
    """An image of a document."""

    item: _ViaImageItem  # its entry
    place: str  # in the document
    lines: tuple[int, ...] | None = None  # line of each region in a CSV export; None for JSON

    def regions(self) -> list[tuple[str, ViaRegion | None]]:
        """The regions with their places, None for invalid regions; VIA 1 stores them by number.

        Raises TypeError for other values.
        """
        start = self.place_of("")
        return [(f"{start}{key}", region) for key, region in self._keyed_regions()]

    def place_of(self, key: object) -> str:
        """The place of a region."""
        return f"{self.place}/regions/{key}" if self.lines is None else f"line {key}"

    def heads(self) -> tuple[Iterable[object], list[object], list[object]]:
        """The key, the kind of shape and the attributes of each valid region."""
        try:
            decoded = _HEADS.decode(self.item.regions)
        except (ValueError, RecursionError):
            return self._slow_heads()
        heads = decoded.values() if isinstance(decoded, dict) else decoded
        keys = self.lines if self.lines is not None else decoded if isinstance(decoded, dict) else range(len(decoded))
        kinds = [head.shape_attributes and head.shape_attributes.name for head in heads]
        return keys, kinds, [head.region_attributes for head in heads]

    def has_regions_of(self, other: "ViaImage") -> bool:
        """Whether both images have the same regions in the same order, in either layout."""
        try:
            own, others = (msgspec.json.decode(image.item.regions) for image in (self, other))
        except (ValueError, RecursionError):
            return False
        lists = [[*regions.values()] if isinstance(regions, dict) else regions for regions in (own, others)]
        return bool(lists[0] == lists[1])

    def _slow_heads(self) -> tuple[list[object], list[object], list[object]]:
        """`heads` for broken texts, whose defects are reported when the image is read."""
        try:
            sound = [(key, region) for key, region in self._keyed_regions() if region is not None]
        except TypeError:
            sound = []
        kinds = [region.shape_attributes and region.shape_attributes.name for _, region in sound]
        return [key for key, _ in sound], kinds, [region.region_attributes for _, region in sound]

    def _keyed_regions(self) -> Iterator[tuple[object, ViaRegion | None]]:
        """Key or line -> region; raises TypeError."""
        regions = self._decode_regions()
        return zip(regions if self.lines is None else self.lines, regions.values(), strict=True)

    def _decode_regions(self) -> Mapping[object, ViaRegion | None]:
        """Key or row -> region; raises TypeError."""
        text = self.item.regions
        with suppress(ValueError, RecursionError):
            decoded = _REGIONS.decode(text)
            return decoded if isinstance(decoded, dict) else dict(enumerate(decoded))
        raws: list[Raw] | dict[str, Raw]
        try:
            raws = msgspec.json.decode(text, type=list[Raw] | dict[str, Raw])
        except (ValueError, RecursionError) as error:
            shown = bytes(text).decode("utf-8", "replace")
            raise TypeError(f"regions is {shown:.40}, a list is expected") from error
        return {key: _read_region(raw) for key, raw in (raws.items() if isinstance(raws, dict) else enumerate(raws))}


def _read_region(raw: Raw) -> ViaRegion | None:
    try:
        return msgspec.json.decode(raw, type=ViaRegion)
    except (ValueError, RecursionError):
        return None


def read_via(path: Path, name: str) -> tuple[list[ViaImage], list[Defect]]:
    """Read the images of a document, which defects call `name`, and its defects."""
    return _read_csv(path, name) if path.suffix.lower() == ".csv" else _read_json(read_document(path, name, VIA))


def _read_json(document: Document) -> tuple[list[ViaImage], list[Defect]]:
    parts, start = document.parts, ""
    if parts is None:
        return [], document.defects
    if _PROJECT_KEY in parts:
        start = f"/{_PROJECT_KEY}"
        try:
            parts = msgspec.json.decode(parts[_PROJECT_KEY], type=dict[str, Raw])
        except msgspec.ValidationError:
            document.defects.append(Defect("SEG004", f"{_PROJECT_KEY} is not an object", document.name, start))
            return [], document.defects
    images = []
    if not parts:
        message = "lists no image: is it an export that failed?"
        document.defects.append(Defect("SEG004", message, document.name, start, severity="warning"))
    for key, raw in parts.items():
        if key.startswith("_via_"):
            continue
        place = f"{start}/{key.replace('~', '~0').replace('/', '~1')}"
        try:
            images.append(ViaImage(msgspec.json.decode(raw, type=_ViaImageItem), place))
        except msgspec.ValidationError as error:
            why = explain_validation_error(error)
            document.defects.append(Defect("SEG004", f"{why.message}; left out", document.name, place + why.place))
    return images, document.defects


def _read_csv(path: Path, name: str) -> tuple[list[ViaImage], list[Defect]]:
    """Read the images of a CSV export, which has one line per region."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        return [], [Defect("SEG001", f"is not UTF-8 text: {error.reason} at byte {error.start}", name)]
    files: dict[str, tuple[_ViaImageItem, list[Json], list[int]]] = {}
    defects: list[Defect] = []
    for line, row in _rows(text, name, defects):
        try:
            file_attributes, shape, region_attributes = (
                msgspec.json.decode(row[column], type=dict[str, object]) for column in (2, 5, 6)
            )
        except (msgspec.DecodeError, RecursionError, IndexError) as error:
            defects.append(
                Defect("SEG004", f"is not a line of {_N_COLUMNS} columns: {error}; left out", name, line=line)
            )
            continue
        fresh = _ViaImageItem(row[0], row[1], file_attributes=file_attributes)
        item, regions, lines = files.setdefault(row[0] + row[1], (fresh, [], []))
        if shape:
            regions.append({"shape_attributes": shape, "region_attributes": region_attributes})
            lines.append(line)
    for item, regions, _ in files.values():
        item.regions = Raw(msgspec.json.encode(regions))
    return [ViaImage(item, "", tuple(lines)) for item, _, lines in files.values()], defects


def _rows(text: str, name: str, defects: list[Defect]) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with the line on which it ends."""
    before = csv.field_size_limit(_MAX_FIELD_LENGTH)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        next(lines, None)
        for row in lines:
            if row:
                yield lines.line_num, row
    except csv.Error as error:
        defects.append(Defect("SEG001", f"is not CSV: {error}; what follows is not read", name, line=lines.line_num))
    finally:
        csv.field_size_limit(before)


def is_value(text: str) -> bool:
    """Whether the text of an attribute is somebody's: not empty, and not VIA's default."""
    return text != _NOT_DEFINED and bool(text.strip())


def values_of(value: object) -> list[str]:
    """The categories in an attribute's value: a text, a number, or the ticked boxes.

    >>> values_of("car"), values_of({"car": True, "bus": False}), values_of("not_defined")
    (['car'], ['car'], [])
    """
    if isinstance(value, str):
        return [value] if is_value(value) else []
    if isinstance(value, dict):
        return [str(key) for key, ticked in value.items() if ticked is True]
    return [str(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


@dataclass(slots=True)
class CategoryCensus:
    """Counts the categories of each attribute, in the order of the files."""

    by_attribute: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, attribute_sets: Sequence[object]) -> None:
        """Count the attributes of regions."""
        values_by_name: defaultdict[str, list[object]] = defaultdict(list)
        for attributes in attribute_sets:
            if isinstance(attributes, dict):
                for name, value in attributes.items():
                    values_by_name[name].append(value)
        for name in (name for name in values_by_name if name not in COLUMN_KEYS):
            counts = self.by_attribute.setdefault(name, Counter())
            texts = Counter(value for value in values_by_name[name] if type(value) is str)
            for text, count in texts.items():
                if is_value(text):
                    counts[text] += count
            for value in values_by_name[name] if texts.total() < len(values_by_name[name]) else ():
                if type(value) is not str:
                    counts.update(values_of(value))

    def choose_attributes(self, wanted: object) -> tuple[tuple[str, ...], list[str]]:
        """Choose the attributes that name categories (the first with a value counts), and the other candidates.

        Several are chosen only if their values mostly are values of the first. Raises SegdataError if no region has
        the attribute `wanted`.
        """
        with_values = {name: counts for name, counts in self.by_attribute.items() if counts}
        if wanted is not None:
            if wanted not in self.by_attribute:
                names = ", ".join(self.by_attribute) or "none"
                raise SegdataError(f"no region has the attribute {wanted!r}; there are: {names}")
            return (str(wanted),), []
        if not with_values:
            return (), []
        first, *rest = sorted(with_values, key=lambda name: self._rank(name, with_values[name]))
        return (first, *(name for name in rest if self._stands_in(first, name))), rest

    def _stands_in(self, first: str, name: str) -> bool:
        """Whether at least half of the values of an attribute are values of the first."""
        counts, known = self.by_attribute[name], self.by_attribute[first]
        return 2 * sum(count for value, count in counts.items() if value in known) >= counts.total()

    def _rank(self, name: str, counts: Counter[str]) -> tuple[int, int, int]:
        """The order of preference: a usual name, then many regions with few values."""
        usual = USUAL_ATTRIBUTES.index(name.lower()) if name.lower() in USUAL_ATTRIBUTES else len(USUAL_ATTRIBUTES)
        return usual, -counts.total(), len(counts)


def categories_of(attributes: object, names: Iterable[str]) -> tuple[str | None, list[str]]:
    """The first of the attributes `names` that has a value in a region, and its categories, the region's own first.

    >>> categories_of({"class": "", "type": "car"}, ("class", "type"))
    ('type', ['car'])
    """
    if isinstance(attributes, dict):
        for name in names:
            if categories := values_of(attributes.get(name)):
                return name, categories
    return None, []


def ambiguity_message(attribute: str, others: Iterable[str]) -> str:
    """The message that reports a choice among several attributes."""
    shown = ", ".join(repr(name) for name in others)
    return f"categories are the values of the region attribute {attribute!r}; --read-option attribute=… takes {shown}"


def own_documents(root: Path, paths: list[Path]) -> tuple[list[Path], list[str]]:
    """The documents of the dataset, and the folders of the others (see `divide_labels`).

    If one folder, the first being `root`, has two folders of splits or more with documents, those elsewhere are the
    example of a program, say, that lies beside your own data. A document in `root` itself is always the dataset's.
    """
    documents = {relative_path(root, path): path for path in paths}
    own, apart = divide_labels(documents)
    splits: defaultdict[PurePosixPath, set[PurePosixPath]] = defaultdict(set)  # a folder -> those of its splits
    for folder in {above for name in own for above in PurePosixPath(name).parents}:
        if split_of_folder(folder.name) is not None:
            splits[folder.parent].add(folder)
    homes = [folder for folder, inside in splits.items() if len(inside) > 1]
    home = next((folder for folder in homes if folder.name == "" or len(homes) == 1), None)
    if home is not None:
        ours = {PurePosixPath(), *splits[home]}
        others = [name for name in own if ours.isdisjoint(PurePosixPath(name).parents[:-1]) and "/" in name]
        own = [name for name in own if name not in others]
        apart = sorted({*apart, *map(_folder_of_splits, others)})
    return [documents[name] for name in own], apart


def _folder_of_splits(name: str) -> str:
    """The folder of a document, or the folder around it that holds splits.

    >>> _folder_of_splits("example/train/via.json"), _folder_of_splits("data/api/via.json")
    ('example', 'data/api')
    """
    folder = PurePosixPath(name).parent
    return (folder.parent if SPLIT_WORD.fullmatch(folder.name) else folder).as_posix()
