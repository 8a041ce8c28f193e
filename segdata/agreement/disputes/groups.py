"""Groups: one segment where others have several, and several where others have one."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.disputes.rows import Rows, annotations_of
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Groups:
    """Segments of which another annotator made several: n rows.

    Attributes
    ----------
    owner, maker : (n,) who has one, and who made several: positions of annotators
    whole : (n,) the one: row of the segments
    place : (n,) the cluster of things that it belongs to
    n_pieces : (n,) how many there are instead
    annotation, by : (n,) rows of the owner's and of the maker's annotation
    others : (n,) how many annotators the case has beside one
    pieces : for each maker and place the rows of the pieces
    """

    owner: Ints
    maker: Ints
    whole: Ints
    place: Ints
    n_pieces: Ints
    annotation: Ints
    by: Ints
    others: Ints
    pieces: "dict[tuple[int, int], list[int]]"

    @staticmethod
    def of(opposed: AnnotatorPairs) -> "Groups":
        """All of them but those of further passes of one person."""
        pairs, first, groups = opposed.pairs, opposed.is_first_pass, opposed.groups
        if len(groups):
            groups = groups.take((first[pairs["a"]] & first[pairs["b"]])[groups["pair"]])
        if not len(groups):
            none = np.empty(0, np.int64)
            return Groups(none, none, none, none, none, none, none, none, {})
        key = np.stack([groups["pair"], groups["side"], groups["segment"]])
        (pair, side, whole), which, n_pieces = np.unique(key, axis=1, return_inverse=True, return_counts=True)
        of_a = side == 0
        owner, maker = (np.where(of_a == of, pairs["a"][pair], pairs["b"][pair]) for of in (True, False))
        annotation, by = (
            np.where(of_a == of, pairs["annotation_a"][pair], pairs["annotation_b"][pair]) for of in (True, False)
        )
        present = (annotations_of(opposed)[:, first] >= 0).sum(axis=1)
        place = _places(opposed)[whole]
        pieces: dict[tuple[int, int], list[int]] = {}
        for row, piece in zip(which.reshape(-1).tolist(), groups["piece"].tolist(), strict=True):
            pieces.setdefault((int(maker[row]), int(place[row])), []).append(piece)
        return Groups(owner, maker, whole, place, n_pieces, annotation, by, present[pairs["case"][pair]] - 1, pieces)

    def merged(self, gold: int | None) -> Ints:
        """The rows, one for each segment, of those that more than half of the others made several of."""
        if gold is not None:
            return np.flatnonzero(self.maker == gold)
        return self._by_most(self.whole)

    def split(self, gold: int | None) -> Ints:
        """The rows, one for each maker and place, of those of which more than half of the others have one."""
        if gold is not None:
            return np.flatnonzero(self.owner == gold)
        return self._by_most(self.place * (int(self.maker.max(initial=0)) + 1) + self.maker)

    def _by_most(self, key: Ints) -> Ints:
        _, first, which, times = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        return np.sort(first[2 * times > self.others[first]]) if len(which) else first


def of_groups(opposed: AnnotatorPairs, groups: Groups, gold: int | None) -> list[Rows]:
    """Segments that more than half of the others made several of, and those of which one alone made several.

    Of two annotators nobody knows whose doing it is: it is told once, of the one who has one segment.
    """
    if not len(groups.whole):
        return []
    category = _category_of(opposed, groups.whole)
    found = []
    two = gold is None and opposed.is_first_pass.sum() == 2
    for kind, rows, whose in (
        ("merge", groups.merged(gold), groups.annotation),
        ("split", np.empty(0, np.int64) if two else groups.split(gold), groups.by),
    ):
        found.append(
            Rows.of(
                kind,
                whose[rows],
                groups.whole[rows],
                category=category[rows],
                others=groups.others[rows] if gold is None else np.ones(len(rows), np.int64),
                n=groups.n_pieces[rows],
            )
        )
    return found


def _places(opposed: AnnotatorPairs) -> Ints:
    """(n_segments,) the number of the cluster of things that a segment belongs to; -1: none."""
    members = opposed.members
    place = np.full(_n_segments(opposed), -1, np.int64)
    if len(members):
        key = np.stack([members["case"], members["cluster"]])
        number = np.unique(key, axis=1, return_inverse=True)[1].reshape(-1)
        rows = members["segment"] >= 0
        place[members["segment"][rows]] = number[rows]
    return place


def _category_of(opposed: AnnotatorPairs, segment: Ints) -> Ints:
    """(n,) positions of the categories of segments, by their rows."""
    known = np.full(_n_segments(opposed), -1, np.int64)
    for side in ("a", "b"):
        rows = opposed.matches[side] >= 0
        known[opposed.matches[side][rows]] = opposed.matches[f"category_{side}"][rows]
    return known[segment]


def _n_segments(opposed: AnnotatorPairs) -> int:
    """More than any row of a segment that occurs."""
    matches, groups = opposed.matches, opposed.groups
    columns = (matches["a"], matches["b"], groups["segment"], groups["piece"], opposed.members["segment"])
    return 1 + max((int(each.max(initial=-1)) for each in columns), default=-1)
