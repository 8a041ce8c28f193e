"""Confusion: what annotators call the same pixels, category by category."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
UNLABELLED = "(nothing)"


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories that annotators take for each other; `share` of the pixels that either of two gives `one`."""

    one: str
    other: str
    share: float
    pixels: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """What the other annotator calls the pixels that one calls a category, over all pairs and both ways.

    `names`: (k,) the categories, and at the end nothing; `pixels`: (k, k) what one annotator calls, by what the other
    does.
    """

    names: tuple[str, ...]
    pixels: Floats

    @staticmethod
    def from_pairs(opposed: AnnotatorPairs) -> "Confusion":
        """That of different persons, both ways; void is no category."""
        pixels = _pixels(opposed, *_both_ways(opposed)[:3])
        return Confusion._drawn(opposed, pixels)

    @staticmethod
    def of_annotator(opposed: AnnotatorPairs, annotator: int) -> "Confusion":
        """What one annotator (position) calls, in columns, what the others call a row's category."""
        one, other, kept, who = _both_ways(opposed)
        return Confusion._drawn(opposed, _pixels(opposed, one, other, kept & (who == annotator)))

    @staticmethod
    def _drawn(opposed: AnnotatorPairs, pixels: Floats) -> "Confusion":
        """Without the categories that nobody has."""
        names = (*(each.name for each in opposed.categories), UNLABELLED)
        drawn = (pixels.sum(axis=1) > 0) | (pixels.sum(axis=0) > 0)
        kept = tuple(name for name, there in zip(names, drawn.tolist(), strict=True) if there)
        return Confusion(kept, pixels[np.ix_(drawn, drawn)])

    @property
    def shares(self) -> Floats:
        """(k, k) of the pixels of each row's category the share that the other annotator calls the column's."""
        total = self.pixels.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(self.pixels, total, out=np.zeros(self.pixels.shape), where=total > 0))

    def reduced(self, most: int) -> "Confusion":
        """The `most` names with most confusion, in their order; the diagonal stays what it is."""
        if len(self.names) <= most:
            return self
        off = self.shares.copy()
        np.fill_diagonal(off, 0)
        kept = np.sort(np.argsort(-np.maximum(off.max(axis=1), off.max(axis=0)), kind="stable")[:most])
        return Confusion(tuple(self.names[k] for k in kept.tolist()), self.pixels[np.ix_(kept, kept)])

    def partners(self, name: str) -> list[ConfusedPair]:
        """What else the pixels of a category are called, most first; not those that nobody else labels."""
        if name not in self.names:
            return []
        row = self.names.index(name)
        share = self.shares[row]
        return [
            ConfusedPair(name, self.names[k], float(share[k]), int(self.pixels[row, k]))
            for k in np.argsort(-share, kind="stable").tolist()
            if k != row and share[k] > 0
        ]

    def worst(self, most: int) -> list[ConfusedPair]:
        """The pairs of categories with the largest share of either; each pair once, nothing is no category."""
        every = [each for name in self.names if name != UNLABELLED for each in self.partners(name)]
        once: dict[frozenset[str], ConfusedPair] = {}
        for each in sorted(every, key=lambda confused: -confused.share):
            if each.other != UNLABELLED:
                once.setdefault(frozenset((each.one, each.other)), each)
        return list(once.values())[:most]


def _both_ways(opposed: AnnotatorPairs) -> tuple[Ints, Ints, Flags, Ints]:
    """(2n,) of the cells each way: the category of one, that of the other, whether they are two persons, the other."""
    cells, pairs, person = opposed.cells, opposed.pairs, np.array(opposed.persons, np.int64)
    if not len(cells):
        none = np.empty(0, np.int64)
        return none, none, none.astype(bool), none
    a, b = (pairs[side][cells["pair"]] for side in ("a", "b"))
    apart = person[a] != person[b]
    kept = apart if apart.any() else ~apart
    of_a, of_b = cells["category_a"], cells["category_b"]
    return (
        np.concatenate([of_a, of_b]),
        np.concatenate([of_b, of_a]),
        np.concatenate([kept, kept]),
        np.concatenate([b, a]),
    )


def _pixels(opposed: AnnotatorPairs, one: Ints, other: Ints, kept: Flags) -> Floats:
    """(n_categories + 1, n_categories + 1) pixels; nothing is the last."""
    n = len(opposed.categories) + 1
    pixels = np.zeros((n, n))
    if len(kept):
        amount = np.concatenate([opposed.cells["pixels"]] * 2)
        np.add.at(pixels, (one[kept], other[kept]), amount[kept])
    return pixels
