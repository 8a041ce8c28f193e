"""Error types: the kinds of label errors, and drafts into which they are injected, with a record of each error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from segdata.core.runs import Flags, Floats, Ints, Runs
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    SegmentPixels,
    SegmentSet,
    keep_topmost,
    runs_of_pixels,
)

ErrorType = Literal["missing", "extra", "category", "boundary", "merge", "split", "shift"]
CorruptionKind = Literal[
    "missing",
    "extra",
    "category",
    "merge",
    "split",
    "dilate",
    "erode",
    "coarse",
    "wobble",
    "shift",
    "speck",
    "sliver",
    "copy",
    "core",
    "hole",
    "bite",
    "box",
    "stale",
    "misaligned",
    "bare",
    "habit",
]

# Why a finding comes last: its kind, too few labels to learn from, what comes before it, or the list as a whole.
SeldomReason = Literal[
    "outline",
    "extra-part",
    "cut",
    "border",
    "long",
    "odd-size",
    "absent",
    "kind",
    "few-parts",
    "later",
    "short-list",
    "unknown-images",
]

TYPES: tuple[ErrorType, ...] = get_args(ErrorType)
SELDOM_REASONS: tuple[SeldomReason, ...] = get_args(SeldomReason)
KINDS: tuple[CorruptionKind, ...] = get_args(CorruptionKind)
UNUSUAL_CODE = "SEG510"  # of labels that no model suspects
CODES: dict[ErrorType, str] = {type_: f"SEG{code}" for code, type_ in enumerate(TYPES, 501)}
TYPE_OF: dict[CorruptionKind, ErrorType] = {
    "missing": "missing", "extra": "extra", "category": "category", "merge": "merge", "split": "split",
    "dilate": "boundary", "erode": "boundary", "coarse": "boundary", "wobble": "boundary",
    "shift": "shift", "speck": "extra", "sliver": "extra", "copy": "extra", "core": "split",
    "hole": "boundary", "bite": "boundary", "box": "boundary", "stale": "boundary",
    "misaligned": "shift", "bare": "missing", "habit": "boundary",
}  # fmt: skip
IMAGE_KINDS: tuple[CorruptionKind, ...] = ("misaligned", "bare", "habit")  # of all labels of an image
MULTI_PART_KINDS: frozenset[CorruptionKind] = frozenset({"merge", "split"})  # need categories in several pieces


@dataclass(frozen=True, slots=True)
class Corruptions:
    """The errors injected into an image, e of them."""

    kinds: tuple[CorruptionKind, ...]  # (e,) names
    severity: Floats  # (e,) pixels for outlines and shifts, the share of the smaller piece for splits, else 1
    before: Ints  # (n,) the error that each segment before is part of; -1: none
    after: Ints  # (m,) the same of the segments after
    origin: Ints  # (m,) of the segments after: the row before; -1: none
    old: Runs  # the pixels of the segments before; owners are errors
    new: Runs  # and after
    n_parts: int = 0  # of the segments after, the first ones are parts of stuff; the others are things and void

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def types(self) -> tuple[ErrorType, ...]:
        """(e,) the type of each."""
        return tuple(TYPE_OF[kind] for kind in self.kinds)

    def changed_runs(self, height: int) -> Runs:
        """The pixels of each error that changed; all pixels of its segments if no outline changed."""
        n = len(self)
        sides = [SegmentPixels.of_runs(runs, n) for runs in (self.old, self.new)]
        room = max((int(side.index.max(initial=0)) for side in sides), default=0) + 1
        keys = [side.owner * room + side.index for side in sides]
        differing = np.setxor1d(keys[0], keys[1], assume_unique=True)
        moved = np.bincount(differing // room, minlength=n) > 0
        unmoved = keys[0][~moved[keys[0] // room]]
        owner, pixel = np.divmod(np.append(differing, unmoved), room)
        return runs_of_pixels(pixel, owner, height)


LEARNED_KINDS: tuple[CorruptionKind, ...] = tuple(kind for kind in KINDS if kind not in IMAGE_KINDS)
INJECTED_SHARE = 0.015  # of the segments of an image, for each kind that is learnt


@dataclass(frozen=True, slots=True)
class CorruptionRates:
    """The rates of injected errors."""

    share: float = 0.1  # of the segments of an image, for each kind of error in it
    kinds: Sequence[CorruptionKind] = LEARNED_KINDS  # the kinds of error
    per_image: int = 3  # the largest number of kinds in an image, chosen at random
    severity: float = 1.0  # a factor on the usual sizes
    spread: float = 1.0  # the factor by which the severity of each error differs at most from that


class CorruptionDraft:
    """Segments that are being corrupted, each at most once.

    `whole` (n,): which of them are things, which stay separate from others of their category that they touch.
    """

    def __init__(self, given: SegmentSet, rng: np.random.Generator, rates: CorruptionRates, whole: Flags) -> None:
        self.given, self.rng, self.whole = given, rng, whole
        self.severity, self._spread = rates.severity, rates.spread
        self.category = given.category.copy()
        self.there = np.ones(len(given), bool)
        self.before = np.full(len(given), -1, np.int64)
        self.changed: list[tuple[Runs, Ints]] = []  # new runs, and the rows that they belong to
        self.added: list[tuple[Runs, Ints, Ints]] = []  # runs of new segments, their categories and mistakes
        self.kinds: list[CorruptionKind] = []
        self.sizes: list[float] = []

    def note(self, kind: CorruptionKind, rows: Ints, sizes: Floats | float = 1.0) -> Ints:
        """Record one error for each of some rows; returns their numbers."""
        numbers = np.arange(len(self.kinds), len(self.kinds) + len(rows))
        self.kinds += [kind] * len(rows)
        self.sizes += np.broadcast_to(sizes, (len(rows),)).tolist()
        self.before[rows] = numbers
        return numbers

    def redraw(self, kind: CorruptionKind, rows: Ints, new: Runs, sizes: Floats | float) -> Ints:
        """Give rows new runs, except those that would have no pixels; returns the redrawn rows."""
        nonempty = np.flatnonzero(new.areas(len(rows)) > 0)
        self.note(kind, rows[nonempty], np.broadcast_to(sizes, rows.shape)[nonempty])
        self.changed.append((new.take(nonempty, len(rows)), rows[nonempty]))
        return rows[nonempty]

    def severities(self, rows: Ints) -> Floats:
        """(k,) the severity of the error of each row."""
        if self._spread == 1:
            return np.full(len(rows), self.severity)
        limit = np.log(self._spread)
        return np.asarray(self.severity * np.exp(self.rng.uniform(-limit, limit, len(rows))))

    def add(self, kind: CorruptionKind, pixels: Ints, category: int) -> None:
        """Add a segment of these pixels (p,), in order, as an error of its own."""
        runs = runs_of_pixels(pixels, 0, self.given.height)
        self.added.append((runs, np.array([category], np.int64), self.mistake(kind)))

    def redraw_pixels(self, kind: CorruptionKind, pixels: dict[int, Ints], sizes: dict[int, float]) -> Ints:
        """Give rows new pixels (p,), except those without any; returns the redrawn rows."""
        rows = np.array([row for row, at in pixels.items() if len(at)], np.int64)
        if not len(rows):
            return rows
        runs = [runs_of_pixels(pixels[row], 0, self.given.height) for row in rows.tolist()]
        every = Runs.concatenate(runs, [1] * len(runs))
        return self.redraw(kind, rows, every, np.array([sizes[row] for row in rows.tolist()]))

    def size(self, rows: Ints) -> tuple[Ints, Ints]:
        """(k,) height and width of the image, for each row."""
        return self.given.heights[rows], self.given.widths[rows]

    def runs(self, rows: Ints) -> Runs:
        """The runs of some rows before any corruption."""
        return self.given.runs.take(rows, len(self.given))

    def mistake(self, kind: CorruptionKind) -> Ints:
        """(1,) the number of a new error that changes no existing segment."""
        self.kinds.append(kind)
        self.sizes.append(1.0)
        return np.array([len(self.kinds) - 1])

    def finish(self, flat: bool) -> tuple[SegmentSet, Corruptions]:
        """The corrupted segments, and the errors.

        `flat`: no pixel belongs to two segments; corrupted segments lie on top of others, and void on top of all. If
        all pixels were labelled, the nearest unchanged part takes the pixels that became free. Segments that others
        cover completely are missing.
        """
        new, after = self._assemble()
        if flat:
            new = _remove_overlaps(new, after, self.rng)
            if (self.given.categories() != UNLABELLED).all():
                new = _fill_holes(new, np.append(~self.whole, np.zeros(len(new) - len(self.whole), bool)) & (after < 0))
        nonempty = np.flatnonzero(new.areas > 0)
        new, after = new.take(nonempty), after[nonempty]
        n = len(self.kinds)
        old, now = _pixels_by_corruption(self.given, self.before, n), _pixels_by_corruption(new, after, n)
        shown = now.areas(n) > 0
        present = np.flatnonzero(shown | (old.areas(n) > 0))
        number = np.full(n + 1, -1)
        number[present] = np.arange(len(present))
        truth = Corruptions(
            tuple(self.kinds[row] if shown[row] else "missing" for row in present.tolist()),
            np.array(self.sizes, float)[present],
            number[self.before],
            number[after],
            np.where(nonempty < len(self.given), nonempty, -1),
            old.take(present, n),
            now.take(present, n),
        )
        return new, truth

    def _assemble(self) -> tuple[SegmentSet, Ints]:
        """All segments, removed ones without pixels, and the error of each; -1: none."""
        given = self.given
        n, unchanged = len(given), self.there.copy()
        for _, rows in self.changed:
            unchanged[rows] = False
        unchanged_rows = np.flatnonzero(unchanged)
        pieces = [
            given.runs.take(unchanged_rows, n),
            *(runs for runs, _ in self.changed),
            *(runs for runs, _, _ in self.added),
        ]
        added = [numbers for _, _, numbers in self.added]
        first_rows = np.cumsum([n, *(len(numbers) for numbers in added)])
        new_rows = [first + np.arange(len(numbers)) for first, numbers in zip(first_rows, added, strict=False)]
        whose = [unchanged_rows, *(rows for _, rows in self.changed), *new_rows]
        owner = np.concatenate([row[piece.owner] for row, piece in zip(whose, pieces, strict=True)])
        start, length = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("start", "length"))
        order = np.lexsort((start, owner))
        category = np.concatenate([self.category, *(category for _, category, _ in self.added)])
        runs = Runs(start[order], length[order], owner[order].astype(np.int32))
        after = np.where(self.there, self.before, -1)
        return SegmentSet.from_runs(runs, category, given.height, given.width), np.concatenate([after, *added]).astype(
            np.int64
        )


def _remove_overlaps(segments: SegmentSet, after: Ints, rng: np.random.Generator) -> SegmentSet:
    n = len(segments)
    if not n:
        return segments
    frame = np.zeros(n, np.int64)
    rank = rng.permutation(n) + n * (after >= 0) + 2 * n * (segments.category == VOID)
    runs = keep_topmost(segments.runs, frame, segments.heights, segments.widths, rank)
    order = np.lexsort((runs.start, runs.owner))
    return replace(segments, runs=Runs(runs.start[order], runs.length[order], runs.owner[order]))


def _fill_holes(new: SegmentSet, filler: Flags) -> SegmentSet:
    """Segments without holes between them: the nearest of `filler` (n,) takes unlabelled pixels."""
    from scipy.ndimage import distance_transform_edt

    owner = new.paint(np.arange(len(new)), -1)
    hole, source = owner < 0, (owner >= 0) & (filler & (new.category != VOID))[owner]
    if not hole.any() or not source.any():
        return new
    shape = (new.width, new.height)
    nearest = distance_transform_edt(~source.reshape(shape), return_distances=False, return_indices=True)
    filled = owner.reshape(shape)[nearest[0], nearest[1]].ravel()
    hole_pixels = np.flatnonzero(hole)
    pixels = new.pixels()
    runs = runs_of_pixels(
        np.append(pixels.index, hole_pixels), np.append(pixels.owner, filled[hole_pixels]), new.height
    )
    return replace(new, runs=runs)


def _pixels_by_corruption(segments: SegmentSet, number: Ints, n: int) -> Runs:
    """The pixels of all segments of each error."""
    pixels = segments.pixels()
    corrupted = pixels.select(number[pixels.owner] >= 0)
    return runs_of_pixels(corrupted.index, number[corrupted.owner], segments.height)
