"""Possible: how many mistakes there can be at most among what was given, as told by mistakes made on purpose."""

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.mistakes.injection import LESSON

ENOUGH = 30  # mistakes above a threshold, from which on their share is known


def possible(score: Floats, wrong: Flags) -> float:
    """The greatest share of mistakes that there may have been among those (n,) that were left as they were given.

    `score` (n,), greater is worse, and `wrong` (n,): whether each is a mistake made on purpose. What was given is a
    mixture of what is right and of mistakes. If these are found as the made ones are, then above a threshold where a
    share of the made ones lies there is the same share of those given; so there are no more of them than all that was
    given above it, over that share. The least such bound counts, each with one standard deviation on the safe side. 1
    where nothing was made.
    Source: Blanchard, Lee and Scott (2010), Journal of Machine Learning Research 11, 2973-3009.

    >>> score = np.arange(1000.0)
    >>> possible(score, score >= 900) < 0.01 < 0.5 < possible(score, score % 10 == 0)
    True
    """
    n_wrong = int(wrong.sum())
    if n_wrong in (0, len(wrong)):
        return 1.0
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(wrong[order])
    misses = np.arange(1, len(order) + 1) - hits
    told = hits >= min(ENOUGH, n_wrong)
    above = (misses + np.sqrt(misses + 1) + 1) / (len(order) - n_wrong)
    found = np.maximum(hits - np.sqrt(hits), 0.5) / n_wrong
    return float(min((above / found)[told].min(), 1.0))


def shares(held: Floats, kind: Ints) -> Floats:
    """(K,) how common each kind of mistake may be among what was given: as common as any other, or what is possible.

    `kind` (h,) says which kind each of `held` (h, K) is, -1: none; a column for each kind that occurs, greater where
    one is likelier to be of it. Of kinds that stand out, and are not there, little is possible, so that they do not
    outweigh one that is there. Of kinds that hardly do anything is possible, which is no sign of them.
    """
    known = np.unique(kind[kind >= 0])
    either = [(kind < 0) | (kind == name) for name in known]
    found = [possible(held[of, at], kind[of] >= 0) for at, of in enumerate(either)]
    return np.asarray(np.minimum(found, LESSON), np.float64)


def excess(odds: Floats, wrong: Flags) -> float:
    """By how much log odds (n,) at the rate of what was made (n,) are above those at the highest that is possible."""
    rate = (wrong.sum() + 1) / (len(wrong) + 2)
    most = min(possible(odds, wrong), rate)
    return float(np.log(rate / (1 - rate)) - np.log(most / (1 - most)))
