"""Consensus of pixels: the category that most annotators gave a pixel, in layers where categories may overlap."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.annotator_pairs import Flags
from segdata.agreement.votes import ABSENT, UNLABELLED, PixelVotes
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
UNDECIDED = -3  # of a pixel on which annotators do not agree enough
_ROUNDING = 1e-6  # scores that differ by less are equal


class PixelDecision(NamedTuple):
    """What became of P patterns of votes.

    Attributes
    ----------
    category : (P,) a position in the list of categories, -1 for unlabelled, or `UNDECIDED`
    support : (P,) how sure it is, in [0, 1]; where undecided, of the best candidate; NaN where nobody voted
    """

    category: Ints
    support: Floats


def plurality(vote: Ints, weight: ArrayLike | None = None) -> PixelDecision:
    """The vote that most annotators cast, unlabelled being one; of a tie `UNDECIDED`.

    Takes the votes (P, R) of `segdata.agreement.votes.PixelVotes`, and how much each annotator's counts (R,), by
    default the same. `support` is the share of those who voted. Order of annotators changes nothing.
    Source: Lam and Suen (1997), IEEE Transactions on Systems, Man, and Cybernetics A 27(5), 553-568.

    >>> plurality(np.array([[0, 1, 1], [0, 1, -2], [2, -1, -1]])).category.tolist()
    [1, -3, -1]
    """
    n_voters = vote.shape[1]
    weights = np.where(vote == ABSENT, 0.0, np.ones(n_voters) if weight is None else np.asarray(weight, float))
    for_it = np.zeros(vote.shape)  # the weight of all who cast the vote that each cast
    for k in range(n_voters):
        for_it += (vote == vote[:, k, None]) * weights[:, k, None]
    with np.errstate(invalid="ignore"):
        return elect(vote, for_it / weights.sum(axis=1)[:, None])


def elect(vote: Ints, score: Floats) -> PixelDecision:
    """The vote (P, R) of the highest score (P, R); `UNDECIDED` where another's is as high, or none is above 0.

    `support` is the score.
    """
    if vote.shape[1] == 0:
        return PixelDecision(np.full(len(vote), UNDECIDED), np.full(len(vote), np.nan))
    best = score.max(axis=1)
    winner = vote[np.arange(len(vote)), score.argmax(axis=1)]
    rival = (score >= best[:, None] - _ROUNDING) & (vote != winner[:, None])
    decided = (best > 0) & ~np.logical_or.reduce(rival, axis=1)
    return PixelDecision(np.where(decided, winner, UNDECIDED), best)


def majority(vote: Ints, weight: ArrayLike | None = None, *, least: float = 0.5) -> PixelDecision:
    """The vote of more than half of those who voted, else `UNDECIDED`; see `plurality`.

    `least` is the share that it must exceed, 0.5 or more.

    >>> majority(np.array([[0, 1, 1, 2], [0, 0, 0, 2]])).category.tolist()
    [-3, 0]
    """
    found = plurality(vote, weight)
    return PixelDecision(np.where(found.support > least + _ROUNDING, found.category, UNDECIDED), found.support)


@dataclass(frozen=True, slots=True)
class DecidedStrips:
    """Pixels on the line that are decided: n strips, which may share pixels where their codes or crowds differ.

    Attributes
    ----------
    start, end : (n,)
    code : (n,) position in the list of categories
    crowd : (n,) of crowds
    support : (n,) how sure it is; NaN where nobody decided
    iou : (n,) mean of every two annotators' IoU of the category in the case; NaN where no two drew it
    """

    start: Ints
    end: Ints
    code: Ints
    crowd: Flags
    support: Floats
    iou: Floats

    @staticmethod
    def of(votes: PixelVotes, decided: PixelDecision, *, crowd: bool = False) -> "DecidedStrips":
        """The strips of patterns for which a category was decided."""
        pieces = votes.pieces
        kept = np.flatnonzero(~np.isin(decided.category[pieces.owner], (UNLABELLED, UNDECIDED)))
        pattern = pieces.owner[kept]
        code = decided.category[pattern]
        iou = pairwise_iou(votes)[votes.case[pattern], code] if len(kept) else np.zeros(0)
        crowds = np.full(len(kept), crowd)
        return DecidedStrips(pieces.start[kept], pieces.end[kept], code, crowds, decided.support[pattern], iou)

    @staticmethod
    def bare(side: SweepRuns, code: int) -> "DecidedStrips":
        """Pixels under a category that nobody voted for."""
        n = len(side.start)
        unknown = np.full(n, np.nan)
        return DecidedStrips(side.start, side.end, np.full(n, code), np.zeros(n, bool), unknown, unknown)

    def but(self, code: Ints) -> "DecidedStrips":
        """All but those of some categories."""
        kept = ~np.isin(self.code, code)
        return DecidedStrips(
            *(getattr(self, name)[kept] for name in ("start", "end", "code", "crowd", "support", "iou"))
        )

    @staticmethod
    def joined(pieces: "list[DecidedStrips]") -> "DecidedStrips":
        """All pieces in the order of the line."""
        names = ("start", "end", "code", "crowd", "support", "iou")
        columns = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in names]
        order = np.argsort(columns[0], kind="stable")
        return DecidedStrips(*(column[order] for column in columns))


def pairwise_iou(votes: PixelVotes) -> Floats:
    """(n_cases, n_categories) the mean IoU of every two annotators of a case, of the pixels that both judge.

    NaN where none of them drew the category.
    """
    n_annotators, n = votes.vote.shape[1], max(len(votes.categories), 1)
    shape = (int(votes.case.max(initial=-1)) + 1, n)
    # Votes below 0 take what is appended: who was not there judges nothing, who left it unlabelled does.
    unjudged = np.array([each.kind == "void" for each in votes.categories] + [True, False], bool)

    def pixels(said: Ints, rows: Flags) -> Floats:
        some = rows & (said >= 0)
        cell = votes.case[some] * n + said[some]
        return np.bincount(cell, votes.pixels[some], shape[0] * n).astype(np.float64).reshape(shape)

    total, known = np.zeros(shape), np.zeros(shape)
    for one in range(n_annotators):
        for other in range(one + 1, n_annotators):
            a, b = votes.vote[:, one], votes.vote[:, other]
            judged = ~(unjudged[a] | unjudged[b])
            both = pixels(a, judged & (a == b))
            union = pixels(a, judged) + pixels(b, judged) - both
            total += np.divide(both, union, out=np.zeros(shape), where=union > 0)
            known += union > 0
    return np.asarray(np.divide(total, known, out=np.full(shape, np.nan), where=known > 0))


def category_layers(batch: Batch, code: Ints, chosen: Flags, is_void: Flags) -> list[Ints]:
    """Rows of the chosen segments (n,) in layers, in each of which no annotation has a pixel under two categories.

    `code` (n,) are the categories; `is_void` (n,) segments are in every layer, since they go before all others. There
    is one layer where nothing overlaps.
    """
    rows = np.flatnonzero(chosen & ~is_void)
    side = SweepRuns.of(batch.runs, batch.annotation_line, batch.segment_annotation)
    solid = np.isin(side.owner, rows)
    met = find_overlaps_within(SweepRuns(side.start[solid], side.end[solid], side.owner[solid]))
    pairs = np.unique(np.sort(np.stack([code[met.a], code[met.b]], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return [np.flatnonzero(chosen)]
    layer: dict[int, int] = {}
    for each in np.unique(pairs).tolist():  # categories that overlap are few
        met_here = pairs[(pairs == each).any(axis=1)]
        taken = {layer[other] for other in met_here.ravel().tolist() if other in layer}
        layer[each] = next(k for k in range(len(taken) + 1) if k not in taken)
    number = np.zeros(int(code.max()) + 1, np.int64)
    number[list(layer)] = list(layer.values())
    return [np.flatnonzero(chosen & (is_void | (number[code] == k))) for k in range(max(layer.values()) + 1)]
