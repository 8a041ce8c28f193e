"""Tables of instances: matched segments, segments in pieces, and the causes of disputed pixels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from segdata.agreement.instance_matching import (
    InstanceOverlaps,
    _overlapping_pairs,
    category_lines,
    instance_overlaps,
    match_centres,
    match_optimal,
    match_outlines,
    segment_areas,
    segment_places,
    union_of_runs,
)
from segdata.agreement.paired_segments import AnnotatorPair, AnnotatorSegments, uncovered_runs
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Flags, Floats, Ints, Rows
from segdata.core.table import Column

Columns = dict[str, Column]


def instance_tables(pair: AnnotatorPair, *, threshold: float = 0.5, is_counted: bool = True) -> dict[str, Columns]:
    """The tables `matches` and `groups` of `AnnotatorPairs`, with the same rules for both annotators.

    A match has an IoU above `threshold`. Segments of one category are matched first, then the rest of any category, for
    things that annotators categorise differently. If things are counted one by one (`is_counted`), things with
    different outlines (`match_outlines`), whose IoU is at most the threshold, follow, and segments of any category at
    the same place (`match_centres`).
    """
    overlaps = instance_overlaps(pair)
    matched = match_table(pair, overlaps, threshold=threshold, outlines=is_counted, centres=True)
    return {"matches": matched, "groups": split_table(pair, overlaps, matched)}


def match_table(
    pair: AnnotatorPair,
    overlaps: InstanceOverlaps,
    *,
    threshold: float = 0.5,
    any_category: bool = False,
    outlines: bool = False,
    centres: bool = False,
) -> Columns:
    """The table `matches`: each segment that is not void in one row, with the other's segment, or with -1 and NaN.

    With `any_category` the category never matters, else equal ones are matched first. With `outlines` things of one
    category with different outlines are matched too, with `centres` segments of one category at the same place; their
    `iou` is at most the threshold. Rows are sorted by case, A's segments first.
    """
    a, b = pair.a, pair.b
    near = np.flatnonzero((overlaps.iou > threshold) & overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b])
    same = a.category[overlaps.a[near]] == b.category[overlaps.b[near]]
    matched = near if any_category else near[same]
    matched = matched[match_optimal(overlaps.a[matched], overlaps.b[matched], overlaps.iou[matched])]
    if not any_category:
        left_a, left_b = ~overlaps.spared_a, ~overlaps.spared_b
        left_a[overlaps.a[matched]] = left_b[overlaps.b[matched]] = False
        other = near[~same]
        other = other[left_a[overlaps.a[other]] & left_b[overlaps.b[other]]]
        other = other[match_optimal(overlaps.a[other], overlaps.b[other], overlaps.iou[other])]
        matched = np.concatenate([matched, other])
    if outlines:
        matched = np.concatenate([matched, _outline_matches(pair, overlaps, matched)])
    if centres:
        overlaps, matched = _centre_matches(pair, overlaps, matched)
    return _match_columns(pair, overlaps, matched)


def _centre_matches(pair: AnnotatorPair, overlaps: InstanceOverlaps, taken: Ints) -> tuple[InstanceOverlaps, Ints]:
    """Add pairs of unmatched segments (not in `taken`) at the same place, also of segments that share no pixel."""
    sides, n_a = (pair.a, pair.b), len(pair.a)
    open_ = [overlaps.open_a & ~overlaps.spared_a, overlaps.open_b & ~overlaps.spared_b]
    open_[0][overlaps.a[taken]] = open_[1][overlaps.b[taken]] = False
    open_[0] &= overlaps.area_a == pair.a.area  # of what lies in part in void the centre is unknown
    open_[1] &= overlaps.area_b == pair.b.area
    if not (open_[0].any() and open_[1].any()):
        return overlaps, taken
    area = np.concatenate([overlaps.area_a, overlaps.area_b])
    places = [
        segment_places(_runs_of(clear, unmatched), pair.line, len(side))
        for clear, side, unmatched in zip(pair.clear, sides, open_, strict=True)
    ]
    i, j = match_centres(
        np.repeat([0, 1], [len(side) for side in sides]),
        np.concatenate([side.case for side in sides]),
        np.concatenate([side.category for side in sides]),
        np.concatenate([section for _, section in places]),
        np.concatenate([centre for centre, _ in places]),
        np.concatenate(open_),
    )
    overlapping = overlaps.a.astype(np.int64) * len(pair.b) + overlaps.b
    matched = i * len(pair.b) + j - n_a
    meets = np.isin(matched, overlapping)
    met = np.flatnonzero(np.isin(overlapping, matched))
    i, j = i[~meets], j[~meets]
    extended = replace(
        overlaps,
        a=np.append(overlaps.a, i.astype(overlaps.a.dtype)),
        b=np.append(overlaps.b, (j - n_a).astype(overlaps.b.dtype)),
        shared=np.append(overlaps.shared, np.zeros(len(i), np.int64)),
        union=np.append(overlaps.union, area[i] + area[j]),
    )
    return extended, np.concatenate([taken, met, len(overlaps.a) + np.arange(len(i))])


def _runs_of(side: SweepRuns, is_included: Flags) -> SweepRuns:
    """The runs of some segments."""
    kept = np.flatnonzero(is_included[side.owner])
    return side.take(kept)


def _outline_matches(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Ints) -> Ints:
    """The pairs of one thing with different outlines, among segments without a match in `matched`."""
    a, b = pair.a, pair.b
    alike = (a.category[overlaps.a] == b.category[overlaps.b]) & a.is_thing[overlaps.a]
    same = np.flatnonzero(alike & overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b])
    left_a, left_b = ~overlaps.spared_a, ~overlaps.spared_b
    left_a[overlaps.a[matched]] = left_b[overlaps.b[matched]] = False
    row_a, row_b = overlaps.a[same], overlaps.b[same]
    areas = overlaps.area_a[row_a], overlaps.area_b[row_b]
    return same[match_outlines(row_a, row_b, overlaps.shared[same], *areas, left_a[row_a] & left_b[row_b])]


def _match_columns(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Ints) -> Columns:
    """The rows of matched pairs, `matched` of those found, and of all other segments."""
    a, b = pair.a, pair.b
    alone_a, alone_b = ~a.is_void, ~b.is_void
    alone_a[overlaps.a[matched]] = alone_b[overlaps.b[matched]] = False
    only_a, only_b = np.flatnonzero(alone_a), np.flatnonzero(alone_b)
    row_a = np.concatenate([overlaps.a[matched], only_a, np.full(len(only_b), -1)]).astype(np.int64)
    row_b = np.concatenate([overlaps.b[matched], np.full(len(only_a), -1), only_b]).astype(np.int64)
    n_alone = len(only_a) + len(only_b)
    columns: Columns = {
        "pair": np.concatenate([a.case[overlaps.a[matched]], a.case[only_a], b.case[only_b]]),
        "a": row_a,
        "b": row_b,
        "category_a": _values_at(a.category, row_a, -1),
        "category_b": _values_at(b.category, row_b, -1),
        "area_a": _values_at(overlaps.area_a, row_a, 0),
        "area_b": _values_at(overlaps.area_b, row_b, 0),
        "shared": np.concatenate([overlaps.shared[matched], np.zeros(n_alone, np.int64)]),
        "iou": np.concatenate([overlaps.iou[matched], np.full(n_alone, np.nan)]),
        "ignored": np.concatenate([np.zeros(len(matched), bool), overlaps.spared_a[only_a], overlaps.spared_b[only_b]]),
    }
    order = np.lexsort((row_b, row_a, row_a < 0, columns["pair"]))
    return {name: column[order] for name, column in columns.items()}


def _values_at(values: Ints, row: Ints, missing: int) -> Ints:
    """(n,) the values of rows; `missing` for row -1."""
    return np.append(values, missing)[row].astype(np.int64)


def split_table(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Columns) -> Columns:
    """The things that the other annotator drew as several: a row for each of two or more that lie mostly inside.

    Mostly inside is by more than half of their area. Both are things of one category, and no crowds. A segment that is
    `matched` (the table `matches`) with another one is no piece, but a small thing that lies on a large one.
    """
    a, b = pair.a, pair.b
    own_a, own_b = np.full(len(a), -1, np.int64), np.full(len(b), -1, np.int64)
    both = np.flatnonzero((matched["a"] >= 0) & (matched["b"] >= 0))
    own_a[matched["a"][both]], own_b[matched["b"][both]] = matched["b"][both], matched["a"][both]
    alike = (a.category[overlaps.a] == b.category[overlaps.b]) & a.is_thing[overlaps.a]
    alike &= overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b]
    of_a = (own_a[overlaps.a] == -1) | (own_a[overlaps.a] == overlaps.b)
    of_b = (own_b[overlaps.b] == -1) | (own_b[overlaps.b] == overlaps.a)
    sides = [
        _segments_in_pieces(
            a, overlaps.a, overlaps.b, alike & (2 * overlaps.shared > overlaps.area_b[overlaps.b]) & of_b, 0
        ),
        _segments_in_pieces(
            b, overlaps.b, overlaps.a, alike & (2 * overlaps.shared > overlaps.area_a[overlaps.a]) & of_a, 1
        ),
    ]
    return {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}


def _segments_in_pieces(segments: AnnotatorSegments, segment: Rows, piece: Rows, inside: Flags, side: int) -> Columns:
    """The segments of one side with two pieces or more, of those pairs in which a piece is `inside`."""
    n_pieces = np.bincount(segment[inside], minlength=len(segments))
    rows = np.flatnonzero(inside & (n_pieces[segment] >= 2))
    rows = rows[np.lexsort((piece[rows], segment[rows]))]
    return {
        "pair": segments.case[segment[rows]],
        "side": np.full(len(rows), side),
        "segment": segment[rows].astype(np.int64),
        "piece": piece[rows].astype(np.int64),
    }


CAUSES = ("boundary", "confused", "unmatched", "ignored")


def cause_table(pair: AnnotatorPair, matches: Columns) -> Columns:
    """The table `causes` of `segdata.core.annotator_pairs.AnnotatorPairs`, from the table `matches` of the same pair.

    Pixels that either labels void are left out. If several segments of one annotator and category share a pixel,
    the one with the best match gives the cause: `boundary` before `confused`, `unmatched` and `ignored`.
    """
    sides = []
    for number, pixels_of in enumerate(_disputed_pixels(pair, matches)):
        disputed = np.flatnonzero(pixels_of.sum(axis=0))
        case, category = np.divmod(disputed, max(len(pair.categories), 1))
        pixels = dict(zip(CAUSES, pixels_of[:, disputed], strict=True))
        sides.append({"pair": case, "category": category, "side": np.full(len(disputed), number), **pixels})
    order = np.lexsort([np.concatenate([side[name] for side in sides]) for name in ("side", "category", "pair")])
    return {name: np.concatenate([side[name] for side in sides])[order] for name in sides[0]}


def _disputed_pixels(pair: AnnotatorPair, matches: Columns) -> Iterator[Ints]:
    """(4, n_cases * n_categories) of A, then of B: pixels that only one has under a category, by cause."""
    both = pair.a, pair.b
    causes = [_cause_of_segments(segments, matches, name) for segments, name in zip(both, "ab", strict=True)]
    if not any(np.any(side.start[1:] < side.end[:-1]) for side in pair.clear):
        # No pixel is in two segments: what a segment does not share with one of its category is the annotator's alone.
        met = _overlapping_pairs(pair.met_clear)
        same = pair.a.category[met.a] == pair.b.category[met.b]
        sides = zip(both, pair.clear, causes, (met.a, met.b), strict=True)
        for segments, side, cause, owner in sides:
            shared = np.bincount(owner[same], met.pixels[same], len(segments))
            alone = segment_areas(side, len(segments)) - shared
            yield _sum_by_cause(pair, segments, np.arange(len(segments)), alone, cause)
        return
    room = 1 + int(max(side.end.max(initial=0) for side in pair.clear))
    lines = [category_lines(side, segments.category, room) for side, segments in zip(pair.clear, both, strict=True)]
    for segments, mine, others, cause in zip(both, lines, lines[::-1], causes, strict=True):
        yield _pixels_by_cause(pair, segments, uncovered_runs(mine, union_of_runs(others)), cause, room)


def _cause_of_segments(segments: AnnotatorSegments, matches: Columns, name: str) -> Ints:
    """(n,) the cause, as a position in `CAUSES`, of disputed pixels that only this segment has."""
    row = matches[name]
    own = row >= 0
    matched = (matches["a"] >= 0) & (matches["b"] >= 0)
    alike = matched & (matches["category_a"] == matches["category_b"])
    cause = np.full(len(segments), CAUSES.index("ignored"))
    cause[row[own]] = np.select([alike, matched, ~matches["ignored"].astype(bool)], [0, 1, 2], 3)[own]
    return cause


def _pixels_by_cause(
    pair: AnnotatorPair, segments: AnnotatorSegments, alone: SweepRuns, cause: Ints, room: int
) -> Ints:
    """(4, n_cases * n_categories) pixels by cause; runs lie on the line of `category_lines`."""
    cause_of = cause[alone.owner]
    n = pair.n_cases * len(pair.categories)
    if not kernels.cover(alone.start, alone.end)[2].any():  # no two segments of a category share any of them
        return _sum_by_cause(pair, segments, alone.owner, alone.end - alone.start, cause)
    upto = np.zeros((len(CAUSES) + 1, n), np.int64)
    for k in range(len(CAUSES)):
        kept = cause_of <= k
        start, length, _ = kernels.cover(alone.start[kept], alone.end[kept])
        category, place = np.divmod(start, room)
        cell = pair.case_of_frame[pair.line.frame_of(place)] * len(pair.categories) + category
        upto[k + 1] = np.bincount(cell, weights=length, minlength=n)
    return np.diff(upto, axis=0)


def _sum_by_cause(
    pair: AnnotatorPair, segments: AnnotatorSegments, segment: Rows | Ints, pixels: Ints | Floats, cause: Ints
) -> Ints:
    """(4, n_cases * n_categories) pixels (m,), each of a segment, by its cause."""
    n = pair.n_cases * len(pair.categories)
    cell = segments.case[segment] * len(pair.categories) + segments.category[segment]
    total = np.bincount(cause[segment] * n + cell, weights=pixels, minlength=len(CAUSES) * n)
    return total.astype(np.int64).reshape(len(CAUSES), n)
