"""Disputes: single segments on which annotators do not agree, and whose doing each is.

What more than half of the others have, an annotator missed; what fewer than half of them have, is extra. Of two
annotators nobody can tell whose doing it is: what only one has is told once, as missed by the other. Where there is a
reference (gold) each annotator is held against it alone, and nothing is said of the reference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.tallies import ABSENT, mode, row_mode, votes_of
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints
from segdata.core.table import Table

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_COLUMNS = (
    "kind",
    "annotation",
    "segment",
    "other",
    "category",
    "called",
    "support",
    "others",
    "n",
    "near",
    "distance",
)

_SHARES = ("share", "near", "distance")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some disputes of one kind; see `disputes`."""

    kind: str
    annotation: Ints
    segment: Ints
    other: Ints
    category: Ints
    called: Ints
    support: Ints
    others: Ints
    n: Ints
    pixels: Ints
    share: Floats
    near: Floats
    distance: Floats

    @staticmethod
    def of(kind: str, annotation: Ints, segment: Ints, **columns: "Ints | Floats") -> "_Rows":
        """Columns that are not given are -1, or NaN."""
        n = len(annotation)
        blank = {name: np.full(n, np.nan) if name in _SHARES else np.full(n, -1, np.int64) for name in _COLUMNS[3:]}
        return _Rows(kind, annotation, segment, **(blank | columns))  # type: ignore[arg-type]  # each of its own type


def disputes(opposed: Opposed, gold: int | None = None) -> Table:
    """One row for each segment that is in dispute.

    Columns: kind (``missed``, ``extra``, ``category``, ``boundary``, ``split``, ``merge``), annotation (row: whose
    doing it is), segment (row: what to look at), other (row of a segment of another annotator, -1: none), category
    (position: of `segment`), called (position: what the annotator calls it; -1), support (how many of the others have
    or say it), others (how many there are), n (segments that one was made into), pixels and share (of a
    region that is not counted: how much is concerned), near (share of both boundaries
    within the tolerance of each other), distance (HD95). -1 and NaN where a column says nothing.

    `gold`: the position of the reference among the annotators.
    """
    found = [*_of_members(opposed, gold), *_regions(opposed, gold), _boundaries(opposed, gold), *_groups(opposed, gold)]
    columns = {
        name: np.concatenate([np.full(len(each.annotation), each.kind, object) for each in found])
        if name == "kind"
        else np.concatenate([getattr(each, name) for each in found])
        for name in _COLUMNS
    }
    return Table(columns)


def _annotations(opposed: Opposed) -> Ints:
    """(n_cases, n_annotators) rows of annotations; of a volume's, the first. -1: none."""
    rows = np.full((len(opposed.cases), len(opposed.annotators)), -1, np.int64)
    for side in ("a", "b"):
        rows[opposed.pairs["case"], opposed.pairs[side]] = opposed.pairs[f"annotation_{side}"]
    return rows


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Clusters of things: (n, n_annotators) the segment of each annotator (row; -1: nothing) and what it is called.

    `says` are those with a say; `annotation` are rows.
    """

    annotation: Ints
    says: Flags
    segment: Ints
    category: Ints

    @staticmethod
    def of(opposed: Opposed) -> "_Clusters":
        members = opposed.members
        _, first, group = np.unique(
            np.stack([members["case"], members["cluster"]]), axis=1, return_index=True, return_inverse=True
        )
        shape, at = (len(first), len(opposed.annotators)), (group.reshape(-1), members["annotator"])
        says, segment, category = np.zeros(shape, bool), np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
        says[at], segment[at], category[at] = True, members["segment"], members["category"]
        says[:, ~opposed.is_first_pass], segment[:, ~opposed.is_first_pass] = False, -1
        return _Clusters(_annotations(opposed)[members["case"][first]], says, segment, category)


def _of_members(opposed: Opposed, gold: int | None) -> list[_Rows]:
    """What is missed, extra and called otherwise."""
    if not len(opposed.members):
        return []
    every, found = _Clusters.of(opposed), []
    there = every.segment >= 0
    for i in range(len(opposed.annotators)):
        if i == gold:
            continue
        others = every.says & _held_against(i, every.says.shape[1], gold)
        n, support = others.sum(axis=1), (others & there).sum(axis=1)
        group, who = np.nonzero(others & there)
        called, often = mode(group, every.category[group, who], len(n))
        shown = np.full(len(n), -1, np.int64)
        agrees = every.category[group, who] == called[group]
        shown[group[agrees][::-1]] = every.segment[group[agrees], who[agrees]][::-1]
        mine = every.says[:, i] & (n > 0)
        missed = np.flatnonzero(mine & ~there[:, i] & (2 * support > n))
        extra = np.flatnonzero(mine & there[:, i] & (2 * support < n) & ((n > 1) | (gold is not None)))
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
                _Rows.of(
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


def _held_against(i: int, n_annotators: int, gold: int | None) -> Flags:
    """(n_annotators,) whom annotator i is held against."""
    number = np.arange(n_annotators)
    whom: Flags = number != i if gold is None else number == gold
    return whom


def _regions(opposed: Opposed, gold: int | None) -> list[_Rows]:
    """Of what is not counted: regions of which an annotator says something else for the larger part.

    A region is what more than half of the others give one category in a case; `share` of it is missed or called
    otherwise. Extra is what one gives a category, and more than half of the others give none.
    """
    if not len(opposed.patterns):
        return []
    said, case = votes_of(opposed), opposed.patterns["case"]
    annotations, shown = _annotations(opposed), _segments_of(opposed)
    found = []
    for i in range(said.shape[1]):
        if i == gold:
            continue
        others = said[:, _held_against(i, said.shape[1], gold)]
        n = (others > ABSENT).sum(axis=1)
        called, count = row_mode(others)
        mine = said[:, i]
        clear = (mine > ABSENT) & (n > 0) & (2 * count > n)
        sure = (n > 1) | (gold is not None)
        for kind, rows, hit, of in (
            ("missed", clear & (called >= 0), mine == -1, called),
            ("extra", clear & sure & (mine >= 0), called == -1, mine),
            ("category", clear & (called >= 0) & (sure | _told(said, i)), (mine >= 0) & (mine != called), called),
        ):
            rows = np.flatnonzero(rows & ~opposed.countable[of])
            cell, which = np.unique(np.stack([case[rows], of[rows]]), axis=1, return_inverse=True)
            pixels, total = (
                np.bincount(which.reshape(-1), weight, cell.shape[1])
                for weight in (opposed.patterns["pixels"][rows] * hit[rows], opposed.patterns["pixels"][rows])
            )
            some = np.flatnonzero(pixels)
            at, category = cell[0][some], cell[1][some]
            found.append(
                _Rows.of(
                    kind,
                    annotations[at, i],
                    np.array(
                        [
                            shown.get((a, c, i if kind == "extra" else -1), -1)
                            for a, c in zip(at.tolist(), category.tolist(), strict=True)
                        ],
                        np.int64,
                    ),
                    category=category,
                    pixels=pixels[some].astype(np.int64),
                    share=pixels[some] / total[some],
                )
            )
    return found


def _told(said: Ints, i: int) -> Flags:
    """(n,) whether annotator i is the first of those present: what two call otherwise is told once."""
    first: Flags = np.argmax(said > ABSENT, axis=1) == i
    return first


def _segments_of(opposed: Opposed) -> dict[tuple[int, int, int], int]:
    """A segment (row) by case, category and annotator, and by case, category and -1."""
    rows: dict[tuple[int, int, int], int] = {}
    pairs = opposed.pairs
    for side in ("a", "b"):
        matches = opposed.matches.take(
            (opposed.matches[side] >= 0) & ~opposed.countable[opposed.matches[f"category_{side}"]]
        )
        pair = matches["pair"]
        columns = (pairs["case"][pair], matches[f"category_{side}"], pairs[side][pair], matches[side])
        for case, category, annotator, segment in zip(*(each.tolist() for each in columns), strict=True):
            rows.setdefault((case, category, annotator), segment)
            rows.setdefault((case, category, -1), segment)
    return rows


def _is_first(every: _Clusters, i: int) -> Flags:
    """(n,) whether annotator i is the first of those who have the thing: a dispute of two is told once."""
    first: Flags = np.argmax(every.segment >= 0, axis=1) == i
    return first


def _boundaries(opposed: Opposed, gold: int | None) -> _Rows:
    """Matched segments whose boundaries part, of those who stand apart from more than half of the others."""
    surfaces = opposed.surfaces
    rows = np.flatnonzero(surfaces["match"] >= 0) if len(surfaces) else np.empty(0, np.int64)
    if not len(rows):
        return _Rows.of("boundary", rows, rows)
    match, pair = surfaces["match"][rows], surfaces["pair"][rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = (surfaces["near_a"] + surfaces["near_b"])[rows] / (surfaces["edge_a"] + surfaces["edge_b"])[rows]
    sides, first = [], opposed.is_first_pass
    for mine, other in (("a", "b"), ("b", "a")):
        kept = (opposed.pairs[mine][pair] != gold) & first[opposed.pairs["a"][pair]] & first[opposed.pairs["b"][pair]]
        kept &= True if gold is None else opposed.pairs[other][pair] == gold
        sides.append(
            np.stack(
                [
                    opposed.pairs[f"annotation_{mine}"][pair],
                    opposed.matches[mine][match],
                    opposed.matches[other][match],
                    np.arange(len(rows)),
                ]
            )[:, kept]
        )
    annotation, segment, other, row = np.concatenate(sides, axis=1)
    order = np.lexsort((near[row], segment))
    starts = np.flatnonzero(np.diff(segment[order], prepend=-1))
    n = np.diff(np.append(starts, len(order)))
    # The middle one of what each of the others says, the better of two: to stand apart takes more than half of them.
    middle = order[starts + n // 2]
    two = opposed.is_first_pass.sum() == 2 and gold is None
    middle = middle[middle < len(sides[0][0])] if two else middle
    n_others = n[: len(middle)] if not two else np.ones(len(middle), np.int64)
    return _Rows.of(
        "boundary",
        annotation[middle],
        segment[middle],
        other=other[middle],
        category=surfaces["category"][rows][row[middle]],
        others=n_others,
        near=near[row[middle]],
        distance=surfaces["hd95"][rows][row[middle]],
    )


def _groups(opposed: Opposed, gold: int | None) -> list[_Rows]:
    """Segments that more than half of the others made several of, and those of which one alone made several."""
    pairs, first_pass = opposed.pairs, opposed.is_first_pass
    once = first_pass[pairs["a"]] & first_pass[pairs["b"]]
    groups = opposed.groups.take(once[opposed.groups["pair"]]) if len(opposed.groups) else opposed.groups
    if not len(groups):
        return []
    of_a = groups["side"] == 0
    pair = groups["pair"]
    owner, maker = (np.where(of_a == first, pairs["a"][pair], pairs["b"][pair]) for first in (True, False))
    annotation, by = (
        np.where(of_a == first, pairs["annotation_a"][pair], pairs["annotation_b"][pair]) for first in (True, False)
    )
    category = _category_of(opposed, groups["segment"])
    if gold is not None:
        owned, made = np.flatnonzero(maker == gold), np.flatnonzero(owner == gold)
        n_others = np.ones(len(groups), np.int64)
    else:
        _, which, times = np.unique(groups["segment"], return_inverse=True, return_counts=True)
        present = (_annotations(opposed)[:, first_pass] >= 0).sum(axis=1)[pairs["case"][pair]]
        n_others, times = present - 1, times[which.reshape(-1)]
        first = np.zeros(len(groups), bool)
        first[np.unique(groups["segment"], return_index=True)[1]] = True
        owned = np.flatnonzero(first & (2 * times > n_others))
        made = np.flatnonzero(2 * times < n_others)
    shown = groups["segment"]
    return [
        _Rows.of(
            kind,
            whose[rows],
            shown[rows],
            category=category[rows],
            others=n_others[rows],
            n=groups["others"][rows],
        )
        for kind, rows, whose in (("merge", owned, annotation), ("split", made, by))
    ]


def _category_of(opposed: Opposed, segment: Ints) -> Ints:
    """(n,) positions of the categories of segments, by their rows."""
    known = np.full(int(max(opposed.matches["a"].max(), opposed.matches["b"].max(), segment.max())) + 1, -1, np.int64)
    for side in ("a", "b"):
        rows = opposed.matches[side] >= 0
        known[opposed.matches[side][rows]] = opposed.matches[f"category_{side}"][rows]
    return known[segment]
