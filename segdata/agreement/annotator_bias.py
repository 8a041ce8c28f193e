"""Annotator bias: misses, extras, confusions and offsets of each annotator by category, with tests against chance.

Each annotator is compared with the others on the same images (leave one out): segments that more than half of them have
and the annotator lacks are missed; segments that fewer than half of them have are extra; segments that more than half
of them give another category are confused. So the work of one annotator does not count against the others. Things count
as segments, stuff as pixels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.inference import (
    FALSE_DISCOVERY_RATE,
    MIN_CLUSTERS,
    PERMUTATIONS,
    limits_by_person,
    share_interval,
    shuffle_within_blocks,
)
from segdata.agreement.scores import table_of_lines
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.executor import run_ordered
from segdata.core.resampling import DRAWS, bootstrap_interval
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.table import Table

BiasKind = Literal["missed", "extra", "confused", "offset"]
BIAS_KINDS: tuple[BiasKind, ...] = get_args(BiasKind)
VoteArray = NDArray[np.int32]
CellSums = tuple[Ints, Floats, Floats]  # codes of cells (`_CellCodes`), and the hits and total of each
# kind, rows that can show it, rows that do, and the category of each
JudgedRows = tuple[BiasKind, Flags, Flags, Ints | VoteArray]
ABSENT = -2
_MAX_EXAMPLES = 3  # images to look at first


@dataclass(frozen=True, slots=True)
class BiasTally:
    """Deviations of an annotator by category and cluster of images: n rows."""

    cluster: Ints  # (n,)
    annotator: Ints  # (n,)
    category: Ints  # (n,)
    kind: Ints  # (n,) counts `BIAS_KINDS`
    hits: Floats  # (n,) how often; of offsets the sum of pixels
    total: Floats  # (n,) of how many; of offsets the number of segments


@dataclass(frozen=True, slots=True)
class _CellCodes:
    """Codes of cells: cluster, annotator, category and kind as one number."""

    shape: tuple[int, int, int, int]

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "_CellCodes":
        n_clusters = int(comparison.cases["cluster"].max(initial=-1)) + 1 if len(comparison.cases) else 0
        return _CellCodes((n_clusters, len(comparison.annotators), len(comparison.categories), len(BIAS_KINDS)))

    def part(
        self,
        cluster: Ints,
        annotator: Ints | int,
        category: Ints | VoteArray,
        kind: BiasKind,
        hits: Floats,
        total: Floats,
    ) -> CellSums:
        """Sum observations (n,) by cell, so that millions of patterns take no more memory than their cells."""
        _, n_annotators, n_categories, n_kinds = self.shape
        code = ((cluster * n_annotators + annotator) * n_categories + category) * n_kinds + BIAS_KINDS.index(kind)
        cell, inverse = unique_inverse(code)
        return cell, _sum_by_cell(inverse, hits, len(cell)), _sum_by_cell(inverse, total, len(cell))


def count_deviations(comparison: AnnotatorPairs) -> BiasTally:
    """Count the deviations of every annotator, by cluster, category and kind."""
    cells = _CellCodes.from_pairs(comparison)
    parts = [*_segment_cells(comparison, cells), *_pixel_cells(comparison, cells), *_offset_cells(comparison, cells)]
    code, hits, total = (np.concatenate([np.zeros(0), *(part[k] for part in parts)]) for k in range(3))
    cell, inverse = unique_inverse(code.astype(np.int64))
    hits, total = (_sum_by_cell(inverse, column, len(cell)) for column in (hits, total))
    counted = total > 0
    cluster, annotator, category, kind = np.unravel_index(cell[counted], cells.shape)
    return BiasTally(cluster, annotator, category, kind, hits[counted], total[counted])


@dataclass(frozen=True, slots=True)
class ImageDeviations:
    """The deviations of every annotator from the others in each case, to find the images to look at first."""

    comparison: AnnotatorPairs  # each case is a cluster of its own
    tally: BiasTally

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "ImageDeviations":
        """The deviations in all cases, each counted as a cluster of its own."""
        cases = comparison.cases.beside(cluster=np.arange(len(comparison.cases)))
        alone = replace(comparison, cases=cases)
        return ImageDeviations(alone, count_deviations(alone))

    def worst(
        self, annotator: int, category: int | None, kind: BiasKind, *, sign: float = 1.0, chosen: Flags | None = None
    ) -> tuple[str, ...]:
        """The names of at most three cases in which an annotator deviates most; category None: in any.

        `sign` below 0: most in the opposite direction. `chosen` (n_cases,): only among these. A deviation is weighted
        with the square root of the number of segments or pixels that show it, as evidence is.
        """
        tally, n_categories = self.tally, len(self.comparison.categories)
        same = (tally.kind == BIAS_KINDS.index(kind)) & ((tally.category == category) | (category is None))
        cell, share = tally.cluster * n_categories + tally.category, tally.hits / tally.total
        n = len(self.comparison.cases)
        own, others = same & (tally.annotator == annotator), same & (tally.annotator != annotator)
        total, count = (np.bincount(cell[others], column, n * n_categories) for column in (share[others], None))
        usual = total / np.maximum(count, 1)
        excess = sign * (share[own] - usual[cell[own]]) * np.sqrt(tally.total[own])
        of_case = np.bincount(tally.cluster[own], excess, n)
        if chosen is not None:
            of_case = np.where(chosen, of_case, 0.0)
        rows = np.argsort(-of_case, kind="stable")[:_MAX_EXAMPLES]
        return tuple(str(name) for name in self.comparison.cases["name"][rows[of_case[rows] > 0]].tolist())


def _sum_by_cell(cell: Ints, amount: Floats, n: int) -> Floats:
    """(n,) the sums of the amounts (m,) of each cell."""
    return np.bincount(cell, amount, n).astype(np.float64, copy=False)


def _least_others(comparison: AnnotatorPairs) -> int:
    """The least number of other annotators: two, since it is unknown which of two is right; one for two annotators."""
    return 2 if comparison.is_first_pass.sum() > 2 else 1


@dataclass(frozen=True, slots=True)
class _JudgedThings:
    """The m things that an annotator could miss, add or confuse, and those that they did, for one kind of deviation."""

    annotator: int
    kind: BiasKind
    cluster: Ints  # (m,) of the cases
    category: Ints  # (m,)
    is_hit: Flags  # (m,) whether it is
    is_joined: Flags  # (m,) whether it lies in other segments: of this annotator, or if it is extra of most others


def _judge_things(comparison: AnnotatorPairs) -> Iterator[_JudgedThings]:
    """Misses, extras and confusions of things of every annotator."""
    members = comparison.members
    if not len(members):
        return
    countable = comparison.countable
    first, group = thing_groups(comparison)
    drew = members["segment"] >= 0
    shape = len(first), len(comparison.annotators)
    present, drew_here, own = np.zeros(shape, bool), np.zeros(shape, bool), np.full(shape, -1, np.int64)
    within = np.zeros(shape, bool)
    present[group, members["annotator"]] = True
    within[group, members["annotator"]] = members["within"] == 1
    voices = comparison.voices[members["case"]]
    counted = voices[first]
    present &= counted
    within &= counted
    group, annotator, category = group[drew], members["annotator"][drew], members["category"][drew]
    drew_here[group, annotator], own[group, annotator] = True, category
    drew_here &= counted
    cluster = comparison.cases["cluster"][members["case"][first]]
    least, has_voice = _least_others(comparison), voices[drew, annotator]
    for i in range(drew_here.shape[1]):
        others = present.sum(axis=1) - present[:, i]
        support = drew_here.sum(axis=1) - drew_here[:, i]
        parted = 2 * (within.sum(axis=1) - within[:, i]) > others
        called, count = group_mode(
            group[has_voice & (annotator != i)], category[has_voice & (annotator != i)], len(first)
        )
        is_seen = present[:, i] & (others >= least) & (2 * support > others)
        sure = is_seen & drew_here[:, i] & (2 * count > support)
        compared = drew_here[:, i] & (others >= least)
        judged: tuple[tuple[BiasKind, Flags, Flags, Ints, Flags], ...] = (
            ("missed", is_seen, ~drew_here[:, i], called, within[:, i]),
            ("extra", compared, 2 * support < others, own[:, i], parted),
            ("confused", sure, own[:, i] != called, called, np.zeros(len(first), bool)),
        )
        for kind, rows, hit, category_of, joined in judged:
            kept = np.flatnonzero(rows & countable[category_of])
            yield _JudgedThings(i, kind, cluster[kept], category_of[kept], hit[kept], joined[kept])


def _segment_cells(comparison: AnnotatorPairs, cells: _CellCodes) -> Iterator[CellSums]:
    """Misses, extras and confusions of things."""
    for judged in _judge_things(comparison):
        hits = judged.is_hit.astype(float)
        yield cells.part(judged.cluster, judged.annotator, judged.category, judged.kind, hits, np.ones(len(hits)))


def mostly_joined(comparison: AnnotatorPairs, cells: Table) -> Flags:
    """(n,) whether most misses of a cell lie in other segments of the annotator, or most extras in those of others.

    `cells` has annotator, category and kind.
    """
    joined: set[tuple[int, int, str]] = set()
    for judged in _judge_things(comparison):
        n_hits, n_joined = (
            np.bincount(judged.category[rows]) for rows in (judged.is_hit, judged.is_hit & judged.is_joined)
        )
        mostly = np.flatnonzero(2 * n_joined > n_hits[: len(n_joined)])
        joined |= {(judged.annotator, category, judged.kind) for category in mostly.tolist()}
    return np.array([cell in joined for cell in cells.lines("annotator", "category", "kind")], bool)


def _pixel_cells(comparison: AnnotatorPairs, cells: _CellCodes) -> Iterator[CellSums]:
    """Misses, extras and confusions of stuff, and of all categories without instances."""
    patterns, votes = comparison.patterns, vote_array(comparison)
    cluster = comparison.cases["cluster"][patterns["case"]] if len(patterns) else np.empty(0, np.int64)
    countable = comparison.countable
    weight = patterns["pixels"].astype(float) if len(patterns) else np.empty(0)
    least = _least_others(comparison)
    for i in range(votes.shape[1]):
        others = np.delete(votes, i, axis=1)
        n_others = (others > ABSENT).sum(axis=1)
        called, count = row_mode(others)
        clear = (votes[:, i] > ABSENT) & (n_others >= least) & (2 * count > n_others)
        mine = votes[:, i]
        judged: tuple[JudgedRows, ...] = (
            ("missed", clear & (called >= 0), mine == -1, called),
            ("extra", clear & (mine >= 0), called == -1, mine),
            ("confused", clear & (called >= 0) & (mine >= 0), mine != called, called),
        )
        for kind, rows, hit, category_of in judged:
            kept = np.flatnonzero(rows & ~countable[category_of])
            yield cells.part(cluster[kept], i, category_of[kept], kind, hit[kept] * weight[kept], weight[kept])


def _offset_cells(comparison: AnnotatorPairs, cells: _CellCodes) -> Iterator[CellSums]:
    """The offset of each annotator's boundaries from the mean of all annotators, per cluster and category."""
    surfaces, pairs = comparison.surfaces, comparison.pairs
    if not len(surfaces):
        return
    once = comparison.is_independent[surfaces["pair"]]
    rows = np.flatnonzero(np.isfinite(surfaces["offset"]) & counts_once(comparison) & once)
    pair, offset = surfaces["pair"][rows], surfaces["offset"][rows]
    cluster = comparison.cases["cluster"][pairs["case"][pair]]
    category, annotator = np.tile(surfaces["category"][rows], 2), np.append(pairs["a"][pair], pairs["b"][pair])
    cell, larger, n = cells.part(
        np.tile(cluster, 2), annotator, category, "offset", np.append(-offset, offset), np.ones(2 * len(rows))
    )
    of_cluster, _, of_category, _ = np.unravel_index(cell, cells.shape)
    group = unique_inverse(of_cluster * len(comparison.categories) + of_category)[1]
    present = np.bincount(group)[group]
    # The difference to the other annotators is m / (m - 1) times that to the mean of all m.
    hits = larger * (present - 1) / present
    several = present > _least_others(comparison)
    yield cell[several], hits[several], n[several]


def counts_once(comparison: AnnotatorPairs) -> Flags:
    """(n,) whether a surface counts: that of matched segments for things, that of the whole category for the rest."""
    countable = comparison.countable[comparison.surfaces["category"]]
    return np.asarray(countable == (comparison.surfaces["match"] >= 0))


def thing_groups(comparison: AnnotatorPairs) -> tuple[Ints, Ints]:
    """The clusters of things of all cases, in order: the first row (n,) of each, and the cluster of each row."""
    members = comparison.members
    wide = int(members["cluster"].max(initial=-1)) + 1
    cell, group = unique_inverse(members["case"] * wide + members["cluster"])
    first = np.empty(len(cell), np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]  # the last one that is written stays
    return first, group


def vote_array(comparison: AnnotatorPairs) -> VoteArray:
    """(n_patterns, n_annotators) the category of each annotator; -1: unlabelled, -2: did not annotate the case.

    Further passes of one person, and copies, have no vote.
    """
    votes = np.full((len(comparison.patterns), len(comparison.annotators)), ABSENT, np.int32)
    if len(comparison.votes):
        votes[comparison.votes["pattern"], comparison.votes["annotator"]] = comparison.votes["category"]
        votes[~comparison.voices[comparison.patterns["case"]]] = ABSENT
    return votes


def annotators_present(comparison: AnnotatorPairs) -> Flags:
    """(n_clusters, n_annotators) whether an annotator has a vote in a cluster, and shares images of it with another."""
    n_clusters = int(comparison.cases["cluster"].max(initial=-1)) + 1
    present = np.zeros((n_clusters, len(comparison.annotators)), bool)
    case, voices = comparison.pairs["case"], comparison.voices
    for side in ("a", "b"):
        annotator = comparison.pairs[side]
        own = voices[case, annotator]
        present[comparison.cases["cluster"][case[own]], annotator[own]] = True
    return present


def group_mode(group: Ints, value: Ints, n_groups: int) -> tuple[Ints, Ints]:
    """(n_groups,) the most frequent value, 0 or more, of each group, and its frequency; -1, 0: none.

    Among equally frequent values, the smallest.
    """
    wide = int(value.max(initial=-1)) + 1
    cell, inverse = unique_inverse(group * wide + value)
    count = np.bincount(inverse)
    group_of, named = np.divmod(cell, max(wide, 1))
    order = np.lexsort((-named, count, group_of))
    modes, often = np.full(n_groups, -1, np.int64), np.zeros(n_groups, np.int64)
    modes[group_of[order]], often[group_of[order]] = named[order], count[order]
    return modes, often


def row_mode(votes: VoteArray) -> tuple[VoteArray, VoteArray]:
    """(n,) the most frequent value of each row without absent ones, and its frequency."""
    best, often = np.full(len(votes), ABSENT, np.int32), np.zeros(len(votes), np.int32)
    for column in votes.T:
        count = np.where(column > ABSENT, (votes == column[:, None]).sum(axis=1, dtype=np.int32), 0)
        more = count > often
        best[more], often[more] = column[more], count[more]
    return best, often


_MAX_EXTREME = 5  # permutations as extreme, up to which more permutations are drawn
_MARGIN = 4  # factor by which the smallest possible p must be below the level, since p is estimated
_ROUNDING = 1e-9  # relative to the total, by which equal sums may differ
_SCREEN_Z = 1.5  # standard deviations below which a cell is never significant


def annotator_biases(
    comparison: AnnotatorPairs, seed: int = 0, *, rate: float = FALSE_DISCOVERY_RATE, n_draws: int = DRAWS
) -> Table:
    """The biases of each annotator in each category, with intervals and permutation tests.

    Columns: annotator, category (positions), kind, value (a share, or by how many pixels the annotator draws larger
    than the median annotator), low, high (95 %; for shares at least as wide as Wilson's interval of as many segments,
    or of clusters for pixels), others (the value of all others), clusters (that others annotated too), n (segments or
    pixels), p (NaN: not tested), found (significant among all tests of all annotators, see `limits_by_person`).

    With two annotators it is unknown who deviates, so nothing is tested. Cells with too few clusters to become
    significant are not tested either: fewer than 8, or too few for the smallest possible p, 1 / annotators ^ clusters,
    to be a fourth of the level of a single cell. p: the share of 9,999 permutations (more, if more cells require a
    smaller p) of the names within each cluster in which the annotator deviates as far; for misses, extras and
    confusions upwards only, and with shares of each image if pixels are counted. A difference that one of the others
    causes alone is not significant: with each of them left out, half of it must remain, and exceed chance (by a normal
    approximation, at `rate`), so that one who misses nothing does not make the others look bad. `n_draws`: resamples of
    each interval.
    Source: Good (2005), chapter 3 (permutation within blocks).
    """
    tally = count_deviations(comparison)
    key = np.stack([tally.kind, tally.category, tally.annotator])
    cells = np.unique(key, axis=1)
    present = annotators_present(comparison)
    rows = [_BiasCell.among(tally, present, comparison.countable, *cell) for cell in cells.T.tolist()]
    p = np.full(len(rows), np.nan)
    if len(comparison.annotators) > 2 and len(rows):
        least = least_clusters(len(rows), len(comparison.annotators), rate)
        tested = np.array([int((row.total[:, row.annotator] > 0).sum()) >= least for row in rows])
        p[tested] = _p_values([row for row, test in zip(rows, tested, strict=True) if test], present, seed, rate)
    significant = np.zeros(len(rows), bool)
    tested = np.flatnonzero(np.isfinite(p))
    significant[tested] = p[tested] <= limits_by_person(
        p[tested], np.array([rows[k].annotator for k in tested], int), rate
    )
    significant &= np.array([not row.is_of_one_other(rate) for row in rows], bool)
    lines = zip(rows, p.tolist(), significant.tolist(), strict=True)
    table = table_of_lines(_COLUMNS, [row.line(chance, hit, seed, n_draws) for row, chance, hit in lines])
    return table.beside(outline=outline_shares(comparison, table), is_joined=mostly_joined(comparison, table))


def outline_shares(comparison: AnnotatorPairs, cells: Table) -> Floats:
    """(n,) the share of a miss, extra or confusion that the annotator's offset in the same category explains.

    `cells` has annotator, category, kind, value (a share or an offset, or the change of one) and found.
    An annotator who draws a category 2 px smaller misses two pixels along all of its outline, which is an offset and no
    miss. The share is 0 for things, which are matched whatever their outline, and if the offset is not significant.
    """
    n_categories, n = len(comparison.categories), len(comparison.annotators)
    share = np.zeros(len(cells))
    is_offset = (cells["kind"] == "offset") & cells["found"]
    is_offset &= ~comparison.countable[cells["category"]]
    if not is_offset.any():
        return share
    length, area = _outlines_and_areas(comparison)
    own = cells["annotator"] * n_categories + cells["category"]
    offset = np.zeros(n * n_categories)
    offset[own[is_offset]] = cells["value"][is_offset] / _pixel_size(comparison)
    for kind, side, sign in (("missed", 1, -1), ("confused", 1, -1), ("extra", 0, 1)):
        rows = np.flatnonzero((cells["kind"] == kind) & ~comparison.countable[cells["category"]])
        further = np.maximum(sign * offset[own[rows]] * np.where(cells["value"][rows] < 0, -1, 1), 0)
        share[rows] = further * length[side][own[rows]] / np.maximum(area[side][own[rows]], 1)
    return np.minimum(share, 1.0)


def _outlines_and_areas(comparison: AnnotatorPairs) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Boundary pixels and areas of each annotator and category (annotators * categories), and those of the others."""
    n_categories, size = len(comparison.categories), len(comparison.annotators) * len(comparison.categories)
    result = []
    surfaces = comparison.surfaces.take(comparison.surfaces["match"] < 0)
    for table, name in ((surfaces, "edge"), (comparison.overlaps, "area")):
        pair, category = table["pair"], table["category"]
        sides = [np.zeros(size), np.zeros(size)]
        for mine, other in (("a", "b"), ("b", "a")):
            cell = comparison.pairs[mine][pair] * n_categories + category
            for k, side in enumerate((mine, other)):
                sides[k] += np.bincount(cell, table[f"{name}_{side}"], size)
        result.append((sides[0], sides[1]))
    return result[0], result[1]


def _pixel_size(comparison: AnnotatorPairs) -> float:
    """The size of a pixel in the unit of offsets."""
    size = np.sqrt(comparison.cases["spacing_x"] * comparison.cases["spacing_y"])
    return float(np.mean(size[np.isfinite(size)])) if np.isfinite(size).any() else 1.0


def least_clusters(n_cells: int, n_annotators: int, rate: float = FALSE_DISCOVERY_RATE) -> int:
    """The least number of clusters with which one of `n_cells` cells can become significant.

    >>> least_clusters(60, 3)
    8
    """
    return max(MIN_CLUSTERS, math.ceil(math.log(_MARGIN * n_cells / rate) / math.log(n_annotators)))


@dataclass(frozen=True, slots=True)
class _BiasCell:
    """One kind of deviation in one category, of A annotators in the K clusters in which `annotator` was present."""

    kind: int  # counts `BIAS_KINDS`
    category: int  # of the cell
    annotator: int  # of the cell
    cluster: Ints  # (K,) ascending
    hits: Floats  # (K, A) as in `BiasTally`; 0 where there is nothing to count
    total: Floats  # (K, A) likewise
    present: Flags  # (K, A) who annotated the cluster
    is_counted: bool  # the totals are segments, else pixels

    @staticmethod
    def among(
        tally: BiasTally, present: Flags, countable: Flags, kind: int, category: int, annotator: int
    ) -> "_BiasCell":
        rows = np.flatnonzero((tally.kind == kind) & (tally.category == category))
        cluster, place = np.unique(tally.cluster[rows], return_inverse=True)
        hits, total = np.zeros((2, len(cluster), present.shape[1]))
        hits[place, tally.annotator[rows]], total[place, tally.annotator[rows]] = tally.hits[rows], tally.total[rows]
        here = present[cluster]
        mine = here[:, annotator]
        is_counted = bool(countable[category])
        return _BiasCell(kind, category, annotator, cluster[mine], hits[mine], total[mine], here[mine], is_counted)

    @property
    def is_signed(self) -> bool:
        """Whether deviations in both directions are reported."""
        return BIAS_KINDS[self.kind] == "offset"

    @property
    def deviations(self) -> Floats:
        """(K, A) hits minus the mean of the annotators present in the cluster; 0 for absent ones.

        For pixels, hits are shares of the average total in the cluster: a large image is no more evidence of a bias
        than a small one.
        """
        hits, some = self.hits, (self.total > 0).sum(axis=1)
        if not (self.is_counted or self.is_signed):
            usual = self.total.sum(axis=1) / np.maximum(some, 1)
            hits = hits / np.where(some > 0, usual, 1.0)[:, None]
        mean = hits.sum(axis=1) / self.present.sum(axis=1)
        return np.asarray(np.where(self.present, hits - mean[:, None], 0.0))

    def z(self) -> float:
        """The difference of the annotator to the others, in standard deviations."""
        centred = self.deviations
        spread = math.sqrt(float(((centred**2).sum(axis=1) / self.present.sum(axis=1)).sum()))
        return float(centred[:, self.annotator].sum()) / spread if spread > 0 else 0.0

    def value(self, weights: Floats) -> Floats:
        """(B,) the value of the bias with weights (B, K) of the clusters."""
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = (weights @ self.hits) / (weights @ self.total)
        # Relative to the median: one annotator who draws large does not make the others look small.
        return np.asarray(pooled[:, self.annotator] - (_median(pooled) if self.is_signed else 0.0))

    def share_of_others(self, without: int | None = None) -> float:
        """The share of all others together; 0 for offsets, and if there is nothing that they could do."""
        left_out = [self.annotator] if without is None else [self.annotator, without]
        hits, total = (np.delete(counts, left_out, axis=1).sum() for counts in (self.hits, self.total))
        return float(hits / total) if total > 0 and not self.is_signed else 0.0

    def is_of_one_other(self, rate: float) -> bool:
        """Whether the difference is due to one of the others: without that one, less than half remains, or chance does.

        Only for shares: offsets are relative to the median annotator, whom a single one hardly moves. For an annotator
        in less than half of the clusters, only the remaining difference counts.
        """
        others = [k for k in np.flatnonzero(self.total.any(axis=0)).tolist() if k != self.annotator]
        if self.is_signed or len(others) < 2:
            return False
        value = float(self.value(np.ones((1, len(self.hits))))[0])
        difference = value - self.share_of_others()
        return any(
            value - self.share_of_others(without=k) < difference / 2 or self._chance_without(k) > rate for k in others
        )

    def _chance_without(self, k: int) -> float:
        """The p-value of `z` without annotator `k`; 0 if that leaves others in less than half of the clusters."""
        present = self.present.copy()
        present[:, k] = False
        shared = present.sum(axis=1) > 1
        if 2 * shared.sum() < len(shared):
            return 0.0
        left = replace(self, hits=self.hits[shared], total=self.total[shared], present=present[shared])
        return math.erfc(left.z() / math.sqrt(2)) / 2

    def line(self, p: float, significant: bool, seed: int, n_draws: int) -> tuple[object, ...]:
        """The cell as a row of the table."""
        own = self.total[:, self.annotator]
        has = own > 0
        columns = {name: getattr(self, name)[has] for name in ("cluster", "hits", "total", "present")}
        selected = replace(self, **columns)
        kind, n = BIAS_KINDS[self.kind], int(own.sum())
        if self.is_signed:
            ends = bootstrap_interval(selected.value, len(selected.hits), seed, n_draws=n_draws)
            value, low, high = (float(end) for end in (ends.value, ends.low, ends.high))
        else:
            value = float(selected.value(np.ones((1, len(selected.hits))))[0])
            hits, total = selected.hits[:, self.annotator], selected.total[:, self.annotator]
            low, high = share_interval(hits, total, trials=n if self.is_counted else None)
        return (
            self.annotator,
            self.category,
            kind,
            value,
            low,
            high,
            self.share_of_others(),
            len(selected.hits),
            n,
            p,
            significant,
        )


def _median(values: Floats) -> Floats:
    """(...) the median of values (..., A), NaN left out."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    n = np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, rank, axis=-1)[..., 0] for rank in (np.maximum(n - 1, 0) // 2, n // 2))
    return np.asarray((low + high) / 2)


def _p_values(cells: list[_BiasCell], present: Flags, seed: int, rate: float) -> Floats:
    """(n,) the p-value of each cell; cells that are clearly not significant are not permuted."""
    signed = np.array([cell.is_signed for cell in cells], bool)
    z = np.array([cell.z() for cell in cells])
    z[signed] = np.abs(z[signed])
    p = np.array([math.erfc(score / math.sqrt(2)) for score in z.tolist()]) / np.where(signed, 1, 2)
    screened, n_draws = np.flatnonzero(z >= _SCREEN_Z), PERMUTATIONS
    while len(screened):
        beyond = _count_as_extreme([cells[k] for k in screened.tolist()], present, seed, n_draws)
        p[screened] = beyond / (1 + n_draws)
        # A single cell is significant at a p of rate / cells: more permutations than its inverse are needed.
        if n_draws * rate >= _MARGIN * len(cells):
            break
        screened, n_draws = screened[beyond <= _MAX_EXTREME], math.ceil(_MARGIN * len(cells) / rate)
    return p


def _count_as_extreme(cells: list[_BiasCell], present: Flags, seed: int, n_draws: int) -> Ints:
    """(n,) the number of permutations of annotators' names in which each cell's annotator deviates as far."""
    used = np.unique(np.concatenate([cell.cluster for cell in cells]))
    cluster, drew = np.nonzero(present[used])
    place = np.zeros((len(used), present.shape[1]), np.int64)
    place[cluster, drew] = np.arange(len(drew))
    amount, total = np.zeros((2, len(drew), len(cells)))
    for k, cell in enumerate(cells):
        rows = place[np.searchsorted(used, cell.cluster)][cell.present]
        amount[rows, k] = (cell.hits if cell.is_signed else cell.deviations)[cell.present]
        total[rows, k] = cell.total[cell.present]
    annotator = np.array([cell.annotator for cell in cells], np.int64)
    signed = np.array([cell.is_signed for cell in cells], bool)

    def far(names: Ints) -> Floats:
        """(B, n) the deviation of each cell's annotator in B permutations of the names."""
        distance = np.empty((len(names), len(cells)))
        pooled = np.empty((len(names), int(signed.sum()), present.shape[1]))
        for j in range(present.shape[1]):
            mine = (names == j).astype(np.float64)
            own = ~signed & (annotator == j)
            distance[:, own] = mine @ amount[:, own]
            with np.errstate(invalid="ignore", divide="ignore"):
                pooled[:, :, j] = (mine @ amount[:, signed]) / (mine @ total[:, signed])
        theirs = np.take_along_axis(pooled, annotator[None, signed, None], axis=2)[:, :, 0]
        distance[:, signed] = np.abs(theirs - _median(pooled))
        return distance

    ways = shuffle_within_blocks(drew, cluster, seed, n_draws, width=len(cells) * present.shape[1])
    first = next(ways)
    least = far(first)[0] - _ROUNDING * np.abs(amount).sum(axis=0)
    beyond = np.zeros(len(cells), np.int64)
    for as_far in run_ordered(lambda names: (far(names) >= least).sum(axis=0), chain([first], ways)):
        beyond += as_far
    return beyond


_COLUMNS = {
    "annotator": int,
    "category": int,
    "kind": object,
    "value": float,
    "low": float,
    "high": float,
    "others": float,
    "clusters": int,
    "n": int,
    "p": float,
    "found": bool,
}
