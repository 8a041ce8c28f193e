"""Annotations and images: what differs in whether they are there, and in what is said of them."""

import numpy as np
import pyarrow as pa

from segdata.core.counted import counted
from segdata.core.runs import Ints
from segdata.edit.diff.apart import Moved
from segdata.edit.diff.cells import said, unlike
from segdata.edit.diff.difference import Change
from segdata.edit.diff.kinds import Kind
from segdata.edit.diff.ledger import Ledger
from segdata.edit.diff.portion import Loaded, Portion

_OF_IMAGES = ("sequence", "frame", "split", "group", "camera", "timestamp", "roi", "channels", "metadata")
_OF_ANNOTATIONS = ("source", "stage", "reviewer", "created", "seconds", "coverage", "attributes")


def add_images(ledger: Ledger, portion: Portion) -> None:
    """Count in `ledger` the images that only one side has, and what is said otherwise of the others."""
    _add_lonely(ledger, portion, "image-missing", np.flatnonzero(portion.image_b < 0))
    _add_lonely(ledger, portion, "image-added", np.flatnonzero(portion.image_a < 0))
    both = portion.both
    _add_sizes(ledger, portion, both[~portion.alike[both]])
    rows_a, rows_b = portion.image_a[both], portion.image_b[both]
    tables = (portion.a.batch.images.take(pa.array(rows_a)), portion.b.batch.images.take(pa.array(rows_b)))
    other = _unlike_columns(*tables, _OF_IMAGES)
    rows = np.array(sorted(other), np.int64)

    def change(k: int) -> Change:
        row = int(rows[k])
        message = _said_of(*tables, row, other[row])
        return Change(kind="image-details", message=message, image=portion.image_of(int(both[row])))

    ledger.add("image-details", both[rows], change)


def _add_lonely(ledger: Ledger, portion: Portion, kind: Kind, pairs: Ints) -> None:
    """Count images that only one side has."""
    missing = kind == "image-missing"
    side, image = (portion.a, portion.image_a) if missing else (portion.b, portion.image_b)

    def change(k: int) -> Change:
        message = f"in {'A' if missing else 'B'} only, with {counted(int(side.per_image[image[pairs[k]]]), 'segment')}"
        return Change(kind=kind, message=message, image=portion.image_of(int(pairs[k])))

    ledger.add(kind, pairs, change)


def _add_sizes(ledger: Ledger, portion: Portion, pairs: Ints) -> None:
    """Count images whose size differs."""
    sides = ((portion.a, portion.image_a[pairs]), (portion.b, portion.image_b[pairs]))

    def change(k: int) -> Change:
        known = []
        for name, (side, image) in zip("AB", sides, strict=True):
            row = int(image[k])
            height, width = (int(each[row]) for each in side.batch.image_size)
            size = f"{width} x {height} px" if width and height else "unknown"
            known.append(f"{size} in {name} ({counted(int(side.per_image[row]), 'segment')})")
        return Change(kind="image-size", message=", ".join(known), image=portion.image_of(int(pairs[k])))

    ledger.add("image-size", pairs, change)


def add_annotations(ledger: Ledger, portion: Portion) -> None:
    """Count in `ledger` the annotations that only one side has, and what is said otherwise of the others."""
    found = portion.annotations
    for side, rows in ((portion.a, found.alone_a), (portion.b, found.alone_b)):
        empty = side.per_annotation[rows] == 0
        kind: Kind = "annotation-missing" if side is portion.a else "annotation-added"
        _add_alone(ledger, portion, side, kind, rows[~empty])
        _add_alone(ledger, portion, side, "empty-annotation", rows[empty])
    tables = (
        portion.a.batch.annotations.take(pa.array(found.a)),
        portion.b.batch.annotations.take(pa.array(found.b)),
    )
    _add_details(ledger, portion, "annotator", tables, ("annotator",))
    _add_details(ledger, portion, "annotation-attributes", tables, _OF_ANNOTATIONS)


def _add_alone(ledger: Ledger, portion: Portion, side: Loaded, kind: Kind, rows: Ints) -> None:
    """Count annotations that only `side` has."""
    pair = side.annotation_pair[rows]
    where = "A" if side is portion.a else "B"

    def change(k: int) -> Change:
        row = int(rows[k])
        message = f"annotated in {where} only, with {counted(int(side.per_annotation[row]), 'segment')}"
        image = portion.image_of(int(pair[k]))
        return Change(kind=kind, message=message, image=image, annotator=side.annotator(row))

    ledger.add(kind, pair, change)


def _add_details(
    ledger: Ledger, portion: Portion, kind: Kind, tables: tuple[pa.Table, pa.Table], names: tuple[str, ...]
) -> None:
    """Count paired annotations that differ in some columns."""
    found = portion.annotations
    other = _unlike_columns(*tables, names)
    rows = np.array(sorted(other), np.int64)

    def change(k: int) -> Change:
        row = int(rows[k])
        who = portion.a.annotator(int(found.a[row])) or portion.b.annotator(int(found.b[row]))
        message = _said_of(*tables, row, other[row])
        return Change(kind=kind, message=message, image=portion.image_of(int(found.pair[row])), annotator=who)

    ledger.add(kind, found.pair[rows], change)


def add_moved(ledger: Ledger, portion: Portion, found: Moved) -> None:
    """Count in `ledger` the pixels that have other categories."""
    names = [*portion.categories[2], None]  # -1: none
    annotations = portion.annotations
    by_frame: dict[int, list[tuple[int, str]]] = {}
    for frame, a, b, pixels in found.moves:
        ledger.moves[names[a], names[b]] += pixels
        said = f"{names[a] or 'nothing'} -> {names[b] or 'nothing'} {pixels:,}"
        by_frame.setdefault(frame, []).append((-pixels, said))

    def change(k: int) -> Change:
        frame = int(found.frame[k])
        most = [said for _, said in sorted(by_frame[frame])]  # by name where pixels are as many: however it is cut
        more = f", and {len(most) - 3} more" if len(most) > 3 else ""
        x, y, width, height = (int(each[k]) for each in found.box)
        who = portion.a.annotator(int(annotations.a[frame])) or portion.b.annotator(int(annotations.b[frame]))
        return Change(
            kind="category-pixels",
            message=f"{found.pixels[k]:,} px: {', '.join(most[:3])}{more}",
            image=portion.image_of(int(annotations.pair[frame])),
            annotator=who,
            pixels=int(found.pixels[k]),
            bbox=(x, y, width, height),
        )

    ledger.add("category-pixels", annotations.pair[found.frame], change, found.pixels)


def _unlike_columns(a: pa.Table, b: pa.Table, names: tuple[str, ...]) -> dict[int, list[str]]:
    """The rows that differ, with the names of the columns in which they do."""
    found: dict[int, list[str]] = {}
    for name in names:
        for row in unlike(a[name], b[name]).tolist():
            found.setdefault(row, []).append(name)
    return found


def _said_of(a: pa.Table, b: pa.Table, row: int, names: list[str]) -> str:
    """What each side says in some columns of a row."""
    cells = ((name, a[name][row].as_py(), b[name][row].as_py()) for name in names)
    return "; ".join(f"{name} {said(one)} in A, {said(other)} in B" for name, one, other in cells)
