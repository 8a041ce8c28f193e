"""Matching: which segment of B is which of A: first by equal pixels, then by what they share."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import whole
from segdata.core.counts import counts_of_runs
from segdata.core.line import Line
from segdata.core.meet import Side, meet
from segdata.core.runs import Ints
from segdata.edit.diff.joining import joined
from segdata.edit.diff.portion import Loaded, Portion

LEAST = 0.5  # IoU: two segments that share less are not the same


@dataclass(frozen=True, slots=True)
class Matches:
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


def match(portion: Portion, least: float, by_id: bool) -> Matches:
    """Match the segments of annotations that stand opposite each other, each segment at most once.

    Equal pixels come first; of several such the same category and id decide, then the same category, then their
    order. What is left is matched by IoU, the largest first: segments of one category with at least `least`, then any
    with at least `LEAST`. With `by_id` those of one id come before the larger IoU.

    A `least` below `LEAST` is for a dataset and what a conversion made of it: equal pixels in another category come
    last, for overlaps may have cut a segment to the pixels of another; and ids count only `by_id`, for twins.
    """
    frames = portion.annotations
    rest_a, rest_b = np.flatnonzero(frames.frame_a >= 0), np.flatnonzero(frames.frame_b >= 0)
    keys_a, keys_b = _keys(portion)
    found_a, found_b, shared = [], [], []
    for n_keys in (4, 3, 2, 0) if least >= LEAST else (4, 3, 0, 2) if by_id else (3, 0, 2):
        if n_keys:
            at_a, at_b = joined([key[rest_a] for key in keys_a[:n_keys]], [key[rest_b] for key in keys_b[:n_keys]])
            a, b = rest_a[at_a], rest_b[at_b]
            both = portion.a.areas[a]
        else:
            a, b, both = _nearest(portion, rest_a, rest_b, least, by_id)
        found_a.append(a)
        found_b.append(b)
        shared.append(both)
        rest_a, rest_b = np.setdiff1d(rest_a, a), np.setdiff1d(rest_b, b)
    a, b, both = np.concatenate(found_a), np.concatenate(found_b), np.concatenate(shared)
    order = np.argsort(a)
    a, b, both = a[order], b[order], both[order]
    exact = (both == portion.a.areas[a]) & (both == portion.b.areas[b])
    return Matches(a, b, both, exact, rest_a, rest_b)


def _keys(portion: Portion) -> tuple[list[Ints], list[Ints]]:
    """Of each side (n_segments,): the frame, the pixels as a number, the category and the id."""
    category_a, category_b, _ = portion.categories
    pixels = pa.concat_arrays([_counts(portion.a), _counts(portion.b)]).dictionary_encode().indices.to_numpy()
    n_a = portion.a.batch.n_segments
    frames = portion.annotations
    return (
        [frames.frame_a, pixels[:n_a], category_a, _ids(portion.a)],
        [frames.frame_b, pixels[n_a:], category_b, _ids(portion.b)],
    )


def _ids(side: Loaded) -> Ints:
    return whole(side.batch.segments["segment_id"])


def _counts(side: Loaded) -> pa.Array:
    height, width = side.batch.segment_size
    return counts_of_runs(side.batch.runs, height, width)


def laid(side: Loaded, rows: Ints, frame: Ints, line: Line) -> Side:
    """The runs of some segments in the places that `frame` (n,) gives them on a line; owners count from 0."""
    return Side.of(side.batch.runs.take(rows, side.batch.n_segments), line, frame)


def frame_line(portion: Portion, pairs: Ints) -> Line:
    """A line with a frame for each of these pairs of annotations (n,)."""
    height, width = portion.a.batch.image_size
    image = portion.a.batch.annotation_image[portion.annotations.a[pairs]]
    return Line.of(height[image], width[image])


def _nearest(portion: Portion, rest_a: Ints, rest_b: Ints, least: float, by_id: bool) -> tuple[Ints, Ints, Ints]:
    """Rows of A and B, and the pixels they share, for what of the rest is similar enough."""
    frames = portion.annotations
    frame_a, frame_b = frames.frame_a[rest_a], frames.frame_b[rest_b]
    some = np.intersect1d(frame_a, frame_b)
    keep_a, keep_b = np.isin(frame_a, some), np.isin(frame_b, some)
    rest_a, rest_b = rest_a[keep_a], rest_b[keep_b]
    line = frame_line(portion, some)
    frame_a, frame_b = np.searchsorted(some, frame_a[keep_a]), np.searchsorted(some, frame_b[keep_b])
    met = meet(laid(portion.a, rest_a, frame_a, line), laid(portion.b, rest_b, frame_b, line))
    both = (met.a >= 0) & (met.b >= 0)
    place_a, place_b, shared = met.a[both].astype(np.int64), met.b[both].astype(np.int64), met.pixels[both]
    a, b = rest_a[place_a], rest_b[place_b]
    iou = shared / (portion.a.areas[a] + portion.b.areas[b] - shared)
    other = portion.categories[0][a] != portion.categories[1][b]
    stranger = _ids(portion.a)[a] != _ids(portion.b)[b]
    enough = np.flatnonzero(iou >= np.where(other, LEAST, least))
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
