"""Projects of Supervisely: their datasets, classes and images, and the objects of each image as shapes."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np

from segdata.core.errors import UnreadableError, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, dataset_folder, split_from_path
from segdata.core.runs import Floats
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shapes.geometry import Bitmap, Polygon, PolygonArrays, Ring, Shape, box, check_numbers, check_ring
from segdata.formats.shared.image_index import has_index, pair_by_index
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, ImageHeader
from segdata.formats.shared.json_files import (
    Json,
    encode_json,
    parse_json,
    read_json,
    read_small_file,
    repeated_key_defects,
)
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonNotation,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    polygon_of_point,
    read_shapes,
)
from segdata.formats.tools.source import Tool, ToolSource
from segdata.formats.tools.supervisely_bitmaps import BrokenBitmapError, decode_mask, decode_opacity

Raw = msgspec.Raw
SCORE_TAG, CROWD_TAG, TRACK_TAG = "confidence", "iscrowd", "track_id"  # tags that become columns
RESERVED_TAGS = frozenset({SCORE_TAG, CROWD_TAG, TRACK_TAG, "description", "labelerLogin"})
_NO_PIXELS = frozenset({"point", "line", "polyline", "graph", "cuboid", "cuboid_2d"})
_KINDS = _NO_PIXELS | {"bitmap", "alpha_mask", "polygon", "rectangle"}
_DRAWN = ("bitmap", "polygon", "rectangle")  # shapes of which a class has one
_MIN_OPACITY = 128  # of a soft mask's pixels, of 255
_CENTRE = 0.5  # integer coordinates are centres of pixels
_DEFAULT_COLUMNS: Json = {"source_id": None, "score": None, "track_id": None, "iscrowd": False}
_NO_ATTRIBUTES: dict[str, str] = {}
META = "meta.json"
_OTHER_PROJECT_TYPES = frozenset({"videos", "volumes", "point_clouds", "point_cloud_episodes"})
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


class _RingTexts(msgspec.Struct, gc=False):
    """The rings of a polygon, undecoded; or the corners of a rectangle."""

    exterior: Raw = Raw()
    interior: list[Raw] | None = None


class _ProjectObject(msgspec.Struct, gc=False):
    """An object of a file."""

    classTitle: object = None  # noqa: N815 - Supervisely's names
    classId: object = None  # noqa: N815
    geometryType: object = None  # noqa: N815
    shape: object = None
    points: _RingTexts | None = None
    bitmap: object = None
    alpha_mask: object = None
    id: object = None
    tags: object = msgspec.UNSET
    description: object = None
    labelerLogin: object = None  # noqa: N815
    createdAt: object = None  # noqa: N815


class _AnnotationFile(msgspec.Struct):
    """The file of one image; files of videos have frames."""

    size: object = None
    objects: list[_ProjectObject | None] = []
    tags: object = msgspec.UNSET
    description: object = None
    frames: object = msgspec.UNSET
    framesCount: object = msgspec.UNSET  # noqa: N815


def _read_annotation_file(path: Path, file: str, defects: list[Defect]) -> _AnnotationFile:
    """Read a file; adds lone surrogates and repeated keys to `defects`. Raises BrokenLabelsError for other files."""
    try:
        data = read_small_file(path)
        content = msgspec.json.decode(data, type=_AnnotationFile)
        defects += repeated_key_defects(data, file)
        return content
    except (OSError, ValueError, RecursionError):  # slower parsing finds the defect
        pass
    document = read_json(path, file, defects)
    if not isinstance(document, dict):
        raise BrokenLabelsError(Defect("SEG004", "is not an object with size and objects", file))
    objects = document.get("objects", [])
    if not isinstance(objects, list):
        raise BrokenLabelsError(Defect("SEG004", "objects is not a list", file, "/objects"))
    fields = {key: document[key] for key in _AnnotationFile.__struct_fields__ if key in document}
    return _AnnotationFile(
        **fields | {"objects": [_as_object(item) if isinstance(item, dict) else None for item in objects]}
    )


def _as_object(item: Json) -> _ProjectObject:
    """An object converted value by value, whatever the types."""
    fields = {key: item[key] for key in _ProjectObject.__struct_fields__ if key in item}
    points = fields.get("points")
    if isinstance(points, dict):
        exterior, interior = points.get("exterior"), points.get("interior") or []
        rings = interior if isinstance(interior, list) else [interior]
        fields["points"] = _RingTexts(_as_raw(exterior), [_as_raw(ring) for ring in rings])
    else:
        fields["points"] = None
    return _ProjectObject(**fields)


def _as_raw(value: object) -> Raw:
    """A value as JSON; numbers may be NaN."""
    return Raw(json.dumps(value).encode())


def _tag_attributes(tags: object) -> dict[str, Any] | None:  # Any: JSON
    """The values of tags by name: true for a tag without value, a list for a repeated name; None for what is no list.

    >>> _tag_attributes([{"name": "ripe"}, {"name": "spots", "value": 3}, {"name": "spots", "value": 4}])
    {'ripe': True, 'spots': [3, 4]}
    """
    if not isinstance(tags, list):
        return {} if tags is msgspec.UNSET else None
    values: dict[str, list[Any]] = {}
    for tag in tags:
        if not isinstance(tag, dict) or not isinstance(tag.get("name"), str):
            return None
        value = tag.get("value")
        values.setdefault(tag["name"], []).append(True if value is None else value)
    return {name: tag_values[0] if len(tag_values) == 1 else tag_values for name, tag_values in values.items()}


class _Classes(msgspec.Struct, frozen=True):
    """The classes of a project, by title, as meta.json has them."""

    taxonomy: Taxonomy = Taxonomy()
    titles: dict[int, str] = {}  # class id -> title
    shapes: dict[str, str] = {}  # title -> the shape of its objects, if it is one of `_DRAWN`


@dataclass(slots=True)
class _ImageObjects:
    """The objects of a file read so far, and the defects."""

    size: tuple[int, int]  # height and width of the image in pixels
    ids: Mapping[str, int]  # the category ids by titles
    classes: _Classes
    drawn: list[_ProjectObject] = field(default_factory=list)  # one for each shape
    without_pixels: Counter[str] = field(default_factory=Counter)  # geometry type -> number of objects without pixels
    misnumbered: Counter[tuple[str, str]] = field(default_factory=Counter)  # title, and the title of its classId -> n
    misshapen: Counter[tuple[str, str]] = field(default_factory=Counter)  # title, and shape -> n
    defects: list[Defect] = field(default_factory=list)

    def report_counts(self) -> None:
        """Report the objects without pixels, and those that differ from meta.json, one defect for all of a kind."""
        for kind, count in self.without_pixels.items():
            message = f"{count_noun(count, 'object')} of geometry {kind!r} without pixels; left out"
            self.defects.append(Defect("SEG004", message, place="/objects", severity="info"))
        for (title, other), count in self.misnumbered.items():
            verb = "has" if count == 1 else "have"
            message = f"{count_noun(count, 'object')} {verb} the classTitle {title!r:.80} and the classId of "
            self._report_class(title, f"{message}{other!r:.80}, by {META}; the title is taken")
        for (title, kind), count in self.misshapen.items():
            verb, shape = "is" if count == 1 else "are", self.classes.shapes[title]
            message = f"{count_noun(count, 'object')} of {title!r:.80} {verb} a {kind}, and {META} has {shape} for "
            self._report_class(title, f"{message}that class: Supervisely refuses to import them")

    def _report_class(self, title: str, message: str) -> None:
        self.defects.append(Defect("SEG202", message, place="/objects", category=title, severity="warning"))


def _read_image(
    root: Path, ids: Mapping[str, int], classes: _Classes, entry: ImageEntry, head: ImageHeader | None
) -> list[ShapeAnnotation]:
    """The shapes on one image; raises BrokenLabelsError if its file is not the annotation of an image."""
    file = relative_path(root, entry.files[0])
    defects: list[Defect] = []
    document = _read_annotation_file(entry.files[0], file, defects)
    if document.frames is not msgspec.UNSET or document.framesCount is not msgspec.UNSET:
        message = "is the annotation of a video; only projects of images are read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/frames"))
    reading = _ImageObjects(_size(document.size, file), ids, classes, defects=defects)
    objects = ((f"/objects/{row}", item) for row, item in enumerate(document.objects))
    shapes = read_shapes(objects, partial(_tool_shape, reading), reading.defects)
    reading.report_counts()
    attributes = _image_attributes(document, reading.defects)
    created = min((item.createdAt for item in reading.drawn if isinstance(item.createdAt, str)), default=None)
    annotation = {"created": created, "attributes": attributes}
    annotator = _shared_annotator(shapes, reading.drawn)
    return [ShapeAnnotation(reading.size, shapes, annotator, annotation, defects=reading.defects)]


def _image_attributes(document: _AnnotationFile, defects: list[Defect]) -> list[tuple[str, str]] | None:
    """The tags and the description of an image as attributes, None if it has neither."""
    tags = _tag_attributes(document.tags)
    if tags is None:
        defects.append(Defect("SEG004", "tags of the image are not a list of names and values", place="/tags"))
    if isinstance(document.description, str) and document.description:
        tags = {**(tags or {}), "description": document.description}
    return [(name, encode_json(value)) for name, value in (tags or {}).items()] or None


def _shared_annotator(shapes: Sequence[ToolShape], objects: Sequence[_ProjectObject]) -> str | None:
    """The annotator shared by all objects; if there are several, None, and each segment gets an attribute."""
    logins = [str(item.labelerLogin or "") for item in objects]
    if all(logins) and len(set(logins)) == 1:
        return logins[0]
    for shape, login in zip(shapes, logins, strict=True):
        if login:
            shape.attributes = {**shape.attributes, "labelerLogin": encode_json(login)}
    return None


def _tool_shape(reading: _ImageObjects, item: _ProjectObject | None, place: str) -> ToolShape | None:
    """The shape of an object, None if it has no pixels; raises BrokenShapeError."""
    if item is None or not isinstance(item.classTitle, str):
        raise BrokenShapeError("SEG004", "an object without classTitle")
    classes = reading.classes
    if type(item.classId) is int and classes.titles.get(item.classId, item.classTitle) != item.classTitle:
        reading.misnumbered[item.classTitle, classes.titles[item.classId]] += 1
    if classes.shapes.get(item.classTitle, item.geometryType) != item.geometryType in _DRAWN:
        reading.misshapen[item.classTitle, str(item.geometryType)] += 1
    shape = _plain_shape(item, reading.ids, place) or _described_shape(reading, item, item.classTitle, place)
    if shape is not None:
        reading.drawn.append(item)
    return shape


def _plain_shape(item: _ProjectObject, ids: Mapping[str, int], place: str) -> ToolShape | None:
    """Fast path: the shape of a polygon with class and id only; None for other objects."""
    if item.geometryType != "polygon" or item.points is None or item.description:
        return None
    points, title, number = item.points, item.classTitle, item.id
    if type(title) is not str or title not in ids or not (item.tags is msgspec.UNSET or item.tags == []):
        return None
    if not (number is None or type(number) is int) or not bytes(points.exterior).startswith(b"["):
        return None
    texts = (points.exterior, *points.interior) if points.interior else (points.exterior,)
    number = number if number is not None and abs(number) < 2**63 else None
    return ToolShape(
        title,
        PolygonText(texts, "the polygon", f"{place}/points"),
        place,
        None,
        number,
        _NO_ATTRIBUTES,
        _DEFAULT_COLUMNS,
    )


def _described_shape(reading: _ImageObjects, item: _ProjectObject, title: str, place: str) -> ToolShape | None:
    """The shape of any object; counts objects without pixels and returns None for them."""
    if title not in reading.ids:
        raise BrokenShapeError("SEG007", f"class {title!r:.80} is not in meta.json", "/classTitle")
    kind = item.geometryType or item.shape
    if kind is None:  # the key in old files
        kind = "bitmap" if isinstance(item.bitmap, dict) else "polygon"
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BrokenShapeError("SEG004", f"geometry {kind!r:.40} is not known", "/geometryType")
    if kind in _NO_PIXELS:
        reading.without_pixels[kind] += 1
        return None
    shape = _shape(item, kind, reading, place)
    number = item.id if type(item.id) is int and abs(item.id) < 2**63 else None
    columns, attributes = _columns_and_attributes(item, place, reading.defects)
    return ToolShape(title, shape, place, None, number, attributes, columns)


def _size(size: object, file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for impossible sizes."""
    sides = [size.get(name) for name in ("height", "width")] if isinstance(size, dict) else [None, None]
    if not all(type(side) is int and 0 < side < 2**31 for side in sides):
        message = "size needs height and width, whole numbers of pixels"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    height, width = (int(side) for side in sides if side is not None)
    if height * width > MAX_PIXELS:
        message = f"the image is {width:,} x {height:,}: more than {MAX_PIXELS:,} pixels are not read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    return height, width


def _shape(item: _ProjectObject, kind: str, reading: _ImageObjects, place: str) -> Shape | PolygonText:
    if kind in ("bitmap", "alpha_mask"):
        return _bitmap(item, kind, reading, place)
    points = item.points
    if points is None or not bytes(points.exterior).startswith(b"["):
        raise BrokenShapeError("SEG004", "points has no exterior", "/points")
    if kind == "rectangle":
        return _rectangle(_parse_value(points.exterior))
    return PolygonText((points.exterior, *(points.interior or ())), "the polygon", f"{place}/points")


def _parse_value(text: bytes) -> Any:  # Any: JSON
    """Parse a JSON text that may hold NaN; None if it is invalid."""
    try:
        return parse_json(bytes(text))
    except (ValueError, RecursionError):
        return None


def _parse_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The rings of a polygon with unusual JSON, or its defect."""
    texts = shape.geometry.texts if isinstance(shape.geometry, PolygonText) else ()
    rings: list[Ring] = []
    for k, text in enumerate(texts):
        points = _parse_value(text)
        problem = check_ring(points)
        if problem is not None:
            what, where = (
                (f"a hole of the polygon {problem}", f"interior/{k - 1}")
                if k
                else (f"the polygon {problem}", "exterior")
            )
            return Defect("SEG006", f"{what}; left out", place=f"{shape.place}/points/{where}")
        rings.append(np.asarray(points, np.float64).reshape(-1, 2))
    return rings


def _to_corner_frame(flat: PolygonArrays, sides: Floats) -> tuple[Floats, Floats]:
    """Convert points to the corner frame; if a polygon has integers only, they are centres of pixels."""
    fractional = flat.points != np.rint(flat.points)
    points: Floats
    if not fractional.any():
        points = flat.points + _CENTRE
        return points, points
    polygon = polygon_of_point(flat)
    is_whole = np.bincount(polygon, fractional.any(axis=1), len(flat.polygon) - 1) == 0
    points = flat.points + np.where(is_whole[polygon], _CENTRE, 0.0)[:, None]
    return points, points


_SUPERVISELY = Tool(
    "supervisely", "cv2", PolygonNotation(placed=_to_corner_frame, mend=_parse_leniently), "size in the annotation"
)


def _rectangle(corners: Any) -> Polygon:  # Any: JSON
    """A rectangle that includes both corners, rounded as in Supervisely."""
    is_sound = (
        isinstance(corners, list)
        and len(corners) == 2
        and all(isinstance(corner, list) and len(corner) == 2 for corner in corners)
    )
    numbers = [number for corner in corners for number in corner] if is_sound else []
    if not is_sound or not all(type(number) in (int, float) for number in numbers) or check_numbers(*numbers):
        raise BrokenShapeError("SEG006", "a rectangle has two corners of two numbers", "/points/exterior")
    x0, y0, x1, y1 = (round(number) + _CENTRE for number in numbers)
    return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _bitmap(item: _ProjectObject, kind: str, reading: _ImageObjects, place: str) -> Bitmap:
    """The mask at its origin; a soft mask is cut at half opacity."""
    name = kind if isinstance(getattr(item, kind), dict) else "bitmap"
    data = getattr(item, name)
    origin = data.get("origin") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("data"), str):
        raise BrokenShapeError("SEG004", f"{name} has no data", f"/{name}")
    if not (isinstance(origin, list) and len(origin) == 2 and all(type(coordinate) is int for coordinate in origin)):
        raise BrokenShapeError("SEG004", "origin is not [column, row]", f"/{name}/origin")
    high, wide = reading.size
    try:
        levels = (
            decode_mask(data["data"], high * wide) if kind == "bitmap" else decode_opacity(data["data"], high * wide)
        )
    except BrokenBitmapError as error:
        raise BrokenShapeError("SEG001", f"the mask {error}", f"/{name}/data") from error
    height, width = levels.shape
    x, y = origin
    if not (0 <= x <= wide - width and 0 <= y <= high - height):
        message = f"the mask of {width}x{height} at column {x}, row {y} leaves the image of {wide}x{high}"
        if 0 <= y <= wide - width and 0 <= x <= high - height:
            message += "; are row and column exchanged? so it would fit"
        raise BrokenShapeError("SEG004", message, f"/{name}/origin")
    if levels.dtype == bool:
        return Bitmap(x, y, levels.astype(bool, copy=False))
    soft = int(np.count_nonzero((levels > 0) & (levels < 255)))
    if soft:
        message = f"{count_noun(soft, 'partly transparent pixel')}; those of at least half opacity are taken"
        reading.defects.append(Defect("SEG010", message, place=f"{place}/{name}", pixels=soft, severity="warning"))
    return Bitmap(x, y, levels >= _MIN_OPACITY)


def _columns_and_attributes(item: _ProjectObject, place: str, defects: list[Defect]) -> tuple[Json, dict[str, str]]:
    """The columns of an object, and the attributes in its tags and description."""
    if (item.tags is msgspec.UNSET or item.tags == []) and not item.description and not isinstance(item.id, str):
        return _DEFAULT_COLUMNS, _NO_ATTRIBUTES
    values = _tag_attributes(item.tags)
    if values is None:
        defects.append(Defect("SEG004", "tags are not a list of names and values", place=f"{place}/tags"))
        values = {}
    if item.description:
        values["description"] = item.description
    score, track, crowd = values.get(SCORE_TAG), values.get(TRACK_TAG), values.get(CROWD_TAG)
    columns: Json = {"source_id": item.id if isinstance(item.id, str) else None}
    columns["score"] = float(values.pop(SCORE_TAG)) if type(score) in (int, float) else None
    columns["track_id"] = values.pop(TRACK_TAG) if type(track) is int and abs(track) < 2**63 else None
    columns["iscrowd"] = values.pop(CROWD_TAG) if crowd is True else False
    return columns, {name: encode_json(value) for name, value in values.items()}


def open_supervisely(request: ReadRequest) -> ToolSource:
    """Open the project in a folder, or one dataset of it; raises UnreadableError if there is none of images."""
    root = dataset_folder(request.root)
    meta = _find_meta(root)
    classes, defects = _read_classes(meta, relative_path(root, meta))
    entries, image_defects = _images(root, images_folder(request))
    titles = [category.name for category in classes.taxonomy.categories]
    categories = resolve_names(titles, request.taxonomy, classes.taxonomy)
    read = partial(_read_image, root, {title: categories.to[title] for title in titles}, classes)
    return ToolSource.from_request(
        request, _SUPERVISELY, categories, entries, [*defects, *image_defects], read, root=root
    )


def _find_meta(root: Path) -> Path:
    """The file of the classes in a project's folder, above it, or in the one folder below that holds the datasets.

    Raises UnreadableError if there is none, or several below.
    """
    for folder in (root, root.parent):
        if (folder / META).is_file():
            return folder / META
    projects = {
        parent: None
        for folder in _dataset_folders(root)
        for parent in (folder, *folder.parents)
        if parent.is_relative_to(root) and (parent / META).is_file()
    }
    if not projects:
        raise UnreadableError(f"{root}: {META} is missing; it lies in the project's folder and names the classes")
    if len(projects) > 1:
        names = list_names([parent.relative_to(root).as_posix() for parent in projects])
        raise UnreadableError(f"{root}: holds several projects; give one of their folders as DATA: {names}")
    return next(iter(projects)) / META


def _images(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """List the images of a project, in order; raises UnreadableError if it has none."""
    entries, defects = pair_by_index(root, images) if has_index(root) else _walk_datasets(root, images)
    if not entries and not has_index(root):
        raise UnreadableError(f"{root}: no annotation files; datasets are folders with ann/ and img/ in them")
    return sorted(entries, key=lambda entry: entry.image_id), defects


def _walk_datasets(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    given_images = ImageFolder.below(images).paths if images else {}
    for folder in _dataset_folders(root):
        name = PurePosixPath(*(part for part in folder.relative_to(root).parts if part != "datasets"))
        start = f"{name.as_posix()}/" if name.parts else ""
        split = split_from_path(f"{start}image")
        pictures = ImageFolder.below(folder / "img")
        unpaired = dict(pictures.paths)
        for file in _json_files(folder / "ann"):
            path = folder / "ann" / file
            check_path_name(path)
            stem = file[: -len(".json")]
            similar = None if stem in unpaired else pictures.similar_name(stem) or pictures.similar_name(stem + ".json")
            image_name = stem if similar is None else similar
            image_id = start + image_name
            names = (image_id, f"{start}img/{image_name}", image_name)
            image = unpaired.pop(image_name, None) or next(
                (given_images[candidate] for candidate in names if candidate in given_images), None
            )
            entries.append(ImageEntry(image_id, image, (path,), split=split))
            if image is None:
                defects.append(
                    Defect("SEG002", "the image file does not exist", relative_path(root, path), image=image_id)
                )
        for file, path in unpaired.items():
            image_id = start + file
            entries.append(ImageEntry(image_id, path, split=split))
            defects.append(Defect("SEG011", "an image without annotation", relative_path(root, path), image=image_id))
    if entries and all(entry.image is None for entry in entries):
        defects = [no_images_defect(len(entries), root, images)]
    return entries, defects


def _json_files(folder: Path) -> list[str]:
    with os.scandir(folder) as files:
        return sorted(entry.name for entry in files if entry.name.lower().endswith(".json") and entry.name != ".json")


def _dataset_folders(root: Path) -> Iterator[Path]:
    for folder, folders, _ in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "ann" in folders:
            yield Path(folder)
            folders[:] = [name for name in folders if name not in ("ann", "img")]


def _read_classes(path: Path, file: str) -> tuple[_Classes, list[Defect]]:
    """Read the classes in meta.json; raises UnreadableError for projects not of images."""
    defects: list[Defect] = []
    try:
        meta = read_json(path, file, defects)
    except BrokenLabelsError as error:
        return _Classes(), list(error.defects)
    if not isinstance(meta, dict) or not isinstance(meta.get("classes"), list):
        return _Classes(), [Defect("SEG004", "no list of classes", file, "/classes")]
    if isinstance(meta.get("projectType"), str) and meta["projectType"] in _OTHER_PROJECT_TYPES:
        kind = f"a project of {meta['projectType']}"
        raise UnreadableError(f"{path}: {kind}; only projects of images are read, export its frames as such")
    classes: dict[str, dict[str, Any]] = {}
    for i, item in enumerate(meta["classes"]):
        title = item.get("title") if isinstance(item, dict) else None
        if not isinstance(title, str):
            defects.append(Defect("SEG004", "a class without a title", file, f"/classes/{i}"))
        elif title in classes:
            message = f"a second class {title!r}; the first is read"
            defects.append(Defect("SEG008", message, file, f"/classes/{i}/title"))
        else:
            classes[title] = item | {"at": i}
    taxonomy = Taxonomy(categories=tuple(_categories(classes, file, defects)))
    titles = {item["id"]: title for title, item in classes.items() if type(item.get("id")) is int}
    shapes = {title: shape for title, item in classes.items() if (shape := item.get("shape")) in _DRAWN}
    return _Classes(taxonomy, titles, shapes), defects


def _categories(classes: dict[str, dict[str, Any]], file: str, defects: list[Defect]) -> Iterator[Category]:
    """A category for each class; ids are the project's if every class has a unique one."""
    ids = [item.get("id") for item in classes.values()]
    has_own_ids = all(type(id_) is int and 0 <= id_ < 2**53 for id_ in ids) and len(set(ids)) == len(ids)
    if not has_own_ids and any(id_ is not None for id_ in ids):
        defects.append(
            Defect("SEG008", "class ids are not numbers, or not unique; classes are numbered from 1", file, "/classes")
        )
    for number, (title, item) in enumerate(classes.items(), 1):
        color = item.get("color")
        if color is not None and not (isinstance(color, str) and _COLOR.fullmatch(color)):
            place = f"/classes/{item['at']}/color"
            defects.append(Defect("SEG004", f"colour {color!r:.40} is not '#RRGGBB'", file, place))
            color = None
        yield Category(id=item["id"] if has_own_ids else number, name=title, kind=kind_from_name(title), color=color)
