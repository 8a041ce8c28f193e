"""Regions of Label Studio: the results of an annotation, several of which may describe one region.

Brush strokes are packed pictures of red, green, blue and alpha, row by row. Source: thi-ng/umbrella
packages/rle-pack/src/index.ts, as in HumanSignal/label-studio-sdk src/label_studio_sdk/converter/brush.py.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.runs import Floats, Ints, expand_ranges
from segdata.core.safe_text import whole_number
from segdata.formats.shapes.geometry import (
    Bitmap,
    Ellipse,
    Polygon,
    PolygonArrays,
    Ring,
    Shape,
    box,
    check_numbers,
    check_ring,
    draw_ellipse,
    scale_points,
)
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.json_files import encode_json
from segdata.formats.tools.shapes import BrokenShapeError, PolygonNotation, PolygonText, ToolShape, parse_leniently

Mask = NDArray[np.bool_]
_HEAD_BITS = 32 + 5 + 4 * 4  # number of values, bits of a value, bits of the four kinds of lengths
_LENGTH_BITS = np.array([3, 4, 8, 16])  # of the four kinds of lengths
_WORD_BITS = 8
_MAX_RECORD = 1 << 16
_MESSAGES = {1: "the strokes end early", 2: "the strokes have more values than the picture"}
Raw = msgspec.Raw
LABEL_KEYS = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels", "labels")
# Results that are attributes of a region or the image: type -> key in their value.
_ATTRIBUTE_KEYS = {
    "choices": "choices", "textarea": "text", "number": "number", "rating": "rating", "taxonomy": "taxonomy",
    "datetime": "datetime",
}  # fmt: skip
_SHAPE_TYPES = frozenset({*LABEL_KEYS, "polygon", "brush", "rectangle", "ellipse"})
_ONE = np.ones(2)
_DATA_KEY = {"polygonlabels": "points", "polygon": "points", "brushlabels": "rle", "brush": "rle"}


class _BrokenStrokesError(ValueError):
    """Brush strokes cannot be decoded; the message says why."""


def decode_strokes(packed: object, height: int, width: int) -> NDArray[np.uint8]:
    """The opacity (height, width) of packed strokes, a list of bytes; raises BrokenStrokesError."""
    text = _as_bytes(packed)
    if len(text) * 8 < _HEAD_BITS:
        raise _BrokenStrokesError(f"the strokes have {len(text)} bytes, less than their head")
    head = int.from_bytes(text[:7].tobytes(), "big") >> (56 - _HEAD_BITS)
    n = head >> (_HEAD_BITS - 32)
    word = (head >> 16 & 31) + 1
    if n != 4 * height * width:
        raise _BrokenStrokesError(f"the strokes have {n:,} values, 4 x {width} x {height} are needed")
    if word != _WORD_BITS:
        raise _BrokenStrokesError(f"the strokes have values of {word} bits, {_WORD_BITS} are expected")
    sizes = np.array([(head >> shift & 15) + 1 for shift in (12, 8, 4, 0)], np.int64)
    alpha = np.zeros(height * width, np.uint8)
    error = kernels.unpack_alpha(text, _HEAD_BITS, sizes, alpha)
    if error:
        raise _BrokenStrokesError(_MESSAGES[error])
    return alpha.reshape(height, width)


def _as_bytes(packed: object) -> NDArray[np.uint8]:
    """Convert a list of numbers from 0 to 255 to bytes."""
    try:
        if not isinstance(packed, list):
            raise TypeError
        return np.frombuffer(bytes(packed), np.uint8)
    except (TypeError, ValueError) as error:
        raise _BrokenStrokesError("rle is not a list of numbers from 0 to 255") from error


def encode_strokes(mask: Mask) -> list[int]:
    """A mask (height, width) as packed strokes, byte for byte as Label Studio's `mask2rle` packs it in white."""
    flat = mask.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = np.concatenate([[0], change])
    length = 4 * np.diff(start, append=len(flat))
    value = np.where(flat[start], 255, 0)
    pieces = np.maximum(-(-length // _MAX_RECORD), 1)  # split at the maximum length of a record
    last_length = length - (pieces - 1) * _MAX_RECORD
    size = np.full(pieces.sum(), _MAX_RECORD)
    size[np.cumsum(pieces) - 1] = last_length
    return _pack_records(size, np.repeat(value, pieces), 4 * len(flat))


def _pack_records(length: Ints, value: Ints, n_values: int) -> list[int]:
    """Pack n runs of repeated values into records."""
    sort = np.searchsorted(2**_LENGTH_BITS, length)
    n_length = _LENGTH_BITS[sort]
    # A bit for "repeats", two for the kind of length, the length minus 1, and the value.
    code = ((((4 | sort) << n_length) | (length - 1)) << _WORD_BITS) | value
    n_bits = 3 + n_length + _WORD_BITS
    record = np.repeat(np.arange(len(code)), n_bits)
    place = expand_ranges(np.zeros(len(code), np.int64), n_bits)
    bits = code[record] >> (n_bits[record] - 1 - place) & 1
    head = n_values << 21 | (_WORD_BITS - 1) << 16
    for shift, n_bits_of_length in zip((12, 8, 4, 0), _LENGTH_BITS.tolist(), strict=True):
        head |= (n_bits_of_length - 1) << shift
    in_head = head >> np.arange(_HEAD_BITS - 1, -1, -1) & 1
    all_bits = np.concatenate([in_head, bits, np.zeros(8 - (_HEAD_BITS + len(bits)) % 8, np.int64)])
    packed: list[int] = np.packbits(all_bits.astype(np.uint8)).tolist()
    return packed


class _RegionValue(msgspec.Struct, gc=False):
    """A shape, in percents of the image's sides, and its labels; polygons and strokes undecoded."""

    points: Raw = Raw()
    closed: object = None
    rle: Raw = Raw()
    format: object = "rle"
    x: object = None
    y: object = None
    width: object = None
    height: object = None
    radiusX: object = msgspec.UNSET  # noqa: N815 - Label Studio's names
    radiusY: object = None  # noqa: N815
    rotation: object = None
    polygonlabels: object = None
    brushlabels: object = None
    rectanglelabels: object = None
    ellipselabels: object = None
    labels: object = None
    choices: object = None
    text: object = None
    number: object = None
    rating: object = None
    taxonomy: object = None
    datetime: object = None

    @property
    def drawn(self) -> tuple[object, ...]:
        """Where the shape is: results of one region have it in common."""
        box = self.x, self.y, self.width, self.height, self.radiusX, self.radiusY, self.rotation
        return bytes(self.points), bytes(self.rle), *box


class _RegionResult(msgspec.Struct, gc=False):
    """One result of an annotation."""

    type: object = None
    value: _RegionValue | None = None
    id: object = None
    original_height: object = None
    original_width: object = None
    image_rotation: object = None
    from_name: object = msgspec.UNSET
    meta: object = None
    score: object = None
    origin: object = None


class _Bare(msgspec.Struct, gc=False):
    """A result whose value is not an object."""

    type: object = None


def _read_results(result: Raw, place: str, defects: list[Defect]) -> list[_RegionResult | None]:
    """Decode the results, None for invalid ones; adds a defect if they are not a list."""
    try:
        return msgspec.json.decode(result, type=list[_RegionResult | None])
    except msgspec.ValidationError:
        pass
    try:
        raws = msgspec.json.decode(result, type=list[Raw])
    except msgspec.ValidationError:
        defects.append(Defect("SEG004", "result is not a list", place=place))
        return []
    items: list[_RegionResult | None] = []
    for raw in raws:
        try:
            items.append(msgspec.json.decode(raw, type=_RegionResult | None))
        except msgspec.ValidationError:
            items.append(_without_value(raw))
    return items


def _without_value(raw: Raw) -> _RegionResult | None:
    """A result with its type alone, if its value is malformed."""
    try:
        return _RegionResult(msgspec.json.decode(raw, type=_Bare).type)
    except msgspec.ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class _AnnotationRegions:
    """The regions of one annotation."""

    # height and width of the image in pixels as stated in the regions; None without regions
    size: tuple[int, int] | None
    shapes: list[ToolShape]  # one for each region
    attributes: dict[str, object]  # of the image as a whole
    defects: list[Defect]  # of regions that are left out


@dataclass(slots=True)
class _ResultGroup:
    """The rows of the results of one region."""

    items: dict[int, tuple[str, _RegionResult, _RegionValue]] = field(default_factory=dict)

    def labels(self) -> list[str]:
        label_lists = [getattr(value, key) for _, _, value in self.items.values() for key in LABEL_KEYS]
        labels = [name for names in label_lists if isinstance(names, list) for name in names if isinstance(name, str)]
        return list(dict.fromkeys(labels))

    def attributes(self) -> dict[str, object]:
        return {
            kind if item.from_name is msgspec.UNSET else str(item.from_name): _unwrap_single(
                getattr(value, _ATTRIBUTE_KEYS[kind])
            )
            for kind, item, value in self.items.values()
            if kind in _ATTRIBUTE_KEYS
        }

    def drawn_item(self) -> int | None:
        return next((row for row, (kind, _, _) in self.items.items() if kind in _SHAPE_TYPES), None)


def read_regions(result: msgspec.Raw, place: str, category_ids: Mapping[str, int], score: object) -> _AnnotationRegions:
    """The regions in the results at `place`; `category_ids` are those of labels, `score` is that of the prediction."""
    defects: list[Defect] = []
    others: Counter[str] = Counter()
    items = _read_results(result, place, defects)
    regions = _AnnotationRegions(_declared_size(items), [], {}, defects)
    for group in _group_results(items, place, defects, others):
        row = group.drawn_item()
        if row is None:
            regions.attributes.update(group.attributes())
            continue
        item, region_place = group.items[row][1], f"{place}/{row}"
        try:
            regions.shapes.append(_read_region(group, row, region_place, regions.size, category_ids, score))
        except BrokenShapeError as broken:
            id_ = "" if item.id is None else str(item.id)
            defects.append(broken.defect(region_place, (id_,) if id_ else ()))
    for kind, count in others.items():
        message = f"{count_noun(count, 'result')} of type {kind!r:.40} without pixels; left out"
        defects.append(Defect("SEG004", message, place=place, severity="info"))
    return regions


def _group_results(
    items: list[_RegionResult | None], place: str, defects: list[Defect], others: Counter[str]
) -> list[_ResultGroup]:
    """The results by region; results about neither a region nor the image are counted in `others`."""
    groups: dict[object, _ResultGroup] = {}
    shapes: dict[object, tuple[object, ...]] = {}
    for row, item in enumerate(items):
        kind = None if item is None else item.type
        if item is None or not isinstance(kind, str):
            defects.append(Defect("SEG004", "a result without type; left out", place=f"{place}/{row}"))
        elif kind not in _SHAPE_TYPES and kind not in _ATTRIBUTE_KEYS:
            others[kind] += 1
        elif item.value is None:
            defects.append(Defect("SEG004", "a result without value; left out", place=f"{place}/{row}/value"))
        else:
            if item.value.closed is False:
                message = "the polygon was not closed in the tool, as if its annotator had not finished; read as closed"
                defects.append(Defect("SEG004", message, place=f"{place}/{row}/value", severity="info", lost=False))
            key: object = item.id if isinstance(item.id, str | int) else (row,)
            drawn = item.value.drawn if kind in _SHAPE_TYPES else None
            if drawn is not None and shapes.setdefault(key, drawn) != drawn:
                message = f"the id {key!r:.40} is also that of a region elsewhere; read as a region of its own"
                defects.append(Defect("SEG008", message, place=f"{place}/{row}/id", severity="warning", lost=False))
                key = (row,)
            groups.setdefault(key, _ResultGroup()).items[row] = kind, item, item.value
    return list(groups.values())


def _declared_size(items: list[_RegionResult | None]) -> tuple[int, int] | None:
    """Height and width of the image, in the first result that has them."""
    for item in items:
        if item is not None:
            height, width = item.original_height, item.original_width
            if not isinstance(height, int) or not isinstance(width, int) or True in (height is True, width is True):
                continue
            if min(height, width) > 0 and height * width <= MAX_PIXELS:
                return height, width
    return None


def _read_region(
    group: _ResultGroup,
    row: int,
    place: str,
    size: tuple[int, int] | None,
    category_ids: Mapping[str, int],
    score: object,
) -> ToolShape:
    kind, item, value = group.items[row]
    sides = item.original_height, item.original_width
    if size is None or sides != size:
        shown = f"{sides[1]!r:.20} x {sides[0]!r:.20}"
        other = "" if size is None else f", of other regions {size[1]} x {size[0]}"
        raise BrokenShapeError("SEG004", f"the size of the image is {shown}{other}", "/original_width")
    turned = item.image_rotation or 0
    if turned:
        message = f"drawn on the image turned by {turned!r:.20} degrees, which is not read"
        raise BrokenShapeError("SEG004", message, "/image_rotation")
    labels = group.labels()
    if not labels:
        raise BrokenShapeError("SEG004", "a region without label", "/value")
    shape = _read_shape(kind, value, place, *size)
    unknown = [name for name in labels if name not in category_ids]
    if unknown:
        raise BrokenShapeError("SEG007", f"label {unknown[0]!r:.80} is not known", "/value")
    attribute_values = group.attributes()
    meta = dict(item.meta) if isinstance(item.meta, dict) else {}
    track = meta.pop("track_id", None)
    if meta.keys() - {"iscrowd"}:
        attribute_values["meta"] = meta
    id_ = "" if item.id is None else str(item.id)
    number = integer_id(id_)
    region_score = item.score if type(item.score) in (int, float) else score
    columns: dict[str, object] = {
        "also": [category_ids[name] for name in labels[1:]] or None,
        "iscrowd": meta.pop("iscrowd", False) is True,
        "track_id": track if type(track) is int and abs(track) < 2**63 else None,
        "score": float(region_score) if isinstance(region_score, int | float) else None,
        "source": "model" if item.origin == "prediction" else None,
        "source_id": id_ if id_ and number is None else None,
    }
    attributes = {name: encode_json(entry) for name, entry in attribute_values.items()}
    return ToolShape(labels[0], shape, place, None, number, attributes, columns)


def integer_id(id_: str) -> int | None:
    """The id of a region as a number; None for other texts."""
    number = whole_number(id_)
    return number if str(number) == id_ else None


def _read_shape(kind: str, value: _RegionValue, place: str, height: int, width: int) -> Shape | PolygonText:
    """The shape of a region in pixels; numbers in the file are percents of the image's sides."""
    data_key = _DATA_KEY.get(kind)
    if len(value.rle) or data_key == "rle":
        return _read_strokes(value, height, width)
    if len(value.points) or data_key == "points":
        return PolygonText((value.points or b"null",), "the polygon", f"{place}/value/points")
    is_ellipse = value.radiusX is not msgspec.UNSET
    names = ("x", "y", "radiusX", "radiusY") if is_ellipse else ("x", "y", "width", "height")
    numbers = [getattr(value, name) for name in (*names, "rotation")]
    numbers[-1] = 0 if numbers[-1] is None else numbers[-1]
    if not all(type(number) in (int, float) for number in numbers):
        raise BrokenShapeError("SEG004", f"a shape has {', '.join(names)}: numbers in percent", "/value")
    x, y, across, down = (
        float(number) / 100 * side for number, side in zip(numbers, (width, height) * 2, strict=False)
    )
    problem = check_numbers(x, y, across, down, float(numbers[-1])) or (
        "has a negative size" if min(across, down) < 0 else None
    )
    if problem:
        raise BrokenShapeError("SEG006", f"the shape {problem}", "/value")
    if is_ellipse:
        # Label Studio does not rasterise ellipses: take the pixels whose centres lie inside.
        return draw_ellipse(Ellipse(x, y, across, down, float(numbers[-1])), "centre-evenodd", height, width)
    return Polygon(scale_points(box(x, y, x + across, y + down).rotate(float(numbers[-1]), x, y).exterior, _ONE))


def _read_strokes(value: _RegionValue, height: int, width: int) -> Bitmap:
    """The mask of strokes: all pixels that are not fully transparent, cropped."""
    if value.format != "rle":
        raise BrokenShapeError("SEG005", f"strokes in format {value.format!r:.20}, not rle", "/value/format")
    try:
        opacity = decode_strokes(msgspec.json.decode(value.rle or b"null"), height, width)
    except (_BrokenStrokesError, msgspec.ValidationError) as error:
        raise BrokenShapeError("SEG005", str(error), "/value/rle") from error
    rows, columns = (np.flatnonzero((opacity > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    x, y = int(columns[0]), int(rows[0])
    return Bitmap(x, y, opacity[y : rows[-1] + 1, x : columns[-1] + 1] > 0)


def _percent_to_pixels(flat: PolygonArrays, sides: Floats) -> tuple[Floats, Floats]:
    """Points in percents of the image's sides, in pixels."""
    points: Floats = flat.points / 100 * sides
    return points, scale_points(points, _ONE)


def _parse_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon with unusual JSON, or its defect."""
    rings = parse_leniently(shape, size)
    if not isinstance(rings, Defect):
        problem = check_ring(rings[0] / 100 * [size[1], size[0]])
        if problem is None:
            return rings
        rings = shape.refusal(problem)
    id_ = shape.columns.get("source_id") or ("" if shape.id is None else str(shape.id))
    return replace(rings, segments=(str(id_),)) if id_ else rings


NOTATION = PolygonNotation(placed=_percent_to_pixels, mend=_parse_leniently)


def _unwrap_single(value: object) -> object:
    """The item of a list with one item, else the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
