"""Unknown: how far pixels tell a mistake of a kind that nothing was learnt of."""

import numpy as np

from segdata.noise.evidence.drawn import Floats

RARE = -5.0  # log odds that what is as good as any other is wrong so


def unknown(worst: Floats, usual: Floats) -> Floats:
    """(n,) log odds that each is wrong in a way that nothing was learnt of: the rarer what pixels say, the likelier.

    `worst` (n,): how little the model believes in the worst pixels of each; `usual` (m,): the same of what was left as
    it was given. Its own probabilities are not believed: a weak model is sure of much that is wrong.

    >>> unknown(np.array([0.0, 3.0]), np.array([-3.0, -2.0, 0.0])).round(2).tolist()
    [-4.31, -3.61]
    """
    order = np.sort(usual)
    above = len(order) - np.searchsorted(order, worst)
    return np.asarray(RARE - np.log((above + 1) / (len(order) + 1)))
