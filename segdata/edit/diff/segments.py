"""Segments: what differs of those that were matched, and which stay alone."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.runs import Ints, boxes
from segdata.edit.diff.apart import apart_boxes
from segdata.edit.diff.cells import said, unlike
from segdata.edit.diff.difference import Change
from segdata.edit.diff.kinds import Kind
from segdata.edit.diff.ledger import Ledger
from segdata.edit.diff.matching import Matches
from segdata.edit.diff.portion import Loaded, Portion

# The columns of segments that say one thing each.
_COLUMNS: dict[Kind, str] = {
    "crowd": "iscrowd",
    "track": "track_id",
    "score": "score",
    "source": "source",
    "attributes": "attributes",
    "secondary-categories": "also",
}
_TELLING: frozenset[Kind] = frozenset({"pixels", "category", *_COLUMNS})  # what makes a segment another


def add_segments(ledger: Ledger, portion: Portion, matches: Matches) -> None:
    """Count in `ledger` what differs between the segments of a portion."""
    differing: dict[Kind, Ints] = {"pixels": np.flatnonzero(~matches.exact)}
    category_a, category_b, _ = portion.categories
    differing["category"] = np.flatnonzero(category_a[matches.a] != category_b[matches.b])
    for kind, column in _COLUMNS.items():
        differing[kind] = unlike(*_columns(portion, matches, column))
    differing["segment-id"] = _other_ids(portion, matches)
    differing |= _rings(portion, matches)
    unsame = np.zeros(len(matches.a), bool)
    for kind, rows in differing.items():
        _add(ledger, portion, matches, kind, rows)
        if kind in _TELLING - ledger.ignored:
            unsame[rows] = True
    ledger.n_same += int((~unsame).sum())
    ledger.n_kept += int((matches.exact & (category_a[matches.a] == category_b[matches.b])).sum())
    _add_alone(ledger, portion.a, "segment-missing", matches.alone_a)
    _add_alone(ledger, portion.b, "segment-added", matches.alone_b)


def _columns(portion: Portion, matches: Matches, name: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """One column of the matched segments of both sides; ids of categories as names."""
    a, b = (
        side.batch.segments[name].take(pa.array(rows))
        for side, rows in ((portion.a, matches.a), (portion.b, matches.b))
    )
    return (_named(a, portion.a), _named(b, portion.b)) if name == "also" else (a, b)


def _named(also: pa.ChunkedArray, side: Loaded) -> pa.Array:
    """Lists of category ids as lists of names, in an order of their own."""
    if also.null_count == len(also):
        return pa.nulls(len(also), pa.list_(pa.string()))
    rows = [None if ids is None else sorted({side.name_of(id_) for id_ in ids}) for ids in also.to_pylist()]
    return pa.array(rows, pa.list_(pa.string()))


def _other_ids(portion: Portion, matches: Matches) -> Ints:
    rows = [unlike(*_columns(portion, matches, name)) for name in ("segment_id", "source_id")]
    return np.union1d(*rows)


def _rings(portion: Portion, matches: Matches) -> dict[Kind, Ints]:
    """The matches with other polygon vertices, and those where one side has none."""
    a, b = _columns(portion, matches, "rings")
    other = unlike(a, b)
    has_a, has_b = (pc.greater(pc.fill_null(pc.list_value_length(each), 0), 0).to_numpy()[other] for each in (a, b))
    return {
        "rings": other[has_a & has_b],
        "rings-missing": other[has_a & ~has_b],
        "rings-added": other[~has_a & has_b],
    }


def _add(ledger: Ledger, portion: Portion, matches: Matches, kind: Kind, rows: Ints) -> None:
    """Count matches (`rows`) that differ in one kind."""
    a, b, shared = matches.a[rows], matches.b[rows], matches.shared[rows]
    pair = portion.annotations.pair[portion.annotations.frame_a[a]]
    area_a, area_b = portion.a.areas[a], portion.b.areas[b]
    pixels = area_a + area_b - 2 * shared if kind == "pixels" else None
    say = _saying(portion, kind, a, b)
    box = apart_boxes(portion, matches, rows) if kind == "pixels" else _boxes(portion.a, a)

    def change(k: int) -> Change:
        if pixels is not None:
            union = int(area_a[k] + area_b[k] - shared[k])
            only = f"{area_a[k] - shared[k]:,} px in A only, {area_b[k] - shared[k]:,} px in B only"
            message = f"{only}; IoU {1000 * int(shared[k]) // union / 1000:.3f}"  # rounded down: only equal ones have 1
        else:
            message = say(k)
        return Change(
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


def _saying(portion: Portion, kind: Kind, a: Ints, b: Ints) -> Callable[[int], str]:
    """What each side says of the k-th match, in a line."""

    def say(k: int) -> str:
        row_a, row_b = int(a[k]), int(b[k])
        if kind == "category":
            return f"{portion.a.category(row_a)} in A, {portion.b.category(row_b)} in B"
        if kind == "segment-id":
            return f"{portion.a.segment(row_a)} in A, {portion.b.segment(row_b)} in B"
        if kind not in _COLUMNS:
            return {"rings-missing": "in A only", "rings-added": "in B only"}.get(kind, "other vertices")
        cells = []
        for side, row in ((portion.a, row_a), (portion.b, row_b)):
            cell = side.batch.segments[_COLUMNS[kind]][row].as_py()
            cells.append([side.name_of(id_) for id_ in cell] if kind == "secondary-categories" and cell else cell)
        return f"{said(cells[0])} in A, {said(cells[1])} in B"

    return say


def _add_alone(ledger: Ledger, side: Loaded, kind: Kind, rows: Ints) -> None:
    """Count the segments that only one side has."""
    image = side.batch.segment_image[rows]
    areas = side.areas[rows]
    box = _boxes(side, rows)
    missing = kind == "segment-missing"

    def change(k: int) -> Change:
        row = int(rows[k])
        own, name = side.segment(row), side.category(row)
        return Change(
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


def _boxes(side: Loaded, rows: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """X, y, width and height (n,) in pixels of some segments."""
    height, _ = side.batch.segment_size
    return boxes(side.batch.runs.take(rows, side.batch.n_segments), height[rows], len(rows))


def _annotator(side: Loaded, row: int) -> str | None:
    return side.annotator(int(side.batch.segment_annotation[row]))
