"""Injection: mistakes made in the given labels, to learn from them what mistakes look like to the model.

No clean labels are needed: most of what is given is taken to be right, and what is spoiled is known to be wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.evidence.candidates import LEAST, Candidates
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Drawn, Flags, of_map, shared
from segdata.noise.mistakes.mistakes import Draft, Mistakes
from segdata.noise.mistakes.spoil import SPOIL
from segdata.noise.types import KINDS, OF_SEVERAL, Kind

LEARNT: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "misaligned")
HALF = 0.5
SEVERAL = 3  # parts of a category in an image
LESSON = 0.03  # of the segments of an image, for each kind that is learnt


@dataclass(frozen=True, slots=True)
class Rates:
    """How much is spoiled.

    Attributes
    ----------
    share : of the segments of an image, for each kind that is made in it
    kinds : what is made
    per_image : how many kinds of mistake an image has at most, by lot
    severity : how much worse than usual, see `spoil`
    """

    share: float = 0.1
    kinds: Sequence[Kind] = LEARNT
    per_image: int = 3
    severity: float = 1.0


def lesson(kinds: Sequence[Kind] = LEARNT) -> Rates:
    """What is made to learn from: some of each kind in each image, so that no kind is told by the image it is in."""
    return Rates(LESSON, kinds, len(kinds))


def spoiled(given: Drawn, things: Flags, rates: Rates, rng: np.random.Generator) -> tuple[Drawn, Mistakes]:
    """Labels with mistakes, and the truth. `things` (K,) says which categories are countable.

    Of other categories each connected part is spoiled on its own. Segments share pixels only if some already did;
    where all pixels had been labelled they still are.
    """
    whole, rows = _in_parts(given, things)
    draft = Draft(whole, rng, rates.severity, things[np.maximum(whole.category, 0)])
    others = np.arange(1, len(things))
    possible = [kind for kind in rates.kinds if len(others) > 1 or kind != "category"]
    chosen = [possible[at] for at in rng.permutation(len(possible))[: rates.per_image]]
    for kind in sorted(chosen, key=lambda kind: (kind != "misaligned", KINDS.index(kind))):
        victims = _victims(draft, things, kind, rates.share)
        countable = things[np.maximum(whole.category[victims], 0)]
        for like in (False, True):  # a thing is never taken for what is none
            if (countable == like).any():
                SPOIL[kind](draft, victims[countable == like], others[things[others] == like])
    new, truth = draft.finished(not overlapping(given))
    again, kept = _in_parts(new, things)  # parts of one category that lie side by side now are one
    parts = np.full(len(again) - len(kept), -1)
    first = len(whole) - len(rows)
    origin = truth.origin[kept]
    origin = np.where(origin >= first, rows[np.maximum(origin - first, 0)] if len(rows) else -1, -1)
    after = np.append(parts, truth.after[kept])
    return again, replace(truth, after=after, origin=np.append(parts, origin), n_parts=len(parts))


def overlapping(drawn: Drawn) -> bool:
    """Whether any two segments share pixels."""
    return int(drawn.areas.sum()) > int((drawn.painted(np.ones(len(drawn), np.int64), 0) > 0).sum())


def _in_parts(given: Drawn, things: Flags) -> tuple[Drawn, Ints]:
    """Things and void as they are, after the parts of all else; and the rows of the former."""
    kept = things[np.maximum(given.category, 0)] | (given.category == VOID)
    rest = given.take(np.flatnonzero(~kept))
    parts = of_map(rest.categories(), given.height, given.width)
    rows = np.flatnonzero(kept)
    whole = given.take(rows)
    runs = Runs.concatenate([parts.runs, whole.runs], [len(parts), len(whole)])
    return Drawn.of(runs, np.append(parts.category, whole.category), given.height, given.width), rows


def _victims(draft: Draft, things: Flags, kind: Kind, share: float) -> Ints:
    """Some of those segments that nothing was done to: at random, as many as the share says, by lot one more."""
    given, rng = draft.given, draft.rng
    fit = (given.category > UNLABELLED) & (draft.before < 0) & (given.areas >= LEAST)
    if kind in OF_SEVERAL:
        fit &= draft.whole | _several(given)
    rows = np.flatnonzero(fit)
    if kind == "misaligned":
        return np.flatnonzero(given.category != VOID)
    wanted = int(share * len(rows) + rng.random())
    return np.sort(rng.permutation(rows)[:wanted])


def _several(given: Drawn) -> Flags:
    """(n,) the parts of categories that come in separate pieces: three or more, none of them half of all its pixels."""
    large = np.where(given.areas >= LEAST, given.areas, 0)
    category = np.maximum(given.category, 0)
    n, total = np.bincount(category, large > 0), np.bincount(category, large)
    most = np.zeros(len(n))
    np.maximum.at(most, category, large)
    return np.asarray(((n >= SEVERAL) & (most < HALF * total))[category])


def labels(found: Candidates, new: Drawn, truth: Mistakes, things: Flags) -> tuple[Ints, Ints]:
    """The mistake that each annotated candidate (n,) and each region (m,) is about; -1: none.

    Things are told by their rows. A part is of a mistake when it has more than half in common (IoU) with what it left
    behind, or is most of a piece of what was split; a region when more than half of it is where pixels changed.
    """
    row = found.row
    of_drawn = np.where(things[np.maximum(new.category[row], 0)], truth.after[row], -1)
    part = ~things[np.maximum(found.drawn.category, 0)]
    n = len(truth)
    left = Drawn.of(truth.new, np.ones(n, np.int64), new.height, new.width)
    met = shared(found.drawn, left)
    iou = met.pixels / (found.drawn.areas[met.a] + left.areas[met.b] - met.pixels)
    cut = np.array([kind == "split" for kind in truth.kinds], bool)[met.b]
    piece = cut & (met.pixels > HALF * found.drawn.areas[met.a])
    close = ((iou > HALF) | piece) & part[met.a]
    of_drawn[met.a[close]] = met.b[close]
    return of_drawn, _of_regions(found.regions, truth, new)


def _of_regions(regions: Drawn, truth: Mistakes, new: Drawn) -> Ints:
    of = np.full(len(regions), -1, np.int64)
    changed = Drawn.of(truth.changed(new.height), np.ones(len(truth), np.int64), new.height, new.width)
    met = shared(regions, changed)
    most = met.pixels > HALF * regions.areas[met.a]
    order = np.argsort(met.pixels[most], kind="stable")
    of[met.a[most][order]] = met.b[most][order]
    return of
