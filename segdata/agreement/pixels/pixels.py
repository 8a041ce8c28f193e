"""Pixels: how many pixels two annotators gave the same and different categories, from their runs."""

import numpy as np

from segdata.agreement.opposite import Drawn, Opposite
from segdata.agreement.pixels.topmost import is_flat, topmost
from segdata.core import kernels
from segdata.core.overlay import SweepRuns, find_overlaps
from segdata.core.runs import Ints, NumberLine, Rows, unique_inverse

Columns = dict[str, Ints]


def pixels(opposite: Opposite) -> dict[str, Columns]:
    """The columns of the tables `overlaps` and `cells`, see `segdata.core.annotator_pairs.AnnotatorPairs`."""
    found = cells(opposite)
    return {"overlaps": overlaps(opposite, found), "cells": found}


def cells(opposite: Opposite) -> Columns:
    """How many pixels of each case got which two categories, -1 for none; each pixel is counted once.

    Where several segments of an annotator claim a pixel, the one drawn last has it. What either calls void is left
    out.
    """
    a, b = opposite.a, opposite.b
    flat_a, flat_b = topmost(a), topmost(b)
    met = opposite.met if flat_a is a.side and flat_b is b.side else find_overlaps(flat_a, flat_b)
    # Row -1, "none", takes what is appended.
    case = np.maximum(np.append(a.case, -1)[met.a], np.append(b.case, -1)[met.b])
    kept = ~(np.append(a.is_void, False)[met.a] | np.append(b.is_void, False)[met.b])
    first, second = (np.append(each.category, -1)[row] + 1 for each, row in ((a, met.a), (b, met.b)))
    wide = len(opposite.categories) + 1
    code, total, _, _ = kernels.distinct(((case * wide + first) * wide + second)[kept], met.pixels[kept])
    neither = opposite.pixels - np.bincount(case, met.pixels, opposite.n_cases).astype(np.int64)
    code = np.concatenate([code, np.arange(opposite.n_cases) * wide * wide])
    total = np.concatenate([total, neither])
    order = np.argsort(code)
    order = order[total[order] > 0]
    code, total = code[order], total[order]
    return {
        "pair": code // (wide * wide),
        "category_a": code // wide % wide - 1,
        "category_b": code % wide - 1,
        "pixels": total,
    }


def overlaps(opposite: Opposite, of_cells: Columns | None = None) -> Columns:
    """How many pixels of each case each annotator gave each category, and how many both gave it.

    Segments of one category that share pixels count once. What either calls void is left out. A category that neither
    has in a case has no row. `of_cells` is what `cells` gives, where that is known.
    """
    flat = is_flat(opposite.a.side) and is_flat(opposite.b.side)
    owned = _by_cells(opposite, of_cells or cells(opposite)) if flat else _by_union(opposite)
    code, _ = unique_inverse(np.concatenate([owner for owner, _ in owned]))
    columns = [np.zeros(len(code), np.int64) for _ in owned]
    for column, (owner, total) in zip(columns, owned, strict=True):
        column[np.searchsorted(code, owner)] = total
    wide = max(len(opposite.categories), 1)
    return {
        "pair": code // wide,
        "category": code % wide,
        "area_a": columns[0],
        "area_b": columns[1],
        "both": columns[2],
    }


def _by_cells(opposite: Opposite, of_cells: Columns) -> tuple[tuple[Ints, Ints], ...]:
    """Whose segments share no pixels: the marginals and the diagonal of the cells."""
    pair, category_a, category_b, n = of_cells.values()
    code = pair * len(opposite.categories)
    of_a, of_b, both = category_a >= 0, category_b >= 0, (category_a == category_b) & (category_a >= 0)
    return (
        _summed((code + category_a)[of_a], n[of_a]),
        _summed((code + category_b)[of_b], n[of_b]),
        _summed((code + category_a)[both], n[both]),
    )


def _by_union(opposite: Opposite) -> tuple[tuple[Ints, Ints], ...]:
    """Else the union of each category's segments."""
    a, b = (
        _united(drawn, side, opposite) for drawn, side in zip((opposite.a, opposite.b), opposite.clear, strict=True)
    )
    _, both, _, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    return _summed(a.owner, a.end - a.start), _summed(b.owner, b.end - b.start), _summed(both, length)


def _united(drawn: Drawn, side: SweepRuns, opposite: Opposite) -> SweepRuns:
    """The union of each category's segments, as runs of `side`; `owner` is case * n_categories + category.

    Every category has a number line of its own, one behind the other, so that one sweep serves them all.
    """
    line, category = opposite.line, drawn.category[side.owner]
    order = kernels.order_by(category.astype(np.int32), max(len(opposite.categories), 1))
    lift = category[order] * _end(line)
    start, length, _ = kernels.cover(side.start[order] + lift, side.end[order] + lift)
    code, place = np.divmod(start, max(_end(line), 1))
    case = opposite.case_of_frame[line.frame_of(place)]
    return SweepRuns(start, start + length, (case * len(opposite.categories) + code).astype(np.int32))


def _end(line: NumberLine) -> int:
    """Where the number line ends."""
    return int(line.base[-1] + (line.height[-1] + 1) * (line.width[-1] + 1)) if len(line.base) else 0


def _summed(owner: Ints | Rows, length: Ints) -> tuple[Ints, Ints]:
    """The owners, case * n_categories + category, that occur, ascending, and the sum of lengths of each."""
    found, total, _, _ = kernels.distinct(owner.astype(np.int64), length)
    return found, total
