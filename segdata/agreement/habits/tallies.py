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

from segdata.core.opposed import Opposed
from segdata.core.runs import Ints

Kind = Literal["missed", "extra", "confused", "offset"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Part = tuple[Ints, Ints, Ints, Ints, Floats, Floats]
Judged = tuple[Kind, Flags, Flags, Ints]  # what, which rows can show it, which do, and the category of each
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


def tallies(opposed: Opposed) -> Tally:
    """What every annotator did, by cluster, category and kind."""
    parts = [*_of_segments(opposed), *_of_pixels(opposed), *_of_offsets(opposed)]
    every = [np.concatenate([np.asarray(part[k]) for part in parts]) if parts else np.empty(0) for k in range(6)]
    key = np.stack([column.astype(np.int64) for column in every[:4]])
    cells, which = np.unique(key, axis=1, return_inverse=True)
    hits, total = (np.bincount(which.reshape(-1), column, cells.shape[1]) for column in every[4:])
    some = total > 0
    cluster, annotator, category, kind = cells[:, some]
    return Tally(cluster, annotator, category, kind, hits[some].astype(float), total[some].astype(float))


def _least(opposed: Opposed) -> int:
    """How many others it takes to be held against: two, since nobody knows which of two is right; of two, the other."""
    return 2 if opposed.is_first_pass.sum() > 2 else 1


def _of_segments(opposed: Opposed) -> Iterator[Part]:
    """Misses, extras and confusions of things."""
    members = opposed.members
    if not len(members):
        return
    countable = opposed.countable
    _, first, group = np.unique(
        np.stack([members["case"], members["cluster"]]), axis=1, return_index=True, return_inverse=True
    )
    group, drew = group.reshape(-1), members["segment"] >= 0
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
            yield _part(cluster[kept], i, category_of[kept], kind, hit[kept].astype(float), np.ones(len(kept)))


def _of_pixels(opposed: Opposed) -> Iterator[Part]:
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
            yield _part(cluster[kept], i, category_of[kept], kind, hit[kept] * weight[kept], weight[kept])


def _of_offsets(opposed: Opposed) -> Iterator[Part]:
    """By how many pixels each draws larger than the mean of all (the same one too), per cluster and category."""
    surfaces, pairs = opposed.surfaces, opposed.pairs
    if not len(surfaces):
        return
    first = opposed.is_first_pass
    once = (first[pairs["a"]] & first[pairs["b"]])[surfaces["pair"]]
    rows = np.flatnonzero(np.isfinite(surfaces["offset"]) & _counts_once(opposed) & once)
    pair, offset = surfaces["pair"][rows], surfaces["offset"][rows]
    cluster = opposed.cases["cluster"][pairs["case"][pair]]
    place = np.stack([np.tile(cluster, 2), np.tile(surfaces["category"][rows], 2)])
    who = np.append(pairs["a"][pair], pairs["b"][pair])
    cells, which, n = np.unique(np.append(place, [who], axis=0), axis=1, return_inverse=True, return_counts=True)
    larger = np.bincount(which.reshape(-1), np.append(-offset, offset), cells.shape[1])
    _, group, together = np.unique(cells[:2], axis=1, return_inverse=True, return_counts=True)
    present = together[group.reshape(-1)]
    # Against the others alone an annotator stands out by m / (m - 1) as much as against all m.
    hits = larger * (present - 1) / present
    several = present > _least(opposed)
    kind = np.full(int(several.sum()), KINDS.index("offset"))
    yield cells[0, several], cells[2, several], cells[1, several], kind, hits[several], n[several].astype(float)


def _counts_once(opposed: Opposed) -> Flags:
    """(n,) surfaces of matched segments for things, of whole categories for the rest."""
    countable = opposed.countable[opposed.surfaces["category"]]
    return np.asarray(countable == (opposed.surfaces["match"] >= 0))


def votes_of(opposed: Opposed) -> Ints:
    """(n_patterns, n_annotators) the category that each chose; -1: unlabelled, -2: did not annotate the case.

    Further passes of one person have no vote.
    """
    said = np.full((len(opposed.patterns), len(opposed.annotators)), ABSENT, np.int64)
    if len(opposed.votes):
        said[opposed.votes["pattern"], opposed.votes["annotator"]] = opposed.votes["category"]
        said[:, ~opposed.is_first_pass] = ABSENT
    return said


def present_in(opposed: Opposed) -> Flags:
    """(n_clusters, n_annotators) who annotated images of each cluster in common with another; first passes alone."""
    n_clusters = int(opposed.cases["cluster"].max(initial=-1)) + 1
    present = np.zeros((n_clusters, len(opposed.annotators)), bool)
    for side in ("a", "b"):
        present[opposed.cases["cluster"][opposed.pairs["case"]], opposed.pairs[side]] = True
    return present & opposed.is_first_pass


def _part(cluster: Ints, i: int, category: Ints, kind: Kind, hits: Floats, total: Floats) -> Part:
    n = len(cluster)
    return cluster, np.full(n, i), category, np.full(n, KINDS.index(kind)), hits, total


def mode(group: Ints, value: Ints, n_groups: int) -> tuple[Ints, Ints]:
    """(n_groups,) the value that occurs most often in each group, the smallest of several, and how often; -1, 0."""
    cells, count = np.unique(np.stack([group, value]), axis=1, return_counts=True)
    order = np.lexsort((-cells[1], count, cells[0]))
    found, often = np.full(n_groups, -1, np.int64), np.zeros(n_groups, np.int64)
    found[cells[0][order]], often[cells[0][order]] = cells[1][order], count[order]
    return found, often


def row_mode(said: Ints) -> tuple[Ints, Ints]:
    """(n,) the value that occurs most often in each row, those who are absent left out, and how often."""
    best, often = np.full(len(said), ABSENT, np.int64), np.zeros(len(said), np.int64)
    for column in said.T:
        count = np.where(column > ABSENT, (said == column[:, None]).sum(axis=1), 0)
        more = count > often
        best[more], often[more] = column[more], count[more]
    return best, often
