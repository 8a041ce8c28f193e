"""Estimated: the category of each pattern of votes by STAPLE, and how well each annotator sees each category."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.consensus.fields import Extent, fields
from segdata.agreement.consensus.majority import Decided, elected, plurality
from segdata.agreement.consensus.staple import staple
from segdata.agreement.pixels.voting import ABSENT, Votes
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimated:
    """What is likely true of P patterns, and what that says of R annotators.

    Attributes
    ----------
    decided : of each pattern; `support` is the probability of its category
    case, category : (U,) where annotators do not agree on a category
    sensitivity, specificity : (U, R) of each annotator there, see `segdata.agreement.consensus.staple.Staple`
    """

    decided: Decided
    case: Ints
    category: Ints
    sensitivity: Floats
    specificity: Floats


def estimated(votes: Votes, extent: Extent = "band", margin: int = 3) -> Estimated:
    """The most likely of the categories that somebody gave a pattern's pixels.

    STAPLE is taken of each category in each case; see `segdata.agreement.consensus.fields.fields` for the arguments. A
    category that nobody in the case doubts is as it was drawn. Unlabelled, where somebody says so, is as likely as the
    likeliest category is not. What most call void is void; of a tie, and where nobody voted, pixels are `UNDECIDED`.
    """
    void = np.array([each.kind == "void" for each in votes.categories] + [False, False], bool)
    judged = (votes.vote != ABSENT) & ~void[votes.vote]
    of = fields(votes, extent, margin)
    found = staple(of.says, of.there, of.pixels, of.field)
    likely = np.where(judged & (votes.vote >= 0), 1.0, 0.0)
    row, voter = np.nonzero(of.says)
    likely[of.pattern[row], voter] = found.probability[row]
    likely = np.where(judged & (votes.vote < 0), 1 - likely.max(axis=1, initial=0)[:, None], likely)
    decided, most = elected(votes.vote, likely), plurality(votes.vote)
    is_void = (most.category >= 0) & void[most.category]
    return Estimated(
        Decided(*(np.where(is_void, one, other) for one, other in zip(most, decided, strict=True))),
        of.case,
        of.category,
        found.sensitivity,
        found.specificity,
    )
