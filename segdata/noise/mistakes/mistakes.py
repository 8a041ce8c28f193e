"""Mistakes: what was done to the segments of an image on purpose, and the truth of it."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.core.strokes import uppermost
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Drawn, Flags, Floats, Pixels, runs_of_pixels
from segdata.noise.types import TYPE_OF, Kind, Type


@dataclass(frozen=True, slots=True)
class Mistakes:
    """What was done to an image, e mistakes.

    Attributes
    ----------
    kinds : (e,) names
    severity : (e,) how much: pixels for outlines and shifts, the share of the smaller piece for splits, else 1
    before, after : (n,) of the segments before and (m,) after: the mistake that each is part of, -1: none
    origin : (m,) of the segments after: the row before, -1: none
    n_parts : how many of the segments after, the first ones, are parts of a category; the others are things and void
    old, new : the pixels of those segments; owners are mistakes
    """

    kinds: tuple[Kind, ...]
    severity: Floats
    before: Ints
    after: Ints
    origin: Ints
    old: Runs
    new: Runs
    n_parts: int = 0

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def types(self) -> tuple[Type, ...]:
        """(e,) the type of each."""
        return tuple(TYPE_OF[kind] for kind in self.kinds)

    def changed(self, height: int) -> Runs:
        """The pixels of each that are of its segments only before or only after; all, where outlines are the same."""
        n = len(self)
        sides = [Pixels.of_runs(runs, n) for runs in (self.old, self.new)]
        room = max((int(side.at.max(initial=0)) for side in sides), default=0) + 1
        keys = [side.of * room + side.at for side in sides]
        apart = np.setxor1d(keys[0], keys[1], assume_unique=True)
        moved = np.bincount(apart // room, minlength=n) > 0
        same = keys[0][~moved[keys[0] // room]]
        of, at = np.divmod(np.append(apart, same), room)
        return runs_of_pixels(at, of, height)


class Draft:
    """Segments in the making, and what was done to them; one segment is spoiled at most once.

    `whole` (n,): which of them are things, and stay apart from others of their category that they touch.
    """

    def __init__(self, given: Drawn, rng: np.random.Generator, severity: float, whole: Flags) -> None:
        self.given, self.rng, self.severity, self.whole = given, rng, severity, whole
        self.category = given.category.copy()
        self.there = np.ones(len(given), bool)
        self.before = np.full(len(given), -1, np.int64)
        self.changed: list[tuple[Runs, Ints]] = []  # new runs, and the rows that they belong to
        self.added: list[tuple[Runs, Ints, Ints]] = []  # runs of new segments, their categories and mistakes
        self.kinds: list[Kind] = []
        self.sizes: list[float] = []

    def note(self, kind: Kind, rows: Ints, sizes: Floats | float = 1.0) -> Ints:
        """One mistake for each of some rows; returns their numbers."""
        numbers = np.arange(len(self.kinds), len(self.kinds) + len(rows))
        self.kinds += [kind] * len(rows)
        self.sizes += np.broadcast_to(sizes, (len(rows),)).tolist()
        self.before[rows] = numbers
        return numbers

    def size(self, rows: Ints) -> tuple[Ints, Ints]:
        """(k,) height and width of the image, for each row."""
        return self.given.heights[rows], self.given.widths[rows]

    def runs(self, rows: Ints) -> Runs:
        """The runs of some rows as they were given."""
        return self.given.runs.take(rows, len(self.given))

    def mistake(self, kind: Kind) -> Ints:
        """(1,) the number of a mistake that no segment had before."""
        self.kinds.append(kind)
        self.sizes.append(1.0)
        return np.array([len(self.kinds) - 1])

    def finished(self, flat: bool) -> tuple[Drawn, Mistakes]:
        """The spoiled segments, and what was done.

        `flat`: no pixel is of two segments; a spoiled one is on top of others, and void of all. Where all pixels had
        been labelled, the nearest part that nothing was done to takes those that nobody has any more. What others
        cover wholly is missing.
        """
        new, after = self._assembled()
        if flat:
            new = _flattened(new, after, self.rng)
            if (self.given.categories() != UNLABELLED).all():
                new = _filled(new, np.append(~self.whole, np.zeros(len(new) - len(self.whole), bool)) & (after < 0))
        left = np.flatnonzero(new.areas > 0)
        new, after = new.take(left), after[left]
        n = len(self.kinds)
        old, now = _of_mistakes(self.given, self.before, n), _of_mistakes(new, after, n)
        shown, there = now.areas(n) > 0, np.flatnonzero((now.areas(n) > 0) | (old.areas(n) > 0))
        number = np.append(np.full(n, -1), -1)
        number[there] = np.arange(len(there))
        truth = Mistakes(
            tuple(self.kinds[at] if shown[at] else "missing" for at in there.tolist()),
            np.array(self.sizes, float)[there],
            number[self.before],
            number[after],
            np.where(left < len(self.given), left, -1),
            old.take(there, n),
            now.take(there, n),
        )
        return new, truth

    def _assembled(self) -> tuple[Drawn, Ints]:
        """All segments, those that are gone without pixels, and the mistake of each, -1: none."""
        given = self.given
        n, here = len(given), self.there.copy()
        for _, rows in self.changed:
            here[rows] = False
        same = np.flatnonzero(here)
        pieces = [given.runs.take(same, n), *(runs for runs, _ in self.changed), *(runs for runs, _, _ in self.added)]
        added = [numbers for _, _, numbers in self.added]
        more = np.cumsum([n, *(len(numbers) for numbers in added)])
        new_rows = [first + np.arange(len(numbers)) for first, numbers in zip(more, added, strict=False)]
        whose = [same, *(rows for _, rows in self.changed), *new_rows]
        owner = np.concatenate([row[piece.owner] for row, piece in zip(whose, pieces, strict=True)])
        start, length = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("start", "length"))
        order = np.lexsort((start, owner))
        category = np.concatenate([self.category, *(category for _, category, _ in self.added)])
        runs = Runs(start[order], length[order], owner[order].astype(np.int32))
        after = np.where(self.there, self.before, -1)
        return Drawn.of(runs, category, given.height, given.width), np.concatenate([after, *added]).astype(np.int64)


def _flattened(drawn: Drawn, after: Ints, rng: np.random.Generator) -> Drawn:
    n = len(drawn)
    if not n:
        return drawn
    frame = np.zeros(n, np.int64)
    rank = rng.permutation(n) + n * (after >= 0) + 2 * n * (drawn.category == VOID)
    runs = uppermost(drawn.runs, frame, drawn.heights, drawn.widths, rank)
    order = np.lexsort((runs.start, runs.owner))
    runs = Runs(runs.start[order], runs.length[order], runs.owner[order])
    return Drawn(runs, drawn.category, drawn.score, drawn.height, drawn.width)


def _filled(new: Drawn, filler: Flags) -> Drawn:
    """Segments without holes between them: the nearest of `filler` (n,) takes what nobody has."""
    from scipy.ndimage import distance_transform_edt

    owner = new.painted(np.arange(len(new)), -1)
    hole, source = owner < 0, (owner >= 0) & (filler & (new.category != VOID))[owner]
    if not hole.any() or not source.any():
        return new
    shape = (new.width, new.height)
    nearest = distance_transform_edt(~source.reshape(shape), return_distances=False, return_indices=True)
    filled = owner.reshape(shape)[nearest[0], nearest[1]].ravel()
    at = np.flatnonzero(hole)
    pixels = Pixels.of_runs(new.runs, len(new))
    runs = runs_of_pixels(np.append(pixels.at, at), np.append(pixels.of, filled[at]), new.height)
    return Drawn(runs, new.category, new.score, new.height, new.width)


def _of_mistakes(drawn: Drawn, number: Ints, n: int) -> Runs:
    """The pixels of all segments of each mistake."""
    pixels = Pixels.of_runs(drawn.runs, len(drawn))
    mine = pixels.where(number[pixels.of] >= 0)
    return runs_of_pixels(mine.at, number[mine.of], drawn.height)
