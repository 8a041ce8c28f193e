"""Things: segments that an annotator missed, added, or calls otherwise."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.disputes.groups import Groups
from segdata.agreement.disputes.rows import Flags, Rows, annotations_of, held_against
from segdata.agreement.habits.tallies import mode, things_of
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of things: (n, n_annotators) the segment of each annotator (row; -1: nothing) and what it is called.

    `says` are those with a say; `annotation` are rows.
    """

    annotation: Ints
    says: Flags
    segment: Ints
    category: Ints

    @staticmethod
    def of(opposed: AnnotatorPairs) -> "Clusters":
        """Of all things; further passes of one person have no say."""
        members = opposed.members
        first, group = things_of(opposed)
        shape, at = (len(first), len(opposed.annotators)), (group, members["annotator"])
        says, segment, category = np.zeros(shape, bool), np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
        says[at], segment[at], category[at] = True, members["segment"], members["category"]
        says[:, ~opposed.is_first_pass], segment[:, ~opposed.is_first_pass] = False, -1
        return Clusters(annotations_of(opposed)[members["case"][first]], says, segment, category)


def of_things(opposed: AnnotatorPairs, groups: Groups, gold: int | None) -> list[Rows]:
    """What is missed, extra and called otherwise; but not what is split or merged, which is told as that."""
    if not len(opposed.members):
        return []
    every, found = Clusters.of(opposed), []
    in_groups = np.array([row for rows in groups.pieces.values() for row in rows] + groups.whole.tolist(), np.int64)
    there = every.segment >= 0
    for i in range(len(opposed.annotators)):
        if i == gold:
            continue
        others = every.says & held_against(i, every.says.shape[1], gold)
        n, support = others.sum(axis=1), (others & there).sum(axis=1)
        group, who = np.nonzero(others & there)
        called, often = mode(group, every.category[group, who], len(n))
        shown = np.full(len(n), -1, np.int64)
        agrees = every.category[group, who] == called[group]
        shown[group[agrees][::-1]] = every.segment[group[agrees], who[agrees]][::-1]
        mine = every.says[:, i] & (n > 0)
        divided = np.isin(np.arange(len(n)), groups.place[groups.maker == i])
        missed = np.flatnonzero(mine & ~there[:, i] & (2 * support > n) & ~divided)
        extra = mine & there[:, i] & (2 * support < n) & ((n > 1) | (gold is not None))
        extra = np.flatnonzero(extra & ~np.isin(every.segment[:, i], in_groups))
        other = mine & there[:, i] & (2 * often > n) & (called != every.category[:, i])
        other &= (n > 1) | (gold is not None) | _is_first(every, i)
        annotation = every.annotation[:, i]
        for kind, rows, segment, opposite, count in (
            ("missed", missed, shown, np.full(len(n), -1), support),
            ("extra", extra, every.segment[:, i], np.full(len(n), -1), support),
            ("category", np.flatnonzero(other), every.segment[:, i], shown, often),
        ):
            said = called if kind != "extra" else every.category[:, i]
            found.append(
                Rows.of(
                    kind,
                    annotation[rows],
                    segment[rows],
                    other=opposite[rows],
                    category=said[rows] if kind != "category" else every.category[rows, i],
                    called=called[rows],
                    support=count[rows],
                    others=n[rows],
                )
            )
    return found


def _is_first(every: Clusters, i: int) -> Flags:
    """(n,) whether annotator i is the first of those who have the thing: a dispute of two is told once."""
    first: Flags = np.argmax(every.segment >= 0, axis=1) == i
    return first
