"""Assignment: which segments of two annotators belong together, at most one of A with one of B.

The input are cells: the n pairs of segments that may be matched, `a` and `b` (n,) rows, each pair once, and the gain
(n,) > 0 of each. No table of all A x all B is built.
"""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Rows, unique_inverse

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_DENSE = 1_000_000  # cells of the largest table that one block of segments gets


def match_optimal(a: Ints | Rows, b: Ints | Rows, gain: Floats) -> Flags:
    """(n,) the cells of the matching with the largest sum of gains.

    Segments that no chain of cells connects do not compete, so each connected block is settled by itself: those of
    one segment with several at once, the others by linear assignment, a large one by its sparse form.
    Source: Kuhn (1955), Naval Research Logistics Quarterly 2, 83-97; Crouse (2016), IEEE Transactions on Aerospace
    and Electronic Systems 52(4), 1679-1696.

    >>> match_optimal(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0.6, 0.55, 0.58, 0.1])).tolist()
    [False, True, True, False]
    """
    kept = np.zeros(len(a), bool)
    if len(a) == 0:
        return kept
    row, column = unique_inverse(a.astype(np.int64))[1], unique_inverse(b.astype(np.int64))[1]
    crowded = (np.bincount(row)[row] > 1) | (np.bincount(column)[column] > 1)
    kept[~crowded] = True
    rest = np.flatnonzero(crowded)
    if len(rest):
        kept[rest] = _match_blocks(unique_inverse(row[rest])[1], unique_inverse(column[rest])[1], gain[rest])
    return kept


def _match_blocks(row: Ints, column: Ints, gain: Floats) -> Flags:
    """As `match_optimal`, for rows and columns that are counted from 0 without gaps."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_rows, n_columns = int(row.max()) + 1, int(column.max()) + 1
    graph = coo_array((np.ones(len(row), bool), (row, n_rows + column)), shape=(n_rows + n_columns,) * 2)
    n_blocks, label = connected_components(graph, directed=False)
    high, wide = (np.bincount(each, minlength=n_blocks) for each in (label[:n_rows], label[n_rows:]))
    block = label[row]
    kept = np.zeros(len(row), bool)
    order = np.lexsort((column, row, -gain, block))  # the best cell of each block comes first
    first = np.searchsorted(block[order], np.arange(n_blocks))
    is_star = (high == 1) | (wide == 1)
    kept[order[first[is_star]]] = True
    ends = np.append(first, len(order))
    for each in np.flatnonzero(~is_star).tolist():
        cells = order[ends[each] : ends[each + 1]]
        solve = _match_dense if high[each] * wide[each] <= _DENSE else _match_sparse
        kept[cells] = solve(unique_inverse(row[cells])[1], unique_inverse(column[cells])[1], gain[cells])
    return kept


def _match_dense(row: Ints, column: Ints, gain: Floats) -> Flags:
    """(n,) the cells of one block's best matching, by a table of all its rows and columns."""
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((int(row.max()) + 1, int(column.max()) + 1))
    table[row, column] = gain
    chosen = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    chosen[rows] = columns
    kept: Flags = chosen[row] == column
    return kept


def _match_sparse(row: Ints, column: Ints, gain: Floats) -> Flags:
    """(n,) the same from the cells alone.

    What is asked for leaves segments alone, what scipy solves does not: so each row i gets a column that only i may
    take, each column j a row, and these may take each other wherever i and j may; a matching of all is left.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    n_rows, n_columns = int(row.max()) + 1, int(column.max()) + 1
    own_column, own_row = n_columns + np.arange(n_rows), n_rows + np.arange(n_columns)
    rows = np.concatenate([row, np.arange(n_rows), own_row, n_rows + column])
    columns = np.concatenate([column, own_column, np.arange(n_columns), n_columns + row])
    weight = np.ones(len(rows))  # a weight of 0 would be no cell; the same for all changes nothing
    weight[: len(row)] += gain
    size = n_rows + n_columns
    graph = coo_array((weight, (rows, columns)), shape=(size, size)).tocsr()
    found = np.empty(size, np.int64)
    taken_by, taken = min_weight_full_bipartite_matching(graph, maximize=True)
    found[taken_by] = taken
    kept: Flags = found[row] == column
    return kept


def match_greedy(a: Ints | Rows, b: Ints | Rows, gain: Floats) -> Flags:
    """(n,) the cells that are left when the best one is taken, then the best one that is still free, and so on.

    For comparison: the sum of gains may be less than that of `match_optimal`. Of equal cells the first by (a, b) is
    taken.
    All cells that are the best ones of both their segments are taken at once, round by round, which is the same.

    >>> match_greedy(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0.6, 0.55, 0.58, 0.1])).tolist()
    [True, False, False, True]
    """
    kept = np.zeros(len(a), bool)
    left = np.lexsort((b, a, -gain))
    while len(left):
        of_a, of_b = a[left], b[left]
        best = np.zeros(len(left), np.int64)
        for each in (of_a, of_b):
            best[np.unique(each, return_index=True)[1]] += 1
        taken = best == 2
        kept[left[taken]] = True
        left = left[~(np.isin(of_a, of_a[taken]) | np.isin(of_b, of_b[taken]))]
    return kept
