"""Detail: how fine labels are, and how far images can be reduced before that is lost.

Crops of a hundred pixels show a piece of asphalt, and what it is can only be told from what is around it; so images are
reduced until what is labelled is as wide as a network needs to see it. docs/flag.md has what that is worth.
"""

import numpy as np

from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Ints

_LOOKED_AT = 40  # images
_STUFF, _THING = 6, 12  # px that are left of the width; twice as many where an edge is to divide things that touch
_LEAST = 1 / 8


def breadth(maps: LabelMaps, rows: Ints) -> float:
    """How wide segments of some images are, in pixels; NaN where nothing is labelled.

    Of a category it is 4 times its area over its outline: the side of a square, and twice the width of a line. Of all
    it is their geometric mean, so that large ones do not speak for small ones. Of many images every n-th is looked at.
    """
    area, outline = np.zeros((2, len(maps.classes)))
    for row in rows[:: -(-len(rows) // _LOOKED_AT) or 1].tolist():
        found = maps.instances(row)
        painted, n = found.map, len(found.classes) + 1
        edge = np.zeros(n)
        for one, other in ((painted[1:], painted[:-1]), (painted[:, 1:], painted[:, :-1])):
            differ = one != other
            edge += np.bincount(one[differ], minlength=n) + np.bincount(other[differ], minlength=n)
        area += np.bincount(found.classes, np.bincount(painted.ravel(), minlength=n)[1:], len(area))
        outline += np.bincount(found.classes, edge[1:], len(area))
    known = outline > 0
    return float(np.exp(np.log(4 * area[known] / outline[known]).mean())) if known.any() else float("nan")


def scale_for(width: float, *, instances: bool) -> float:
    """1, 1/2, 1/4 or 1/8: the least at which segments of this `breadth` stay as wide as is needed.

    >>> scale_for(19.4, instances=True), scale_for(28.9, instances=False), scale_for(float("nan"), instances=False)
    (1.0, 0.25, 1.0)
    """
    needed = _THING if instances else _STUFF
    halvings = np.floor(np.log2(max(width / needed, 1.0))) if np.isfinite(width) else 0.0
    return float(max(0.5**halvings, _LEAST))
