"""Spoil: the ways in which labels are spoiled, one function each.

Each takes the draft of an image, the segments to spoil, and the categories there are. Lengths go with the size of a
segment, times a severity: its radius is that of the disc of the same area.
"""

from collections.abc import Callable

import numpy as np

from segdata.core.runs import Ints, Runs, boxes
from segdata.core.strokes import grown, moved, shaken
from segdata.noise.evidence.depth import NEAR
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Pixels, runs_in_order, runs_of_pixels
from segdata.noise.evidence.fit import centres
from segdata.noise.evidence.neighbours import pairs
from segdata.noise.mistakes.mistakes import Draft
from segdata.noise.types import Kind

PLACES = 12  # tries to find room for an extra segment
FULL = 0.9  # the share of an image above which there is no room for anything
LEAST_PIECE = 0.1  # the share of a piece of what is split
LINE = 1.0  # pixels to each side of it that a cut through what is no thing takes away
CROWDED = 0.1  # the share of an extra segment that may lie on others
Spoil = Callable[[Draft, Ints, Ints], None]


def missing(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments are gone."""
    draft.note("missing", rows)
    draft.there[rows] = False


def category(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments are called another category, by lot among `others`."""
    if len(others) < 2:
        return
    draft.note("category", rows)
    at = np.searchsorted(others, draft.category[rows])
    step = draft.rng.integers(1, len(others), len(rows))
    known = others[np.minimum(at, len(others) - 1)] == draft.category[rows]
    draft.category[rows] = others[np.where(known, (at + step) % len(others), step)]


def outline(kind: Kind) -> Spoil:
    """Outlines drawn further out, or further in."""

    def spoil(draft: Draft, rows: Ints, others: Ints) -> None:
        by = np.maximum(2, np.round(0.3 * draft.severity * draft.given.radius[rows])).astype(np.int64)
        new = grown(draft.runs(rows), *draft.size(rows), by if kind == "dilate" else -by)
        left = np.flatnonzero(new.areas(len(rows)) > 0)
        draft.note(kind, rows[left], by[left].astype(float))
        draft.changed.append((new.take(left, len(rows)), rows[left]))

    return spoil


def coarse(draft: Draft, rows: Ints, others: Ints) -> None:
    """Polygons of few corners, by Douglas and Peucker (1973), Cartographica 10(2), 112-122."""
    import cv2

    pieces, kept, sizes = [], [], []
    for row in rows.tolist():  # what is spoiled, not all segments
        mask = _mask(draft, row)
        tolerance = max(3.0, 0.35 * draft.severity * float(draft.given.radius[row]))
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        canvas = np.zeros_like(mask)
        cv2.fillPoly(canvas, [cv2.approxPolyDP(each, tolerance, True) for each in found], 1)
        if canvas.any() and (canvas != mask).any():
            at = np.flatnonzero(canvas.T)
            pieces.append(runs_in_order(at, np.zeros(len(at), np.int64), draft.given.height))
            kept.append(row)
            sizes.append(tolerance)
    draft.note("coarse", np.array(kept, np.int64), np.array(sizes))
    draft.changed.append((Runs.concatenate(pieces, [1] * len(pieces)), np.array(kept, np.int64)))


def _mask(draft: Draft, row: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    given = draft.given
    one = given.take(np.array([row]))
    return np.ascontiguousarray(one.painted(np.ones(1, np.int64), 0).reshape(given.width, given.height).T, np.uint8)


def wobble(draft: Draft, rows: Ints, others: Ints) -> None:
    """Outlines drawn with a shaky hand."""
    size = np.maximum(2.0, 0.2 * draft.severity * draft.given.radius[rows])
    new = shaken(draft.runs(rows), *draft.size(rows), size, draft.rng)
    left = np.flatnonzero(new.areas(len(rows)) > 0)
    draft.note("wobble", rows[left], size[left])
    draft.changed.append((new.take(left, len(rows)), rows[left]))


def shift(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments that lie elsewhere, each in a direction of its own."""
    away = np.maximum(2.0, 0.8 * draft.severity * draft.given.radius[rows])
    turn = draft.rng.uniform(0, 2 * np.pi, len(rows))
    right, down = (np.round(away * f(turn)).astype(np.int64) for f in (np.cos, np.sin))
    new = moved(draft.runs(rows), *draft.size(rows), right, down)
    left = np.flatnonzero(new.areas(len(rows)) > 0)
    draft.note("shift", rows[left], away[left])
    draft.changed.append((new.take(left, len(rows)), rows[left]))


def misaligned(draft: Draft, rows: Ints, others: Ints) -> None:
    """All segments of the image moved the same way; `rows` are all that still can be."""
    away = max(3.0, float(draft.rng.uniform(3, 10)) * draft.severity)
    turn = draft.rng.uniform(0, 2 * np.pi)
    right, down = (np.full(len(rows), round(away * f(turn)), np.int64) for f in (np.cos, np.sin))
    new = moved(draft.runs(rows), *draft.size(rows), right, down)
    left = np.flatnonzero(new.areas(len(rows)) > 0)
    draft.note("misaligned", rows[left], away)
    draft.there[np.setdiff1d(rows, rows[left])] = False
    draft.changed.append((new.take(left, len(rows)), rows[left]))


def split(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments cut in two by a line at a random angle, near the centre; of what is no thing the line is left out."""
    runs, n, given = draft.runs(rows), len(rows), draft.given
    pixels = Pixels.of_runs(runs, n)
    turn = draft.rng.uniform(0, np.pi, n)
    x, y = np.divmod(pixels.at, given.height)
    off = draft.rng.uniform(-0.3, 0.3, n) * given.radius[rows]
    centre = centres(runs, n, given.height)
    side = (x - centre[pixels.of, 0]) * np.cos(turn)[pixels.of] + (y - centre[pixels.of, 1]) * np.sin(turn)[pixels.of]
    away = side - off[pixels.of]
    line = np.where(draft.whole[rows], 0.0, LINE)[pixels.of]
    halves = away > line, away <= -line
    share = np.minimum(*(pixels.means(half) for half in halves))
    cut = np.flatnonzero(share > LEAST_PIECE)
    numbers = draft.note("split", rows[cut], share[cut])
    new = [runs_of_pixels(pixels.at[half], pixels.of[half], given.height).take(cut, n) for half in halves]
    draft.changed.append((new[0], rows[cut]))
    draft.added.append((new[1], draft.category[rows[cut]], numbers))


def merge(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments drawn as one with a neighbour of their category, less than 4 px away, and what is between them."""
    given = draft.given
    met, _ = pairs(given, given.grown(NEAR))
    a, b = np.append(met.a, met.b).astype(np.int64), np.append(met.b, met.a).astype(np.int64)
    order = draft.rng.permutation(np.flatnonzero(np.isin(a, rows)))
    free = draft.before < 0
    into, gone = [], []
    for one, other in zip(a[order].tolist(), b[order].tolist(), strict=True):
        if free[one] and free[other]:
            free[[one, other]] = False
            into.append(one)
            gone.append(other)
    first, second = np.array(into, np.int64), np.array(gone, np.int64)
    numbers = draft.note("merge", first)
    draft.before[second] = numbers
    draft.there[second] = False
    both = [Pixels.of_runs(draft.runs(each), len(each)) for each in (first, second)]
    at, of = (np.concatenate([getattr(each, name) for each in both]) for name in ("at", "of"))
    union = runs_of_pixels(at, of, given.height)
    size = draft.size(first)
    closed = grown(grown(union, *size, np.full(len(first), 2)), *size, np.full(len(first), -2))
    pixels = Pixels.of_runs(closed, len(first))
    at, of = np.append(at, pixels.at), np.append(of, pixels.of)
    draft.changed.append((runs_of_pixels(at, of, given.height), first))


def extra(draft: Draft, rows: Ints, others: Ints) -> None:
    """Segments where nothing is: the shape of each row once more, where there is room.

    Where nearly all of the image is labelled it may lie on others, of other categories than its own.
    """
    given, rng = draft.given, draft.rng
    label = given.categories()
    full = (label != UNLABELLED).mean() > FULL
    x, y, wide, high = (side[rows] for side in boxes(given.runs, given.heights, len(given)))
    for at, row in enumerate(rows.tolist()):  # what is spoiled, not all segments
        right = rng.integers(0, given.width - wide[at] + 1, PLACES) - x[at]
        down = rng.integers(0, given.height - high[at] + 1, PLACES) - y[at]
        copies = draft.runs(np.full(PLACES, row))
        tried = moved(copies, np.full(PLACES, given.height), np.full(PLACES, given.width), right, down)
        pixels = Pixels.of_runs(tried, PLACES)
        lies = label[pixels.at]
        taken = pixels.means((lies == given.category[row]) | (lies == VOID) if full else lies != UNLABELLED)
        best = int(taken.argmin())
        if taken[best] <= CROWDED:
            draft.added.append((tried.take(np.array([best]), PLACES), given.category[[row]], draft.mistake("extra")))


SPOIL: dict[Kind, Spoil] = {
    "missing": missing,
    "extra": extra,
    "category": category,
    "merge": merge,
    "split": split,
    "dilate": outline("dilate"),
    "erode": outline("erode"),
    "coarse": coarse,
    "wobble": wobble,
    "shift": shift,
    "misaligned": misaligned,
}
