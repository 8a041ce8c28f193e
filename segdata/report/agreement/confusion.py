"""Confusion: what annotators call the same segments and pixels, category by category."""

from dataclasses import dataclass

import numpy as np

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats
from segdata.core.statistics import ratio
from segdata.core.table import Table

UNLABELLED = "(nothing)"


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories that annotators take for each other; `share` of the segments or pixels that one calls `one`."""

    one: str
    other: str
    share: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """What the other annotator calls what one calls a category, over all pairs and both ways.

    `names`: (k,) the categories, and at the end nothing; `amounts`: (k, k) what one annotator calls, by what the other
    does: of a row whose category is counted one by one (`is_counted`, (k,)) segments, the other's being the one that
    matches, of other rows pixels.
    """

    names: tuple[str, ...]
    amounts: Floats
    is_counted: Flags

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "Confusion":
        """That of different persons, both ways; void is no category."""
        return Confusion._without_empty(comparison, _amounts(comparison, None))

    @staticmethod
    def of_annotator(comparison: AnnotatorPairs, annotator: int) -> "Confusion":
        """What one annotator (position) calls, in columns, what the others call a row's category."""
        return Confusion._without_empty(comparison, _amounts(comparison, annotator))

    @staticmethod
    def _without_empty(comparison: AnnotatorPairs, amounts: Floats) -> "Confusion":
        """Without the categories that nobody has."""
        names = (*(category.name for category in comparison.categories), UNLABELLED)
        nonempty = (amounts.sum(axis=1) > 0) | (amounts.sum(axis=0) > 0)
        kept = tuple(name for name, has_any in zip(names, nonempty.tolist(), strict=True) if has_any)
        return Confusion(kept, amounts[np.ix_(nonempty, nonempty)], np.append(comparison.countable, False)[nonempty])

    @property
    def shares(self) -> Floats:
        """(k, k) of what one calls each row's category the share that the other annotator calls the column's."""
        return ratio(self.amounts, self.amounts.sum(axis=1, keepdims=True), 0.0)

    def most_confused(self, most: int) -> "Confusion":
        """The `most` names with most confusion, in their order; the diagonal stays what it is."""
        if len(self.names) <= most:
            return self
        off = self.shares.copy()
        np.fill_diagonal(off, 0)
        kept = np.sort(np.argsort(-np.maximum(off.max(axis=1), off.max(axis=0)), kind="stable")[:most])
        names = tuple(self.names[k] for k in kept.tolist())
        return Confusion(names, self.amounts[np.ix_(kept, kept)], self.is_counted[kept])

    def partners(self, name: str) -> list[ConfusedPair]:
        """What else the segments or pixels of a category are called, most first."""
        if name not in self.names:
            return []
        row = self.names.index(name)
        share = self.shares[row]
        return [
            ConfusedPair(name, self.names[k], float(share[k]))
            for k in np.argsort(-share, kind="stable").tolist()
            if k != row and share[k] > 0
        ]

    def worst(self, most: int) -> list[ConfusedPair]:
        """The pairs of categories with the largest share of either; each pair once, nothing is no category."""
        partners = [partner for name in self.names if name != UNLABELLED for partner in self.partners(name)]
        largest: dict[frozenset[str], ConfusedPair] = {}
        for pair in sorted(partners, key=lambda confused: -confused.share):
            if pair.other != UNLABELLED:
                largest.setdefault(frozenset((pair.one, pair.other)), pair)
        return list(largest.values())[:most]


def _amounts(comparison: AnnotatorPairs, annotator: int | None) -> Floats:
    """(n_categories + 1, n_categories + 1) segments of rows that are counted, else pixels; nothing is the last.

    `annotator`: in columns what this one calls, None: what anybody does. Crowds, and what lies in them, count nowhere.
    """
    cells, matches = comparison.cells, comparison.matches
    pixels = _both_ways(comparison, cells, np.ones(len(cells), bool), annotator, "pixels")
    _add_hidden(pixels, comparison, annotator)
    if not len(matches):
        return pixels
    segments = _both_ways(comparison, matches, ~matches["ignored"].astype(bool), annotator, None)
    return np.where(np.append(comparison.countable, False)[:, None], segments, pixels)


def _add_hidden(pixels: Floats, comparison: AnnotatorPairs, annotator: int | None) -> None:
    """What both call a category below another one, in place: the cells have what is on top alone."""
    own = comparison.overlaps
    if not len(own) or not len(comparison.hidden):
        return
    person = np.array(comparison.persons, np.int64)
    a, b = (comparison.pairs[side][own["pair"]] for side in ("a", "b"))
    apart = person[a] != person[b]
    rows = apart if apart.any() else np.ones(len(own), bool)
    both = np.zeros(len(comparison.categories))
    for who in (a, b):
        selected = rows if annotator is None else rows & (who == annotator)
        np.add.at(both, own["category"][selected], own["both"][selected])
    diagonal = np.arange(len(both))
    pixels[diagonal, diagonal] = both


def _both_ways(
    comparison: AnnotatorPairs, table: Table, kept: Flags, annotator: int | None, amount: str | None
) -> Floats:
    """(n_categories + 1, n_categories + 1) the amounts of a table's rows, of one and then of the other of two persons.

    `amount`: its column; None: each row is one.
    """
    n, person = len(comparison.categories) + 1, np.array(comparison.persons, np.int64)
    total = np.zeros((n, n))
    if not len(table):
        return total
    a, b = (comparison.pairs[side][table["pair"]] for side in ("a", "b"))
    apart = person[a] != person[b]
    rows = kept & (apart if apart.any() else True)
    much = np.ones(len(table)) if amount is None else table[amount]
    of_a, of_b = table["category_a"], table["category_b"]
    for row, column, who in ((of_a, of_b, b), (of_b, of_a, a)):
        selected = rows if annotator is None else rows & (who == annotator)
        np.add.at(total, (row[selected], column[selected]), much[selected])
    return total
