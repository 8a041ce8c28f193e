"""Instances: which segments of two annotators are the same thing, which only one of them has, and who split what."""

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.instances.matching import optimal
from segdata.agreement.instances.overlapping import Overlapping, overlapping
from segdata.agreement.opposite import Drawn, Opposite
from segdata.core.runs import Ints, Rows
from segdata.core.table import Column

Flags = NDArray[np.bool_]
Columns = dict[str, Column]


def instances(opposite: Opposite, *, threshold: float = 0.5) -> dict[str, Columns]:
    """The tables `matches` and `groups` of `AnnotatorPairs`, both annotators treated alike.

    A match has an IoU above `threshold`. Segments of one category are matched first, then what is left of different
    ones: annotators who see the same thing and call it differently.
    """
    found = overlapping(opposite)
    matched = matches(opposite, found, threshold=threshold)
    return {"matches": matched, "groups": groups(opposite, found, matched)}


def matches(opposite: Opposite, found: Overlapping, *, threshold: float = 0.5, any_category: bool = False) -> Columns:
    """Each segment that is not void in exactly one row: with the other's segment, or with -1 and NaN as `iou`.

    With `any_category` the category never matters, else equal ones are matched first. Rows are sorted by case, A's
    segments first.
    """
    a, b = opposite.a, opposite.b
    near = np.flatnonzero((found.iou > threshold) & found.open_a[found.a] & found.open_b[found.b])
    same = a.category[found.a[near]] == b.category[found.b[near]]
    taken = near if any_category else near[same]
    taken = taken[optimal(found.a[taken], found.b[taken], found.iou[taken])]
    if not any_category:
        left_a, left_b = ~found.spared_a, ~found.spared_b
        left_a[found.a[taken]] = left_b[found.b[taken]] = False
        other = near[~same]
        other = other[left_a[found.a[other]] & left_b[found.b[other]]]
        other = other[optimal(found.a[other], found.b[other], found.iou[other])]
        taken = np.concatenate([taken, other])
    return _listed(opposite, found, taken)


def _listed(opposite: Opposite, found: Overlapping, taken: Ints) -> Columns:
    """The rows of matched pairs, `taken` of those found, and of all other segments."""
    a, b = opposite.a, opposite.b
    alone_a, alone_b = ~a.is_void, ~b.is_void
    alone_a[found.a[taken]] = alone_b[found.b[taken]] = False
    only_a, only_b = np.flatnonzero(alone_a), np.flatnonzero(alone_b)
    row_a = np.concatenate([found.a[taken], only_a, np.full(len(only_b), -1)]).astype(np.int64)
    row_b = np.concatenate([found.b[taken], np.full(len(only_a), -1), only_b]).astype(np.int64)
    n_alone = len(only_a) + len(only_b)
    columns: Columns = {
        "pair": np.concatenate([a.case[found.a[taken]], a.case[only_a], b.case[only_b]]),
        "a": row_a,
        "b": row_b,
        "category_a": _of(a.category, row_a, -1),
        "category_b": _of(b.category, row_b, -1),
        "area_a": _of(found.area_a, row_a, 0),
        "area_b": _of(found.area_b, row_b, 0),
        "shared": np.concatenate([found.shared[taken], np.zeros(n_alone, np.int64)]),
        "iou": np.concatenate([found.iou[taken], np.full(n_alone, np.nan)]),
        "ignored": np.concatenate([np.zeros(len(taken), bool), found.spared_a[only_a], found.spared_b[only_b]]),
    }
    order = np.lexsort((row_b, row_a, row_a < 0, columns["pair"]))
    return {name: column[order] for name, column in columns.items()}


def _of(values: Ints, row: Ints, none: int) -> Ints:
    """(n,) the values of rows; `none` for row -1."""
    return np.append(values, none)[row].astype(np.int64)


def groups(opposite: Opposite, found: Overlapping, matched: Columns) -> Columns:
    """The things of which the other annotator made several: a row for each of two or more that lie mostly inside.

    Mostly inside is by more than half of their area. Both are things of one category, and no crowds. What is
    `matched` (the table `matches`) with another segment is no piece: a small thing that lies on a large one.
    """
    a, b = opposite.a, opposite.b
    own_a, own_b = np.full(len(a), -1, np.int64), np.full(len(b), -1, np.int64)
    both = np.flatnonzero((matched["a"] >= 0) & (matched["b"] >= 0))
    own_a[matched["a"][both]], own_b[matched["b"][both]] = matched["b"][both], matched["a"][both]
    alike = (a.category[found.a] == b.category[found.b]) & a.is_thing[found.a]
    alike &= found.open_a[found.a] & found.open_b[found.b]
    of_a = (own_a[found.a] == -1) | (own_a[found.a] == found.b)
    of_b = (own_b[found.b] == -1) | (own_b[found.b] == found.a)
    sides = [
        _several(a, found.a, found.b, alike & (2 * found.shared > found.area_b[found.b]) & of_b, 0),
        _several(b, found.b, found.a, alike & (2 * found.shared > found.area_a[found.a]) & of_a, 1),
    ]
    return {name: np.concatenate([each[name] for each in sides]) for name in sides[0]}


def _several(drawn: Drawn, segment: Rows, piece: Rows, inside: Flags, side: int) -> Columns:
    """The segments of one side with two pieces or more, of those pairs in which a piece is `inside`."""
    n_pieces = np.bincount(segment[inside], minlength=len(drawn))
    rows = np.flatnonzero(inside & (n_pieces[segment] >= 2))
    rows = rows[np.lexsort((piece[rows], segment[rows]))]
    return {
        "pair": drawn.case[segment[rows]],
        "side": np.full(len(rows), side),
        "segment": segment[rows].astype(np.int64),
        "piece": piece[rows].astype(np.int64),
    }
