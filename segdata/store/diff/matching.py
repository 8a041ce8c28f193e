"""Matching: which segment of B is which of A, and the pixels in which they differ."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import integer_column
from segdata.core.overlay import SweepRuns, find_overlaps, union_by_frame
from segdata.core.runs import Ints, NumberLine, Runs, bounding_boxes
from segdata.core.schema import runs_to_rle
from segdata.store.diff.pairing import DiffPortion, LoadedSide, join_rows

MIN_IOU = 0.5  # IoU: two segments that share less are not the same


@dataclass(frozen=True, slots=True)
class SegmentMatches:
    """Segments in pairs, in the order of A's, and those that stay alone.

    Attributes
    ----------
    a, b : (n,) rows of each side's segments
    shared : (n,) pixels that both have
    exact : (n,) both have exactly the same pixels, or both none
    alone_a, alone_b : rows of the segments without partner, of those that were compared
    """

    a: Ints
    b: Ints
    shared: Ints
    exact: NDArray[np.bool_]
    alone_a: Ints
    alone_b: Ints


def match_segments(portion: DiffPortion, least: float, by_id: bool) -> SegmentMatches:
    """Match the segments of annotations that stand opposite each other, each segment at most once.

    Equal pixels come first; of several such the same category and id decide, then the same category, then their
    order. What is left is matched by IoU, the largest first: segments of one category with at least `least`, then any
    with at least `MIN_IOU`. With `by_id` those of one id come before the larger IoU.

    A `least` below `MIN_IOU` is for a dataset and what a conversion made of it: equal pixels in another category come
    last, for overlaps may have cut a segment to the pixels of another; and ids count only `by_id`, for twins.
    """
    frames = portion.annotations
    rest_a, rest_b = np.flatnonzero(frames.frame_a >= 0), np.flatnonzero(frames.frame_b >= 0)
    keys_a, keys_b = _match_keys(portion)
    found_a, found_b, shared = [], [], []
    for n_keys in (4, 3, 2, 0) if least >= MIN_IOU else (4, 3, 0, 2) if by_id else (3, 0, 2):
        if n_keys:
            at_a, at_b = join_rows([key[rest_a] for key in keys_a[:n_keys]], [key[rest_b] for key in keys_b[:n_keys]])
            a, b = rest_a[at_a], rest_b[at_b]
            both = portion.a.areas[a]
        else:
            a, b, both = _match_by_iou(portion, rest_a, rest_b, least, by_id)
        found_a.append(a)
        found_b.append(b)
        shared.append(both)
        rest_a, rest_b = np.setdiff1d(rest_a, a), np.setdiff1d(rest_b, b)
    a, b, both = np.concatenate(found_a), np.concatenate(found_b), np.concatenate(shared)
    order = np.argsort(a)
    a, b, both = a[order], b[order], both[order]
    exact = (both == portion.a.areas[a]) & (both == portion.b.areas[b])
    return SegmentMatches(a, b, both, exact, rest_a, rest_b)


def _match_keys(portion: DiffPortion) -> tuple[list[Ints], list[Ints]]:
    """Of each side (n_segments,): the frame, the pixels as a number, the category and the id."""
    category_a, category_b, _ = portion.categories
    pixels = pa.concat_arrays([_counts(portion.a), _counts(portion.b)]).dictionary_encode().indices.to_numpy()
    n_a = portion.a.batch.n_segments
    frames = portion.annotations
    return (
        [frames.frame_a, pixels[:n_a], category_a, _segment_ids(portion.a)],
        [frames.frame_b, pixels[n_a:], category_b, _segment_ids(portion.b)],
    )


def _segment_ids(side: LoadedSide) -> Ints:
    return integer_column(side.batch.segments["segment_id"])


def _counts(side: LoadedSide) -> pa.Array:
    height, width = side.batch.segment_size
    return runs_to_rle(side.batch.runs, height, width)


def place_segments(side: LoadedSide, rows: Ints, frame: Ints, line: NumberLine) -> SweepRuns:
    """The runs of some segments in the places that `frame` (n,) gives them on a line; owners count from 0."""
    return SweepRuns.of(side.batch.runs.take(rows, side.batch.n_segments), line, frame)


def frame_line(portion: DiffPortion, pairs: Ints) -> NumberLine:
    """A line with a frame for each of these pairs of annotations (n,)."""
    height, width = portion.a.batch.image_size
    image = portion.a.batch.annotation_image[portion.annotations.a[pairs]]
    return NumberLine.of(height[image], width[image])


def _match_by_iou(
    portion: DiffPortion, rest_a: Ints, rest_b: Ints, least: float, by_id: bool
) -> tuple[Ints, Ints, Ints]:
    """Rows of A and B, and the pixels they share, for what of the rest is similar enough."""
    frames = portion.annotations
    frame_a, frame_b = frames.frame_a[rest_a], frames.frame_b[rest_b]
    some = np.intersect1d(frame_a, frame_b)
    keep_a, keep_b = np.isin(frame_a, some), np.isin(frame_b, some)
    rest_a, rest_b = rest_a[keep_a], rest_b[keep_b]
    line = frame_line(portion, some)
    frame_a, frame_b = np.searchsorted(some, frame_a[keep_a]), np.searchsorted(some, frame_b[keep_b])
    overlaps = find_overlaps(
        place_segments(portion.a, rest_a, frame_a, line), place_segments(portion.b, rest_b, frame_b, line)
    )
    both = (overlaps.a >= 0) & (overlaps.b >= 0)
    place_a, place_b, shared = (
        overlaps.a[both].astype(np.int64),
        overlaps.b[both].astype(np.int64),
        overlaps.pixels[both],
    )
    a, b = rest_a[place_a], rest_b[place_b]
    iou = shared / (portion.a.areas[a] + portion.b.areas[b] - shared)
    other = portion.categories[0][a] != portion.categories[1][b]
    stranger = _segment_ids(portion.a)[a] != _segment_ids(portion.b)[b]
    enough = np.flatnonzero(iou >= np.where(other, MIN_IOU, least))
    # The order of two that are alike must not depend on which dataset is called A.
    rank_a, rank_b = place_a[enough], place_b[enough]
    ranks = (np.abs(rank_a - rank_b), rank_a + rank_b)
    alike = (stranger[enough], -shared[enough], -iou[enough])  # of equal IoU the pair that shares more differs less
    order = enough[np.lexsort((*ranks, *alike, (stranger & by_id)[enough], other[enough]))]
    chosen = order[_greedy(a[order], b[order])]
    return a[chosen], b[chosen], shared[chosen]


def _greedy(a: Ints, b: Ints) -> Ints:
    """Which of some pairs, best first, are chosen, when each takes its `a` and its `b` away from the others.

    Every round chooses the pairs that come first for both their sides: the same as one after the other.
    """
    rest = np.arange(len(a))
    chosen = [rest[:0]]
    while len(rest):
        first_a, first_b = (np.unique(side[rest], return_index=True)[1] for side in (a, b))
        best = rest[np.intersect1d(first_a, first_b, assume_unique=True)]
        chosen.append(best)
        rest = rest[~np.isin(a[rest], a[best]) & ~np.isin(b[rest], b[best])]
    return np.concatenate(chosen)


@dataclass(frozen=True, slots=True)
class DifferingStrips:
    """Strips of a line that only one side has, in order.

    Attributes
    ----------
    start, end : (n,) places, half open
    of_a : (n,) A has it and B has not; else the reverse
    """

    start: Ints
    end: Ints
    of_a: NDArray[np.bool_]


def differing_strips(a: SweepRuns, b: SweepRuns) -> DifferingStrips:
    """What only A or only B covers. A strip never leaves its column, nor its frame.

    Where a line enters or leaves either union what is apart begins or ends: between two such places nothing changes.
    """
    (start_a, length_a, _), (start_b, length_b, _) = (kernels.cover(side.start, side.end) for side in (a, b))
    bounds = np.sort(np.concatenate([start_a, start_a + length_a, start_b, start_b + length_b])).reshape(-1, 2)
    start, end = bounds[bounds[:, 0] < bounds[:, 1]].T
    position = np.searchsorted(start_a, start, side="right") - 1
    of_a = np.zeros(len(start), bool)
    some = position >= 0
    of_a[some] = start[some] < start_a[position[some]] + length_a[position[some]]
    return DifferingStrips(start, end, of_a)


def difference_boxes(portion: DiffPortion, matches: SegmentMatches, rows: Ints) -> tuple[Ints, ...]:
    """X, y, width and height (n,) around the pixels that only one segment of each match has; `rows` of the matches."""
    frames = portion.annotations.frame_a[matches.a[rows]]
    line = frame_line(portion, frames)
    own = np.arange(len(rows))
    strips = differing_strips(
        place_segments(portion.a, matches.a[rows], own, line), place_segments(portion.b, matches.b[rows], own, line)
    )
    return bounding_boxes(_runs(strips.start, strips.end, line), line.height, len(rows))


def _runs(start: Ints, end: Ints, line: NumberLine) -> Runs:
    """Strips of a line as runs; the owners are its frames."""
    frame, x, y = line.lower(start)
    return Runs(x * line.height[frame] + y, end - start, frame.astype(np.int32))


@dataclass(frozen=True, slots=True)
class RecategorisedPixels:
    """Pixels whose categories differ.

    Attributes
    ----------
    frame : (n,) the pairs of annotations that have such
    pixels : (n,) how many
    box : x, y, width and height (n,) around them
    moves : frame, category in A and category in B (-1: none) with the number of pixels, most first
    """

    frame: Ints
    pixels: Ints
    box: tuple[Ints, Ints, Ints, Ints]
    moves: list[tuple[int, int, int, int]]


def recategorised_pixels(portion: DiffPortion, matches: SegmentMatches) -> RecategorisedPixels:
    """The pixels that belong to other categories in A than in B, whatever segments they are part of.

    A category's pixels are those of all its segments. Only categories with a segment that has no match of exactly
    the same pixels and category are looked at: the others have the same pixels on both sides.
    """
    category_a, category_b, names = portion.categories
    frames = portion.annotations
    n = max(len(names), 1)
    key_a, key_b = (
        np.where(frame < 0, -1, frame * n + category)
        for frame, category in ((frames.frame_a, category_a), (frames.frame_b, category_b))
    )
    settled = matches.exact & (category_a[matches.a] == category_b[matches.b])
    open_a, open_b = (np.ones(len(key), bool) for key in (key_a, key_b))
    open_a[matches.a[settled]], open_b[matches.b[settled]] = False, False
    some = np.union1d(key_a[open_a & (key_a >= 0)], key_b[open_b & (key_b >= 0)])
    frame, which = np.unique(some // n, return_inverse=True)
    by_category = frame_line(portion, some // n)
    sides = []
    for side, key in ((portion.a, key_a), (portion.b, key_b)):
        rows = np.flatnonzero(np.isin(key, some))
        sides.append(place_segments(side, rows, np.searchsorted(some, key[rows]), by_category))
    strips = differing_strips(*sides)
    return _unite_frames(strips, some % n, frame, which, by_category, frame_line(portion, frame))


def _unite_frames(
    found: DifferingStrips, category: Ints, frame: Ints, which: Ints, by_category: NumberLine, line: NumberLine
) -> RecategorisedPixels:
    """What is apart by frame and category, laid over each other by frame."""
    group, x, y = by_category.lower(found.start)
    frame_row = which[group]
    start = line.base[frame_row] + x * (line.height[frame_row] + 1) + y
    order = np.argsort(start, kind="stable")
    strips = SweepRuns(start[order], (start + found.end - found.start)[order], group[order].astype(np.int32))
    covered = union_by_frame(strips, line)
    overlaps = find_overlaps(
        *(
            SweepRuns(strips.start[side], strips.end[side], strips.owner[side])
            for side in (found.of_a[order], ~found.of_a[order])
        )
    )
    some = np.flatnonzero(covered.labelled)
    box = bounding_boxes(covered.runs, line.height, len(frame))
    shown = np.lexsort((overlaps.b, overlaps.a, -overlaps.pixels))
    moves = [
        (int(frame[which[max(a, b)]]), -1 if a < 0 else int(category[a]), -1 if b < 0 else int(category[b]), pixels)
        for a, b, pixels in zip(
            overlaps.a[shown].tolist(), overlaps.b[shown].tolist(), overlaps.pixels[shown].tolist(), strict=True
        )
    ]
    return RecategorisedPixels(
        frame[some], covered.labelled[some], (box[0][some], box[1][some], box[2][some], box[3][some]), moves
    )
