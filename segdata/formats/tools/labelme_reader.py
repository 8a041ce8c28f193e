"""LabelMe reader: one JSON file for each image, whose shapes are decoded when the image is loaded."""

import base64
import io
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from PIL import Image

from segdata.core.errors import SegdataError, UnreadableError, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import dataset_folder, is_unsafe_path
from segdata.core.pixel_limit import TooManyPixelsError, check_pixels, decoding
from segdata.core.runs import Flags, Floats, runs_to_mask
from segdata.formats.coco.document import DocumentKind, read_document
from segdata.formats.shapes.geometry import (
    Bitmap,
    Ellipse,
    Polygon,
    Ring,
    Shape,
    box,
    check_numbers,
    check_ring,
    rasterise,
)
from segdata.formats.shared.derived_sources import ORIGINS
from segdata.formats.shared.file_names import IMAGE_SUFFIXES, MASK_FOLDERS, apart_defects, divide_labels
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, ImageHeader, similar_name_hint
from segdata.formats.shared.json_files import Json, read_small_file, repeated_key_defects
from segdata.formats.shared.pairing import add_unlabelled_images, find_label_files
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonNotation,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    json_text,
    read_shapes,
    remove_bridges,
)
from segdata.formats.tools.source import (
    Tool,
    ToolSource,
    nearest_name,
    outside_path_defect,
    repeated_image_defects,
)

Raw = msgspec.Raw
AREAS = frozenset({None, "polygon", "rectangle", "oriented_rectangle", "rotation", "circle", "mask"})
BACKGROUND = "_background_"
_NO_AREA = frozenset({"point", "points", "line", "linestrip"})
FILE_KEYS = frozenset({"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
SHAPE_KEYS = frozenset({"label", "points", "group_id", "shape_type", "flags", "description", "mask"})
_REJECTED = {"skip", "skipped", "ignore", "ignored", "unusable", "exclude", "excluded", "reject", "rejected", "discard"}
FILE_COLUMNS = frozenset({"annotator", "source"})  # extra keys of a file that become columns
SHAPE_COLUMNS = frozenset({"id", "track_id", "score", "source", "iscrowd"})  # extra keys of a shape that become columns
_MAX_ID = 2**62  # of ids
_ORIENTATION = 274  # the tag of EXIF
_SAME_PICTURE = 0.97  # correlation of brightness: copies that were compressed or made brighter keep more
_PICTURE_HEAD_CHARS = 1 << 17  # of imageData, decoded to read the picture's size
_POLYGON_NAME = "the polygon of {}"
_LABELS_FOLDER = re.compile(r"labels?(?=[^/]*$)", re.IGNORECASE)  # in the name of a folder of files
_NO_ATTRIBUTES: dict[str, str] = {}
_DEFAULT_COLUMNS: dict[str, object] = {"iscrowd": False}
_DOCUMENT = DocumentKind("a LabelMe file", "an object with shapes, imagePath, imageHeight and imageWidth")
LABELME = Tool("labelme", "pil", PolygonNotation(unbridge=remove_bridges))


class _LabelmeShape(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A shape with the keys of LabelMe and segdata; shapes with other keys are read one by one."""

    points: Raw = Raw(b"null")
    label: Any = None  # Any: JSON
    group_id: Any = None  # Any: JSON
    shape_type: object = None
    flags: object = None
    description: object = None
    mask: object = None
    id: object = UNSET
    track_id: object = UNSET
    score: object = UNSET
    source: object = UNSET
    iscrowd: object = UNSET

    def as_object(self) -> Json:
        return {key: value for key, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class _LabelmeFile(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The content of a LabelMe file, with the keys that segdata adds."""

    shapes: list[_LabelmeShape]
    imageData: Raw = Raw(b"null")  # noqa: N815 - LabelMe's names
    version: object = UNSET
    flags: object = UNSET
    imagePath: object = UNSET  # noqa: N815
    imageHeight: object = UNSET  # noqa: N815
    imageWidth: object = UNSET  # noqa: N815
    annotator: object = UNSET
    source: object = UNSET


_FILE_FIELDS = tuple(name for name in _LabelmeFile.__struct_fields__ if name not in ("shapes", "imageData"))


def _read_labelme(path: Path, name: str, defects: list[Defect], image: Path | None) -> tuple[Json, Sequence[object]]:
    """Read a file: its keys without shapes and image data, and its shapes (`_LabelmeShape`, objects, or other values).

    `name` is its name in defects, `image` the image file. Raises BrokenLabelsError for other files.
    """
    with suppress(OSError, ValueError, RecursionError):
        data = read_small_file(path)
        if data.isascii():  # otherwise the decoder would have to check skipped texts
            file = msgspec.json.decode(data, type=_LabelmeFile)
            defects += repeated_key_defects(data, name)
            keys: Json = {key: value for key in _FILE_FIELDS if (value := getattr(file, key)) is not UNSET}
            defects += _picture_defects(file.imageData, keys, image, name)
            return keys, file.shapes
    return _read_slowly(path, name, defects, image)


def _read_slowly(path: Path, name: str, defects: list[Defect], image: Path | None) -> tuple[Json, Sequence[object]]:
    document = read_document(path, name, _DOCUMENT)
    defects += document.defects
    if document.parts is None:
        raise BrokenLabelsError(*document.defects)
    shapes = document.parts.pop("shapes", Raw(b"null"))
    picture = document.parts.pop("imageData", Raw(b"null"))
    try:
        keys = {key: msgspec.json.decode(raw) for key, raw in document.parts.items()}
        defects += _picture_defects(picture, keys, image, name)
        return keys, _read_shapes(shapes)
    except TypeError:
        raise BrokenLabelsError(Defect("SEG004", "shapes is not a list", document.name, "/shapes")) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, and lone surrogates
        raise BrokenLabelsError(Defect("SEG001", f"holds what cannot be read: {error}", document.name)) from error


def _picture_defects(data: Raw, keys: Json, image: Path | None, name: str) -> list[Defect]:
    """SEG003 if the picture in imageData, which LabelMe shows, differs in size from the file's width and height.

    SEG004 if it is another picture than the image file. Files of LabelMe 3 or older state no size: `keys` then gets the
    picture's.
    """
    try:
        head = base64.b64decode(memoryview(data)[1 : _PICTURE_HEAD_CHARS + 1])
        with decoding(), Image.open(io.BytesIO(head)) as picture:
            width, height = picture.size
    except (ValueError, OSError):
        return []  # there is no picture, or an unreadable one, which is not needed
    size = keys.get("imageHeight"), keys.get("imageWidth")
    if size == (None, None):
        keys |= {"imageHeight": height, "imageWidth": width}
    code, message = (
        "SEG003",
        f"a picture of {width} x {height} beside imageWidth x imageHeight of {size[1]} x {size[0]}",
    )
    if size in ((None, None), (height, width), (width, height)):  # rotated by EXIF
        if _shows_file(data, head, image):
            return []
        code, message = "SEG004", f"another picture than {keys['imagePath']}"
    shows = "LabelMe shows that picture instead of the image file, until imageData is null"
    return [Defect(code, f"imageData is {message}; {shows}", name, "/imageData", severity="warning", lost=False)]


def _shows_file(data: Raw, head: bytes, file: Path | None) -> bool:
    """Whether the picture in imageData is that of the image file, or one that cannot be compared with it."""
    if file is None:
        return True
    try:
        with file.open("rb") as stream:
            if stream.read(len(head)) == head:  # LabelMe keeps the bytes of the file
                return True
        within, beside = _thumbnail(io.BytesIO(base64.b64decode(memoryview(data)[1:-1]))), _thumbnail(file)
    except (ValueError, OSError):
        return True
    if within is None or beside is None or min(within.std(), beside.std()) < 1:
        return True
    return bool(np.corrcoef(within, beside)[0, 1] > _SAME_PICTURE)


def _thumbnail(source: io.BytesIO | Path) -> Floats | None:
    """The brightness of a picture in 24 x 24 pixels; None if viewers turn it."""
    with decoding(), Image.open(source) as picture:
        if picture.getexif().get(_ORIENTATION, 1) != 1:
            return None
        check_pixels(*picture.size)
        picture.draft("L", (96, 96))
        return np.asarray(picture.convert("L").resize((24, 24), Image.Resampling.BOX), np.float64).ravel()


def _read_shapes(raw: Raw) -> list[object]:
    """The shapes, with their points undecoded. Raises TypeError if they are not a list."""
    with suppress(msgspec.ValidationError):
        plain: list[object] = msgspec.json.decode(raw, type=list[_LabelmeShape])
        return plain
    try:
        shapes: Sequence[object] = msgspec.json.decode(raw, type=list[dict[str, Raw]])
    except msgspec.ValidationError:
        shapes = _read_one_by_one(raw)
    return [
        {key: value if key == "points" else msgspec.json.decode(value) for key, value in shape.items()}
        if isinstance(shape, dict)
        else shape
        for shape in shapes
    ]


def _read_one_by_one(raw: Raw) -> list[object]:
    """The shapes with undecoded values, or values that are not objects. Raises TypeError for other texts."""
    try:
        raw_shapes = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        raise TypeError from None
    shapes: list[object] = []
    for raw_shape in raw_shapes:
        try:
            shapes.append(msgspec.json.decode(raw_shape, type=dict[str, Raw]))
        except msgspec.ValidationError:
            shapes.append(raw_shape)
    return shapes


def read_image(root: Path, entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """The shapes on an image; raises BrokenLabelsError if its file is not a LabelMe file."""
    file = relative_path(root, entry.files[0])
    defects: list[Defect] = []
    document, items = _read_labelme(entry.files[0], file, defects, entry.image)
    size = _size(document, head, file)
    shapes = read_shapes(((f"/shapes/{row}", item) for row, item in enumerate(items)), _tool_shape, defects)
    annotator, source = document.get("annotator"), document.get("source")
    return [
        ShapeAnnotation(
            size,
            _cut_background(shapes, *size),
            annotator if isinstance(annotator, str) else None,
            {"source": source} if source in ORIGINS else {},
            _metadata(document),
            defects,
        )
    ]


def _is_plain(shape: _LabelmeShape) -> bool:
    """Whether a shape is a polygon with the default keys only."""
    return (
        (shape.shape_type == "polygon" or shape.shape_type is None)
        and type(shape.label) is str
        and shape.label not in ("", BACKGROUND)
        and (shape.group_id is None or (type(shape.group_id) is int and abs(shape.group_id) <= _MAX_ID))
        and (shape.flags is None or shape.flags == {})
        and not shape.description
        and not shape.mask
        and shape.id is shape.track_id is shape.score is shape.source is shape.iscrowd is UNSET
    )


def _size(document: Json, head: ImageHeader | None, file: str) -> tuple[int, int]:
    """Height and width in pixels; the image's if the file lacks them."""
    sides = [document.get("imageHeight"), document.get("imageWidth")]
    if sides == [None, None] and head is not None:
        return (head.width, head.height) if head.is_rotated else (head.height, head.width)
    for key, side in zip(("imageHeight", "imageWidth"), sides, strict=True):
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= MAX_PIXELS:
            shown = "missing" if side is None else f"{side!r:.40}, a whole number of pixels is expected"
            raise BrokenLabelsError(Defect("SEG004", f"{key} is {shown}", file, f"/{key}"))
    height, width = int(str(sides[0])), int(str(sides[1]))
    if height * width > MAX_PIXELS:
        message = f"the image size is {width:,} x {height:,}: more than {MAX_PIXELS:,} pixels"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/imageHeight"))
    return height, width


def _metadata(document: Json) -> dict[str, str]:
    """Flags and further keys of a file, as JSON texts."""
    flags = document.get("flags")
    metadata = dict(flags) if isinstance(flags, dict) else {}
    metadata |= {key: value for key, value in document.items() if key not in FILE_KEYS | FILE_COLUMNS}
    return {key: json_text(value) for key, value in sorted(metadata.items())}


def _tool_shape(shape: object, place: str) -> ToolShape | None:
    """Convert a shape; None if it has no area. Raises BrokenShapeError."""
    if isinstance(shape, _LabelmeShape):
        if _is_plain(shape):
            polygon = PolygonText((shape.points,), _POLYGON_NAME, f"{place}/points")
            return ToolShape(shape.label, polygon, place, shape.group_id, None, _NO_ATTRIBUTES, _DEFAULT_COLUMNS)
        shape = shape.as_object()
    if not isinstance(shape, dict):
        raise BrokenShapeError("SEG004", "a shape is not an object")
    kind, label = shape.get("shape_type"), shape.get("label")
    if isinstance(kind, str) and kind in _NO_AREA:
        return None
    if not isinstance(label, str) or not label:
        raise BrokenShapeError("SEG004", f"the label is {label!r:.40}, a text is expected", "/label")
    if not (kind is None or isinstance(kind, str)) or kind not in AREAS:
        raise BrokenShapeError("SEG004", f"the shape_type is {kind!r:.40}, which labelme does not have", "/shape_type")
    geometry = _read_shape(shape, kind, place)
    if label == BACKGROUND:
        return ToolShape(label, geometry, place)
    group, id_ = _integer_at(shape, "group_id"), _integer_at(shape, "id")
    return ToolShape(label, geometry, place, group, id_, _attributes(shape), _columns(shape))


def _cut_background(shapes: Sequence[ToolShape], height: int, width: int) -> list[ToolShape]:
    """Remove background shapes and cut their pixels out of the shapes before them, as labelme's converters do."""
    kept: list[ToolShape] = []
    for shape in shapes:
        if shape.name != BACKGROUND:
            kept.append(shape)
            continue
        hole = _draw(shape.geometry, height, width)
        for before in kept if hole.any() else ():
            pixels = _draw(before.geometry, height, width)
            if (pixels & hole).any():
                before.geometry = Bitmap(0, 0, pixels & ~hole)
    return kept


def _draw(geometry: Shape | PolygonText, height: int, width: int) -> Flags:
    """The mask (height, width) of a shape; empty for a broken polygon."""
    if isinstance(geometry, PolygonText):
        try:
            geometry = Polygon(np.asarray(msgspec.json.decode(geometry.texts[0]), np.float64).reshape(-1, 2))
        except (ValueError, RecursionError):
            return np.zeros((height, width), bool)
        if check_ring(geometry.exterior) is not None:
            return np.zeros((height, width), bool)
    return runs_to_mask(rasterise([[geometry]], "pil", height, width), height, width)


def _integer_at(shape: Json, key: str) -> int | None:
    """The integer under a key, None if it is missing; raises BrokenShapeError for other values."""
    value = shape.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_ID:
        raise BrokenShapeError("SEG004", f"{key} is {value!r:.40}, a whole number is expected", f"/{key}")
    return value


def _columns(shape: Json) -> Json:
    columns: Json = {"track_id": _integer_at(shape, "track_id"), "iscrowd": shape.get("iscrowd") is True}
    score, source = shape.get("score"), shape.get("source")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        columns["score"] = float(score)
    elif score is not None:
        raise BrokenShapeError("SEG004", f"score is {score!r:.40}, a number is expected", "/score")
    if source in ORIGINS:
        columns["source"] = source
    return columns


def _attributes(shape: Json) -> dict[str, str]:
    """Flags, description and further keys of a shape, as JSON texts."""
    flags, description = shape.get("flags"), shape.get("description")
    if not (flags is None or isinstance(flags, dict)):
        raise BrokenShapeError("SEG004", f"flags is {flags!r:.40}, an object is expected", "/flags")
    values = dict(flags or {})
    if description:
        values["description"] = description
    taken = SHAPE_KEYS | SHAPE_COLUMNS if shape.get("source") in ORIGINS else SHAPE_KEYS | SHAPE_COLUMNS - {"source"}
    values |= {key: value for key, value in shape.items() if key not in taken}
    return {key: json_text(value) for key, value in values.items()}


def _read_shape(shape: Json, kind: str | None, place: str) -> Shape | PolygonText:
    points: bytes = shape.get("points", b"null")
    if kind in (None, "polygon", "oriented_rectangle", "rotation"):
        if shape.get("mask"):
            raise BrokenShapeError(
                "SEG004", f"the shape has a mask, but its shape_type is {kind!r}; write 'mask'", "/shape_type"
            )
        return PolygonText((points,), _POLYGON_NAME, f"{place}/points")
    corners = _read_points(points, (4, 2) if kind == "rectangle" else (2,))
    if kind == "circle":
        (x, y), rim = corners
        radius = float(np.hypot(*(rim - (x, y))))
        return Ellipse(float(x), float(y), radius, radius)
    if kind == "mask":
        return _read_mask(shape.get("mask"), corners)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return box(*low.tolist(), *high.tolist())


def _read_points(text: bytes, counts: tuple[int, ...]) -> Ring:
    """Parse the points (n, 2); `counts` are the allowed numbers of points."""
    points: object = None
    try:
        points = msgspec.json.decode(text)
        array = np.asarray(points)
    except (ValueError, RecursionError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iuf" or len(array) not in counts:
        expected = " or ".join(map(str, sorted(counts)))
        raise BrokenShapeError(
            "SEG004", f"points is {points!r:.40}, {expected} pairs of numbers are expected", "/points"
        )
    problem = check_numbers(*array.ravel().tolist())
    if problem is not None:
        raise BrokenShapeError("SEG006", f"the shape {problem}", "/points")
    return array.astype(np.float64)


def _read_mask(text: object, corners: Ring) -> Bitmap:
    """Decode a mask, placed at its first point, which is rounded to pixels (a half to even)."""
    if not isinstance(text, str):
        raise BrokenShapeError("SEG004", f"mask is {text!r:.40}, base64 of a PNG is expected", "/mask")
    try:
        with decoding(), Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            check_pixels(image.width, image.height)
            values = np.asarray(image)
    except TooManyPixelsError as error:
        raise BrokenShapeError("SEG001", f"the mask {error}", "/mask") from error
    except (ValueError, OSError) as error:
        raise BrokenShapeError("SEG001", f"the mask is not a PNG in base64: {error!s:.80}", "/mask") from error
    if values.ndim != 2:
        raise BrokenShapeError("SEG004", f"the mask has {values.shape[2]} channels, one is expected", "/mask")
    (x, y), (right, below) = np.rint(corners).astype(np.int64).tolist()
    height, width = values.shape
    box_width, box_height = right - x + 1, below - y + 1
    if abs(width - box_width) > 1 or abs(height - box_height) > 1:  # some programs name the pixel behind the last one
        message = f"the mask is {width} x {height} px in a box of {box_width} x {box_height} px"
        raise BrokenShapeError("SEG004", message, "/mask")
    return Bitmap(x, y, values.astype(bool))


class _LabelmeShapeHead(msgspec.Struct, gc=False):
    label: object = None
    shape_type: object = None


class _FileHead(msgspec.Struct, gc=False):
    """The keys of a file that are read when the dataset is opened; the rest is skipped undecoded."""

    shapes: list[_LabelmeShapeHead] | None = None
    imagePath: object = None  # noqa: N815 - LabelMe's name
    flags: object = None


@dataclass(slots=True)
class _FileCensus:
    """The content of all files: their images, labels, and shapes without area by type."""

    image: dict[str, str | None] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)  # files with shapes, by a flag that rejects their images
    strange: list[str] = field(default_factory=list)


def open_labelme(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path; raises UnreadableError if none is LabelMe's."""
    root = request.root
    files = find_label_files(root, ".json")
    census = _scan_files(files)
    if not census.image:
        raise UnreadableError(f"{root}: no LabelMe JSON file, which has shapes and imagePath")
    own, apart = (list(census.image), list[str]()) if request.explicit else divide_labels(census.image)
    if apart:
        census = _scan_files({name: files[name] for name in own})
    entries, defects = _list_entries(root, {name: files[name] for name in own}, census.image, images_folder(request))
    categories = resolve_names(census.labels, request.taxonomy)
    defects += [*_census_defects(census), *apart_defects(apart)]
    return ToolSource.from_request(request, LABELME, categories, entries, defects, partial(read_image, root))


def _scan_files(files: dict[str, Path]) -> _FileCensus:
    """Scan every file. An undecodable file counts as LabelMe's; its defect is reported when it is read."""
    census = _FileCensus()
    for name, path in files.items():
        head = _read_head(path)
        if head is None:
            census.image[name] = None
            continue
        if head.shapes is None:
            census.strange.append(name)
            continue
        flags = head.flags.items() if head.shapes and isinstance(head.flags, dict) else ()
        census.rejected.update(flag for flag, value in flags if value is True and flag.lower() in _REJECTED)
        image_path = head.imagePath
        census.image[name] = None
        if isinstance(image_path, str) and image_path:  # POSIX on Windows, too
            census.image[name] = image_path if _is_bare_name(image_path) else PureWindowsPath(image_path).as_posix()
        for shape in head.shapes:
            kind = shape.shape_type if isinstance(shape.shape_type, str) else "polygon"
            if kind in _NO_AREA:
                census.others[kind] += 1
            elif isinstance(shape.label, str) and shape.label != BACKGROUND:
                census.labels.add(shape.label)
            elif shape.label == BACKGROUND and kind in AREAS:
                census.others[BACKGROUND] += 1
    return census


def _is_bare_name(path: str) -> bool:
    """Whether a path is a bare file name, the usual case, without the cost of parsing it."""
    return path[0] not in ". " and not any(mark in path for mark in "/\\:")


def _read_head(path: Path) -> _FileHead | None:
    """The head of a file; None if it is not JSON."""
    try:
        return msgspec.json.decode(read_small_file(path).removeprefix(b"\xef\xbb\xbf"), type=_FileHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if str(error).startswith("Expected `object`") and " - at " not in str(error):
            return _FileHead()  # valid JSON of another kind
        parts = read_document(path, path.name, _DOCUMENT).parts
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return None if parts is None else _read_head_slowly({key: bytes(raw) for key, raw in parts.items()})


def _read_head_slowly(parts: dict[str, bytes]) -> _FileHead:
    if "shapes" not in parts:
        return _FileHead()
    try:
        raw_shapes = _read_one_by_one(Raw(parts["shapes"]))
    except (TypeError, RecursionError):
        raw_shapes = []
    shapes = [
        _LabelmeShapeHead(_decode_or_none(shape.get("label")), _decode_or_none(shape.get("shape_type")))
        for shape in raw_shapes
        if isinstance(shape, dict)
    ]
    return _FileHead(shapes, _decode_or_none(parts.get("imagePath")), _decode_or_none(parts.get("flags")))


def _decode_or_none(raw: bytes | None) -> Any:  # Any: JSON
    """The value of a JSON text; None for no text, and for values that cannot be decoded, such as 5,000 digits."""
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None


def _census_defects(census: _FileCensus) -> list[Defect]:
    """Infos about content that is left out, and about flags by which annotators reject images."""
    n_holes = census.others.pop(BACKGROUND, 0)
    shown = ", ".join(f"{count:,} {name}" for name, count in sorted(census.others.items()))
    left_out = [f"shapes without area are left out: {shown}"] if shown else []
    holes = f"{count_noun(n_holes, 'shape')} of {BACKGROUND}: no segments, and holes in the shapes before them"
    left_out += [holes] if n_holes else []
    messages = ["; ".join(left_out)] if left_out else []
    for flag, n in sorted(census.rejected.items()):
        messages.append(f"{flag!r} is set for {count_noun(n, 'image')} with shapes: leave out or unset?")
    defects = [Defect("SEG004", message, severity="info") for message in messages]
    if census.strange:
        shown = ", ".join(census.strange[:3]) + (", …" if len(census.strange) > 3 else "")
        message = f"{count_noun(len(census.strange), 'JSON file')} without shapes, not LabelMe's: {shown}"
        defects.append(Defect("SEG011", message, census.strange[0], severity="info"))
    return defects


def _search_images(
    root: Path, labels: Iterable[str], named: dict[str, str | None], images: Path | None
) -> tuple[list[ImageFolder], dict[str, tuple[int | None, str]], list[str]]:
    """Look for the images in `images`, else in the dataset, beside it, and in its one folder that has their names.

    Returns the folders, label file -> the number of the folder that has its image and the image's name there, and
    other folders that have files of the missing images' names.
    """
    root_folder = dataset_folder(root)
    beside = [root_folder.parent / name for name in ("images", "JPEGImages")]
    places = [root_folder, *([] if root.is_file() else [root_folder / "images"]), *beside] if not images else [images]
    folders = [_files_in(place) if root.is_file() else ImageFolder.below(place) for place in places]
    image_of = {name: _find_image(name, named[name], folders) for name in labels}
    missing = {name: image_id for name, (place_index, image_id) in image_of.items() if place_index is None}
    is_apart = 2 * len(missing) > len(image_of) and images is None and root.is_dir()
    elsewhere = _folders_with_images(missing.values(), folders[0]) if is_apart else []
    # Masks that were drawn from the labels have the names of the images, too.
    elsewhere = [name for name in elsewhere if PurePosixPath(name).name.lower() not in MASK_FOLDERS] or elsewhere
    for name, image_id in missing.items() if len(elsewhere) == 1 else ():
        moved = f"{elsewhere[0]}/{PurePosixPath(image_id).name}"
        image_of[name] = (0, moved) if moved in folders[0].paths else image_of[name]
    return folders, image_of, elsewhere


def _list_entries(
    root: Path, labels: dict[str, Path], named: dict[str, str | None], images: Path | None
) -> tuple[list[ImageEntry], list[Defect]]:
    folders, image_of, elsewhere = _search_images(root, labels, named, images)
    choices = [str(dataset_folder(root) / folder) for folder in elsewhere]
    used = {place_index for place_index, image_id in image_of.values() if place_index is not None}
    defects = [
        defect
        for name, image_path in named.items()
        if image_path is not None
        if (defect := _outside_path(name, image_path, relative_path(root, labels[name]), image_of[name][0] is not None))
    ]
    entries: dict[str, ImageEntry] = {}
    claimed: set[str] = set()
    repeated: dict[tuple[Path, Path], list[Defect]] = {}  # as for `repeated_image_defects`
    for name, path in labels.items():
        place_index, image_id = image_of[name]
        file = relative_path(root, path)
        if image_id in entries:
            folders_of_both = path.parent, entries[image_id].files[0].parent
            message = f"a second file of labels of image {image_id!r}; the first one is read"
            repeated.setdefault(folders_of_both, []).append(Defect("SEG008", message, file, image=image_id))
            continue
        image = None if place_index is None else folders[place_index].paths[image_id]
        entries[image_id] = ImageEntry(image_id, image, (path,))
        if place_index is None and used:
            similar = nearest_name(folders, image_id)
            claimed.add(similar or "")
            hint = f"; choose with --images {' or '.join(choices[:3])}" if len(choices) > 1 else ""
            message = f"image file {image_id!r} does not exist{hint or similar_name_hint(similar)}"
            defects.append(Defect("SEG002", message, file, "/imagePath", image=image_id))
    defects += repeated_image_defects(root, repeated)
    if not used:
        absent = no_images_defect(len(entries), dataset_folder(root), images)
        if elsewhere:
            absent = replace(absent, message=f"{absent.message}: {list_names(choices)} have files of their names")
        return list(entries.values()), [*defects, absent]
    for place_index in sorted(used) if root.is_dir() else ():
        defects += add_unlabelled_images(entries, folders[place_index], claimed)
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def _folders_with_images(image_ids: Iterable[str], below: ImageFolder) -> list[str]:
    """Other folders that contain at least half of the images by name."""
    wanted = {PurePosixPath(image_id).name for image_id in image_ids}
    inside: dict[str, int] = Counter()
    for name in below.paths if wanted else ():
        folder, _, file = name.rpartition("/")
        inside[folder] += file in wanted
    return sorted(folder for folder, n_files in inside.items() if folder and 2 * n_files >= len(wanted))


def _files_in(place: Path) -> ImageFolder:
    """The image files directly in a folder, as a single JSON file may lie among unrelated files."""
    paths = sorted(place.iterdir()) if place.is_dir() else []
    return ImageFolder(place, {path.name: path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES})


def _find_image(name: str, image_path: str | None, folders: Sequence[ImageFolder]) -> tuple[int | None, str]:
    """The folder that has the image of a file, and its name there; a name without folder if none has it.

    The image lies beside the file in one of the folders, where imagePath leads to within one of them, or in
    `images_test/` beside the `labels_test/` of the file. Without imagePath it has the name of the file.
    """
    if image_path is None:
        bare = PurePosixPath(name).with_suffix(".json").as_posix()
        similar = (
            (index, hit)
            for candidate in (bare, PurePosixPath(bare).name)
            for index, folder in enumerate(folders)
            if (hit := folder.similar_name(candidate))
        )
        return next(similar, (None, name))
    folder = posixpath.dirname(name)
    last = image_path if _is_bare_name(image_path) else PurePosixPath(image_path).name or "image"
    beside, led = posixpath.join(folder, last), posixpath.normpath(posixpath.join(folder, image_path))
    sibling = posixpath.join(_LABELS_FOLDER.sub("images", folder), last)  # labels_test/ beside images_test/
    for candidate in (beside, last, led, sibling):
        for index, place in enumerate(folders):
            if candidate in place.paths:
                return index, candidate
    return None, beside


def _outside_path(name: str, image_path: str, file: str, is_found: bool) -> Defect | None:
    """SEG015 for a path that leaves the dataset; if the image is found by name, only for absolute paths.

    A path to a folder beside the root does not leave it: LabelMe writes such paths where labels have a folder of their
    own.
    """
    is_absolute = re.match(r"[A-Za-z]:|[/\\]", image_path) is not None
    if is_found:
        message = (
            f"path {image_path!r} is one of another computer, and LabelMe looks there; the image of its name is read"
        )
        return Defect("SEG015", message, file, "/imagePath", severity="warning") if is_absolute else None
    leads_to = posixpath.normpath(posixpath.join("root", posixpath.dirname(name), image_path))
    return outside_path_defect(image_path, file, "/imagePath") if is_absolute or is_unsafe_path(leads_to) else None
