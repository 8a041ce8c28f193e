"""Members: which segments of all annotators are one thing, and who has nothing where others have it."""

from collections.abc import Sequence

import numpy as np

from segdata.agreement.clusters import clusters
from segdata.agreement.everyone import Everyone, everyone
from segdata.agreement.opposite import Flags
from segdata.core.batch import Batch
from segdata.core.meet import Side, meet_within
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category

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
    """The table `members` of `segdata.core.opposed.Opposed`: one row for each annotator who has a say in a cluster.

    Takes what `segdata.agreement.everyone.everyone` takes, and the IoU above which segments may be one. Things only,
    no crowds; what an annotator calls void is no part of his segments, nor of others' where these are compared with
    his. In semantic data no category is countable, so there are none. Rows are sorted by case, cluster and annotator,
    clusters by the row of their first segment.
    """
    every = everyone(batch, annotators, categories, case=case, asked=asked, volumes=volumes, is_semantic=is_semantic)
    countable = np.array([each.kind == "thing" and not is_semantic for each in categories], bool)
    return listed(every, clustered(every, countable, threshold))


def clustered(every: Everyone, countable: Flags, threshold: float = 0.5) -> Ints:
    """(n,) the cluster of each segment, numbered over all cases.

    -1 for crowds, segments without pixels, and those of categories that are not `countable` (n_categories,).
    """
    drawn = every.drawn
    thing = np.flatnonzero(countable[drawn.category] & ~drawn.is_crowd & ~drawn.is_void & (every.area > 0))
    number = np.full(len(every.drawn), -1, np.int64)
    number[thing] = np.arange(len(thing))
    kept = number[every.clear.owner] >= 0
    owner = number[every.clear.owner[kept]].astype(np.int32)
    met = meet_within(Side(every.clear.start[kept], every.clear.end[kept], owner))
    i, j = thing[met.a], thing[met.b]
    category, annotator, of_case = drawn.category, every.annotator, drawn.case
    comparable = annotator[i] != annotator[j]
    comparable &= (
        every.asked[annotator[i], of_case[i], category[j]] & every.asked[annotator[j], of_case[j], category[i]]
    )
    i, j, shared = i[comparable], j[comparable], met.pixels[comparable]
    against_j = every.area[i] - every.in_void[i, annotator[j]]
    against_i = every.area[j] - every.in_void[j, annotator[i]]
    iou = shared / (against_j + against_i - shared)
    found = clusters(annotator[thing], number[i], number[j], iou, threshold)
    first = np.full(len(thing), np.iinfo(np.int64).max)
    np.minimum.at(first, found, every.drawn.segment[thing])
    result = np.full(len(every.drawn), -1, np.int64)
    order = np.lexsort((first[found], every.drawn.case[thing]))
    new = np.diff(found[order], prepend=-1) != 0
    result[thing[order]] = np.cumsum(new) - 1
    return result


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
