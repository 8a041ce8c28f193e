"""Members: which segments of all annotators are one thing, and who has nothing where others have it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.instances.clusters import clusters
from segdata.agreement.instances.everyone import Everyone, everyone
from segdata.agreement.opposite import Flags
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category

Floats = NDArray[np.float64]
NOTHING = -1  # the category, and the segment, of an annotator who has nothing where others have something


def members(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    is_semantic: bool = False,
    threshold: float = 0.5,
) -> dict[str, Ints]:
    """The table `members` of `AnnotatorPairs`: one row for each annotator who has a say in a cluster.

    Takes what `segdata.agreement.everyone.everyone` takes, and the IoU above which segments may be one. Things only,
    no crowds; what an annotator calls void is no part of their segments, nor of others' where these are compared with
    theirs. In semantic data no category is countable, so there are none. Rows are sorted by case, cluster and
    annotator, clusters by the row of their first segment.
    """
    every = everyone(batch, annotators, categories, case=case, asked=asked, volumes=volumes, is_semantic=is_semantic)
    countable = np.array([each.kind == "thing" and not is_semantic for each in categories], bool)
    return listed(every, clustered(every, countable, threshold).number)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which of n segments are one thing.

    Attributes
    ----------
    number : (n,) the cluster of each, over all cases; -1 for crowds, segments without pixels, and those of categories
        that are not countable
    i, j : (p,) pairs of segments of different annotators that share pixels
    iou : (p,)
    """

    number: Ints
    i: Ints
    j: Ints
    iou: Floats

    def __len__(self) -> int:
        return int(self.number.max(initial=-1)) + 1


def clustered(every: Everyone, countable: Flags, threshold: float = 0.5) -> Clusters:
    """The clusters of everyone's segments, of `countable` (n_categories,) categories."""
    drawn = every.drawn
    counted = countable[drawn.category] & ~drawn.is_crowd & ~drawn.is_void & (every.area > 0)
    thing = _in_order(every, np.flatnonzero(counted))
    place = np.full(len(drawn), -1, np.int64)
    place[thing] = np.arange(len(thing))
    i, j, iou = _likeness(every, place)
    found = clusters(every.annotator[thing], place[i], place[j], iou, threshold)
    first = np.full(len(thing), np.iinfo(np.int64).max)
    np.minimum.at(first, found, drawn.segment[thing])
    order = np.lexsort((first[found], drawn.case[thing]))
    number = np.full(len(drawn), -1, np.int64)
    number[thing[order]] = np.cumsum(np.diff(found[order], prepend=-1) != 0) - 1
    return Clusters(number, i, j, iou)


def _in_order(every: Everyone, rows: Ints) -> Ints:
    """The rows by where segments begin and what they are like: so who drew them does not decide between equals."""
    side, n = every.clear, len(every.drawn)
    first, last = np.zeros(n, np.int64), np.zeros(n, np.int64)
    first[side.owner[::-1]] = side.start[::-1]  # the last one that is written stays
    last[side.owner] = side.end
    n_runs = np.bincount(side.owner, minlength=n)
    keys = (every.drawn.category, n_runs, last, every.area, first)
    return rows[np.lexsort([key[rows] for key in keys])]


def _likeness(every: Everyone, place: Ints) -> tuple[Ints, Ints, Floats]:
    """Pairs of segments of different annotators that can be compared, and their IoU; only those with a place."""
    kept = place[every.clear.owner] >= 0
    side = SweepRuns(every.clear.start[kept], every.clear.end[kept], every.clear.owner[kept])
    met = find_overlaps_within(side)
    category, annotator, case = every.drawn.category, every.annotator, every.drawn.case
    i, j = met.a.astype(np.int64), met.b.astype(np.int64)
    comparable = annotator[i] != annotator[j]
    comparable &= every.asked[annotator[i], case[i], category[j]] & every.asked[annotator[j], case[j], category[i]]
    i, j, shared = i[comparable], j[comparable], met.pixels[comparable]
    area_i = every.area[i] - every.in_void[i, annotator[j]]
    area_j = every.area[j] - every.in_void[j, annotator[i]]
    return i, j, shared / (area_i + area_j - shared)


def listed(every: Everyone, cluster: Ints) -> dict[str, Ints]:
    """The rows of the table, from the cluster of each segment."""
    in_one = np.flatnonzero(cluster >= 0)
    of, n = cluster[in_one], int(cluster.max(initial=-1)) + 1
    n_annotators = len(every.asked)
    case = np.zeros(n, np.int64)
    case[of] = every.drawn.case[in_one]
    area = np.bincount(of, weights=every.drawn.area[in_one], minlength=n)
    says = np.ones((n, n_annotators), bool)
    for r in range(n_annotators):
        lost = np.bincount(of, weights=every.lost[in_one, r], minlength=n)
        unasked = ~every.asked[r, every.drawn.case[in_one], every.drawn.category[in_one]]
        says[:, r] = (2 * lost <= area) & (np.bincount(of[unasked], minlength=n) == 0)
    row = np.full((n, n_annotators), NOTHING, np.int64)
    row[of, every.annotator[in_one]] = in_one
    which, annotator = np.nonzero(says | (row >= 0))
    row = row[which, annotator]
    first = np.searchsorted(case, np.arange(int(case.max(initial=-1)) + 1))
    return {
        "case": case[which],
        "cluster": which - first[case[which]],
        "annotator": annotator,
        "segment": np.append(every.drawn.segment, NOTHING)[row],
        "category": np.append(every.drawn.category, NOTHING)[row],
    }
