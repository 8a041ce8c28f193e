"""Shapes: what two annotators' boundaries are compared of: whole categories, and matched instances."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.opposite import Opposite
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Shapes:
    """N shapes, each of a case and a category.

    Attributes
    ----------
    case, category : (n,)
    match : (n,) row of the matches; -1: all of a category
    of_a, of_b : the shape that each of A's and B's segments is in; -1: none
    """

    case: Ints
    category: Ints
    match: Ints
    of_a: Ints
    of_b: Ints

    def __len__(self) -> int:
        return len(self.case)

    @staticmethod
    def of_categories(opposite: Opposite, code: Ints | None = None) -> "Shapes":
        """The pixels of every category of each case that either annotator drew, void left out.

        `code` (n,): those with these numbers, case * n_categories + category, which ascend.
        """
        wide = max(len(opposite.categories), 1)
        of_a, of_b = (each.case * wide + each.category for each in (opposite.a, opposite.b))
        if code is None:
            drawn_a, drawn_b = (side.owner for side in opposite.clear)
            code = np.unique(np.concatenate([np.unique(of_a[drawn_a]), np.unique(of_b[drawn_b])]))
        nothing = np.full(len(code), -1)
        return Shapes(code // wide, code % wide, nothing, _position(code, of_a), _position(code, of_b))

    @staticmethod
    def of_matches(opposite: Opposite, matches: Mapping[str, NDArray[np.generic]]) -> "Shapes":
        """Every two instances that are matched; things alone, and of one category."""
        a, b = (np.asarray(matches[side], np.int64) for side in "ab")
        match = np.flatnonzero((a >= 0) & (b >= 0))
        same = opposite.a.category[a[match]] == opposite.b.category[b[match]]
        match = match[same & opposite.a.is_thing[a[match]]]
        number = np.arange(len(match))
        of_a, of_b = (np.full(len(drawn), -1, np.int64) for drawn in (opposite.a, opposite.b))
        for of, rows in ((of_a, a[match]), (of_b, b[match])):
            of[rows] = number
            if not np.array_equal(of[rows], number):
                raise ValueError("a segment is in two matches: one is possible")
        return Shapes(opposite.a.case[a[match]], opposite.a.category[a[match]], match, of_a, of_b)


def _position(known: Ints, values: Ints) -> Ints:
    """(n,) where each value is among the known ones, which ascend; -1: nowhere."""
    if len(known) == 0:
        return np.full(len(values), -1)
    found = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[found] == values, found, -1)
