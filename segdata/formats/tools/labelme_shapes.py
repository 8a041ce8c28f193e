"""Shapes of LabelMe: what a file says is drawn on its image."""

import base64
import binascii
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from PIL import Image

from segdata.core.finding import Defect
from segdata.formats.coco.document import DocumentKind
from segdata.formats.shapes.shape import Bitmap, Ellipse, Ring, Shape, box
from segdata.formats.shapes.soundness import check_numbers
from segdata.formats.shared.derived_sources import ORIGINS
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.tools.labelme_documents import ShapeItem, read_labelme
from segdata.formats.tools.mark import Drawing, Mark, Written, as_text

AREAS = frozenset({None, "polygon", "rectangle", "oriented_rectangle", "rotation", "circle", "mask"})
NOBODY = "_background_"
IGNORED = "__ignore__"  # the label that LabelMe's exports leave out
_NO_AREA = frozenset({"point", "points", "line", "linestrip"})
FILE_KEYS = frozenset({"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
SHAPE_KEYS = frozenset({"label", "points", "group_id", "shape_type", "flags", "description", "mask"})
TOLD_OF_FILE = frozenset({"annotator", "source"})  # further keys of a file that say what has a column
TOLD_OF_SHAPE = frozenset({"id", "track_id", "score", "source", "iscrowd"})  # and those of a shape
_MOST = 2**62  # of a number that names something
_NAMED = "the polygon of {}"
_NOTHING: dict[str, str] = {}
_PLAIN: dict[str, object] = {"iscrowd": False}
Raw = msgspec.Raw
Json = dict[str, Any]  # Any: JSON


class _Wrong(Exception):  # noqa: N818 - a shape that is left out
    """A shape that cannot be read: the code, the sentence and the place within it."""

    def __init__(self, code: str, message: str, within: str = "") -> None:
        super().__init__(message)
        self.code, self.within = code, within


@dataclass(slots=True)
class _Reading:
    """The shapes of one file so far, and what is wrong with others."""

    size: tuple[int, int]
    marks: list[Mark] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def look(root: Path, kind: DocumentKind, entry: ImageEntry, head: ImageHeader | None) -> list[Drawing]:
    """What is drawn on an image; raises BrokenLabelsError where its file is no LabelMe file."""
    file = relative_path(root, entry.files[0])
    said, every = read_labelme(entry.files[0], file, kind)
    reading = _Reading(_size(said, head, file))
    for row, shape in enumerate(every):
        place = f"/shapes/{row}"
        if isinstance(shape, ShapeItem) and _is_plain(shape):
            polygon = Written((shape.points,), _NAMED, f"{place}/points")
            reading.marks.append(Mark(shape.label, polygon, place, shape.group_id, None, _NOTHING, _PLAIN))
        else:
            _add(reading, shape.as_object() if isinstance(shape, ShapeItem) else shape, place)
    annotator, source = said.get("annotator"), said.get("source")
    return [
        Drawing(
            reading.size,
            reading.marks,
            annotator if isinstance(annotator, str) else None,
            {"source": source} if source in ORIGINS else {},
            _metadata(said),
            reading.defects,
        )
    ]


def _is_plain(shape: ShapeItem) -> bool:
    """Whether a shape is a polygon of which hardly more is said than its label."""
    return (
        (shape.shape_type == "polygon" or shape.shape_type is None)
        and type(shape.label) is str
        and shape.label not in ("", NOBODY)
        and (shape.group_id is None or (type(shape.group_id) is int and abs(shape.group_id) <= _MOST))
        and (shape.flags is None or shape.flags == {})
        and not shape.description
        and shape.id is shape.track_id is shape.score is shape.source is shape.iscrowd is UNSET
    )


def _size(said: Json, head: ImageHeader | None, file: str) -> tuple[int, int]:
    """Height and width in pixels; the image's where the file does not tell."""
    told = [said.get("imageHeight"), said.get("imageWidth")]
    if told == [None, None] and head is not None:
        return (head.width, head.height) if head.turned else (head.height, head.width)
    for key, side in zip(("imageHeight", "imageWidth"), told, strict=True):
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= MAX_PIXELS:
            shown = "missing" if side is None else f"{side!r:.40}, a whole number of pixels is expected"
            raise BrokenLabelsError(Defect("SEG004", f"{key} is {shown}", file, f"/{key}"))
    height, width = int(str(told[0])), int(str(told[1]))
    if height * width > MAX_PIXELS:
        message = f"the image is said to be {width:,} x {height:,}: more than {MAX_PIXELS:,} pixels"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/imageHeight"))
    return height, width


def _metadata(said: Json) -> dict[str, str]:
    """Flags and further keys of a file, as JSON texts."""
    flags = said.get("flags")
    found = dict(flags) if isinstance(flags, dict) else {}
    found |= {key: value for key, value in said.items() if key not in FILE_KEYS | TOLD_OF_FILE}
    return {key: as_text(value) for key, value in sorted(found.items())}


def _add(reading: _Reading, shape: object, place: str) -> None:
    """Add a shape; one that is broken is left out, with a defect."""
    if not isinstance(shape, dict):
        reading.defects.append(Defect("SEG004", "a shape is not an object; left out", place=place))
        return
    kind, label = shape.get("shape_type"), shape.get("label")
    if isinstance(kind, str) and kind in _NO_AREA:
        return
    try:
        if not isinstance(label, str) or not label:
            raise _Wrong("SEG004", f"the label is {label!r:.40}, a text is expected", "/label")
        if not (kind is None or isinstance(kind, str)) or kind not in AREAS:
            raise _Wrong("SEG004", f"the shape_type is {kind!r:.40}, which labelme does not have", "/shape_type")
        if label == NOBODY:
            return
        reading.marks.append(
            Mark(
                label,
                _drawn(shape, kind, place),
                place,
                _number(shape, "group_id"),
                _number(shape, "id"),
                _attributes(shape),
                _columns(shape),
            )
        )
    except _Wrong as wrong:
        reading.defects.append(Defect(wrong.code, f"{wrong}; left out", place=place + wrong.within))


def _number(shape: Json, key: str) -> int | None:
    """A whole number, or nothing; raises _Wrong for another value."""
    value = shape.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MOST:
        raise _Wrong("SEG004", f"{key} is {value!r:.40}, a whole number is expected", f"/{key}")
    return value


def _columns(shape: Json) -> Json:
    """The keys of a shape that say what has a column."""
    columns: Json = {"track_id": _number(shape, "track_id"), "iscrowd": shape.get("iscrowd") is True}
    score, source = shape.get("score"), shape.get("source")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        columns["score"] = float(score)
    elif score is not None:
        raise _Wrong("SEG004", f"score is {score!r:.40}, a number is expected", "/score")
    if source in ORIGINS:
        columns["source"] = source
    return columns


def _attributes(shape: Json) -> dict[str, str]:
    """Flags, description and further keys of a shape, as JSON texts."""
    flags, description = shape.get("flags"), shape.get("description")
    if not (flags is None or isinstance(flags, dict)):
        raise _Wrong("SEG004", f"flags is {flags!r:.40}, an object is expected", "/flags")
    said = dict(flags or {})
    if description:
        said["description"] = description
    taken = SHAPE_KEYS | TOLD_OF_SHAPE if shape.get("source") in ORIGINS else SHAPE_KEYS | TOLD_OF_SHAPE - {"source"}
    said |= {key: value for key, value in shape.items() if key not in taken}
    return {key: as_text(value) for key, value in said.items()}


def _drawn(shape: Json, kind: str | None, place: str) -> Shape | Written:
    """What was drawn, as it is to be rasterised."""
    points: bytes = shape.get("points", b"null")
    if kind in (None, "polygon", "oriented_rectangle", "rotation"):
        return Written((points,), _NAMED, f"{place}/points")
    corners = _pairs(points, (4, 2) if kind == "rectangle" else (2,))
    if kind == "circle":
        (x, y), rim = corners
        radius = float(np.hypot(*(rim - (x, y))))
        return Ellipse(float(x), float(y), radius, radius)
    if kind == "mask":
        return _mask(shape.get("mask"), corners)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return box(*low.tolist(), *high.tolist())


def _pairs(text: bytes, counts: tuple[int, ...]) -> Ring:
    """The points (n, 2), as many as one of `counts`."""
    points: object = None
    try:
        points = msgspec.json.decode(text)
        given = np.asarray(points)
    except (ValueError, RecursionError):
        given = np.empty(0)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iuf" or len(given) not in counts:
        expected = " or ".join(map(str, sorted(counts)))
        raise _Wrong("SEG004", f"points is {points!r:.40}, {expected} pairs of numbers are expected", "/points")
    wrong = check_numbers(*given.ravel().tolist())
    if wrong is not None:
        raise _Wrong("SEG006", f"the shape {wrong}", "/points")
    return given.astype(np.float64)


def _mask(text: object, corners: Ring) -> Bitmap:
    """A mask at its first point, rounded to pixels as numpy does, a half to the even one."""
    if not isinstance(text, str):
        raise _Wrong("SEG004", f"mask is {text!r:.40}, base64 of a PNG is expected", "/mask")
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _Wrong("SEG001", f"the mask claims {image.width:,} x {image.height:,} pixels", "/mask")
            values = np.asarray(image)
    except (binascii.Error, ValueError, OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise _Wrong("SEG001", f"the mask is no PNG in base64: {error!s:.80}", "/mask") from error
    if values.ndim != 2:
        raise _Wrong("SEG004", f"the mask has {values.shape[2]} channels, one is expected", "/mask")
    x, y = np.rint(corners[0]).astype(np.int64).tolist()
    return Bitmap(x, y, values.astype(bool))
