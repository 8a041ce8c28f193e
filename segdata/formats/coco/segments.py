"""Segments of COCO annotations: attributes as columns; polygons and RLE, each checked, decoded to runs."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import count_noun
from segdata.core.runs import Flags, Floats, Ints, Runs, bounding_boxes, expand_ranges, group_offsets
from segdata.formats.coco.columns import ItemBlock, RawColumn
from segdata.formats.coco.document import (
    JSON_CONSTANTS,
    MAX_ID,
    MISSING,
    DecodingProblem,
    Id,
    ItemFault,
    Raw,
    decode_boxes,
    decode_column,
    decode_integer_lists,
    decode_integers,
    decode_numbers,
    integer_id,
)

_WholeNumber = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Column = Any  # of values: a list, or an array of numpy or Arrow
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class SegmentItem(msgspec.Struct, gc=False, kw_only=True):
    """The keys shared by annotations and `segments_info`. Values needed only for loading stay raw.

    COCO does not define `score` (results files), `track_id` (video datasets) and `attributes` (CVAT and others), but
    they are widely used; `also`, the ids of secondary categories, is segdata's.
    """

    id: Id
    category_id: int
    area: Raw = MISSING
    bbox: Raw = MISSING
    iscrowd: Raw = MISSING
    score: Raw = MISSING
    track_id: Raw = MISSING
    attributes: Raw = MISSING
    also: Raw = MISSING


class AnnotationItem(SegmentItem, gc=False, kw_only=True):
    """An entry of `annotations` of an instances file. `segdata_keyhole` is ignored, since the rings show it."""

    image_id: Id
    segmentation: Raw = MISSING
    segdata_keyhole: Raw = MISSING


class StrictAnnotationItem(AnnotationItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


SEGMENT_KEYS = frozenset(SegmentItem.__struct_fields__)
_COCO_KEYS: dict[str, Any] = {"iscrowd": int | bool, "area": float, "bbox": Box}  # Any: msgspec types
_COMMON_KEYS: dict[str, Any] = {
    "score": float,
    "track_id": _WholeNumber,
    "attributes": dict[str, Raw],
    "also": list[_WholeNumber],
}


def segment_columns(
    items: ItemBlock, extras: Sequence[dict[str, str]], to: Mapping[int, int]
) -> tuple[dict[str, Column], list[ItemFault]]:
    """Columns of `schema.BATCH_SEGMENTS` for n items, with null for malformed values, which are reported.

    `extras` (n,) are further keys, among them common keys of an unusual type. `to`: category id in the document -> id
    in the taxonomy.
    """
    faults: list[ItemFault] = []
    values: dict[str, Column] = {}
    further: dict[int, dict[str, str]] = {row: dict(extra) for row, extra in enumerate(extras) if extra}
    for name, type_ in (_COCO_KEYS | _COMMON_KEYS).items():
        raws = items.column(name)
        values[name], broken = _decode_key(name, raws, type_)
        for row, why in broken.items():
            if name in _COCO_KEYS:
                faults.append(ItemFault(row, "SEG004", f"{name}: {why.message}; ignored", f"/{name}{why.place}"))
            else:
                further.setdefault(row, {})[name] = _text(raws[row])
                if name == "score" and _spells_number(raws[row]):
                    faults.append(
                        ItemFault(row, "SEG004", f"score: {why.message}; kept as an attribute", "/score", False)
                    )
    crowd, also = values["iscrowd"], values["also"]
    for value in {*(np.unique(crowd).tolist() if isinstance(crowd, np.ndarray) else crowd)} - {0, 1, None}:
        message = f"iscrowd is {value}, not 0 or 1; read as 0"
        faults += [ItemFault(row, "SEG004", message, "/iscrowd") for row, other in enumerate(crowd) if other == value]
    for row, attributes_of_row in enumerate(values["attributes"]):
        if attributes_of_row:
            further.setdefault(row, {}).update({key: _text(raw) for key, raw in attributes_of_row.items()})
    attributes: list[list[tuple[str, str]] | None] = [None] * len(items)
    for row, extra in further.items():
        attributes[row] = list(extra.items())
    segment_id, source_id = _ids(items)
    columns: dict[str, Column] = {
        "segment_id": segment_id,
        "source_id": source_id,
        "iscrowd": crowd == 1 if isinstance(crowd, np.ndarray) else [value == 1 for value in crowd],
        "track_id": values["track_id"],
        "score": values["score"],
        "also": [ids and [to.get(id_, id_) for id_ in ids] for ids in also] if any(also) else also,
        "attributes": attributes,
        "declared_area": values["area"],
        "declared_bbox": values["bbox"],
    }
    return columns, faults


def _decode_key(
    name: str, raws: RawColumn, type_: Any
) -> tuple[Column, dict[int, DecodingProblem]]:  # Any: msgspec types
    """The values of a key, None if missing; valid numbers and boxes are decoded without Python objects."""
    if raws.is_missing:
        return [None] * len(raws), {}
    decode = {"iscrowd": decode_integers, "area": decode_numbers, "bbox": decode_boxes}.get(name)
    plain = None if decode is None else decode(raws)
    return decode_column(raws, type_) if plain is None else (plain, {})


def _ids(items: ItemBlock) -> tuple[Column, Column]:
    """The ids of segments, and the ids in the source that are not integers."""
    if isinstance(items.ids, np.ndarray):
        return items.ids, [None] * len(items)
    ids: list[Any] = list(items.ids)  # Any: int or str
    if set(map(type, ids)) == {int} and min(ids) >= -MAX_ID and max(ids) <= MAX_ID:
        return ids, [None] * len(ids)
    numbered = list(map(integer_id, ids))
    return [number for number, _ in numbered], [text for _, text in numbered]


def _spells_number(raw: Raw) -> bool:
    """Whether a JSON value is a number written as text."""
    try:
        return _text(raw).startswith('"') and float(msgspec.json.decode(raw)) is not None
    except ValueError:
        return False


def _text(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")


Bytes = NDArray[np.uint8]
MAX_COORDINATE = 1e7  # in pixels; scan conversion walks along edges, so farther points are refused


@dataclass(frozen=True, slots=True)
class Polygons:
    """Rings of n segments: ring j is ``xy[ring[j]:ring[j + 1]]``, segment i owns ``segment[i]:segment[i + 1]``."""

    xy: Floats
    ring: Ints
    segment: Ints

    def take_rings(self, kept: Ints) -> "Polygons":
        """Only some rings, in ascending order."""
        size = np.diff(self.ring)[kept]
        owner = np.repeat(np.arange(len(self.segment) - 1), np.diff(self.segment))[kept]
        n_rings = np.bincount(owner, minlength=len(self.segment) - 1)
        return Polygons(self.xy[expand_ranges(self.ring[kept], size)], group_offsets(size), group_offsets(n_rings))

    def rasterise(self, height: Ints, width: Ints) -> Runs:
        """Rasterise by COCO's rule, uniting the rings of a segment; sizes (n,) of the images are in pixels."""
        return Runs(*kernels.rasterise(self.xy, self.ring, self.segment, height, width))

    def as_lists(self, rows: Ints, n: int) -> pa.Array:
        """(n,) list<list<double>>: the rings of segment i at ``rows[i]``, null elsewhere."""
        count, absent = np.zeros(n, np.int64), np.ones(n, bool)
        count[rows], absent[rows] = np.diff(self.segment), False
        lists = pa.ListArray.from_arrays(pa.array(self.ring.astype(np.int32)), pa.array(self.xy))
        return pa.ListArray.from_arrays(pa.array(group_offsets(count).astype(np.int32)), lists, mask=pa.array(absent))

    @staticmethod
    def of_lists(lists: pa.Array) -> "Polygons":
        """The rings of a list<list<double>> column; null: no rings."""
        rings = lists.flatten()
        n_numbers, n_rings = (
            column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False) for column in (rings, lists)
        )
        xy = rings.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        return Polygons(xy, group_offsets(n_numbers), group_offsets(n_rings))


def read_polygons(text: Bytes, first: Ints, last: Ints) -> tuple[Polygons, Flags, list[ItemFault]]:
    """Parse n segmentations ``text[first[i]:last[i]]``: their valid rings, which of them are valid, and the faults.

    A segmentation is valid if any of its rings is, or if it is an empty list.
    """
    xy, ring, segment, error = kernels.parse_rings(text, first, last)
    polygons = Polygons(xy, ring, segment)
    faults = [_polygon_fault(i, text[first[i] : last[i]].tobytes()) for i in np.flatnonzero(error).tolist()]
    wrong = malformed_rings(polygons)
    owner = np.repeat(np.arange(len(first)), np.diff(segment))
    for j in np.flatnonzero(wrong).tolist():
        i = int(owner[j])
        faults.append(
            ItemFault(i, "SEG006", _ring_complaint(xy[ring[j] : ring[j + 1]]), f"/segmentation/{j - int(segment[i])}")
        )
    kept = polygons.take_rings(np.flatnonzero(~wrong)) if wrong.any() else polygons
    for j in np.flatnonzero(~wrong)[flat_rings(kept)].tolist():
        i = int(owner[j])
        message = "ring of zero area: its points are on one line; kept with the pixels that COCO's rule gives it"
        faults.append(ItemFault(i, "SEG006", message, f"/segmentation/{j - int(segment[i])}", lost=False))
    sound = (error == 0) & ((np.diff(kept.segment) > 0) | (np.diff(segment) == 0))
    return kept, sound, faults


def malformed_rings(polygons: Polygons) -> Flags:
    """(n_rings,) whether pycocotools would misread a ring, never finish it, or give it no pixel wherever it lies."""
    return kernels.flawed_rings(polygons.xy, polygons.ring, MAX_COORDINATE)


def flat_rings(polygons: Polygons) -> Flags:
    """(n_rings,) whether all points of a ring are on one line; COCO's rule gives some of these rings pixels."""
    x0, y0, x1, y1, x2, y2 = (polygons.xy[polygons.ring[:-1] + n] for n in range(6))
    product, other_product = (x1 - x0) * (y2 - y0), (x2 - x0) * (y1 - y0)
    result: Flags = np.abs(product - other_product) <= 1e-6 * np.abs(product)
    near = np.flatnonzero(result)  # the usually few rings whose first three points are on one line
    if len(near):
        candidates = polygons.take_rings(near)
        start = np.repeat(candidates.ring[:-1], np.diff(candidates.ring) // 2)
        x = candidates.xy[0::2] - candidates.xy[start]
        y = candidates.xy[1::2] - candidates.xy[start + 1]
        point = candidates.ring[:-1] // 2
        xx, yy, xy = (np.add.reduceat(sums, point) for sums in (x * x, y * y, x * y))
        result[near] = xx * yy * (1 - 1e-12) <= xy**2
    return result


def _ring_complaint(xy: Floats) -> str:
    if len(xy) % 2:
        what = f"{count_noun(len(xy), 'number')}; x and y come in pairs"
    elif len(xy) == 4:
        what = "4 numbers, which pycocotools takes for a box: 3 points (6 numbers) are needed"
    elif len(xy) < 6:
        what = f"{len(xy) // 2} points; at least 3 are needed"
    elif (far := ~(np.abs(xy) <= MAX_COORDINATE)).any():
        what = f"the coordinate {xy[far][0]:g}, more than {MAX_COORDINATE:,.0f} px from the frame"
    else:
        what = "zero area: its points are on one line"
    return f"ring of {what}; left out, other rings of the annotation are kept"


def _polygon_fault(row: int, raw: bytes) -> ItemFault:
    """The fault of a segmentation that is not a list of lists of numbers."""
    try:
        return _ring_fault(row, raw)
    except RecursionError:
        return ItemFault(row, "SEG006", "lists that are nested too deeply", "/segmentation")


def _ring_fault(row: int, raw: bytes) -> ItemFault:
    rings = json.loads(raw, parse_constant=str, parse_int=float)
    if all(isinstance(value, (int, float)) for value in rings):
        return ItemFault(
            row, "SEG006", "a flat list of numbers; a list of rings is expected: [[x, y, …]]", "/segmentation"
        )
    for j, ring in enumerate(rings):
        place = f"/segmentation/{j}"
        if isinstance(ring, list) and ring and all(isinstance(pair, list) and len(pair) == 2 for pair in ring):
            return ItemFault(row, "SEG006", "a ring of [x, y] pairs; x and y by turns are expected: [[x, y, …]]", place)
        if isinstance(ring, list) and ring and all(isinstance(inner, list) for inner in ring):
            message = "lists nested once too deep, [[[x, y, …]]]; a list of rings is expected: [[x, y, …]]"
            return ItemFault(row, "SEG006", message, place)
        if not isinstance(ring, list):
            return ItemFault(row, "SEG006", f"ring is {json.dumps(ring)[:20]}, not a list of numbers", place)
        for i, value in enumerate(ring):
            if isinstance(value, dict):
                message = (
                    f"point is an object with {' and '.join(map(repr, value))[:40]}, not x and y by turns in one list"
                )
                return ItemFault(row, "SEG006", message, f"{place}/{i}")
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                shown = value if value in JSON_CONSTANTS else json.dumps(value)[:20]
                return ItemFault(row, "SEG006", f"coordinate is {shown}, not a number", f"{place}/{i}")
    return ItemFault(row, "SEG006", "not a list of rings of numbers", "/segmentation")


Count = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Size = Annotated[list[int], msgspec.Meta(min_length=2, max_length=2)]  # a tuple in a union is unsafe in msgspec 0.22


class _Rle(msgspec.Struct, gc=False):
    """An RLE segmentation, compressed if `counts` is a text. `size` is [height, width] in pixels."""

    size: Size
    counts: str | list[Count]


def read_rles(
    raws: Sequence[msgspec.Raw] | RawColumn, height: Ints, width: Ints
) -> tuple[Runs, Flags, list[ItemFault]]:
    """Decode n RLEs: their pixels, which of them are valid, and the faults; sizes (n,) of the images are in pixels."""
    column = RawColumn.from_values(raws)
    runs, sound = _read_plain_counts(column, height, width)
    others = np.flatnonzero(~sound)
    values, broken = decode_column(column.take(others), _Rle)
    for k in list(broken):
        decimal = _decimal_rle(column[int(others[k])])
        if decimal is not None:
            values[k] = decimal
            del broken[k]
    faults = [
        ItemFault(int(others[k]), "SEG005", f"in RLE, {why.message}", f"/segmentation{why.place}")
        for k, why in broken.items()
    ]
    for compressed in (True, False):
        rows, rles = [], []
        for row, rle in zip(others.tolist(), values, strict=True):
            if rle is None or isinstance(rle.counts, str) != compressed:
                continue
            if rle.size == [height[row], width[row]]:
                rows.append(row)
                rles.append(rle)
            else:
                size = [int(height[row]), int(width[row])]
                swap = ": height and width are swapped" if rle.size == size[::-1] else ""
                message = f"RLE size [height, width] is {rle.size}, the image has {size}{swap}"
                faults.append(ItemFault(row, "SEG005", message, "/segmentation/size"))
        positions = np.array(rows, np.int64)
        start, length, owner, error = _decode_counts(rles, compressed, height[positions], width[positions])
        faults += [_rle_fault(rows[k], rles[k], int(error[k])) for k in np.flatnonzero(error).tolist()]
        sound[positions] = error == 0
        runs = _insert_runs(runs, Runs(start, length, positions.astype(np.int32)[owner]))
    return runs, sound, faults


def _decimal_rle(raw: Raw) -> _Rle | None:
    """The RLE whose sizes and counts are whole numbers written as decimals (12.0), as numpy writes them; or None."""
    try:
        numbers = msgspec.json.decode(raw, type=dict[str, list[float]])  # no texts, which would count as numbers below
        return msgspec.convert(numbers, _Rle, strict=False)
    except msgspec.ValidationError:
        return None


def _read_plain_counts(raws: RawColumn, height: Ints, width: Ints) -> tuple[Runs, Flags]:
    """Decode those of n RLEs that are valid lists of integers: their pixels, and which they are.

    Makes no Python object for each number.
    """
    sound = np.zeros(len(raws), bool)
    if not kernels.is_compiled("value_spans"):
        return Runs.empty(), sound
    sizes, counts = (
        RawColumn(raws.text, first, last)
        for first, last in kernels.value_spans(raws.text, raws.first, raws.last, [b"size", b"counts"])
    )
    listed = (sizes.first >= 0) & (counts.first >= 0)
    listed[listed] = (raws.text[sizes.first[listed]] == ord("[")) & (raws.text[counts.first[listed]] == ord("["))
    rows = np.flatnonzero(listed)
    size, count = decode_integer_lists(sizes.take(rows)), decode_integer_lists(counts.take(rows))
    if size is None or count is None or (np.diff(size[1]) != 2).any():
        return Runs.empty(), sound
    start, length, owner, error = kernels.split_counts(*count, height[rows], width[rows])
    fits = (size[0].reshape(-1, 2) == np.stack([height[rows], width[rows]], 1)).all(axis=1) & (error == 0)
    sound[rows[fits]] = True
    kept = fits[owner]
    return Runs(start[kept], length[kept], rows.astype(np.int32)[owner[kept]]), sound


def _decode_counts(
    rles: list[_Rle], compressed: bool, height: Ints, width: Ints
) -> tuple[Ints, Ints, NDArray[np.int32], NDArray[np.uint8]]:
    if compressed:
        # A character beyond ASCII is no count; errors="replace" keeps it one byte, which the kernel refuses.
        texts = [str(rle.counts).encode("ascii", "replace") for rle in rles]
        offset = np.cumsum([0, *map(len, texts)])
        return kernels.decode_counts(np.frombuffer(b"".join(texts), np.uint8), offset, height, width)
    lists = [np.array(rle.counts, np.int64) for rle in rles]
    offset = np.cumsum([0, *map(len, lists)])
    return kernels.split_counts(np.concatenate([np.empty(0, np.int64), *lists]), offset, height, width)


def _rle_fault(row: int, rle: _Rle, error: int) -> ItemFault:
    """The fault for a kernel's error, with both numbers if it is about a sum."""
    height, width = rle.size
    if _is_brush(rle):
        what = "counts are the bytes of Label Studio's brush, no run lengths"
        message = f"{what}; let Label Studio write COCO, or give its own JSON"
    elif error in (4, 5):
        counts = _letters_to_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
        message = f"counts sum to {sum(counts):,}, height x width is {height:,} x {width:,} = {height * width:,}"
    else:
        message = {
            1: _letter_fault(str(rle.counts)),
            2: "counts end within a number, or hold one of more than 7 letters",
            3: "a count is negative",
        }[error]
    return ItemFault(row, "SEG005", f"in RLE, {message}", "/segmentation/counts")


def _letter_fault(counts: str) -> str:
    """Why counts hold a letter that compressed RLE has not.

    >>> _letter_fault("b'PPY'"), _letter_fault("UFBZ")
    ("counts are Python's b'…' as text; write counts.decode() to JSON", 'counts are the base64 of what COCO has there; \
write base64.b64decode(counts).decode() to JSON')
    """
    if counts[:2] in ("b'", 'b"'):
        return "counts are Python's b'…' as text; write counts.decode() to JSON"
    try:
        is_packed = all(48 <= letter < 112 for letter in base64.b64decode(counts, validate=True))
    except ValueError:
        is_packed = False
    if is_packed:
        return "counts are the base64 of what COCO has there; write base64.b64decode(counts).decode() to JSON"
    return "counts hold a letter outside the 64 of compressed RLE"


def _is_brush(rle: _Rle) -> bool:
    """Whether the counts are the bytes of a Label Studio brush, which begin with 4 x height x width."""
    height, width = rle.size
    head = rle.counts[:4]
    is_bytes = isinstance(head, list) and len(head) == 4 and all(0 <= value < 256 for value in head)
    return is_bytes and int.from_bytes(bytes(map(int, head))) == 4 * height * width


def _letters_to_counts(text: str) -> list[int]:
    """Decode the counts of a compressed text letter by letter, for messages about texts that the kernel refuses.

    >>> _letters_to_counts("13")
    [1, 3]
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code >> 4 & 1) << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts


def write_rles(runs: Runs, rows: Ints, height: Ints, width: Ints) -> list[dict[str, object]]:
    """The compressed RLE of some owners of `runs`; sizes (n_owners,) of the images in pixels."""
    kept = runs.take(rows, len(height))
    text, offset = kernels.encode_counts(kept.start, kept.length, kept.offsets(len(rows)), height[rows], width[rows])
    letters = text.tobytes().decode("ascii")
    return [
        {"size": [high, wide], "counts": letters[first:last]}
        for first, last, high, wide in zip(
            offset[:-1].tolist(), offset[1:].tolist(), height[rows].tolist(), width[rows].tolist(), strict=True
        )
    ]


@dataclass(frozen=True, slots=True)
class Segmentations:
    """Decoded segmentations."""

    runs: Runs  # the pixels; `runs.owner` is the position of the segmentation
    rings: pa.Array  # (n,) list<list<double>>, the valid rings of polygons; null for RLE
    sound: Flags  # (n,) whether any part of the segmentation could be read
    faults: list[ItemFault]  # of the unreadable parts


def read_segmentations(raws: Sequence[msgspec.Raw] | RawColumn, height: Ints, width: Ints) -> Segmentations:
    """Decode the segmentations of n annotations to runs; sizes (n,) of their images are in pixels.

    An invalid ring or RLE becomes a fault and never reaches a decoder that would trust it.
    """
    n, column = len(raws), RawColumn.from_values(raws)
    text, first, last = column.text, column.first, column.last
    head = np.zeros(n, np.uint8)
    head[first >= 0] = text[first[first >= 0]]
    polygon_rows, rle_rows = np.flatnonzero(head == ord("[")), np.flatnonzero(head == ord("{"))
    polygons, drawn_sound, drawn_faults = read_polygons(text, first[polygon_rows], last[polygon_rows])
    drawn_runs = polygons.rasterise(height[polygon_rows], width[polygon_rows])
    coded_runs, coded_sound, coded_faults = read_rles(column.take(rle_rows), height[rle_rows], width[rle_rows])
    sound = np.zeros(n, bool)
    sound[polygon_rows], sound[rle_rows] = drawn_sound, coded_sound
    faults = [
        ItemFault(int(rows[fault.row]), fault.code, fault.message, fault.place, fault.lost)
        for rows, kind_faults in ((polygon_rows, drawn_faults), (rle_rows, coded_faults))
        for fault in kind_faults
    ]
    for row in np.flatnonzero((head != ord("[")) & (head != ord("{"))).tolist():
        start = bytes(memoryview(column[row])[:20]).decode("utf-8", "replace")
        message = f"is {start}, neither polygons nor RLE" if start else "is missing"
        if start.startswith(('"[', '"{')):
            message = "is text that holds JSON, not polygons or RLE: it was encoded twice"
        faults.append(ItemFault(row, "SEG004", f"segmentation {message}; left out", "/segmentation" if start else ""))
    if len(rle_rows) == 0 and len(polygon_rows) == n:
        return Segmentations(drawn_runs, polygons.as_lists(polygon_rows, n), sound, faults)  # sorted already
    coded_runs = Runs(coded_runs.start, coded_runs.length, rle_rows.astype(np.int32)[coded_runs.owner])
    drawn_runs = Runs(drawn_runs.start, drawn_runs.length, polygon_rows.astype(np.int32)[drawn_runs.owner])
    both = _insert_runs(drawn_runs, coded_runs)
    return Segmentations(both, polygons.as_lists(polygon_rows, n), sound, faults)


def _insert_runs(many: Runs, few: Runs) -> Runs:
    """Merge two sets of runs in owner order; both are sorted and share no owner."""
    if len(many) == 0 or len(few) == 0:
        return few if len(many) == 0 else many
    begin = np.flatnonzero(np.diff(few.owner, prepend=few.owner[0] - 1))  # of each owner of `few`
    places = [0, *np.searchsorted(many.owner, few.owner[begin]).tolist()]
    begins = [*begin.tolist(), len(few)]

    def join_columns(many: Column, few: Column) -> Column:
        pieces = [many[: places[1]]]
        for k, place in enumerate(places[1:]):
            after = places[k + 2] if k + 2 < len(places) else len(many)
            pieces += [few[begins[k] : begins[k + 1]], many[place:after]]
        return np.concatenate(pieces)

    return Runs(*(join_columns(getattr(many, name), getattr(few, name)) for name in ("start", "length", "owner")))


Boxes = NDArray[np.float64]
_OFF, _FITS = 2, 1  # in pixels between a declared box and the box of the pixels


def drop_row_major(
    shapes: Segmentations, raws: Sequence[msgspec.Raw] | RawColumn, declared: Column, height: Ints, width: Ints
) -> Segmentations:
    """Remove the RLEs that were written row by row, which become faults.

    Decoded column by column, as COCO's RLE, they are noise with the right area: only row order fits the declared box.

    `raws` are the segmentations, `declared` their boxes [x, y, width, height] where they have one, and sizes (n,)
    those of their images in pixels.
    """
    rle_rows = np.flatnonzero(shapes.sound & shapes.rings.is_null().to_numpy(zero_copy_only=False))
    if len(rle_rows) == 0:
        return shapes
    is_arrow = isinstance(declared, pa.Array)
    boxes = declared.take(pa.array(rle_rows)).to_pylist() if is_arrow else [declared[k] for k in rle_rows.tolist()]
    rows = rle_rows[[box is not None for box in boxes]]
    if len(rows) == 0:
        return shapes
    boxes_of_rows = np.array([box for box in boxes if box is not None], np.float64)
    coded = shapes.runs.take(rows, len(raws))
    pixel_boxes = np.stack(bounding_boxes(coded, height[rows], len(rows)), axis=1).astype(np.float64)
    doubtful = np.flatnonzero(~(_distance(boxes_of_rows, pixel_boxes) <= _OFF) & (pixel_boxes[:, 2] > 0))
    rows, boxes_of_rows = rows[doubtful], boxes_of_rows[doubtful]
    other = _boxes_by_rows([raws[k] for k in rows.tolist()], height[rows], width[rows])
    wrong = rows[_distance(boxes_of_rows, other) <= _FITS]
    if len(wrong) == 0:
        return shapes
    kept = np.flatnonzero(~np.isin(shapes.runs.owner, wrong))
    runs = Runs(shapes.runs.start[kept], shapes.runs.length[kept], shapes.runs.owner[kept])
    sound = shapes.sound.copy()
    sound[wrong] = False
    message = "in RLE, the counts fit the bbox only if read row by row, and COCO's go column by column; left out"
    faults = [ItemFault(k, "SEG005", message, "/segmentation/counts") for k in wrong.tolist()]
    return replace(shapes, runs=runs, sound=sound, faults=shapes.faults + faults)


def _distance(a: Boxes, b: Boxes) -> Boxes:
    """(n,) the largest distance between edges of the boxes (n, 4), in pixels."""
    first = np.abs(a[:, :2] - b[:, :2])
    last = np.abs(a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:])
    largest: Boxes = np.maximum(first, last).max(axis=1, initial=0)
    return largest


def _boxes_by_rows(raws: Sequence[msgspec.Raw], height: Ints, width: Ints) -> Boxes:
    """(n, 4) the boxes of RLEs decoded row by row, that is, by columns of the transposed image."""
    rles = msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[_Rle])
    turned = [Raw(msgspec.json.encode(_Rle(rle.size[::-1], rle.counts))) for rle in rles]
    runs, _, _ = read_rles(turned, width, height)
    y, x, high, wide = bounding_boxes(runs, width, len(raws))
    return np.stack([x, y, wide, high], axis=1).astype(np.float64)
