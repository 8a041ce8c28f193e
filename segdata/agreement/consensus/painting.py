"""Painting: what was decided of patterns of votes, as segments on the images."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.pixels.voting import UNLABELLED, Votes
from segdata.core import kernels
from segdata.core.runs import Ints, Runs


@dataclass(frozen=True, slots=True)
class Painted:
    """One segment for each image and category, in this order.

    Attributes
    ----------
    image : (n,) row of the batch's images
    category : (n,) as it was decided: a position in the list of categories, or `UNDECIDED`
    runs : the pixels; `runs.owner` is the row here
    """

    image: Ints
    category: Ints
    runs: Runs


def painted(votes: Votes, category: Ints) -> Painted:
    """The pixels of each pattern under the category (P,) that was decided for it; unlabelled is not painted.

    Where no annotator drew anything, nothing is painted, whatever was decided.
    """
    line, pieces = votes.line, votes.pieces
    code = category[pieces.owner]
    some = code != UNLABELLED
    start, end, code = pieces.start[some], pieces.end[some], code[some]
    image, x, y = line.lower(start)
    low = int(code.min(initial=0))
    wide = int(code.max(initial=0)) - low + 1
    segment, owner = np.unique(image * wide + code - low, return_inverse=True)
    order = kernels.order_by(owner.astype(np.int32), len(segment))
    start, end, owner, image, x, y = (column[order] for column in (start, end, owner, image, x, y))
    opens = np.ones(len(start), bool)  # on the line columns are apart, so what touches is one run
    opens[1:] = (owner[1:] != owner[:-1]) | (start[1:] != end[:-1])
    first = np.flatnonzero(opens)
    length = end[np.append(first[1:], len(start)) - 1] - start[first] if len(first) else start
    runs = Runs((x * line.height[image] + y)[first], length, owner[first].astype(np.int32))
    return Painted(segment // wide, segment % wide + low, runs)
