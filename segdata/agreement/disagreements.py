"""Disagreements: single segments on which annotators disagree, with the annotation that deviates.

A segment that more than half of the others have is missed; a segment that fewer than half of them have is extra. With
two annotators it is unknown who deviates: a segment that only one of them has is reported once, as missed by the other.
A disagreement can propose what accepting it changes in the labels of the annotator whom it names.
With a reference (gold), each annotator is compared with it alone, and the reference itself is not judged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_bias import ABSENT, VoteArray, group_mode, row_mode, thing_groups, vote_array
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch
from segdata.core.finding import Action, Correction, Finding
from segdata.core.finding_location import Annotation, named_segments
from segdata.core.overlay import ImageSize, count_pixels, difference, intersection, union
from segdata.core.runs import Flags, Floats, Ints, Runs, unique_inverse
from segdata.core.schema import runs_to_rle
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy

COLUMNS = (
    "kind",
    "annotation",
    "segment",
    "other",
    "category",
    "called",
    "support",
    "others",
    "n",
    "pixels",
    "share",
    "near",
    "distance",
)
_MATCH_IOU = 0.5  # above which two segments match
_SHARES = ("share", "near", "distance")


DisagreementRows = dict[str, NDArray[np.generic]]  # the columns of some disagreements of one kind


def _disagreement_rows(kind: str, annotation: Ints, segment: Ints, **columns: Ints | Floats) -> DisagreementRows:
    """Rows of `find_disagreements`; columns that are left out are -1, or NaN."""
    n = len(annotation)
    blank = {name: np.full(n, np.nan) if name in _SHARES else np.full(n, -1, np.int64) for name in COLUMNS[3:]}
    return {"kind": np.full(n, kind, object), "annotation": annotation, "segment": segment, **blank, **columns}


def annotation_rows(comparison: AnnotatorPairs) -> Ints:
    """(n_cases, n_annotators) the rows of the annotations, in a volume of the first slice; -1: none."""
    rows = np.full((len(comparison.cases), len(comparison.annotators)), -1, np.int64)
    for side in ("a", "b"):
        rows[comparison.pairs["case"], comparison.pairs[side]] = comparison.pairs[f"annotation_{side}"]
    return rows


def others_of(i: int, n_annotators: int, gold: int | None) -> Flags:
    """(n_annotators,) the annotators with whom annotator i is compared."""
    number = np.arange(n_annotators)
    others: Flags = number != i if gold is None else number == gold
    return others


def boundary_disagreements(comparison: AnnotatorPairs, gold: int | None) -> DisagreementRows:
    """Disagreements on boundaries, by the median distance of each matched segment to its counterparts."""
    surfaces = comparison.surfaces
    rows = np.flatnonzero(surfaces["match"] >= 0) if len(surfaces) else np.empty(0, np.int64)
    if not len(rows):
        return _disagreement_rows("boundary", rows, rows)
    match, pair = surfaces["match"][rows], surfaces["pair"][rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = (surfaces["near_a"] + surfaces["near_b"])[rows] / (surfaces["edge_a"] + surfaces["edge_b"])[rows]
    sides, independent = [], comparison.is_independent[pair]
    for mine, other in (("a", "b"), ("b", "a")):
        kept = (comparison.pairs[mine][pair] != gold) & independent
        kept &= True if gold is None else comparison.pairs[other][pair] == gold
        sides.append(
            np.stack(
                [
                    comparison.pairs[f"annotation_{mine}"][pair],
                    comparison.matches[mine][match],
                    comparison.matches[other][match],
                    np.arange(len(rows)),
                ]
            )[:, kept]
        )
    annotation, segment, other, row = np.concatenate(sides, axis=1)
    order = np.lexsort((near[row], segment))
    starts = np.flatnonzero(np.diff(segment[order], prepend=-1))
    n = np.diff(np.append(starts, len(order)))
    # The median over the others (the better of two): a segment deviates only if it does from more than half of them.
    middle = order[starts + n // 2]
    two = comparison.is_first_pass.sum() == 2 and gold is None
    middle = middle[middle < len(sides[0][0])] if two else middle
    n_others = n[: len(middle)] if not two else np.ones(len(middle), np.int64)
    return _disagreement_rows(
        "boundary",
        annotation[middle],
        segment[middle],
        other=other[middle],
        category=surfaces["category"][rows][row[middle]],
        others=n_others,
        near=near[row[middle]],
        distance=surfaces["hd95"][rows][row[middle]],
    )


@dataclass(frozen=True, slots=True)
class SplitSegments:
    """n segments that another annotator drew as several."""

    owner: Ints  # (n,) the annotator who has one, by position
    maker: Ints  # (n,) the annotator who made several, by position
    whole: Ints  # (n,) the one: row of the segments
    place: Ints  # (n,) the cluster of things that it belongs to
    n_pieces: Ints  # (n,) how many there are instead
    annotation: Ints  # (n,) rows of the owner's annotation
    maker_annotation: Ints  # (n,) rows of the maker's annotation
    others: Ints  # (n,) how many annotators the case has beside one
    pieces: "dict[tuple[int, int], list[int]]"  # for each maker and place the rows of the pieces

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "SplitSegments":
        """All split segments, without further passes of one person and copied work."""
        pairs, groups = comparison.pairs, comparison.groups
        if len(groups):
            groups = groups.take(comparison.is_independent[groups["pair"]])
        if not len(groups):
            none = np.empty(0, np.int64)
            return SplitSegments(none, none, none, none, none, none, none, none, {})
        key = np.stack([groups["pair"], groups["side"], groups["segment"]])
        (pair, side, segment), inverse, n_pieces = np.unique(key, axis=1, return_inverse=True, return_counts=True)
        of_a = side == 0
        owner, maker = (np.where(of_a == first_is, pairs["a"][pair], pairs["b"][pair]) for first_is in (True, False))
        annotation, maker_annotation = (
            np.where(of_a == first_is, pairs["annotation_a"][pair], pairs["annotation_b"][pair])
            for first_is in (True, False)
        )
        present = ((annotation_rows(comparison) >= 0) & comparison.voices).sum(axis=1)
        place = _thing_numbers(comparison)[segment]
        pieces: dict[tuple[int, int], list[int]] = {}
        for row, piece in zip(inverse.tolist(), groups["piece"].tolist(), strict=True):
            pieces.setdefault((int(maker[row]), int(place[row])), []).append(piece)
        return SplitSegments(
            owner,
            maker,
            segment,
            place,
            n_pieces,
            annotation,
            maker_annotation,
            present[pairs["case"][pair]] - 1,
            pieces,
        )

    def merged_by_one(self, gold: int | None) -> Ints:
        """Rows of segments that more than half of the others drew as several, one for each segment."""
        if gold is not None:
            return np.flatnonzero(self.maker == gold)
        return self._by_most(self.whole)

    def pieces_in_merges(self, annotator: int, gold: int | None) -> Ints:
        """The others' pieces (p,) of this annotator's segments that `merged_by_one` reports."""
        reported = self.whole[self.merged_by_one(gold)]
        rows = np.flatnonzero((self.owner == annotator) & np.isin(self.whole, reported))
        places = set(zip(self.maker[rows].tolist(), self.place[rows].tolist(), strict=True))
        return np.array([piece for key in places for piece in self.pieces[key]], np.int64)

    def split(self, gold: int | None) -> Ints:
        """Rows where more than half of the others drew one segment, one for each maker and place."""
        if gold is not None:
            return np.flatnonzero(self.owner == gold)
        return self._by_most(self.place * (int(self.maker.max(initial=0)) + 1) + self.maker)

    def _by_most(self, key: Ints) -> Ints:
        _, first, inverse, times = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        return np.sort(first[2 * times > self.others[first]]) if len(inverse) else first


def split_disagreements(comparison: AnnotatorPairs, groups: SplitSegments, gold: int | None) -> list[DisagreementRows]:
    """Segments that most others drew as several (``merge``), and several that most others drew as one (``split``).

    With two annotators it is unknown who deviates; the disagreement is reported once, for the one with one segment.
    """
    if not len(groups.whole):
        return []
    category = _segment_categories(comparison, groups.whole)
    result = []
    two = gold is None and comparison.is_first_pass.sum() == 2
    for kind, rows, segments in (
        ("merge", groups.merged_by_one(gold), groups.annotation),
        ("split", np.empty(0, np.int64) if two else groups.split(gold), groups.maker_annotation),
    ):
        result.append(
            _disagreement_rows(
                kind,
                segments[rows],
                groups.whole[rows],
                category=category[rows],
                others=groups.others[rows] if gold is None else np.ones(len(rows), np.int64),
                n=groups.n_pieces[rows],
            )
        )
    return result


def _thing_numbers(comparison: AnnotatorPairs) -> Ints:
    """(n_segments,) the number of the cluster that each segment belongs to; -1: none."""
    members = comparison.members
    place = np.full(_n_segments(comparison), -1, np.int64)
    if len(members):
        key = np.stack([members["case"], members["cluster"]])
        number = np.unique(key, axis=1, return_inverse=True)[1]
        rows = members["segment"] >= 0
        place[members["segment"][rows]] = number[rows]
    return place


def _segment_categories(comparison: AnnotatorPairs, segment: Ints) -> Ints:
    """(n,) positions of the categories of segments, by their rows."""
    category = np.full(_n_segments(comparison), -1, np.int64)
    for side in ("a", "b"):
        rows = comparison.matches[side] >= 0
        category[comparison.matches[side][rows]] = comparison.matches[f"category_{side}"][rows]
    return category[segment]


def _n_segments(comparison: AnnotatorPairs) -> int:
    """A number above every row of a segment."""
    matches, groups = comparison.matches, comparison.groups
    columns = (matches["a"], matches["b"], groups["segment"], groups["piece"], comparison.members["segment"])
    return 1 + max((int(column.max(initial=-1)) for column in columns), default=-1)


@dataclass(frozen=True, slots=True)
class ThingClusters:
    """Clusters of things, a column for each annotator: all arrays are (n, n_annotators).

    `annotation` and `segment` are rows (-1: none), `category` positions. `says`: the annotator has a vote. `within`:
    the place lies in other segments of the annotator.
    """

    annotation: Ints
    says: Flags
    segment: Ints
    category: Ints
    within: Flags

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "ThingClusters":
        """The clusters of all things; further passes of one person, and copies, have no vote."""
        members = comparison.members
        first, group = thing_groups(comparison)
        shape, cell = (len(first), len(comparison.annotators)), (group, members["annotator"])
        says, segment, category = np.zeros(shape, bool), np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
        within = np.zeros(shape, bool)
        says[cell], segment[cell], category[cell] = True, members["segment"], members["category"]
        within[cell] = members["within"] == 1
        silent = ~comparison.voices[members["case"][first]]
        says[silent], segment[silent] = False, -1
        return ThingClusters(annotation_rows(comparison)[members["case"][first]], says, segment, category, within)


class _OtherViews(NamedTuple):
    """What others say about n things."""

    n: Ints  # (n,) others who annotated the image
    support: Ints  # (n,) those of them with a segment there
    called: Ints  # (n,) the category that most of these give it
    often: Ints  # (n,) how many of them do
    shown: Ints  # (n,) the first segment of that category; -1 for none

    @staticmethod
    def from_clusters(clusters: ThingClusters, others: Flags) -> "_OtherViews":
        """`others` (n, n_annotators): who is asked about each thing."""
        drawn = others & (clusters.segment >= 0)
        group, annotator = np.nonzero(drawn)
        called, often = group_mode(group, clusters.category[group, annotator], len(others))
        shown = np.full(len(others), -1, np.int64)
        agrees = clusters.category[group, annotator] == called[group]
        shown[group[agrees][::-1]] = clusters.segment[group[agrees], annotator[agrees]][::-1]
        return _OtherViews(others.sum(axis=1), drawn.sum(axis=1), called, often, shown)


def thing_disagreements(comparison: AnnotatorPairs, groups: SplitSegments, gold: int | None) -> list[DisagreementRows]:
    """Things that are missed, extra or of another category, except split and merged ones.

    A thing that lies in other segments of the annotator is not missed but ``joined``; one that lies in segments of most
    others is not extra but ``parted``.
    """
    if not len(comparison.members):
        return []
    clusters, result = ThingClusters.from_pairs(comparison), []
    in_groups = np.array([row for rows in groups.pieces.values() for row in rows] + groups.whole.tolist(), np.int64)
    no_segment = np.full(len(clusters.segment), -1)
    numbers = _thing_numbers(comparison)
    for i in range(len(comparison.annotators)):
        if i == gold:
            continue
        others = clusters.says & others_of(i, clusters.says.shape[1], gold)
        views = _OtherViews.from_clusters(clusters, others)
        has_segment, within, own = clusters.segment[:, i] >= 0, clusters.within[:, i], clusters.segment[:, i]
        mine = clusters.says[:, i] & (views.n > 0)
        is_judged = (views.n > 1) | (gold is not None)  # with two annotators, a difference is reported once
        divided = np.isin(np.arange(len(own)), groups.place[groups.maker == i])
        lacking = mine & ~has_segment & (2 * views.support > views.n) & ~divided
        reported = np.zeros(len(own), bool)
        of_merges = numbers[groups.pieces_in_merges(i, gold)]
        reported[of_merges[of_merges >= 0]] = True  # segments in no cluster are not counted
        extra = mine & has_segment & (2 * views.support < views.n) & is_judged & ~np.isin(own, in_groups)
        parted = 2 * (others & clusters.within).sum(axis=1) > views.n
        other = mine & has_segment & (2 * views.often > views.n) & (views.called != clusters.category[:, i])
        other &= is_judged | ((clusters.segment >= 0).argmax(axis=1) == i)
        for kind, rows, segment, opposite, count in (
            ("missed", np.flatnonzero(lacking & ~within), views.shown, no_segment, views.support),
            ("joined", np.flatnonzero(lacking & within & ~reported), views.shown, no_segment, views.support),
            ("extra", np.flatnonzero(extra & ~parted), own, no_segment, views.support),
            ("parted", np.flatnonzero(extra & parted), own, no_segment, views.support),
            ("category", np.flatnonzero(other), own, views.shown, views.often),
        ):
            category = views.called if kind in ("missed", "joined") else clusters.category[:, i]
            result.append(
                _disagreement_rows(
                    kind,
                    clusters.annotation[rows, i],
                    segment[rows],
                    other=opposite[rows],
                    category=category[rows],
                    called=views.called[rows],
                    support=count[rows],
                    others=views.n[rows],
                )
            )
    return result


@dataclass(frozen=True, slots=True)
class _FirstSegments:
    """Segments (rows) of regions: the first one of each key, `code` (n,) ascending."""

    code: Ints
    segment: Ints

    @staticmethod
    def from_keys(code: Ints, segment: Ints) -> "_FirstSegments":
        """The first segment of each key among (m,)."""
        codes, first = np.unique(code, return_index=True)
        return _FirstSegments(codes, segment[first])

    def look_up(self, code: Ints) -> Ints:
        """(k,) the segments of keys; -1 for keys without one."""
        place = np.searchsorted(self.code, code)
        exists = np.append(self.code, -1)[place] == code
        return np.where(exists, np.append(self.segment, -1)[place], -1)


def region_disagreements(comparison: AnnotatorPairs, gold: int | None) -> list[DisagreementRows]:
    """Disagreements on regions of stuff, of which an annotator labels the larger part differently.

    A region is the pixels of a case that more than half of the others give one category; `share` of it is missed or has
    another category. Extra is a region of one annotator to which more than half of the others give no category.
    """
    if not len(comparison.patterns):
        return []
    patterns, votes = comparison.patterns, vote_array(comparison)
    annotations, n_categories, n_annotators = annotation_rows(comparison), len(comparison.categories), votes.shape[1]
    code, annotator, segment = _uncounted_segments(comparison)
    anybodys = _FirstSegments.from_keys(code, segment)
    own = _FirstSegments.from_keys(code * n_annotators + annotator, segment)
    elsewhere = _regions_elsewhere(comparison, gold)
    result = []
    for i, kind, in_region, concerned, category_of, n_others in _judged_patterns(votes, gold):
        rows = np.flatnonzero(in_region & ~comparison.countable[category_of])
        weight = patterns["pixels"][rows]
        region_code = patterns["case"][rows] * n_categories + category_of[rows]
        region, number = unique_inverse(region_code.astype(np.int64, copy=False))
        total = np.bincount(number, weight, len(region))
        pixels = np.bincount(number, weight * concerned[rows], len(region))
        others = np.zeros(len(region), np.int64)
        np.maximum.at(others, number, n_others[rows])

        disputed = np.flatnonzero(pixels)
        if kind != "category":  # a region that only ends elsewhere is neither missed nor made up
            disputed = disputed[~np.isin(region[disputed] * n_annotators + i, elsewhere)]
        region = region[disputed]
        case, category = np.divmod(region, n_categories)
        shown = own.look_up(region * n_annotators + i) if kind == "extra" else anybodys.look_up(region)
        result.append(
            _disagreement_rows(
                kind,
                annotations[case, i],
                shown,
                category=category,
                others=others[disputed],
                pixels=pixels[disputed].astype(np.int64),
                share=pixels[disputed] / total[disputed],
            )
        )
    return result


def _judged_patterns(
    votes: VoteArray, gold: int | None
) -> Iterator[tuple[int, str, Flags, Flags, VoteArray, VoteArray]]:
    """Each annotator beside the others, by kind of disagreement, from votes (P, R).

    Yields the annotator, the kind, which patterns (P,) belong to a region, which of them the annotator labels
    differently, the region's category, and the number of others who voted.
    """
    n_annotators = votes.shape[1]
    first = (votes > ABSENT).argmax(axis=1)
    for i in range(n_annotators):
        if i == gold:
            continue
        others, mine = votes[:, others_of(i, n_annotators, gold)], votes[:, i]
        n = (others > ABSENT).sum(axis=1)
        called, count = row_mode(others)
        clear = (mine > ABSENT) & (n > 0) & (2 * count > n)
        sure = (n > 1) | (gold is not None)
        yield i, "missed", clear & (called >= 0), mine == -1, called, n
        yield i, "extra", mine >= 0, clear & sure & (called == -1), mine, n
        # Of two annotators who differ it is reported once.
        yield i, "category", clear & (called >= 0) & (sure | (first == i)), (mine >= 0) & (mine != called), called, n


def _regions_elsewhere(comparison: AnnotatorPairs, gold: int | None) -> Ints:
    """(case * n_categories + category) * n_annotators + annotator of regions that another annotator drew elsewhere.

    They match at an IoU of 0.5 or less: see `segdata.agreement.instance_matching.match_centres`.
    """
    matches = comparison.matches
    pairs = comparison.pairs
    n_categories = len(comparison.categories)
    n = len(comparison.annotators)
    rows = np.flatnonzero((matches["a"] >= 0) & (matches["b"] >= 0) & (matches["category_a"] == matches["category_b"]))
    rows = rows[~comparison.countable[matches["category_a"][rows]] & (matches["iou"][rows] <= _MATCH_IOU)]
    pair = matches["pair"][rows]
    code = pairs["case"][pair] * n_categories + matches["category_a"][rows]
    sides = []
    for mine, other in (("a", "b"), ("b", "a")):
        kept = np.ones(len(rows), bool) if gold is None else pairs[other][pair] == gold
        sides.append((code * n + pairs[mine][pair])[kept])
    return np.unique(np.concatenate(sides))


def _uncounted_segments(comparison: AnnotatorPairs) -> tuple[Ints, Ints, Ints]:
    """Segments of stuff: case * n_categories + category, the annotator, and the row of the segment."""
    pairs, n_categories, columns = comparison.pairs, len(comparison.categories), []
    for side in ("a", "b"):
        segment, category = comparison.matches[side], comparison.matches[f"category_{side}"]
        rows = np.flatnonzero((segment >= 0) & ~comparison.countable[category])
        pair = comparison.matches["pair"][rows]
        columns.append((pairs["case"][pair] * n_categories + category[rows], pairs[side][pair], segment[rows]))
    code, annotator, segment = (np.concatenate(column) for column in zip(*columns, strict=True))
    return code, annotator, segment


def find_disagreements(comparison: AnnotatorPairs, gold: int | None = None) -> Table:
    """Find the disagreements of a panel, one row for each segment in dispute.

    Columns: kind (``missed``, ``joined``, ``extra``, ``parted``, ``category``, ``boundary``, ``split``, ``merge``),
    annotation (row: that deviates), segment (row: to look at), other (row of a segment of another annotator, -1: none),
    category (position: of `segment`), called (position: the annotator's category; -1: none), support (number of others
    who have it, or give this category), others (their number), n (segments that one was split into), pixels and share
    (of a region of stuff, that are concerned), near (share of both boundaries within the tolerance of each other),
    distance (HD95). -1 and NaN in columns that do not apply.

    `gold`: the position of the reference among the annotators.
    """
    groups = SplitSegments.from_pairs(comparison)
    parts = [
        *thing_disagreements(comparison, groups, gold),
        *region_disagreements(comparison, gold),
        boundary_disagreements(comparison, gold),
        *split_disagreements(comparison, groups, gold),
    ]
    return Table({name: np.concatenate([rows[name] for rows in parts]) for name in COLUMNS})


PROPOSING_CODES = ("SEG401", "SEG402", "SEG403")


def propose_corrections(
    findings: Sequence[Finding], batch: Batch, taxonomy: Taxonomy, countable: frozenset[str]
) -> dict[Finding, Finding]:
    """Add proposals to the findings of an image, if there is a clear one.

    `batch` has the image with all annotations, in the panel's `taxonomy`; `countable`: names of categories whose
    things count one by one. A missed thing is added as the shown segment of the other annotator, an extra one is
    deleted, one of another category is renamed. For stuff, the pixels on which more than half of the others agree
    change.
    """
    annotations = {annotation.annotator: annotation for annotation in Annotation.split_batch(batch)}
    ids = {category.name: category.id for category in taxonomy.categories}
    names = {id_: name for name, id_ in ids.items()}
    result = {}
    for finding in findings:
        own, category = annotations.get(finding.annotator), ids.get(finding.category or "")
        others = [annotation for annotator, annotation in annotations.items() if annotator != finding.annotator]
        if finding.code not in PROPOSING_CODES or own is None or category is None or not others or not all(own.size):
            continue
        if finding.category in countable:
            correction = _of_thing(finding, own, others, category, names)
        else:
            correction = _of_region(finding, own, others, category)
        if correction is not None:
            result[finding] = replace(finding, correction=correction)
    return result


def _of_thing(
    finding: Finding, own: Annotation, others: Sequence[Annotation], category: int, names: dict[int, str]
) -> Correction | None:
    """Propose a correction for a finding about one thing; None if none is clear."""
    if finding.code == "SEG402":
        return Correction(action="delete", category=None, size=own.size)
    if finding.code == "SEG401":
        for other in others:
            for row in named_segments(other.batch, finding).tolist():
                pixels = other.pixels_of(np.array([row]))
                if _category_ids(other)[row] == category and _box(pixels, own.size) == finding.bbox:
                    return _correction("add", finding.category, pixels, own.size)
        return None
    mine = named_segments(own.batch, replace(finding, segments=finding.segments[:1]))
    if len(mine) != 1:
        return None
    shown = replace(finding, segments=finding.segments[1:])
    called = {
        int(_category_ids(other)[row])
        for other in others
        for row in named_segments(other.batch, shown).tolist()
        if len(intersection(other.pixels_of(np.array([row])), own.pixels_of(mine), own.size))
    } - {category}
    if len(called) != 1:
        return None
    return Correction(action="rename", category=names[called.pop()], size=own.size)


def _of_region(finding: Finding, own: Annotation, others: Sequence[Annotation], category: int) -> Correction | None:
    """Propose a correction for a finding about a region: the pixels on which more than half of the others agree."""
    size = own.size
    mine, all_mine = _pixels(own, category), _pixels(own, None)
    if finding.code == "SEG402":
        anything = _agreed_pixels([_pixels(other, None) for other in others], size, least=(len(others) + 1) // 2)
        kept = intersection(mine, anything, size)
        if not len(kept):
            return Correction(action="delete", category=None, size=size)
        return _correction("redraw", finding.category, kept, size)
    most = _agreed_pixels([_pixels(other, category) for other in others], size, least=len(others) // 2 + 1)
    missed = difference(most, all_mine, size)
    other = difference(intersection(most, all_mine, size), mine, size)
    pixels = missed if finding.code == "SEG401" else other
    return _correction("add", finding.category, pixels, size) if count_pixels(pixels) else None


def _agreed_pixels(sides: Sequence[Runs], size: ImageSize, least: int) -> Runs:
    """The pixels that at least `least` annotators have."""
    count = np.zeros((size[1], size[0] + 1), np.int32)  # column by column, as runs are
    for runs in sides:
        column, top = np.divmod(runs.start, size[0])
        np.add.at(count, (column, top), 1)
        np.add.at(count, (column, top + runs.length), -1)
    flags = np.cumsum(count, axis=1) >= least
    flags[:, -1] = False
    edge = np.diff(np.pad(flags, ((0, 0), (1, 0))).astype(np.int8), axis=1)
    column, start = np.nonzero(edge == 1)
    end = np.nonzero(edge == -1)[1]
    return Runs(column * size[0] + start, (end - start).astype(np.int64), np.zeros(len(start), np.int32))


def _pixels(annotation: Annotation, category: int | None) -> Runs:
    """The pixels that an annotation gives a category; None: any."""
    ids = _category_ids(annotation)
    rows = np.arange(len(ids)) if category is None else np.flatnonzero(ids == category)
    return union([annotation.pixels_of(rows)], annotation.size)


def _category_ids(annotation: Annotation) -> Ints:
    return annotation.batch.segment_category


def _box(pixels: Runs, size: ImageSize) -> tuple[int, int, int, int]:
    x, top = np.divmod(pixels.start, size[0])
    bottom = top + pixels.length
    return int(x.min()), int(top.min()), int(x.max() - x.min()) + 1, int(bottom.max() - top.min())


def _correction(action: Action, category: str | None, pixels: Runs, size: ImageSize) -> Correction:
    segment = Runs(pixels.start, pixels.length, np.zeros(len(pixels), np.int32))
    (counts,) = runs_to_rle(segment, np.array([size[0]]), np.array([size[1]])).to_pylist()
    return Correction(action=action, category=category, size=size, counts=(counts.decode("ascii"),))
