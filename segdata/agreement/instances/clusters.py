"""Clusters: segments of several annotators that are one thing, whoever comes first."""

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.instances.matching import optimal
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def clusters(annotator: Ints, i: Ints, j: Ints, iou: Floats, threshold: float) -> Ints:
    """(n,) the cluster of each of n segments, named by its first segment; at most one segment of each annotator.

    Takes the annotator of each segment (n,), and the pairs `i`, `j` of segments of different annotators that share
    pixels, with their `iou` (p,). Every two annotators' segments are matched first, each pair with an IoU above the
    threshold and the largest sum of IoU; the category plays no part. Then clusters that a match connects are joined
    while their segments' IoU, averaged over all pairs of the two clusters, is above the threshold: average linkage,
    the two that are nearest to each other first.
    Source: Sokal, Michener (1958), University of Kansas Science Bulletin 38, 1409-1438, for the linkage.

    >>> annotator, i, j = np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([1, 2, 2])
    >>> clusters(annotator, i, j, np.array([0.8, 0.2, 0.6]), 0.5).tolist()
    [0, 0, 2]
    """
    first = annotator[i] < annotator[j]
    i, j = np.where(first, i, j), np.where(first, j, i)
    near = np.flatnonzero(iou > threshold)
    n_annotators = int(annotator.max(initial=-1)) + 1
    # A segment has a match with each of the other annotators: it competes for one of theirs at a time.
    toward_b = i[near] * n_annotators + annotator[j[near]]
    toward_a = j[near] * n_annotators + annotator[i[near]]
    matched = np.zeros(len(i), bool)
    matched[near[optimal(toward_b, toward_a, iou[near])]] = True
    together = _connected(len(annotator), i[matched], j[matched])
    kept = together[i] == together[j]
    return _joined(annotator, i[kept], j[kept], iou[kept], matched[kept], threshold)


def _connected(n: int, i: Ints, j: Ints) -> Ints:
    """(n,) the connected component of each node."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(n, n))
    label: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def _joined(annotator: Ints, i: Ints, j: Ints, total: Floats, matched: Flags, threshold: float) -> Ints:
    """(n,) clusters by average linkage.

    In every round all pairs of clusters join that are each other's nearest; the nearest two of all are among them.
    """
    n = len(annotator)
    cluster, size = np.arange(n), np.ones(n, np.int64)
    has = np.zeros((n, int(annotator.max(initial=-1)) + 1), bool)
    has[np.arange(n), annotator] = True
    while True:
        possible = ~(has[i] & has[j]).any(axis=1)
        i, j, total, matched = i[possible], j[possible], total[possible], matched[possible]
        mean = total / (size[i] * size[j])
        fits = np.flatnonzero(matched & (mean > threshold))
        if len(fits) == 0:
            return cluster
        best = fits[_nearest(i[fits], j[fits], mean[fits])]
        kept, gone = np.minimum(i[best], j[best]), np.maximum(i[best], j[best])
        has[kept] |= has[gone]
        size[kept] += size[gone]
        now = np.arange(n)
        now[gone] = kept
        cluster, i, j = now[cluster], now[i], now[j]
        pair, which = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
        i, j = np.divmod(pair, n)
        total = np.bincount(which, weights=total, minlength=len(pair)).astype(np.float64)
        matched = np.bincount(which, weights=matched, minlength=len(pair)) > 0
        apart = i != j
        i, j, total, matched = i[apart], j[apart], total[apart], matched[apart]


def _nearest(i: Ints, j: Ints, mean: Floats) -> Ints:
    """The pairs that are the nearest ones of both their clusters; of equal ones the first by (i, j)."""
    order = np.lexsort((j, i, -mean))
    ends = np.concatenate([i[order], j[order]])
    rank = np.tile(np.arange(len(order)), 2)
    by_rank = np.argsort(rank, kind="stable")
    best = np.zeros(len(order), np.int64)
    found = np.unique(ends[by_rank], return_index=True)[1]
    np.add.at(best, rank[by_rank][found], 1)
    chosen: Ints = order[best == 2]
    return chosen
