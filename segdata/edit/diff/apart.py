"""Apart: the pixels that only one of two sets of runs has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.cover import cover
from segdata.core.line import Line
from segdata.core.meet import Side, meet
from segdata.core.runs import Ints, Runs, boxes
from segdata.edit.diff.matching import Matches, frame_line, laid
from segdata.edit.diff.portion import Portion


@dataclass(frozen=True, slots=True)
class Apart:
    """Strips of a line that only one side has, in order.

    Attributes
    ----------
    start, end : (n,) places, half open
    of_a : (n,) A has it and B has not; else the reverse
    """

    start: Ints
    end: Ints
    of_a: NDArray[np.bool_]


def apart(a: Side, b: Side) -> Apart:
    """What only A or only B covers. A strip never leaves its column, nor its frame.

    Where a line enters or leaves either union what is apart begins or ends: between two such places nothing changes.
    """
    (start_a, length_a, _), (start_b, length_b, _) = (kernels.cover(side.start, side.end) for side in (a, b))
    bounds = np.sort(np.concatenate([start_a, start_a + length_a, start_b, start_b + length_b])).reshape(-1, 2)
    start, end = bounds[bounds[:, 0] < bounds[:, 1]].T
    at = np.searchsorted(start_a, start, side="right") - 1
    of_a = np.zeros(len(start), bool)
    some = at >= 0
    of_a[some] = start[some] < start_a[at[some]] + length_a[at[some]]
    return Apart(start, end, of_a)


def apart_boxes(portion: Portion, matches: Matches, rows: Ints) -> tuple[Ints, ...]:
    """X, y, width and height (n,) around the pixels that only one segment of each match has; `rows` of the matches."""
    frames = portion.annotations.frame_a[matches.a[rows]]
    line = frame_line(portion, frames)
    own = np.arange(len(rows))
    found = apart(laid(portion.a, matches.a[rows], own, line), laid(portion.b, matches.b[rows], own, line))
    return boxes(_runs(found.start, found.end, line), line.height, len(rows))


def _runs(start: Ints, end: Ints, line: Line) -> Runs:
    """Strips of a line as runs; the owners are its frames."""
    frame, x, y = line.lower(start)
    return Runs(x * line.height[frame] + y, end - start, frame.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Moved:
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


def moved(portion: Portion, matches: Matches) -> Moved:
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
        sides.append(laid(side, rows, np.searchsorted(some, key[rows]), by_category))
    found = apart(*sides)
    return _united(found, some % n, frame, which, by_category, frame_line(portion, frame))


def _united(found: Apart, category: Ints, frame: Ints, which: Ints, by_category: Line, line: Line) -> Moved:
    """What is apart by frame and category, laid over each other by frame."""
    group, x, y = by_category.lower(found.start)
    at = which[group]
    start = line.base[at] + x * (line.height[at] + 1) + y
    order = np.argsort(start, kind="stable")
    strips = Side(start[order], (start + found.end - found.start)[order], group[order].astype(np.int32))
    covered = cover(strips, line)
    met = meet(
        *(
            Side(strips.start[side], strips.end[side], strips.owner[side])
            for side in (found.of_a[order], ~found.of_a[order])
        )
    )
    some = np.flatnonzero(covered.labelled)
    box = boxes(covered.runs, line.height, len(frame))
    shown = np.lexsort((met.b, met.a, -met.pixels))
    moves = [
        (int(frame[which[max(a, b)]]), -1 if a < 0 else int(category[a]), -1 if b < 0 else int(category[b]), pixels)
        for a, b, pixels in zip(met.a[shown].tolist(), met.b[shown].tolist(), met.pixels[shown].tolist(), strict=True)
    ]
    return Moved(frame[some], covered.labelled[some], (box[0][some], box[1][some], box[2][some], box[3][some]), moves)
