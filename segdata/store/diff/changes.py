"""Changes: the kinds of difference between two datasets, found and counted in paired images and segments."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.finding import Box, Count
from segdata.core.paths import PairByName
from segdata.core.runs import Flags, Ints, bounding_boxes, expand_ranges
from segdata.store.diff.matching import DiffPortion, LoadedSide, RecategorisedPixels, SegmentMatches, difference_boxes

DifferenceKind = Literal[
    "image-missing",
    "image-added",
    "image-size",
    "image-details",
    "spatial",
    "annotation-missing",
    "annotation-added",
    "empty-annotation",
    "annotator",
    "annotation-attributes",
    "segment-missing",
    "segment-added",
    "pixels",
    "category",
    "category-pixels",
    "crowd",
    "track",
    "score",
    "source",
    "attributes",
    "secondary-categories",
    "category-missing",
    "category-added",
    "category-renamed",
    "category-details",
    "segment-id",
    "rings",
    "rings-missing",
    "rings-added",
]
DIFFERENCE_KINDS: tuple[DifferenceKind, ...] = get_args(DifferenceKind)
# Differences that change no label: they are counted, but do not make datasets differ unless `strict`.
QUIET_KINDS: frozenset[DifferenceKind] = frozenset({"segment-id", "rings", "rings-missing", "rings-added"})
KIND_SUMMARIES: dict[DifferenceKind, str] = {
    "image-missing": "images of A that B lacks",
    "image-added": "images of B that A lacks",
    "image-size": "images of another size, whose segments are not compared",
    "image-details": "sequence, frame, split, group, camera, time, region of interest or metadata of images",
    "spatial": "where the voxels of volumes lie in the world",
    "annotation-missing": "annotations (all that one annotator drew on an image) that B lacks",
    "annotation-added": "annotations (all that one annotator drew on an image) that A lacks",
    "empty-annotation": "images annotated without any segment on one side, not annotated on the other",
    "annotator": "annotations by another annotator",
    "annotation-attributes": "source, stage, reviewer, times, coverage or attributes of annotations",
    "segment-missing": "segments of A that nothing in B resembles",
    "segment-added": "segments of B that nothing in A resembles",
    "pixels": "segments with other pixels",
    "category": "segments of another category",
    "category-pixels": "annotations with pixels that have other categories",
    "crowd": "segments that are a crowd on one side only",
    "track": "segments of another track",
    "score": "segments with another score",
    "source": "segments made by another source (human or model)",
    "attributes": "segments with other attributes",
    "secondary-categories": "segments with other secondary categories",
    "category-missing": "categories of A that B lacks",
    "category-added": "categories of B that A lacks",
    "category-renamed": "categories with the same id and another name",
    "category-details": "categories with another id, kind, colour, parent or guideline",
    "segment-id": "segments with another id",
    "rings": "segments with other polygon vertices",
    "rings-missing": "segments whose polygon vertices B lacks",
    "rings-added": "segments whose polygon vertices A lacks",
}


def kind_unit(kind: DifferenceKind) -> str:
    """The unit in which differences of a kind are counted.

    >>> kind_unit("image-size"), kind_unit("category-pixels"), kind_unit("category-missing"), kind_unit("category")
    ('image', 'annotation', 'category', 'segment')
    """
    named = {"spatial": "volume", "annotator": "annotation", "empty-annotation": "annotation", "category": "segment"}
    if kind in named:
        return named[kind]
    first = kind.partition("-")[0]
    return (
        "annotation"
        if kind == "category-pixels"
        else first
        if first in ("image", "annotation", "category")
        else "segment"
    )


class DatasetChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    `image` is its id in A, else in B, and null if no image is concerned; segments have the ids of the source, null
    where that side has no such segment; categories are names; `pixels` differ, within `bbox`: [x, y, width, height].
    """

    kind: DifferenceKind
    image: str | None = None
    annotator: str | None = None
    segment_a: int | str | None = None
    segment_b: int | str | None = None
    category_a: str | None = None
    category_b: str | None = None
    message: str
    pixels: int | None = None
    bbox: Box | None = None


class KindCount(msgspec.Struct, rename={"n": "count"}):
    """The number of differences of a kind, with their images and pixels."""

    n: Count = 0
    images: Count = 0
    pixels: Count = 0


class DatasetSide(msgspec.Struct, rename={"files": "dataset", "n_images": "images", "n_segments": "segments"}):
    """One of the two datasets: its path, format and size, and its defects (infos left out) by code."""

    files: str
    format: str
    n_images: Count = 0
    n_segments: Count = 0
    defects: dict[str, Count] = {}


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between A and B.

    Attributes
    ----------
    a, b : the datasets
    paired_by : ``id``, ``stem`` (without extension) or ``name`` (without folders and extension): how the images of
        both were paired
    n_images : pairs of images
    n_kept : segments of A that have the same image, category and pixels in B
    n_same : of these, segments whose other columns are equal, too, except ids and polygon vertices
    counts : for each occurring kind, in the order of `DIFFERENCE_KINDS`
    changes : the first differences of each kind, by kind and then by image
    moves : pixels by their category in A and in B, most first; None: no category
    strict : whether ids and polygon vertices count as differences
    """

    a: DatasetSide
    b: DatasetSide
    paired_by: PairByName
    n_images: int
    n_kept: int
    n_same: int
    counts: dict[DifferenceKind, KindCount]
    changes: tuple[DatasetChange, ...]
    moves: dict[tuple[str | None, str | None], int]
    strict: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.telling

    @property
    def telling(self) -> dict[DifferenceKind, KindCount]:
        """The counts that make A and B differ: without ids and polygon vertices, unless `strict`."""
        return {kind: count for kind, count in self.counts.items() if self.strict or kind not in QUIET_KINDS}

    @property
    def quiet(self) -> dict[DifferenceKind, KindCount]:
        """The counts that do not make A and B differ."""
        return {kind: count for kind, count in self.counts.items() if kind not in self.telling}

    def __repr__(self) -> str:
        counts = ", ".join(f"{kind} {count.n}" for kind, count in self.telling.items()) or "the same"
        return f"Difference({self.a.files!r}, {self.b.files!r}: {counts})"


@dataclass(slots=True)
class DifferenceCounter:
    """Collects and counts differences."""

    limit: int | None  # number of each kind to keep; None: all
    ignored: frozenset[DifferenceKind] = frozenset()  # kinds that are not counted
    counts: dict[DifferenceKind, KindCount] = field(default_factory=dict)  # by kind
    changes: dict[DifferenceKind, list[DatasetChange]] = field(default_factory=dict)  # by kind, in the order of images
    # pixels by their category in A and in B; None: no category
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    n_images: list[int] = field(default_factory=lambda: [0, 0])  # in A and in B
    n_segments: list[int] = field(default_factory=lambda: [0, 0])  # in A and in B
    n_kept: int = 0  # segments of A that have the same image, category and pixels in B
    n_same: int = 0  # those of which B says everything else too that A says; their ids and vertices apart
    # in A and in B, what was met while reading, by code
    defects: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    def add(
        self,
        kind: DifferenceKind,
        images: NDArray[np.integer],
        change: Callable[[int], DatasetChange],
        pixels: NDArray[np.integer] | None = None,
    ) -> None:
        """Count n differences of one kind.

        Parameters
        ----------
        images : (n,) a number for the image of each
        change : makes the k-th of them; called for the first few only
        pixels : (n,) how many pixels each concerns
        """
        n = len(images)
        if n == 0 or kind in self.ignored:
            return
        count = self.counts.setdefault(kind, KindCount())
        count.n += n
        count.images += len(np.unique(images))
        count.pixels += 0 if pixels is None else int(pixels.sum())
        kept = self.changes.setdefault(kind, [])
        n_kept = n if self.limit is None else min(n, self.limit - len(kept))
        kept.extend(change(k) for k in range(n_kept))

    def put(self, change: DatasetChange) -> None:
        """Count one difference that concerns no image."""
        self.add(change.kind, np.zeros(1, np.int64), lambda k: change)
        if change.kind in self.counts:
            self.counts[change.kind].images = 0

    def merge(self, other: "DifferenceCounter") -> None:
        """Add what was found in further images."""
        for kind, count in other.counts.items():
            total = self.counts.setdefault(kind, KindCount())
            total.n = total.n + count.n
            total.images = total.images + count.images
            total.pixels = total.pixels + count.pixels
            kept = self.changes.setdefault(kind, [])
            room = None if self.limit is None else self.limit - len(kept)
            kept.extend(other.changes[kind][:room])
        self.moves.update(other.moves)
        self.n_kept, self.n_same = self.n_kept + other.n_kept, self.n_same + other.n_same
        for side in (0, 1):
            self.n_images[side] += other.n_images[side]
            self.n_segments[side] += other.n_segments[side]
            self.defects[side].update(other.defects[side])


def differing_rows(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Ints:
    """The rows in which two columns (n,) of one type differ; the order of keys in maps does not matter.

    >>> differing_rows(pa.chunked_array([[1, None, 3]]), pa.chunked_array([[1, None, 4]])).tolist()
    [2]
    """
    first, second = _as_array(a), _as_array(b)
    rows: Ints = np.flatnonzero(~_equal_cells(first, second))
    if not pa.types.is_map(first.type):
        return rows
    few = pa.array(rows)
    pairs = zip(first.take(few).to_pylist(), second.take(few).to_pylist(), strict=True)
    other: Ints = rows[np.array([_normalise_map(x) != _normalise_map(y) for x, y in pairs], bool)]
    return other


def cell_text(value: object) -> str:
    """A cell as a short text for a message.

    >>> cell_text(None), cell_text("train"), cell_text([("occluded", "true")]), cell_text(b"x")
    ('nothing', 'train', 'occluded true', 'some')
    """
    if value is None or value is False or value == []:
        return "nothing"
    if value is True or isinstance(value, bytes):
        return "true" if value is True else "some"
    if isinstance(value, list) and all(isinstance(entry, tuple) for entry in value):
        return _shorten(", ".join(f"{key} {text}" for key, text in sorted(value)))
    return _shorten(str(value))


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _as_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _equal_cells(a: pa.Array, b: pa.Array) -> Flags:
    """(n,) whether the cells of two arrays of one type are equal."""
    if pa.types.is_list(a.type) or pa.types.is_map(a.type):
        return _equal_lists(a, b)
    if pa.types.is_struct(a.type):
        fields = [_equal_cells(pc.struct_field(a, [k]), pc.struct_field(b, [k])) for k in range(a.type.num_fields)]
        is_equal: Flags = np.logical_and.reduce([np.ones(len(a), bool), *fields])
        return is_equal
    if pa.types.is_boolean(a.type):
        a, b = a.fill_null(False), b.fill_null(False)
    same = pc.or_(pc.fill_null(pc.equal(a, b), False), pc.and_(a.is_null(), b.is_null()))
    if pa.types.is_floating(a.type):
        same = pc.or_(same, pc.fill_null(pc.and_(pc.is_nan(a), pc.is_nan(b)), False))
    return np.asarray(same.to_numpy(zero_copy_only=False), bool)


def _equal_lists(a: pa.Array, b: pa.Array) -> Flags:
    """(n,) whether lists or maps are equal: the same length, and equal entries in order."""
    first, length = _list_bounds(a)
    first_b, length_b = _list_bounds(b)
    same: Flags = length == length_b
    rows = np.flatnonzero(same & (length > 0))
    count = length[rows]
    at_a, at_b = pa.array(expand_ranges(first[rows], count)), pa.array(expand_ranges(first_b[rows], count))
    entry = np.ones(int(count.sum()), bool)
    for child_a, child_b in zip(_children(a), _children(b), strict=True):
        entry &= _equal_cells(child_a.take(at_a), child_b.take(at_b))
    same[np.repeat(rows, count)[~entry]] = False
    return same


def _list_bounds(lists: pa.Array) -> tuple[Ints, Ints]:
    """The start and length of each list among the values; null counts as empty."""
    offset = lists.offsets.to_numpy().astype(np.int64)
    return offset[:-1], np.where(lists.is_valid().to_numpy(zero_copy_only=False), np.diff(offset), 0)


def _children(lists: pa.Array) -> tuple[pa.Array, ...]:
    return (lists.keys, lists.items) if pa.types.is_map(lists.type) else (lists.values,)


def _normalise_map(value: list[tuple[str, str]] | None) -> dict[str, str]:
    """A map in a form that is independent of white space and key order in its JSON texts."""
    plain = {}
    for key, text in value or ():
        with suppress(TypeError, ValueError, RecursionError):
            text = json.dumps(json.loads(text), sort_keys=True)
        plain[key] = text
    return plain


_OF_IMAGES = ("sequence", "frame", "split", "group", "camera", "timestamp", "roi", "channels", "metadata")
_OF_ANNOTATIONS = ("source", "stage", "reviewer", "created", "seconds", "coverage", "attributes")


def add_images(ledger: DifferenceCounter, portion: DiffPortion) -> None:
    """Count in `ledger` the images that only one side has, and different details of the others."""
    _add_unpaired_images(ledger, portion, "image-missing", np.flatnonzero(portion.image_b < 0))
    _add_unpaired_images(ledger, portion, "image-added", np.flatnonzero(portion.image_a < 0))
    both = portion.complete_pairs
    _add_sizes(ledger, portion, both[~portion.alike[both]])
    rows_a, rows_b = portion.image_a[both], portion.image_b[both]
    tables = (portion.a.batch.images.take(pa.array(rows_a)), portion.b.batch.images.take(pa.array(rows_b)))
    other = _unlike_columns(*tables, _OF_IMAGES)
    rows = np.array(sorted(other), np.int64)

    def change(k: int) -> DatasetChange:
        row = int(rows[k])
        message = _differing_cells(*tables, row, other[row])
        return DatasetChange(kind="image-details", message=message, image=portion.image_of(int(both[row])))

    ledger.add("image-details", both[rows], change)


def _add_unpaired_images(ledger: DifferenceCounter, portion: DiffPortion, kind: DifferenceKind, pairs: Ints) -> None:
    """Count images that only one side has."""
    missing = kind == "image-missing"
    side, image = (portion.a, portion.image_a) if missing else (portion.b, portion.image_b)

    def change(k: int) -> DatasetChange:
        message = (
            f"in {'A' if missing else 'B'} only, with {count_noun(int(side.per_image[image[pairs[k]]]), 'segment')}"
        )
        return DatasetChange(kind=kind, message=message, image=portion.image_of(int(pairs[k])))

    ledger.add(kind, pairs, change)


def _add_sizes(ledger: DifferenceCounter, portion: DiffPortion, pairs: Ints) -> None:
    """Count images whose size differs."""
    sides = ((portion.a, portion.image_a[pairs]), (portion.b, portion.image_b[pairs]))

    def change(k: int) -> DatasetChange:
        sizes = []
        for name, (side, image) in zip("AB", sides, strict=True):
            row = int(image[k])
            height, width = (int(length[row]) for length in side.batch.image_size)
            size = f"{width} x {height} px" if width and height else "unknown"
            sizes.append(f"{size} in {name} ({count_noun(int(side.per_image[row]), 'segment')})")
        return DatasetChange(kind="image-size", message=", ".join(sizes), image=portion.image_of(int(pairs[k])))

    ledger.add("image-size", pairs, change)


def add_annotations(ledger: DifferenceCounter, portion: DiffPortion) -> None:
    """Count in `ledger` the annotations that only one side has, and differing details of the others."""
    pairs = portion.annotations
    for side, rows in ((portion.a, pairs.alone_a), (portion.b, pairs.alone_b)):
        empty = side.per_annotation[rows] == 0
        kind: DifferenceKind = "annotation-missing" if side is portion.a else "annotation-added"
        _add_unpaired_annotations(ledger, portion, side, kind, rows[~empty])
        _add_unpaired_annotations(ledger, portion, side, "empty-annotation", rows[empty])
    tables = (portion.a.batch.annotations.take(pa.array(pairs.a)), portion.b.batch.annotations.take(pa.array(pairs.b)))
    _add_details(ledger, portion, "annotator", tables, ("annotator",))
    _add_details(ledger, portion, "annotation-attributes", tables, _OF_ANNOTATIONS)


def _add_unpaired_annotations(
    ledger: DifferenceCounter, portion: DiffPortion, side: LoadedSide, kind: DifferenceKind, rows: Ints
) -> None:
    """Count annotations that only `side` has."""
    pair = side.annotation_pair[rows]
    where = "A" if side is portion.a else "B"

    def change(k: int) -> DatasetChange:
        row = int(rows[k])
        message = f"annotated in {where} only, with {count_noun(int(side.per_annotation[row]), 'segment')}"
        image = portion.image_of(int(pair[k]))
        return DatasetChange(kind=kind, message=message, image=image, annotator=side.annotator(row))

    ledger.add(kind, pair, change)


def _add_details(
    ledger: DifferenceCounter,
    portion: DiffPortion,
    kind: DifferenceKind,
    tables: tuple[pa.Table, pa.Table],
    names: tuple[str, ...],
) -> None:
    """Count paired annotations that differ in some columns."""
    pairs = portion.annotations
    other = _unlike_columns(*tables, names)
    rows = np.array(sorted(other), np.int64)

    def change(k: int) -> DatasetChange:
        row = int(rows[k])
        who = portion.a.annotator(int(pairs.a[row])) or portion.b.annotator(int(pairs.b[row]))
        message = _differing_cells(*tables, row, other[row])
        return DatasetChange(kind=kind, message=message, image=portion.image_of(int(pairs.pair[row])), annotator=who)

    ledger.add(kind, pairs.pair[rows], change)


def add_moved(ledger: DifferenceCounter, portion: DiffPortion, moved: RecategorisedPixels) -> None:
    """Count in `ledger` the pixels whose categories differ."""
    names = [*portion.categories[2], None]  # -1: none
    annotations = portion.annotations
    by_frame: dict[int, list[tuple[int, str]]] = {}
    for frame, a, b, pixels in moved.moves:
        ledger.moves[names[a], names[b]] += pixels
        move_text = f"{names[a] or 'nothing'} -> {names[b] or 'nothing'} {pixels:,}"
        by_frame.setdefault(frame, []).append((-pixels, move_text))

    def change(k: int) -> DatasetChange:
        frame = int(moved.frame[k])
        # ties are sorted by name, so that the result does not depend on portions
        most = [move_text for _, move_text in sorted(by_frame[frame])]
        more = f", and {len(most) - 3} more" if len(most) > 3 else ""
        x, y, width, height = (int(side[k]) for side in moved.box)
        who = portion.a.annotator(int(annotations.a[frame])) or portion.b.annotator(int(annotations.b[frame]))
        return DatasetChange(
            kind="category-pixels",
            message=f"{moved.pixels[k]:,} px: {', '.join(most[:3])}{more}",
            image=portion.image_of(int(annotations.pair[frame])),
            annotator=who,
            pixels=int(moved.pixels[k]),
            bbox=(x, y, width, height),
        )

    ledger.add("category-pixels", annotations.pair[moved.frame], change, moved.pixels)


def _unlike_columns(a: pa.Table, b: pa.Table, names: tuple[str, ...]) -> dict[int, list[str]]:
    """The rows that differ, with the names of the columns in which they do."""
    columns_by_row: dict[int, list[str]] = {}
    for name in names:
        for row in differing_rows(a[name], b[name]).tolist():
            columns_by_row.setdefault(row, []).append(name)
    return columns_by_row


def _differing_cells(a: pa.Table, b: pa.Table, row: int, names: list[str]) -> str:
    """The different values of some columns of a row on both sides, as text."""
    cells = ((name, a[name][row].as_py(), b[name][row].as_py()) for name in names)
    return "; ".join(f"{name} {cell_text(value_a)} in A, {cell_text(value_b)} in B" for name, value_a, value_b in cells)


# Kinds of difference that concern one column of segments.
_SEGMENT_COLUMNS: dict[DifferenceKind, str] = {
    "crowd": "iscrowd",
    "track": "track_id",
    "score": "score",
    "source": "source",
    "attributes": "attributes",
    "secondary-categories": "also",
}
# kinds that make two segments count as different
_TELLING_KINDS: frozenset[DifferenceKind] = frozenset({"pixels", "category", *_SEGMENT_COLUMNS})


def add_segments(ledger: DifferenceCounter, portion: DiffPortion, matches: SegmentMatches) -> None:
    """Count in `ledger` the differences between the segments of a portion."""
    differing: dict[DifferenceKind, Ints] = {"pixels": np.flatnonzero(~matches.exact)}
    category_a, category_b, _ = portion.categories
    differing["category"] = np.flatnonzero(category_a[matches.a] != category_b[matches.b])
    for kind, column in _SEGMENT_COLUMNS.items():
        differing[kind] = differing_rows(*_matched_columns(portion, matches, column))
    differing["segment-id"] = _differing_ids(portion, matches)
    differing |= _differing_rings(portion, matches)
    unsame = np.zeros(len(matches.a), bool)
    for kind, rows in differing.items():
        _add_kind(ledger, portion, matches, kind, rows)
        if kind in _TELLING_KINDS - ledger.ignored:
            unsame[rows] = True
    ledger.n_same += int((~unsame).sum())
    ledger.n_kept += int((matches.exact & (category_a[matches.a] == category_b[matches.b])).sum())
    _add_unpaired_segments(ledger, portion.a, "segment-missing", matches.alone_a)
    _add_unpaired_segments(ledger, portion.b, "segment-added", matches.alone_b)


def _matched_columns(
    portion: DiffPortion, matches: SegmentMatches, name: str
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """One column of the matched segments on both sides, with names for category ids."""
    a, b = (
        side.batch.segments[name].take(pa.array(rows))
        for side, rows in ((portion.a, matches.a), (portion.b, matches.b))
    )
    return (_category_lists(a, portion.a), _category_lists(b, portion.b)) if name == "also" else (a, b)


def _category_lists(secondary: pa.ChunkedArray, side: LoadedSide) -> pa.Array:
    """Lists of category ids as sorted lists of names."""
    if secondary.null_count == len(secondary):
        return pa.nulls(len(secondary), pa.list_(pa.string()))
    rows = [None if ids is None else sorted({side.name_of(id_) for id_ in ids}) for ids in secondary.to_pylist()]
    return pa.array(rows, pa.list_(pa.string()))


def _differing_ids(portion: DiffPortion, matches: SegmentMatches) -> Ints:
    rows = [differing_rows(*_matched_columns(portion, matches, name)) for name in ("segment_id", "source_id")]
    return np.union1d(*rows)


def _differing_rings(portion: DiffPortion, matches: SegmentMatches) -> dict[DifferenceKind, Ints]:
    """The matches with different polygon vertices, and those with vertices on one side only."""
    a, b = _matched_columns(portion, matches, "rings")
    other = differing_rows(a, b)
    has_a, has_b = (pc.greater(pc.fill_null(pc.list_value_length(rings), 0), 0).to_numpy()[other] for rings in (a, b))
    return {"rings": other[has_a & has_b], "rings-missing": other[has_a & ~has_b], "rings-added": other[~has_a & has_b]}


def _add_kind(
    ledger: DifferenceCounter, portion: DiffPortion, matches: SegmentMatches, kind: DifferenceKind, rows: Ints
) -> None:
    """Count matches (`rows`) that differ in one kind."""
    a, b, shared = matches.a[rows], matches.b[rows], matches.shared[rows]
    pair = portion.annotations.pair[portion.annotations.frame_a[a]]
    area_a, area_b = portion.a.areas[a], portion.b.areas[b]
    pixels = area_a + area_b - 2 * shared if kind == "pixels" else None
    say = _message_maker(portion, kind, a, b)
    box = difference_boxes(portion, matches, rows) if kind == "pixels" else _segment_boxes(portion.a, a)

    def change(k: int) -> DatasetChange:
        if pixels is not None:
            union = int(area_a[k] + area_b[k] - shared[k])
            only = f"{area_a[k] - shared[k]:,} px in A only, {area_b[k] - shared[k]:,} px in B only"
            message = f"{only}; IoU {1000 * int(shared[k]) // union / 1000:.3f}"  # rounded down: only equal ones have 1
        else:
            message = say(k)
        return DatasetChange(
            kind=kind,
            message=message,
            image=portion.image_of(int(pair[k])),
            annotator=_annotator(portion.a, int(a[k])) or _annotator(portion.b, int(b[k])),
            segment_a=portion.a.segment(int(a[k])),
            segment_b=portion.b.segment(int(b[k])),
            category_a=portion.a.category(int(a[k])),
            category_b=portion.b.category(int(b[k])),
            pixels=None if pixels is None else int(pixels[k]),
            bbox=(int(box[0][k]), int(box[1][k]), int(box[2][k]), int(box[3][k])),
        )

    ledger.add(kind, pair, change, pixels)


def _message_maker(portion: DiffPortion, kind: DifferenceKind, a: Ints, b: Ints) -> Callable[[int], str]:
    """Make a function that describes the k-th match on both sides in one line."""

    def say(k: int) -> str:
        row_a, row_b = int(a[k]), int(b[k])
        if kind == "category":
            return f"{portion.a.category(row_a)} in A, {portion.b.category(row_b)} in B"
        if kind == "segment-id":
            return f"{portion.a.segment(row_a)} in A, {portion.b.segment(row_b)} in B"
        if kind not in _SEGMENT_COLUMNS:
            return {"rings-missing": "in A only", "rings-added": "in B only"}.get(kind, "other vertices")
        cells = []
        for side, row in ((portion.a, row_a), (portion.b, row_b)):
            cell = side.batch.segments[_SEGMENT_COLUMNS[kind]][row].as_py()
            cells.append([side.name_of(id_) for id_ in cell] if kind == "secondary-categories" and cell else cell)
        return f"{cell_text(cells[0])} in A, {cell_text(cells[1])} in B"

    return say


def _add_unpaired_segments(ledger: DifferenceCounter, side: LoadedSide, kind: DifferenceKind, rows: Ints) -> None:
    """Count the segments that only one side has."""
    image = side.batch.segment_image[rows]
    areas = side.areas[rows]
    box = _segment_boxes(side, rows)
    missing = kind == "segment-missing"

    def change(k: int) -> DatasetChange:
        row = int(rows[k])
        own, name = side.segment(row), side.category(row)
        return DatasetChange(
            kind=kind,
            message=f"{areas[k]:,} px in {'A' if missing else 'B'} only",
            image=side.image_ids[int(image[k])],
            annotator=_annotator(side, row),
            segment_a=own if missing else None,
            segment_b=None if missing else own,
            category_a=name if missing else None,
            category_b=None if missing else name,
            pixels=int(areas[k]),
            bbox=(int(box[0][k]), int(box[1][k]), int(box[2][k]), int(box[3][k])),
        )

    ledger.add(kind, image, change, areas)


def _segment_boxes(side: LoadedSide, rows: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """X, y, width and height (n,) in pixels of some segments."""
    height, _ = side.batch.segment_size
    return bounding_boxes(side.batch.runs.take(rows, side.batch.n_segments), height[rows], len(rows))


def _annotator(side: LoadedSide, row: int) -> str | None:
    return side.annotator(int(side.batch.segment_annotation[row]))
