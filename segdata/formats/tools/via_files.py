"""VIA files: read images and regions of documents as shapes; write projects with exact polygons."""

import itertools
import math
import os
import posixpath
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError, count_noun, list_names
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import (
    check_path_name,
    is_unsafe_path,
    split_from_path,
    split_words,
)
from segdata.core.polygons import keyhole, trace_outlines
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.coco.document import raw_json
from segdata.formats.shapes.geometry import Ellipse, Ring, Shape, box, check_numbers, check_ring
from segdata.formats.shared import VIA_LOSSES
from segdata.formats.shared.derived_sources import ORIGINS
from segdata.formats.shared.file_names import apart_defects
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.shared.writing import count_losses, count_segments, count_unannotated_images, start_folder
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonNotation,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    json_text,
    read_shapes,
)
from segdata.formats.tools.source import (
    SHOWN_SIZE,
    ListedImages,
    Tool,
    ToolSource,
    category_names,
    count_lost_rings,
    first_image,
    image_rows,
    left_out_defects,
    outside_path_defect,
    read_head,
    source_polygons,
    writable_rows,
)
from segdata.formats.tools.via import CSV_HEAD, JSON_HEAD
from segdata.formats.tools.via_documents import (
    COLUMN_KEYS,
    NO_CATEGORY,
    USUAL_ATTRIBUTES,
    CategoryCensus,
    ViaImage,
    ViaRegion,
    ViaShape,
    ambiguity_message,
    categories_of,
    is_value,
    own_documents,
    read_via,
)

_COLUMN_LOSSES = VIA_LOSSES - {"attributes", "rings", "secondary-categories"}  # counted by columns
_HELD = frozenset({"annotations.annotator", "images.metadata", "images.split"})
_PROJECT_FILE = "via_project.json"
_EMPTY_OBJECT = re.compile(rb"\s*\{\s*\}\s*")
_CATEGORY = "category"
_COLUMNS = ("segment_id", "track_id", "score", "source", "iscrowd")
_NO_SIZE = -1  # the size in bytes of a missing image file
_NO_AREA = frozenset({"point", "polyline", "line"})
_FILE_COLUMNS = frozenset({"width", "height", "annotator", "source", "split"})
_MAX_ID = 2**62  # of ids
_SHAPE_NUMBERS = {
    "rect": ("x", "y", "width", "height"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
}
_NO_ATTRIBUTES: dict[str, str] = {}
_MIN_LINES, _MIN_LINE_SHARE = 5, 0.02  # lines of categories that are drawn with polygons, and their share of those
_DEFAULT_COLUMNS: Json = {"also": None, "iscrowd": False}  # of a region with a category only


@dataclass(frozen=True, slots=True)
class _CategoryAttributes:
    """The attributes that name categories (the first with a value counts), and the category ids."""

    attributes: tuple[str, ...]
    to: Mapping[str, int]

    @property
    def first(self) -> str | None:
        """The most frequent attribute; None if there is none."""
        return self.attributes[0] if self.attributes else None


def _declared_size(image: ViaImage) -> tuple[int, int]:
    """Height and width in pixels in the attributes of a file; (0, 0) if they lack them."""
    attributes = image.item.file_attributes
    sides = (
        [_parse_side(attributes.get(key)) for key in ("height", "width")] if isinstance(attributes, dict) else [0, 0]
    )
    return (sides[0], sides[1]) if 0 < sides[0] * sides[1] <= MAX_PIXELS else (0, 0)


def _declared_split(image: ViaImage) -> str | None:
    attributes = image.item.file_attributes
    split = attributes.get("split") if isinstance(attributes, dict) else None
    return split if isinstance(split, str) and split else None


def _parse_side(value: object) -> int:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def read_image(reading: _CategoryAttributes, entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """Read the regions on an image; without a declared size, they are drawn at the size that browsers show.

    Raises BrokenLabelsError if the list of regions cannot be read.
    """
    image: ViaImage = entry.record
    size = entry.size
    if 0 in size and head is not None:
        size = (head.width, head.height) if head.is_rotated else (head.height, head.width)
    try:
        regions = image.regions()
    except TypeError as error:
        raise BrokenLabelsError(Defect("SEG004", str(error), place=f"{image.place}/regions")) from error
    defects: list[Defect] = []
    # Without a size, the missing file has been reported.
    shapes = read_shapes(regions, partial(_tool_shape, reading), defects) if 0 not in size else []
    file_attributes = image.item.file_attributes
    attributes: Json = file_attributes if isinstance(file_attributes, dict) else {}
    annotator, source = attributes.get("annotator"), attributes.get("source")
    column_keys = {"width", "height"} if 0 not in entry.size else set()
    column_keys |= {"annotator"} if isinstance(annotator, str) else set()
    column_keys |= {"source"} if source in ORIGINS else set()
    column_keys |= {"split"} if _declared_split(image) else set()
    return [
        ShapeAnnotation(
            size,
            shapes,
            annotator if isinstance(annotator, str) else None,
            {"source": source} if source in ORIGINS else {},
            {key: json_text(value) for key, value in sorted(attributes.items()) if key not in column_keys},
            defects,
        )
    ]


def _plain_shape(reading: _CategoryAttributes, region: ViaRegion, place: str) -> ToolShape | None:
    """Fast path: the shape of a polygon with category and id only; None for other regions."""
    shape, attributes = region.shape_attributes, region.region_attributes
    if shape is None or shape.name != "polygon" or not isinstance(attributes, dict):
        return None
    name, id_ = attributes.get(reading.first), attributes.get("segment_id")
    if type(name) is not str or not is_value(name) or len(attributes) != (1 if id_ is None else 2):
        return None
    if id_ is not None and (type(id_) is not int or abs(id_) > _MAX_ID or reading.first == "segment_id"):
        return None
    return ToolShape(name, _polygon(shape, place), place, None, id_, _NO_ATTRIBUTES, _DEFAULT_COLUMNS)


def _tool_shape(reading: _CategoryAttributes, region: ViaRegion | None, place: str) -> ToolShape | None:
    """The shape of a region, None if it has no area; raises BrokenShapeError."""
    if region is None or region.shape_attributes is None:
        raise BrokenShapeError("SEG004", "a region has shape_attributes, an object")
    plain = _plain_shape(reading, region, place)
    kind = region.shape_attributes.name
    if plain is not None or (isinstance(kind, str) and kind in _NO_AREA):
        return plain
    shape = _read_shape(region.shape_attributes, kind, place)
    attributes = region.region_attributes
    if not (attributes is None or isinstance(attributes, dict)):
        raise BrokenShapeError(
            "SEG004", f"region_attributes is {attributes!r:.40}, an object is expected", "/region_attributes"
        )
    return _described_shape(reading, shape, attributes or {}, place)


def _polygon(shape: ViaShape, place: str) -> PolygonText:
    text = b"[%b,%b]" % (shape.all_points_x, shape.all_points_y)
    # A line of a CSV export has no inner places.
    return PolygonText((text,), "the polygon", f"{place}/shape_attributes" if place.startswith("/") else place)


def _read_shape(shape: ViaShape, kind: object, place: str) -> Shape | PolygonText:
    within = "/shape_attributes"
    if kind == "polygon":
        return _polygon(shape, place)
    if not isinstance(kind, str) or kind not in _SHAPE_NUMBERS:
        raise BrokenShapeError(
            "SEG004", f"the region's shape is {kind!r:.40}, which VIA does not have", f"{within}/name"
        )
    numbers = [_number_at(shape, key, within) for key in _SHAPE_NUMBERS[kind]]
    problem = check_numbers(*numbers)
    if problem is not None or min(numbers[2:]) < 0:
        raise BrokenShapeError("SEG006", f"the {kind} {problem or 'has a side or radius below 0'}", within)
    if kind == "rect":
        x, y, width, height = numbers
        return box(x, y, x + width, y + height)
    theta = math.degrees(_number_at(shape, "theta", within)) if kind == "ellipse" and shape.theta is not UNSET else 0.0
    if not math.isfinite(theta):
        raise BrokenShapeError("SEG006", f"the ellipse is turned by {theta}", f"{within}/theta")
    return Ellipse(numbers[0], numbers[1], numbers[2], numbers[-1], theta)


def _parse_axes_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon with unusual JSON, or its defect."""
    try:
        x, y = msgspec.json.decode(shape.geometry.texts[0]) if isinstance(shape.geometry, PolygonText) else (None, None)
    except (ValueError, RecursionError):
        return shape.refusal("has points that are not pairs of numbers")
    if not (isinstance(x, list) and isinstance(y, list)) or len(x) != len(y):
        place = shape.geometry.within if isinstance(shape.geometry, PolygonText) else shape.place
        message = "a polygon has as many numbers in all_points_x as in all_points_y; left out"
        return Defect("SEG006", message, place=place)
    try:
        points = np.array([x, y]).T
    except ValueError:
        return shape.refusal("has points that are not pairs of numbers")
    problem = check_ring(points)
    return [points.astype(np.float64)] if problem is None else shape.refusal(problem)


def _number_at(shape: ViaShape, key: str, within: str) -> float:
    value = getattr(shape, key)
    value = None if value is UNSET else value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BrokenShapeError("SEG004", f"{key} is {value!r:.40}, a number is expected", f"{within}/{key}")
    return float(value)


def _described_shape(reading: _CategoryAttributes, shape: Shape | PolygonText, region: Json, place: str) -> ToolShape:
    attribute, own = categories_of(region, reading.attributes)
    attribute, categories = attribute or reading.first, own or [NO_CATEGORY]
    also = [reading.to[name] for name in categories[1:]]
    columns: Json = {"also": also or None, "iscrowd": region.get("iscrowd") is True}
    taken = {attribute, "iscrowd"} if columns["iscrowd"] else {attribute}
    for key in ("segment_id", "track_id"):
        value = region.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_ID:
            taken.add(key)
            columns[key] = value
    score = region.get("score")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        taken.add("score")
        columns["score"] = float(score)
    if region.get("source") in ORIGINS:
        taken.add("source")
        columns["source"] = region["source"]
    attributes = {key: json_text(value) for key, value in region.items() if key not in taken}
    return ToolShape(categories[0], shape, place, None, columns.pop("segment_id", None), attributes, columns)


_VIA = Tool("via", "coco", PolygonNotation("axes", mend=_parse_axes_leniently), SHOWN_SIZE)


def open_via(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path; raises UnreadableError if none is VIA's, or if no sizes are known."""
    root = request.root
    paths = _find_documents(root)
    if not paths:
        raise UnreadableError(f"{root}: no VIA file; they are JSON or CSV with shape_attributes and region_attributes")
    dataset = ListedImages.from_request(request)
    if not request.explicit:
        paths, apart = own_documents(root, paths)
        dataset.defects += apart_defects(apart)
    repetitions: _Repetitions = defaultdict(_Repetition)
    for path in paths:
        images, defects = read_via(path, relative_path(root, path))
        dataset.defects += defects
        for image in images:
            _add_image(dataset, path, image, repetitions)
    _leave_copies_out(dataset, repetitions)
    _check_images(dataset)
    dataset.defects += [repetition.defect(*files) for files, repetition in repetitions.items()]
    attributes, names = _choose_categories(dataset, request.options.get("attribute"))
    categories = resolve_names(names, request.taxonomy).with_stand_in(NO_CATEGORY)
    dataset.report_unlisted("VIA")
    read = partial(read_image, _CategoryAttributes(attributes, categories.to))
    return ToolSource.from_request(request, _VIA, categories, dataset.sorted_entries, dataset.defects, read)


def _find_documents(root: Path) -> list[Path]:
    """VIA's files at or below a path; if a folder has CSV and JSON, only the JSON.

    An empty object under the name of one of them is one, too.
    """
    if root.is_file():
        return [root]
    documents: list[Path] = []
    empty: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for suffix, head in ((".json", JSON_HEAD), (".csv", CSV_HEAD)):
            paths = [Path(folder, name) for name in sorted(names) if name.lower().endswith(suffix)]
            matches = [path for path in paths if re.search(head, read_head(path))]
            documents += matches
            empty += [path for path in paths if _EMPTY_OBJECT.fullmatch(read_head(path))]
            if matches:
                break
    names_of_all = {path.name for path in documents}
    documents += [path for path in empty if path.name in names_of_all]
    for path in documents:
        check_path_name(path)
    return documents


@dataclass(slots=True)
class _Repetition:
    """The images of a document that an earlier one lists, too, as a project and its export or backup do."""

    n_copies: int = 0  # images with the same regions
    changed: dict[str, str] = field(default_factory=dict)  # id of each image with other regions -> its place

    def defect(self, file: str, first: str) -> Defect:
        """One defect for the two files; an error if regions differ, since those of `file` are not read."""
        if not self.changed:
            message = f"lists {count_noun(self.n_copies, 'image')} as {first} does, with the same regions"
            return Defect("SEG008", message, file, severity="info")
        which = f"{len(self.changed):,} of them with" if self.n_copies else "with"
        message = (
            f"lists {count_noun(self.n_copies + len(self.changed), 'image')} that {first} lists, too, {which} other "
            f"regions; the entries of {first} are read: move one of the files away, or name the file to validate"
        )
        image, place = next(iter(self.changed.items()))
        return Defect("SEG008", message, file, place or None, image=image if len(self.changed) == 1 else None)


_Repetitions = defaultdict[tuple[str, str], _Repetition]  # by the document and the earlier one


def _add_image(dataset: ListedImages, document: Path, image: ViaImage, repetitions: _Repetitions) -> None:
    """Add an image of a document, or count it as a repetition if an earlier document lists it."""
    file = relative_path(dataset.root, document)
    name = image.item.filename.replace("\\", "/")
    uri = image.item.filename if "://" in name else None
    if uri is not None or is_unsafe_path(name):
        last_part = PurePosixPath(name.split("?")[0]).name or "image"
        if uri is None:
            dataset.defects.append(outside_path_defect(image.item.filename, file, f"{image.place}/filename"))
        name = last_part
    folder, image_file = _find_image(dataset, document, name)
    image_id = posixpath.join(folder, name)
    first = dataset.entries.get(image_id)
    if first is not None and document in first.files:
        message = f"image {image_id!r} is listed twice; the first entry is read"
        dataset.defects.append(Defect("SEG008", message, file, image.place or None, image=image_id))
        return
    if first is not None:
        repetition = repetitions[file, relative_path(dataset.root, first.files[0])]
        if image.has_regions_of(first.record):
            repetition.n_copies += 1
        else:
            repetition.changed[image_id] = image.place
        return
    split = _declared_split(image) or split_from_path(f"{folder}/image")
    dataset.entries[image_id] = ImageEntry(
        image_id, image_file, (document,), image, size=_declared_size(image), uri=uri, split=split
    )


def _find_image(dataset: ListedImages, document: Path, name: str) -> tuple[str, Path | None]:
    """The folder that an image's id names, and its file; that of ``via_train.json`` may be in the folder ``train``."""
    folder, splits = dataset.id_folder(document), split_words(document.stem)
    places = (posixpath.join(folder, name), posixpath.join(folder, "images", name), name)
    image_file = first_image(dataset.folders, places)
    if image_file is None and len(splits) == 1:
        split_folder = posixpath.join(folder, splits[0])
        image_file = first_image(dataset.folders, (posixpath.join(split_folder, name),))
        folder = folder if image_file is None else split_folder
    return folder, image_file


def _leave_copies_out(dataset: ListedImages, repetitions: _Repetitions) -> None:
    """Remove missing images of a document that another document lists with equal regions and a file."""
    present: defaultdict[str, list[ImageEntry]] = defaultdict(list)
    for entry in dataset.entries.values():
        if entry.image is not None:
            present[PurePosixPath(entry.image_id).name].append(entry)
    for image_id, entry in list(dataset.entries.items()):
        for other in present[PurePosixPath(image_id).name] if entry.image is None else ():
            if other.files != entry.files and entry.record.has_regions_of(other.record):
                files = relative_path(dataset.root, entry.files[0]), relative_path(dataset.root, other.files[0])
                repetitions[files].n_copies += 1
                del dataset.entries[image_id]
                break


def _check_images(dataset: ListedImages) -> None:
    """Report missing image files; raises UnreadableError if all are missing and no sizes are known."""
    entries = dataset.entries.values()
    if entries and all(entry.image is None and 0 in entry.size for entry in entries):
        message = f"none of the {len(entries):,} image files is here, and VIA keeps no sizes to draw regions in"
        place = dataset.images or dataset.folder
        raise UnreadableError(f"{dataset.root}: {message} (looked in {place}); give --images")

    def describe(entry: ImageEntry) -> Defect:
        no_size = ", and its size is given nowhere else: its regions cannot be drawn"
        return dataset.missing_image(entry, no_size if 0 in entry.size else "", entry.record.place or None)

    dataset.report_missing(describe)


@dataclass(slots=True)
class _RegionAttributes:
    """Keys and attributes of n regions with an area, and the end of each entry's regions.

    Flat lists, since a tuple per region would burden the garbage collector. `others` counts regions without area.
    """

    entries: list[ImageEntry]
    keys: list[object] = field(default_factory=list)
    attributes: list[object] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    lines: list[object] = field(default_factory=list)  # the attributes of each polyline

    @staticmethod
    def from_entries(entries: list[ImageEntry]) -> "_RegionAttributes":
        result = _RegionAttributes(entries)
        for entry in entries:
            keys, kinds, attributes = entry.record.heads()
            bare = [isinstance(kind, str) and kind in _NO_AREA for kind in kinds]
            if any(bare):
                result.others.update(itertools.compress(kinds, bare))
                result.lines += itertools.compress(attributes, [kind == "polyline" for kind in kinds])
                has_area = [not is_bare for is_bare in bare]
                keys, attributes = itertools.compress(keys, has_area), itertools.compress(attributes, has_area)
            result.keys += keys
            result.attributes += attributes
            result.ends.append(len(result.attributes))
        return result

    def entry(self, row: int) -> ImageEntry:
        return self.entries[bisect_right(self.ends, row)]


def _choose_categories(dataset: ListedImages, wanted: object) -> tuple[tuple[str, ...], set[str]]:
    """Choose the attributes that name categories, and collect the names; reports a doubtful choice."""
    census = CategoryCensus()
    regions = _RegionAttributes.from_entries(list(dataset.entries.values()))
    census.add(regions.attributes)
    category_attributes, others = census.choose_attributes(wanted)
    attribute = category_attributes[0] if category_attributes else None
    values = [attributes.get(attribute) if isinstance(attributes, dict) else None for attributes in regions.attributes]
    names = {value for value in values if type(value) is str and is_value(value)}
    plain, without = frozenset(names), list[int]()  # rows of regions without a category
    by_others = Counter[str]()
    for row, value in enumerate(values):
        if type(value) is str and value in plain:
            continue
        used, categories = categories_of(regions.attributes[row], category_attributes)
        names.update(categories or [NO_CATEGORY])
        by_others.update([] if used in (None, attribute) else [str(used)])
        without += [] if categories else [row]
    if attribute is not None and attribute.lower() not in USUAL_ATTRIBUTES and wanted is None and others:
        dataset.defects.append(Defect("SEG004", ambiguity_message(attribute, others), severity="info"))
    for name, count in by_others.items():
        message = (
            f"the category of {count_noun(count, 'region')} is in the attribute {name!r}, that of the others in "
            f"{attribute!r}: read from both; keep one"
        )
        dataset.defects.append(Defect("SEG004", message, severity="warning", lost=False))
    if without:
        dataset.defects.append(_no_category_defect(dataset.root, regions, without, attribute))
    dataset.defects += left_out_defects("regions without area", regions.others)
    dataset.defects += _open_lines_defects(regions, category_attributes, names)
    return category_attributes, names


def _no_category_defect(root: Path, regions: _RegionAttributes, rows: list[int], attribute: str | None) -> Defect:
    which = "no region attribute has values" if attribute is None else f"the attribute {attribute!r} is empty there"
    n_all, n_images = len(regions.attributes), len({regions.entry(row).image_id for row in rows})
    # Without any value nobody meant to name categories: all regions are of one. Few values are rather the slip.
    are_most = 2 * len(rows) > n_all
    severity: Severity | None = "info" if attribute is None else "warning" if are_most else None
    if severity is None and not any(isinstance(regions.attributes[row], dict) for row in rows):
        severity = "warning"  # attributes that are no object are told where they are
    count = count_noun(n_all, "region") if len(rows) == n_all else f"{len(rows):,} of {count_noun(n_all, 'region')}"
    message = f"{count}, in {count_noun(n_images, 'image')}, without a category ({which}), read as {NO_CATEGORY!r}"
    if attribute is not None and are_most:
        message += "; name all of them, or none"
    entry = regions.entry(rows[0])
    place = entry.record.place_of(regions.keys[rows[0]])
    return Defect("SEG004", message, relative_path(root, entry.files[0]), place, severity=severity)


def _open_lines_defects(
    regions: _RegionAttributes, category_attributes: tuple[str, ...], names: set[str]
) -> Iterator[Defect]:
    """SEG004 if many lines are of categories that have polygons elsewhere."""
    open_lines = Counter(
        category for attributes in regions.lines for category in categories_of(attributes, category_attributes)[1][:1]
    )
    closed = {category: n for category, n in open_lines.items() if category in names}
    if sum(closed.values()) >= max(_MIN_LINES, _MIN_LINE_SHARE * len(regions.attributes)):
        message = (
            f"{count_noun(sum(closed.values()), 'region')} of categories that have polygons elsewhere are lines, and "
            f"left out: {list_names(sorted(closed))}; draw them as polygons"
        )
        yield Defect("SEG004", message, severity="warning", lost=False)


# The settings of a new project of VIA 2.0.12, which does not open projects without them.
_SETTINGS: Json = {
    "ui": {
        "annotation_editor_height": 25,
        "annotation_editor_fontsize": 0.8,
        "leftsidebar_width": 18,
        "image_grid": {
            "img_height": 80,
            "rshape_fill": "none",
            "rshape_fill_opacity": 0.3,
            "rshape_stroke": "yellow",
            "rshape_stroke_width": 2,
            "show_region_shape": True,
            "show_image_policy": "all",
        },
        "image": {
            "region_label": _CATEGORY,
            "region_color": _CATEGORY,
            "region_label_font": "10px Sans",
            "on_image_annotation_editor_placement": "NEAR_REGION",
        },
    },
    "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
}


class _Project:
    """Writes the project file image by image, and VIA's list of attributes last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._ids = file, list[str]()
        self.of_regions, self.of_files, self.copied = set[str](), set[str](), False
        file.write(b'{"_via_img_metadata":{')

    def add(self, image: Json) -> None:
        id_ = f"{image['filename']}{image['size']}"
        separator = b",\n" if self._ids else b"\n"
        self._ids.append(id_)
        self._file.write(separator + msgspec.json.encode(id_) + b":" + msgspec.json.encode(image))
        self.of_files |= image["file_attributes"].keys()
        self.of_regions.update(*(region["region_attributes"] for region in image["regions"]))

    def finish(self, name: str, categories: Iterable[str]) -> None:
        core = {**_SETTINGS["core"], "default_filepath": "images/" if self.copied else ""}
        text = {"type": "text", "description": "", "default_value": ""}
        options = dict.fromkeys(categories, "")
        category = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
        regions = {_CATEGORY: category, **dict.fromkeys(sorted(self.of_regions - {_CATEGORY}), text)}
        footer = {
            "_via_settings": {**_SETTINGS, "core": core, "project": {"name": name}},
            "_via_attributes": {"region": regions, "file": dict.fromkeys(sorted(self.of_files), text)},
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": self._ids,
        }
        self._file.write(b"\n}," + msgspec.json.encode(footer)[1:] + b"\n")


def write_via(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``via_project.json`` and ``taxonomy.yaml`` into `target`."""
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if name.strip()}
    start_folder(target, profile, losses)
    with (target / _PROJECT_FILE).open("wb") as file:
        project = _Project(file)
        for batch in batches:
            count_losses(batch, losses, _COLUMN_LOSSES, _HELD)
            count_unannotated_images(batch, losses)
            for image in _images(batch, names, losses):
                project.add(image)
            uris = batch.images["uri"].to_pylist()
            project.copied |= any(uri and Path(uri).is_relative_to(target.absolute()) for uri in uris)
        project.finish(profile.name, names.values())


def _images(batch: Batch, names: dict[int, str], losses: LossCounter) -> Iterator[Json]:
    rows = writable_rows(batch, names, losses, empty=False)
    segments = batch.segments.take(pa.array(rows)).to_pylist()
    regions = [
        {"shape_attributes": shape, "region_attributes": attributes}
        for shape, attributes in zip(
            _polygons(batch, rows, losses), _region_attributes(batch, rows, segments, names, losses), strict=True
        )
    ]
    for image, in_image, owner in image_rows(batch, rows):
        path = Path(image["uri"]) if image["uri"] and "://" not in image["uri"] else None
        yield {
            "filename": image["image_id"],
            "size": path.stat().st_size if path is not None and path.is_file() else _NO_SIZE,
            "regions": regions[in_image],
            "file_attributes": _file_attributes(image, owner, losses),
        }


def _file_attributes(image: Json, owner: Json, losses: LossCounter) -> Json:
    metadata = {key: raw_json(value) for key, value in image["metadata"] or ()}
    kept = {key: value for key, value in metadata.items() if key not in _FILE_COLUMNS}
    if len(kept) < len(metadata):
        losses.add("image-details", "images", 1, examples=[image["image_id"]])
    columns = {"width": image["width"] or None, "height": image["height"] or None, "split": image["split"], **owner}
    return {**kept, **{key: value for key, value in columns.items() if value is not None}}


def _polygons(batch: Batch, rows: Ints, losses: LossCounter) -> list[Json]:
    """(n,) a polygon for each segment: the source's if it is single and exact, else one around all its pixels."""
    source = source_polygons(batch, rows, "coco")
    points = [polygons[0].exterior if len(polygons) == 1 else None for polygons in source]
    to_outline = np.array([row for row, ring in enumerate(points) if ring is None], np.int64)
    count_lost_rings(batch, rows[to_outline], losses)
    height = batch.segment_size[0][rows[to_outline]]
    rings = keyhole(trace_outlines(batch.runs.take(rows[to_outline], batch.n_segments), height))
    for row, ring in zip(to_outline.tolist(), rings.as_lists(), strict=True):
        points[row] = np.array(ring).reshape(-1, 2)
    return [
        {"name": "polygon", "all_points_x": ring[:, 0].tolist(), "all_points_y": ring[:, 1].tolist()}
        for ring in points
        if ring is not None
    ]


def _region_attributes(
    batch: Batch, rows: Ints, segments: list[Json], names: dict[int, str], losses: LossCounter
) -> Iterator[Json]:
    incomplete, without_secondary, renamed = [], [], []
    region_attributes = []
    for row, segment in zip(rows.tolist(), segments, strict=True):
        attributes = {key: raw_json(value) for key, value in segment["attributes"] or ()}
        kept = {key: value for key, value in attributes.items() if key not in COLUMN_KEYS and key != _CATEGORY}
        category, is_whole = _category(segment, names)
        columns = {key: segment[key] for key in _COLUMNS if segment[key] is not None and segment[key] is not False}
        region_attributes.append({_CATEGORY: category, **kept, **columns})
        incomplete += [row] if len(kept) < len(attributes) else []
        without_secondary += [] if is_whole else [row]
        renamed += [] if segment["source_id"] is None else [row]
    count_segments(batch, np.array(incomplete, np.int64), "attributes", losses)
    count_segments(batch, np.array(without_secondary, np.int64), "secondary-categories", losses)
    count_segments(batch, np.array(renamed, np.int64), "segment-id", losses)
    return iter(region_attributes)


def _category(segment: Json, names: dict[int, str]) -> tuple[str | dict[str, bool], bool]:
    """The category, or a checkbox with it and the secondary categories; and whether that holds all of them."""
    ids = [segment["category_id"], *(segment["also"] or ())]
    if len(ids) == 1:
        return names[ids[0]], True
    is_whole = len(set(ids)) == len(ids) and all(id_ in names for id_ in ids)
    return ({names[id_]: True for id_ in ids}, True) if is_whole else (names[ids[0]], False)
