"""Majority: the category that most annotators gave a pixel."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.pixels.voting import ABSENT
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
UNDECIDED = -3  # of a pixel on which annotators do not agree enough
_ROUNDING = 1e-6  # scores that differ by less are equal


class Decided(NamedTuple):
    """What became of P patterns of votes.

    Attributes
    ----------
    category : (P,) a position in the list of categories, -1 for unlabelled, or `UNDECIDED`
    support : (P,) how sure it is, in [0, 1]; where undecided, of the best candidate; NaN where nobody voted
    """

    category: Ints
    support: Floats


def plurality(vote: Ints, weight: ArrayLike | None = None) -> Decided:
    """The vote that most annotators cast, unlabelled being one; of a tie `UNDECIDED`.

    Takes the votes (P, R) of `segdata.agreement.pixels.voting.Votes`, and how much each annotator's counts (R,), by
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
        return elected(vote, for_it / weights.sum(axis=1)[:, None])


def elected(vote: Ints, score: Floats) -> Decided:
    """The vote (P, R) of the highest score (P, R); `UNDECIDED` where another's is as high, or none is above 0.

    `support` is the score.
    """
    if vote.shape[1] == 0:
        return Decided(np.full(len(vote), UNDECIDED), np.full(len(vote), np.nan))
    best = score.max(axis=1)
    winner = vote[np.arange(len(vote)), score.argmax(axis=1)]
    rival = (score >= best[:, None] - _ROUNDING) & (vote != winner[:, None])
    decided = (best > 0) & ~np.logical_or.reduce(rival, axis=1)
    return Decided(np.where(decided, winner, UNDECIDED), best)


def majority(vote: Ints, weight: ArrayLike | None = None, *, least: float = 0.5) -> Decided:
    """The vote of more than half of those who voted, else `UNDECIDED`; see `plurality`.

    `least` is the share that it must exceed, 0.5 or more.

    >>> majority(np.array([[0, 1, 1, 2], [0, 0, 0, 2]])).category.tolist()
    [-3, 0]
    """
    found = plurality(vote, weight)
    return Decided(np.where(found.support > least + _ROUNDING, found.category, UNDECIDED), found.support)
