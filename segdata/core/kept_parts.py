"""Kept parts: objects that something hides the middle of; who keeps the parts as one segment, and who makes several."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.table import Table

Boxes = NDArray[np.float64]  # (n, 4): x, y, width, height
_SMALLEST, _LEAST_SHARE = 50, 0.1  # px, and share of its segment: a smaller part is a scrap
_SAME = 0.5  # IoU of boxes of one thing, drawn twice


def kept_parts(tables: Tables) -> Table:
    """What several annotators make of one object in parts: annotation, category, object, kept.

    An object is a segment with two large parts, or the two segments of its category that lie where its parts do; `kept`
    tells which. Only those that two annotators or more have drawn are listed, one row for each. Needs the family
    `parts`.
    """
    segments, annotations = tables.segments, tables.annotations
    of_image: defaultdict[int, list[int]] = defaultdict(list)
    for row, image in enumerate(annotations["image"].tolist()):
        of_image[image].append(row)
    objects = _objects(tables)
    several = np.unique(tables.parts["segment"])
    whole = np.setdiff1d(np.flatnonzero(~segments["iscrowd"] & (segments["area"] >= _SMALLEST)), several)
    singles = _by_annotation(segments, whole)
    kept_by = _by_annotation(segments, np.array(sorted(objects), np.int64))
    found: list[tuple[int, int, int, bool]] = []
    order = np.lexsort([segments[name][list(objects)] for name in ("y", "x", "category_id", "annotation")])
    for number, segment in enumerate(np.array(list(objects), np.int64)[order].tolist()):
        boxes = objects[segment]
        annotation, category = int(segments["annotation"][segment]), int(segments["category_id"][segment])
        rows = [(annotation, category, number, True)]
        for other in of_image[int(annotations["image"][annotation])]:
            if other == annotation:
                continue
            kept = any(_match(boxes, objects[row]) for row in kept_by[other, category])
            if kept and other < annotation:
                rows = []  # it was listed when the other's turn came
                break
            if kept or _match(boxes, _boxes(segments, singles[other, category])):
                rows.append((other, category, number, kept))
        found += rows if len(rows) > 1 else []
    columns = np.array(found, np.int64).reshape(-1, 4).T
    names = ("annotation", "category", "object", "kept")
    return Table(dict(zip(names, columns, strict=True))).beside(kept=columns[3] > 0)


def _objects(tables: Tables) -> dict[int, Boxes]:
    """The boxes of the two largest parts of each segment that has two large ones, by its row."""
    parts, area = tables.parts, tables.segments["area"]
    owner = parts["segment"]
    large = (parts["area"] >= _SMALLEST) & (parts["area"] >= _LEAST_SHARE * area[owner])
    large &= ~tables.segments["iscrowd"][owner]
    rows = np.flatnonzero(large)
    rows = rows[np.lexsort((parts["x"][rows], parts["y"][rows], -parts["area"][rows], owner[rows]))]
    first = np.flatnonzero(np.diff(owner[rows], prepend=-1) != 0)
    first = first[np.diff(np.append(first, len(rows))) > 1]
    pairs = _boxes(parts, np.stack([rows[first], rows[first + 1]], axis=1).ravel()).reshape(-1, 2, 4)
    return dict(zip(owner[rows[first]].tolist(), pairs, strict=True))


def _by_annotation(segments: Table, rows: Ints) -> defaultdict[tuple[int, int], list[int]]:
    """Rows by annotation and category."""
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row, annotation, category in zip(
        rows.tolist(), segments["annotation"][rows].tolist(), segments["category_id"][rows].tolist(), strict=True
    ):
        found[annotation, category].append(row)
    return found


def _boxes(things: Table, rows: "Ints | list[int]") -> Boxes:
    columns = [things[name][rows] for name in ("x", "y", "width", "height")]
    return np.stack(columns, axis=1).astype(np.float64).reshape(-1, 4)


def _match(two: Boxes, others: Boxes) -> bool:
    """Whether two boxes (2, 4) are also among others (n, 4), each another one."""
    if len(others) < 2:
        return False
    low = np.maximum(two[:, None, :2], others[:, :2])
    high = np.minimum((two[:, :2] + two[:, 2:])[:, None], others[:, :2] + others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    iou = shared / (two[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1) - shared)
    best = iou.argmax(axis=1)
    return bool(best[0] != best[1] and (iou.max(axis=1) >= _SAME).all())
