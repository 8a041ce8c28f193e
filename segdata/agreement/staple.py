"""STAPLE: the most likely consensus of several masks, with the sensitivity and specificity of each annotator.

The result depends on the field, the pixels over which the rates of annotators are estimated. Over a whole image, most
of which is undisputed, every specificity is nearly 1, and a segment of one annotator alone is accepted. So a field is
the pixels near a disagreement, one for each category of a case.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.votes import ABSENT, PixelDecision, PixelVotes, elect, plurality
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Rows, expand_ranges, unique_inverse
from segdata.core.statistics import ratio

_MIN_RATE = 1e-12  # rates stay this far from 0 and 1, so that no vote has infinite weight
_MIN_PIXELS = 0.5  # with fewer, a rate is unknown
_MAX_ITERATIONS, _TOLERANCE = 1000, 1e-8  # no rate changes by more in the last of the iterations


@dataclass(frozen=True, slots=True)
class StapleResult:
    """The result of STAPLE in U fields."""

    probability: Floats  # (N,) that a pattern's pixels are truly of the category
    # (U, R) the share of pixels truly of the category to which each annotator gave it; NaN where they judged none
    sensitivity: Floats
    specificity: Floats  # (U, R) the share of pixels truly of no such category to which they did not; NaN likewise
    prior: Floats  # (U,) the mean share of a field's pixels to which annotators gave the category


def staple(says: Flags, present: Flags, pixels: ArrayLike, field: ArrayLike | None = None) -> StapleResult:
    """STAPLE of one category, in one field or several at once, by expectation maximisation.

    In turn, until no rate of a field changes by more than 1e-8: rates from probabilities W,
    p_r = sum of W d_r / sum of W and q_r = sum of (1 - W) (1 - d_r) / sum of (1 - W); and probabilities from rates,
    W = f A / (f A + (1 - f) B), A = product of p_r where d_r, else 1 - p_r, B = product of 1 - q_r where d_r, else q_r.
    W begins as the share of votes, f is its mean. The result depends on the field: over a large background q nears 1,
    and a segment of a single annotator is accepted; see `segdata.agreement.staple`.

    Parameters
    ----------
    says : (N, R) d_r: whether annotator r gave the pixels of a pattern the category
    present : (N, R) whether the annotator judged them; who did not has no say
    pixels : (N,) how many pixels of the field have the pattern
    field : (N,) which field, ascending from 0; by default all are of one

    Source: Warfield, Zou, Wells (2004), IEEE Transactions on Medical Imaging 23(7), 903-921.
    """
    answer = np.asarray(np.zeros(len(says)) if field is None else field, np.int64)
    for k in range(says.shape[1]):  # few different things are said of one category, in however many patterns
        answer = unique_inverse(3 * answer + present[:, k] + (says & present)[:, k])[1]
    row = np.zeros(int(answer.max(initial=-1)) + 1, np.int64)
    row[answer] = np.arange(len(answer))
    n = np.bincount(answer, np.asarray(pixels, float) * present.any(axis=1), len(row)).astype(np.float64)
    field_of = np.zeros(len(row), np.int64) if field is None else np.asarray(field, np.int64)[row]
    result = _expectation_maximisation((says & present)[row], present[row], n[:, None], field_of)
    return replace(result, probability=result.probability[answer])


def _expectation_maximisation(yes: Flags, present: Flags, n: Floats, field: Ints) -> StapleResult:
    """STAPLE of N different answers that n (N, 1) pixels of field `field` (N,) got."""
    first = np.flatnonzero(np.diff(field, prepend=-1))
    no = present & ~yes

    def total(amount: Floats) -> Floats:
        """(U, R) sums over the patterns of each field."""
        return np.asarray(np.add.reduceat(amount, first, axis=0)) if len(first) else amount[:0]

    share = ratio(yes.sum(axis=1), present.sum(axis=1), 0.0)[:, None]
    prior = ratio(total(n * share), total(n * np.ones_like(share)), 0.5)
    w = share  # the names are those of the docstring of `staple`: W, p, q and f
    rates, going = np.full((2, len(first), yes.shape[1]), np.inf), np.ones(len(first), bool)
    for _ in range(_MAX_ITERATIONS):
        n_inside, n_outside = total(n * w * present), total(n * (1 - w) * present)
        p, q = ratio(total(n * w * yes), n_inside, 1.0), ratio(total(n * (1 - w) * no), n_outside, 1.0)
        # A converged field stays as it is, so that its result does not depend on other fields.
        before, rates = rates, np.where(going[:, None], [p, q], rates)
        going &= np.abs(rates - before).max(axis=(0, 2), initial=0) > _TOLERANCE
        if not going.any():
            break
        f, p, q = (np.clip(rate, _MIN_RATE, 1 - _MIN_RATE) for rate in (prior, *rates))
        odds = np.log(f / (1 - f))[field, 0]
        odds += (yes * np.log(p / (1 - q))[field]).sum(axis=1) + (no * np.log((1 - p) / q)[field]).sum(axis=1)
        likely = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
        w = np.where(going[field], likely, w[:, 0])[:, None]
    sensitivity, specificity = (
        np.where(pixels > _MIN_PIXELS, rate, np.nan) for pixels, rate in zip((n_inside, n_outside), rates, strict=True)
    )
    return StapleResult(w[:, 0], sensitivity, specificity, prior[:, 0])


@dataclass(frozen=True, slots=True)
class DisputedFields:
    """U fields, each for a category in a case on which annotators disagree, and their N patterns of votes."""

    case: Ints  # (U,)
    category: Ints  # (U,)
    field: Ints  # (N,) ascending
    pattern: Ints  # (N,) ascending in each field; all patterns of the case belong to each of its fields
    says: Flags  # (N, R) whether an annotator gave the pattern's pixels the field's category
    present: Flags  # (N, R) whether the annotator judged them: who calls them void did not
    pixels: Ints  # (N,) of the pattern that lie in the field


def disputed_fields(votes: PixelVotes, margin: int = 3) -> DisputedFields:
    """The fields of all disputed categories: the disputed pixels, and those up to `margin` rows or columns away."""
    void = np.array([category.kind == "void" for category in votes.categories] + [False, False], bool)
    judged = (votes.vote != ABSENT) & ~void[votes.vote]
    named, category, disputed = _named_categories(votes, judged)
    named, category = named[disputed], category[disputed]
    n_categories = max(len(votes.categories), 1)
    unit, number = np.unique(votes.case[named] * n_categories + category, return_inverse=True)
    case, code = np.divmod(unit, n_categories)
    by_case = np.argsort(votes.case, kind="stable")
    first, count = _ranges_of(votes.case[by_case], case)
    pattern = by_case[expand_ranges(first, count)]
    field = np.repeat(np.arange(len(case)), count)
    near = _dilate(_pattern_strips(votes, named, number), votes.line, margin)
    says = votes.vote[pattern] == code[field, None]
    return DisputedFields(
        case, code, field, pattern, says, judged[pattern], _pixels_in_fields(near, votes, field, pattern)
    )


def _named_categories(votes: PixelVotes, judged: Flags) -> tuple[Ints, Ints, Flags]:
    """Every pattern with each category that it got, without void, and whether another annotator disagrees."""
    pattern, voter = np.nonzero(judged & (votes.vote >= 0))
    n_categories = max(len(votes.categories), 1)
    pair, n_for = np.unique(pattern * n_categories + votes.vote[pattern, voter], return_counts=True)
    pattern, category = np.divmod(pair, n_categories)
    return pattern, category, n_for < judged.sum(axis=1)[pattern]


def _pattern_strips(votes: PixelVotes, pattern: Ints, owner: Ints) -> SweepRuns:
    """The strips of some patterns, each with its owners; a pattern may have several owners."""
    order = np.argsort(votes.pieces.owner, kind="stable")
    first, count = _ranges_of(votes.pieces.owner[order], pattern)
    rows = order[expand_ranges(first, count)]
    return SweepRuns(votes.pieces.start[rows], votes.pieces.end[rows], np.repeat(owner, count).astype(np.int32))


def _ranges_of(ordered: Ints | Rows, values: Ints) -> tuple[Ints, Ints]:
    """The first position of each wanted value in sorted values, and its count."""
    first = np.searchsorted(ordered, values).astype(np.int64)
    return first, np.searchsorted(ordered, values, "right") - first


def _dilate(side: SweepRuns, line: NumberLine, margin: int) -> SweepRuns:
    """All pixels at most `margin` rows and columns from those of the same owner."""
    frame, x, y = line.lower(side.start)
    top, bottom = np.maximum(y - margin, 0), np.minimum(y + (side.end - side.start) + margin, line.height[frame])
    high = _union_by_owner(SweepRuns(line.place(frame, x, top), line.place(frame, x, bottom), side.owner), line)
    frame, x, y = line.lower(high.start)
    moved = []
    for by in range(-margin, margin + 1):
        inside = (x + by >= 0) & (x + by < line.width[frame])
        start = high.start[inside] + by * (line.height[frame[inside]] + 1)
        moved.append((start, start + (high.end - high.start)[inside], high.owner[inside]))
    start, end, owner = (np.concatenate(columns) for columns in zip(*moved, strict=True))
    return _union_by_owner(SweepRuns(start, end, owner), line)


def _pixels_in_fields(near: SweepRuns, votes: PixelVotes, field: Ints, pattern: Ints) -> Ints:
    """(n,) how many pixels of each pattern lie in each field; `near.owner` is the field, in the order of the line."""
    pieces, n_patterns = votes.pieces, max(len(votes.pixels), 1)
    field_of, which, start, length = near.strips_with(pieces)
    frame_of_near = votes.line.frame_of(near.start)
    n_frames = max(len(votes.line.base), 1)
    # Unlabelled pixels are not in the pieces: they are the rest of each field in each image.
    room = np.bincount(near.owner * n_frames + frame_of_near, near.end - near.start)
    n_covered = np.bincount(field_of * n_frames + votes.line.frame_of(start), length, len(room))
    rest = np.flatnonzero(room - n_covered)
    key = np.concatenate(
        [field_of * np.int64(n_patterns) + which, rest // n_frames * n_patterns + votes.blank[rest % n_frames]]
    )
    amount = np.concatenate([length, (room - n_covered)[rest].astype(np.int64)])
    keys, total, _, _ = kernels.distinct(key.astype(np.int64), amount)
    field_key = field * n_patterns + pattern
    place = np.minimum(np.searchsorted(keys, field_key), max(len(keys) - 1, 0))
    return np.where(keys[place] == field_key, total[place], 0) if len(keys) else np.zeros(len(field_key), np.int64)


def _union_by_owner(side: SweepRuns, line: NumberLine) -> SweepRuns:
    """The union of each owner's runs, which may come in any order, in the order of the line."""
    end = int(line.base[-1] + (line.height[-1] + 1) * (line.width[-1] + 1)) if len(line.base) else 1
    lift = side.owner.astype(np.int64) * end
    order = np.argsort(side.start + lift, kind="stable")
    start, length, _ = kernels.cover((side.start + lift)[order], (side.end + lift)[order])
    owner, start = np.divmod(start, end)
    order = np.argsort(start, kind="stable")
    return SweepRuns(start[order], (start + length)[order], owner[order].astype(np.int32))


def decide_by_staple(votes: PixelVotes, margin: int = 3) -> PixelDecision:
    """Decide the most likely category of each pattern's pixels; `support` is its probability.

    STAPLE runs on each category in each case, in its field (`disputed_fields`). An undisputed category is taken as
    drawn. The probability of unlabelled, if an annotator left the pixels so, is 1 minus that of the likeliest category.
    Pixels that most annotators label void are void; with a tie, and without votes, pixels are `UNDECIDED`.
    """
    void = np.array([category.kind == "void" for category in votes.categories] + [False, False], bool)
    judged = (votes.vote != ABSENT) & ~void[votes.vote]
    fields = disputed_fields(votes, margin)
    result = staple(fields.says, fields.present, fields.pixels, fields.field)
    likely = np.where(judged & (votes.vote >= 0), 1.0, 0.0)
    row, voter = np.nonzero(fields.says)
    likely[fields.pattern[row], voter] = result.probability[row]
    likely = np.where(judged & (votes.vote < 0), 1 - likely.max(axis=1, initial=0)[:, None], likely)
    decided, most = elect(votes.vote, likely), plurality(votes.vote)
    is_void = (most.category >= 0) & void[most.category]
    return PixelDecision(*(np.where(is_void, one, other) for one, other in zip(most, decided, strict=True)))
