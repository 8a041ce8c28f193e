"""Joining: rows of two tables with equal keys, the k-th of one with the k-th of the other."""

import numpy as np

from segdata.core.runs import Ints


def joined(a: list[Ints], b: list[Ints]) -> tuple[Ints, Ints]:
    """The rows of A (n,) and of B (n,) that belong together, each row at most once.

    `a` and `b` are columns, the same number on both sides. Of several rows with one key the first goes with the first.

    >>> [rows.tolist() for rows in joined([np.array([5, 7, 7])], [np.array([7, 7, 7, 5])])]
    [[0, 1, 2], [3, 0, 1]]
    """
    columns = [np.concatenate(each) for each in zip(a, b, strict=True)]
    n_a, n = len(a[0]), len(columns[0])
    order = np.lexsort(columns[::-1])  # stable: within a key the rows of A come first
    new = np.zeros(n, bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    group = np.cumsum(new) - 1
    of_a = order < n_a
    n_groups = int(new.sum())
    in_a, in_b = (np.bincount(group[side], minlength=n_groups) for side in (of_a, ~of_a))
    rank = np.arange(n) - np.flatnonzero(new)[group]
    rank[~of_a] -= in_a[group[~of_a]]
    paired = rank < np.minimum(in_a, in_b)[group]
    return order[paired & of_a], order[paired & ~of_a] - n_a
