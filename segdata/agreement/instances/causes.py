"""Causes: the pixels of a category that only one of two annotators has, by what became of their segments."""

import numpy as np

from segdata.agreement.instances.instances import Columns
from segdata.agreement.instances.overlapping import by_category, union
from segdata.agreement.opposite import Drawn, Opposite, outside
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints

NAMES = ("boundary", "confused", "unmatched", "ignored")


def causes(opposite: Opposite, matches: Columns) -> Columns:
    """The table `causes` of `segdata.core.annotator_pairs.AnnotatorPairs`, from the table `matches` of the same two.

    Pixels that either calls void are left out. Of several segments of one annotator and category that share a pixel
    the one with the best match says why: `boundary` before `confused`, `unmatched` and `ignored`.
    """
    room = 1 + int(max(side.end.max(initial=0) for side in opposite.clear))
    a, b = (
        by_category(side, drawn.category, room)
        for side, drawn in zip(opposite.clear, (opposite.a, opposite.b), strict=True)
    )
    sides = []
    for number, (drawn, mine, others, name) in enumerate(((opposite.a, a, b, "a"), (opposite.b, b, a, "b"))):
        alone = outside(mine, union(others))
        found = _by_cause(opposite, drawn, alone, _cause(drawn, matches, name), room)
        some = np.flatnonzero(found.sum(axis=0))
        case, category = np.divmod(some, max(len(opposite.categories), 1))
        pixels = dict(zip(NAMES, found[:, some], strict=True))
        sides.append({"pair": case, "category": category, "side": np.full(len(some), number), **pixels})
    order = np.lexsort([np.concatenate([each[name] for each in sides]) for name in ("side", "category", "pair")])
    return {name: np.concatenate([each[name] for each in sides])[order] for name in sides[0]}


def _cause(drawn: Drawn, matches: Columns, name: str) -> Ints:
    """(n,) for each segment, the position in `NAMES` of why pixels that only it has are not the other's too."""
    row = matches[name]
    own = row >= 0
    matched = (matches["a"] >= 0) & (matches["b"] >= 0)
    alike = matched & (matches["category_a"] == matches["category_b"])
    cause = np.full(len(drawn), NAMES.index("ignored"))
    cause[row[own]] = np.select([alike, matched, ~matches["ignored"].astype(bool)], [0, 1, 2], 3)[own]
    return cause


def _by_cause(opposite: Opposite, drawn: Drawn, alone: SweepRuns, cause: Ints, room: int) -> Ints:
    """(4, n_cases * n_categories) pixels by cause; runs lie on the line of `by_category`."""
    of = cause[alone.owner]
    n = opposite.n_cases * len(opposite.categories)
    if not kernels.cover(alone.start, alone.end)[2].any():  # no two segments of a category share any of them
        cell = drawn.case[alone.owner] * len(opposite.categories) + drawn.category[alone.owner]
        pixels = np.bincount(of * n + cell, weights=alone.end - alone.start, minlength=len(NAMES) * n)
        return pixels.astype(np.int64).reshape(len(NAMES), n)
    upto = np.zeros((len(NAMES) + 1, n), np.int64)
    for k in range(len(NAMES)):
        kept = of <= k
        start, length, _ = kernels.cover(alone.start[kept], alone.end[kept])
        category, place = np.divmod(start, room)
        cell = opposite.case_of_frame[opposite.line.frame_of(place)] * len(opposite.categories) + category
        upto[k + 1] = np.bincount(cell, weights=length, minlength=n)
    return np.diff(upto, axis=0)
