"""Recognition: how many segments two annotators found both, and how many only one of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.instances.instances import Columns
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


class Recognition(NamedTuple):
    """Numbers of segments by group and category.

    Attributes
    ----------
    tp : (n_groups, n_categories) both have them
    fp, fn : (n_groups, n_categories) only B, only A has them
    iou_sum : (n_groups, n_categories) of those that both have
    """

    tp: Ints
    fp: Ints
    fn: Ints
    iou_sum: Floats


def recognition(
    matches: Columns, group: Ints, n_groups: int, n_categories: int, *, threshold: float = 0.5
) -> Recognition:
    """What the table `matches` says, summed over the rows of each group: a case, a cluster, a pair of annotators.

    `group` (n,) is that of each row. A pair counts if it has one category and an IoU above `threshold`, which should
    not be less than the one it was matched with; else each of both segments is one that the other does not have.

    >>> columns = {"category_a": [0, 1], "category_b": [0, -1], "iou": [0.8, np.nan], "ignored": [False, False]}
    >>> found = recognition({name: np.array(column) for name, column in columns.items()}, np.array([0, 0]), 1, 2)
    >>> found.tp.tolist(), found.fn.tolist()
    ([[1, 0]], [[0, 1]])
    """
    a, b, iou = matches["category_a"], matches["category_b"], matches["iou"]
    both = (a == b) & (np.nan_to_num(iou) > threshold)
    counted = ~both & ~matches["ignored"].astype(bool)

    def summed(rows: NDArray[np.bool_], category: Ints, weights: Floats | None = None) -> Floats:
        cell = group[rows] * n_categories + category[rows]
        total = np.bincount(cell, weights=None if weights is None else weights[rows], minlength=n_groups * n_categories)
        return total.reshape(n_groups, n_categories).astype(np.float64)

    return Recognition(
        summed(both, a).astype(np.int64),
        summed(counted & (b >= 0), b).astype(np.int64),
        summed(counted & (a >= 0), a).astype(np.int64),
        summed(both, a, iou).astype(np.float64),
    )
