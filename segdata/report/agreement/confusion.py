"""Confusion: the confusion matrix of annotators, by segments of things and pixels of stuff."""

from dataclasses import dataclass

import numpy as np

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.table import Table

UNLABELLED = "(nothing)"


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories that annotators confuse: of what one annotator labels `one`, the other labels `share` `other`."""

    one: str
    other: str
    share: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of annotators, summed over all pairs and both directions.

    `names`: (k,) the categories, and last `UNLABELLED`. `amounts`: (k, k) how much one annotator labels as the row's
    category and the other as the column's: matched segments in rows whose category is counted one by one
    (`is_counted`, (k,)), pixels in other rows.
    """

    names: tuple[str, ...]
    amounts: Floats
    is_counted: Flags

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "Confusion":
        """The confusion between different persons, in both directions; void is not a category."""
        return Confusion._without_empty(comparison, _amounts(comparison, None))

    @staticmethod
    def of_annotator(comparison: AnnotatorPairs, annotator: int) -> "Confusion":
        """The confusion of one annotator, by position: rows are the others' categories, columns the annotator's."""
        return Confusion._without_empty(comparison, _amounts(comparison, annotator))

    @staticmethod
    def _without_empty(comparison: AnnotatorPairs, amounts: Floats) -> "Confusion":
        """The matrix without categories that no annotator used."""
        names = (*(category.name for category in comparison.categories), UNLABELLED)
        nonempty = (amounts.sum(axis=1) > 0) | (amounts.sum(axis=0) > 0)
        kept = tuple(name for name, has_any in zip(names, nonempty.tolist(), strict=True) if has_any)
        return Confusion(kept, amounts[np.ix_(nonempty, nonempty)], np.append(comparison.countable, False)[nonempty])

    @property
    def shares(self) -> Floats:
        """(k, k) the amounts as shares of their row."""
        return ratio(self.amounts, self.amounts.sum(axis=1, keepdims=True), 0.0)

    def most_confused(self, most: int) -> "Confusion":
        """Keep the `most` names with the largest confusion, in their order; the diagonal does not count."""
        if len(self.names) <= most:
            return self
        off = self.shares.copy()
        np.fill_diagonal(off, 0)
        kept = np.sort(np.argsort(-np.maximum(off.max(axis=1), off.max(axis=0)), kind="stable")[:most])
        names = tuple(self.names[k] for k in kept.tolist())
        return Confusion(names, self.amounts[np.ix_(kept, kept)], self.is_counted[kept])

    def partners(self, name: str) -> list[ConfusedPair]:
        """The other categories that annotators give the segments or pixels of a category, most frequent first."""
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
        """The `most` pairs with the largest share in either direction, each pair once, without unlabelled."""
        partners = [partner for name in self.names if name != UNLABELLED for partner in self.partners(name)]
        largest: dict[frozenset[str], ConfusedPair] = {}
        for pair in sorted(partners, key=lambda confused: -confused.share):
            if pair.other != UNLABELLED:
                largest.setdefault(frozenset((pair.one, pair.other)), pair)
        return list(largest.values())[:most]


def _amounts(comparison: AnnotatorPairs, annotator: int | None) -> Floats:
    """(n_categories + 1, n_categories + 1) segments in rows that are counted, pixels in others; unlabelled is last.

    `annotator`: whose categories are in the columns; None: everybody's. Crowds, and what lies in them, count nowhere.
    """
    cells, matches = comparison.cells, comparison.matches
    pixels = _both_ways(comparison, cells, np.ones(len(cells), bool), annotator, "pixels")
    _add_hidden(pixels, comparison, annotator)
    if not len(matches):
        return pixels
    segments = _both_ways(comparison, matches, ~matches["ignored"].astype(bool), annotator, None)
    return np.where(np.append(comparison.countable, False)[:, None], segments, pixels)


def _add_hidden(pixels: Floats, comparison: AnnotatorPairs, annotator: int | None) -> None:
    """Add, in place, pixels with a category of both annotators below another one; cells count only the top one."""
    overlaps = comparison.overlaps
    if not len(overlaps) or not len(comparison.hidden):
        return
    a, b, rows = _between_persons(comparison, overlaps)
    both = np.zeros(len(comparison.categories))
    for column_annotator in (a, b):
        selected = rows if annotator is None else rows & (column_annotator == annotator)
        np.add.at(both, overlaps["category"][selected], overlaps["both"][selected])
    diagonal = np.arange(len(both))
    pixels[diagonal, diagonal] = both


def _both_ways(
    comparison: AnnotatorPairs, table: Table, kept: Flags, annotator: int | None, amount: str | None
) -> Floats:
    """(n_categories + 1, n_categories + 1) the amounts of a table's rows, counted in both directions.

    `amount`: its column; None: each row is one.
    """
    n = len(comparison.categories) + 1
    total = np.zeros((n, n))
    if not len(table):
        return total
    a, b, rows = _between_persons(comparison, table)
    rows &= kept
    weight = np.ones(len(table)) if amount is None else table[amount]
    category_a, category_b = table["category_a"], table["category_b"]
    for row, column, column_annotator in ((category_a, category_b, b), (category_b, category_a, a)):
        selected = rows if annotator is None else rows & (column_annotator == annotator)
        np.add.at(total, (row[selected], column[selected]), weight[selected])
    return total


def _between_persons(comparison: AnnotatorPairs, table: Table) -> tuple[Ints, Ints, Flags]:
    """The annotators (n,) A and B of a table's rows, and (n,) whether they are two persons; if none are, all True."""
    person = np.array(comparison.persons, np.int64)
    a, b = (comparison.pairs[side][table["pair"]] for side in ("a", "b"))
    differ = person[a] != person[b]
    return a, b, differ if differ.any() else np.ones(len(table), bool)
