"""Regions: the results of an annotation, several of which may be about one region, as marks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import msgspec
import numpy as np

from segdata.core.finding import Defect
from segdata.formats.labelstudio.brush import BrokenStrokesError, decode_strokes
from segdata.formats.labelstudio.results import Item, Value, items_of
from segdata.formats.labelstudio.tasks import LABELS
from segdata.formats.shapes.ellipse import draw_ellipse
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.scaled import scaled
from segdata.formats.shapes.shape import Bitmap, Ellipse, Floats, Polygon, Ring, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.safe_parsers import encode_json
from segdata.formats.tools.mark import Mark, Written
from segdata.formats.tools.written import Notation, mended

# What results about a region, or the whole image, say: type -> key in their value.
SAYING = {
    "choices": "choices",
    "textarea": "text",
    "number": "number",
    "rating": "rating",
    "taxonomy": "taxonomy",
    "datetime": "datetime",
}
_DRAWN = frozenset({*LABELS, "polygon", "brush", "rectangle", "ellipse"})
_ONE = np.ones(2)
_SPEAKS = {"polygonlabels": "points", "polygon": "points", "brushlabels": "rle", "brush": "rle"}


class _BrokenRegionError(Exception):
    """A region that cannot be read: code, message, and where in its result."""


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one annotation.

    Attributes
    ----------
    size : height and width of the image in pixels, as the regions say; None where there is none
    marks : a region each
    said : of the image as a whole
    defects : why others are left out
    """

    size: tuple[int, int] | None
    marks: list[Mark]
    said: dict[str, object]
    defects: list[Defect]


@dataclass(slots=True)
class _Group:
    """The results about one region, by their rows."""

    items: dict[int, tuple[str, Item, Value]] = field(default_factory=dict)

    def labels(self) -> list[str]:
        found = [getattr(value, key) for _, _, value in self.items.values() for key in LABELS]
        every = [name for names in found if isinstance(names, list) for name in names if isinstance(name, str)]
        return list(dict.fromkeys(every))

    def said(self) -> dict[str, object]:
        return {
            kind if item.from_name is msgspec.UNSET else str(item.from_name): _alone(getattr(value, SAYING[kind]))
            for kind, item, value in self.items.values()
            if kind in SAYING
        }

    def drawn(self) -> int | None:
        """The row of the result that has the shape."""
        return next((row for row, (kind, _, _) in self.items.items() if kind in _DRAWN), None)


def read_regions(result: msgspec.Raw, place: str, known: Mapping[str, int], score: object) -> Regions:
    """The regions in the list of results at `place`; `known` are the labels, `score` is that of the prediction."""
    defects: list[Defect] = []
    others: Counter[str] = Counter()
    items = items_of(result, place, defects)
    found = Regions(_size_of(items), [], {}, defects)
    for group in _groups(items, place, defects, others):
        row = group.drawn()
        if row is None:
            found.said.update(group.said())
            continue
        item, at = group.items[row][1], f"{place}/{row}"
        try:
            found.marks.append(_mark(group, row, at, found.size, known, score))
        except _BrokenRegionError as broken:
            code, message, where = broken.args
            id_ = "" if item.id is None else str(item.id)
            defects.append(Defect(code, f"{message}; left out", place=at + where, segments=(id_,) if id_ else ()))
    for kind, count in others.items():
        message = f"{count} results of type {kind!r:.40} have no pixels; left out"
        defects.append(Defect("SEG004", message, place=place, severity="info"))
    return found


def _groups(items: list[Item | None], place: str, defects: list[Defect], others: Counter[str]) -> list[_Group]:
    """The results by region; what is not about a region of an image, or the image, is counted in `others`."""
    groups: dict[object, _Group] = {}
    for row, item in enumerate(items):
        kind = None if item is None else item.type
        if item is None or not isinstance(kind, str):
            defects.append(Defect("SEG004", "a result without type; left out", place=f"{place}/{row}"))
        elif kind not in _DRAWN and kind not in SAYING:
            others[kind] += 1
        elif item.value is None:
            defects.append(Defect("SEG004", "a result without value; left out", place=f"{place}/{row}/value"))
        else:
            key = item.id if isinstance(item.id, str | int) else (row,)
            groups.setdefault(key, _Group()).items[row] = kind, item, item.value
    return list(groups.values())


def _size_of(items: list[Item | None]) -> tuple[int, int] | None:
    """Height and width of the image, in the first result that has them."""
    for item in items:
        if item is not None:
            height, width = item.original_height, item.original_width
            if not isinstance(height, int) or not isinstance(width, int) or True in (height is True, width is True):
                continue
            if min(height, width) > 0 and height * width <= MAX_PIXELS:
                return height, width
    return None


def _mark(
    group: _Group, row: int, place: str, size: tuple[int, int] | None, known: Mapping[str, int], score: object
) -> Mark:
    """A region; raises _BrokenRegionError."""
    kind, item, value = group.items[row]
    sides = item.original_height, item.original_width
    if size is None or sides != size:
        shown = f"{sides[1]!r:.20} x {sides[0]!r:.20}"
        other = "" if size is None else f", of other regions {size[1]} x {size[0]}"
        raise _BrokenRegionError("SEG004", f"the size of the image is {shown}{other}", "/original_width")
    turned = item.image_rotation or 0
    if turned:
        message = f"drawn on the image turned by {turned!r:.20} degrees, which is not read"
        raise _BrokenRegionError("SEG004", message, "/image_rotation")
    labels = group.labels()
    if not labels:
        raise _BrokenRegionError("SEG004", "a region without label", "/value")
    shape = _shape(kind, value, place, *size)
    lacking = [name for name in labels if name not in known]
    if lacking:
        raise _BrokenRegionError("SEG007", f"label {lacking[0]!r:.80} is not known", "/value")
    said = group.said()
    meta = dict(item.meta) if isinstance(item.meta, dict) else {}
    track = meta.pop("track_id", None)
    if meta.keys() - {"iscrowd"}:
        said["meta"] = meta
    id_ = "" if item.id is None else str(item.id)
    own = number_of(id_)
    whose = item.score if type(item.score) in (int, float) else score
    columns: dict[str, object] = {
        "also": [known[name] for name in labels[1:]] or None,
        "iscrowd": meta.pop("iscrowd", False) is True,
        "track_id": track if type(track) is int and abs(track) < 2**63 else None,
        "score": float(whose) if isinstance(whose, int | float) else None,
        "source": "model" if item.origin == "prediction" else None,
        "source_id": id_ if id_ and own is None else None,
    }
    attributes = {name: encode_json(each) for name, each in said.items()}
    return Mark(labels[0], shape, place, None, own, attributes, columns)


def number_of(id_: str) -> int | None:
    """The number that the id of a region is; None for another text."""
    return int(id_) if id_.isdecimal() and id_.isascii() and str(int(id_[:18])) == id_ else None


def _shape(kind: str, value: Value, place: str, height: int, width: int) -> Shape | Written:
    """The shape of a region in pixels; numbers in the file are percents of the image's sides."""
    speaks = _SPEAKS.get(kind)
    if len(value.rle) or speaks == "rle":
        return _strokes(value, height, width)
    if len(value.points) or speaks == "points":
        return Written((value.points or b"null",), "the polygon", f"{place}/value/points")
    round_ = value.radiusX is not msgspec.UNSET
    names = ("x", "y", "radiusX", "radiusY") if round_ else ("x", "y", "width", "height")
    numbers = [getattr(value, name) for name in (*names, "rotation")]
    numbers[-1] = 0 if numbers[-1] is None else numbers[-1]
    if not all(type(each) in (int, float) for each in numbers):
        raise _BrokenRegionError("SEG004", f"a shape has {', '.join(names)}: numbers in percent", "/value")
    x, y, across, down = (float(each) / 100 * side for each, side in zip(numbers, (width, height) * 2, strict=False))
    wrong = check_numbers(x, y, across, down, float(numbers[-1])) or (
        "has a negative size" if min(across, down) < 0 else None
    )
    if wrong:
        raise _BrokenRegionError("SEG006", f"the shape {wrong}", "/value")
    if round_:
        # Label Studio has no pixels for ellipses: those whose centres lie inside.
        return draw_ellipse(Ellipse(x, y, across, down, float(numbers[-1])), "centre-evenodd", height, width)
    return Polygon(scaled(box(x, y, x + across, y + down).turned(float(numbers[-1]), x, y).exterior, _ONE))


def _strokes(value: Value, height: int, width: int) -> Bitmap:
    """The mask of strokes: what is not fully transparent, cut to where it is."""
    if value.format != "rle":
        raise _BrokenRegionError("SEG005", f"strokes in format {value.format!r:.20}, not rle", "/value/format")
    try:
        opacity = decode_strokes(msgspec.json.decode(value.rle or b"null"), height, width)
    except (BrokenStrokesError, msgspec.ValidationError) as error:
        raise _BrokenRegionError("SEG005", str(error), "/value/rle") from error
    x, y, across, down = cv2.boundingRect(opacity)
    return Bitmap(x, y, opacity[y : y + down, x : x + across] > 0)


def _in_pixels(flat: Flat, sides: Floats) -> tuple[Floats, Floats]:
    """Points in percents of the image's sides, in pixels."""
    points: Floats = flat.points / 100 * sides
    return points, scaled(points, _ONE)


def _mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon whose text is not as others are, or why it cannot be drawn."""
    found = mended(mark, size)
    if not isinstance(found, Defect):
        wrong = check_ring(found[0] / 100 * [size[1], size[0]])
        if wrong is None:
            return found
        found = mark.refusal(wrong)
    id_ = mark.columns.get("source_id") or ("" if mark.id is None else str(mark.id))
    return replace(found, segments=(str(id_),)) if id_ else found


NOTATION = Notation(placed=_in_pixels, mend=_mended)


def _alone(said: object) -> object:
    """What is said; a list of one is that one."""
    return said[0] if isinstance(said, list) and len(said) == 1 else said
