"""Tallies: how often each annotator missed, added or confused, and by how much they draw larger than others.

Each annotator is held against the others of the same images (leave one out): what more than half of these have, was
missed; what fewer than half of them have, is extra; what more than half of them call otherwise, was confused. So the
doings of one are not held against the others. Things are counted as segments, stuff as pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints, unique_inverse

Kind = Literal["missed", "extra", "confused", "offset"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Votes = NDArray[np.int32]
Part = tuple[Ints, Floats, Floats]  # cells, as numbers of `_Cells`, the hits and the total of each
Judged = tuple[Kind, Flags, Flags, Ints | Votes]  # what, which rows can show it, which do, and the category of each
ABSENT = -2


@dataclass(frozen=True, slots=True)
class Tally:
    """What one annotator did with one category in one cluster of images: n rows.

    Attributes
    ----------
    cluster, annotator, category, kind : (n,); `kind` counts `KINDS`
    hits, total : (n,) how often, of how many; for offsets the sum of pixels, and of how many segments
    """

    cluster: Ints
    annotator: Ints
    category: Ints
    kind: Ints
    hits: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class _Cells:
    """Numbers of cells: cluster, annotator, category and kind, in this order, as one."""

    shape: tuple[int, int, int, int]

    @staticmethod
    def of(opposed: AnnotatorPairs) -> "_Cells":
        n_clusters = int(opposed.cases["cluster"].max(initial=-1)) + 1 if len(opposed.cases) else 0
        return _Cells((n_clusters, len(opposed.annotators), len(opposed.categories), len(KINDS)))

    def part(
        self, cluster: Ints, annotator: Ints | int, category: Ints | Votes, kind: Kind, hits: Floats, total: Floats
    ) -> Part:
        """What is known (n,), summed by cell: of millions of patterns no more is kept than of their cells."""
        _, n_annotators, n_categories, n_kinds = self.shape
        code = ((cluster * n_annotators + annotator) * n_categories + category) * n_kinds + KINDS.index(kind)
        cell, which = unique_inverse(code)
        return cell, _summed(which, hits, len(cell)), _summed(which, total, len(cell))


def tallies(opposed: AnnotatorPairs) -> Tally:
    """What every annotator did, by cluster, category and kind."""
    cells = _Cells.of(opposed)
    parts = [*_of_segments(opposed, cells), *_of_pixels(opposed, cells), *_of_offsets(opposed, cells)]
    code, hits, total = (np.concatenate([np.zeros(0), *(part[k] for part in parts)]) for k in range(3))
    cell, which = unique_inverse(code.astype(np.int64))
    hits, total = (_summed(which, column, len(cell)) for column in (hits, total))
    some = total > 0
    cluster, annotator, category, kind = np.unravel_index(cell[some], cells.shape)
    return Tally(cluster, annotator, category, kind, hits[some], total[some])


def _summed(which: Ints, amount: Floats, n: int) -> Floats:
    """(n,) the amounts (m,) of each."""
    return np.bincount(which, amount, n).astype(np.float64, copy=False)


def _least(opposed: AnnotatorPairs) -> int:
    """How many others it takes to be held against: two, since nobody knows which of two is right; of two, the other."""
    return 2 if opposed.is_first_pass.sum() > 2 else 1


def _of_segments(opposed: AnnotatorPairs, cells: _Cells) -> Iterator[Part]:
    """Misses, extras and confusions of things."""
    members = opposed.members
    if not len(members):
        return
    countable = opposed.countable
    first, group = things_of(opposed)
    drew = members["segment"] >= 0
    shape = len(first), len(opposed.annotators)
    present, there, own = np.zeros(shape, bool), np.zeros(shape, bool), np.full(shape, -1, np.int64)
    present[group, members["annotator"]] = True
    present &= opposed.is_first_pass
    group, who, category = group[drew], members["annotator"][drew], members["category"][drew]
    there[group, who], own[group, who] = True, category
    there &= opposed.is_first_pass
    cluster = opposed.cases["cluster"][members["case"][first]]
    least, voices = _least(opposed), opposed.is_first_pass[who]
    for i in range(there.shape[1]):
        others = present.sum(axis=1) - present[:, i]
        support = there.sum(axis=1) - there[:, i]
        called, count = mode(group[voices & (who != i)], category[voices & (who != i)], len(first))
        seen = present[:, i] & (others >= least) & (2 * support > others)
        sure = seen & there[:, i] & (2 * count > support)
        drawn = there[:, i] & (others >= least)
        judged: tuple[Judged, ...] = (
            ("missed", seen, ~there[:, i], called),
            ("extra", drawn, 2 * support < others, own[:, i]),
            ("confused", sure, own[:, i] != called, called),
        )
        for kind, rows, hit, category_of in judged:
            kept = np.flatnonzero(rows & countable[category_of])
            yield cells.part(cluster[kept], i, category_of[kept], kind, hit[kept].astype(float), np.ones(len(kept)))


def _of_pixels(opposed: AnnotatorPairs, cells: _Cells) -> Iterator[Part]:
    """Misses, extras and confusions of stuff, and of everything that has no instances."""
    patterns, said = opposed.patterns, votes_of(opposed)
    cluster = opposed.cases["cluster"][patterns["case"]] if len(patterns) else np.empty(0, np.int64)
    countable = opposed.countable
    weight = patterns["pixels"].astype(float) if len(patterns) else np.empty(0)
    least = _least(opposed)
    for i in range(said.shape[1]):
        others = np.delete(said, i, axis=1)
        n_others = (others > ABSENT).sum(axis=1)
        called, count = row_mode(others)
        clear = (said[:, i] > ABSENT) & (n_others >= least) & (2 * count > n_others)
        mine = said[:, i]
        judged: tuple[Judged, ...] = (
            ("missed", clear & (called >= 0), mine == -1, called),
            ("extra", clear & (mine >= 0), called == -1, mine),
            ("confused", clear & (called >= 0) & (mine >= 0), mine != called, called),
        )
        for kind, rows, hit, category_of in judged:
            kept = np.flatnonzero(rows & ~countable[category_of])
            yield cells.part(cluster[kept], i, category_of[kept], kind, hit[kept] * weight[kept], weight[kept])


def _of_offsets(opposed: AnnotatorPairs, cells: _Cells) -> Iterator[Part]:
    """By how many pixels each draws larger than the mean of all (the same one too), per cluster and category."""
    surfaces, pairs = opposed.surfaces, opposed.pairs
    if not len(surfaces):
        return
    first = opposed.is_first_pass
    once = (first[pairs["a"]] & first[pairs["b"]])[surfaces["pair"]]
    rows = np.flatnonzero(np.isfinite(surfaces["offset"]) & counts_once(opposed) & once)
    pair, offset = surfaces["pair"][rows], surfaces["offset"][rows]
    cluster = opposed.cases["cluster"][pairs["case"][pair]]
    category, who = np.tile(surfaces["category"][rows], 2), np.append(pairs["a"][pair], pairs["b"][pair])
    cell, larger, n = cells.part(
        np.tile(cluster, 2), who, category, "offset", np.append(-offset, offset), np.ones(2 * len(rows))
    )
    of_cluster, _, of_category, _ = np.unravel_index(cell, cells.shape)
    group = unique_inverse(of_cluster * len(opposed.categories) + of_category)[1]
    present = np.bincount(group)[group]
    # Against the others alone an annotator stands out by m / (m - 1) as much as against all m.
    hits = larger * (present - 1) / present
    several = present > _least(opposed)
    yield cell[several], hits[several], n[several]


def counts_once(opposed: AnnotatorPairs) -> Flags:
    """(n,) surfaces of matched segments for things, of whole categories for the rest."""
    countable = opposed.countable[opposed.surfaces["category"]]
    return np.asarray(countable == (opposed.surfaces["match"] >= 0))


def things_of(opposed: AnnotatorPairs) -> tuple[Ints, Ints]:
    """The clusters of members of all cases, in their order: the first row (n,) of each, and which each row is of."""
    members = opposed.members
    wide = int(members["cluster"].max(initial=-1)) + 1
    cell, group = unique_inverse(members["case"] * wide + members["cluster"])
    first = np.empty(len(cell), np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]  # the last one that is written stays
    return first, group


def votes_of(opposed: AnnotatorPairs) -> Votes:
    """(n_patterns, n_annotators) the category that each chose; -1: unlabelled, -2: did not annotate the case.

    Further passes of one person have no vote.
    """
    said = np.full((len(opposed.patterns), len(opposed.annotators)), ABSENT, np.int32)
    if len(opposed.votes):
        said[opposed.votes["pattern"], opposed.votes["annotator"]] = opposed.votes["category"]
        said[:, ~opposed.is_first_pass] = ABSENT
    return said


def present_in(opposed: AnnotatorPairs) -> Flags:
    """(n_clusters, n_annotators) who annotated images of each cluster in common with another; first passes alone."""
    n_clusters = int(opposed.cases["cluster"].max(initial=-1)) + 1
    present = np.zeros((n_clusters, len(opposed.annotators)), bool)
    for side in ("a", "b"):
        present[opposed.cases["cluster"][opposed.pairs["case"]], opposed.pairs[side]] = True
    return present & opposed.is_first_pass


def mode(group: Ints, value: Ints, n_groups: int) -> tuple[Ints, Ints]:
    """(n_groups,) the value, 0 or more, that occurs most often in each group, and how often; -1, 0: none.

    Of several values the smallest one.
    """
    wide = int(value.max(initial=-1)) + 1
    cell, which = unique_inverse(group * wide + value)
    count = np.bincount(which)
    of, named = np.divmod(cell, max(wide, 1))
    order = np.lexsort((-named, count, of))
    found, often = np.full(n_groups, -1, np.int64), np.zeros(n_groups, np.int64)
    found[of[order]], often[of[order]] = named[order], count[order]
    return found, often


def row_mode(said: Votes) -> tuple[Votes, Votes]:
    """(n,) the value that occurs most often in each row, those who are absent left out, and how often."""
    best, often = np.full(len(said), ABSENT, np.int32), np.zeros(len(said), np.int32)
    for column in said.T:
        count = np.where(column > ABSENT, (said == column[:, None]).sum(axis=1, dtype=np.int32), 0)
        more = count > often
        best[more], often[more] = column[more], count[more]
    return best, often
