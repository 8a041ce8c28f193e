"""Statistics: robust outlier scores, bounds of rates, false discoveries, effective numbers and weights."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from segdata.core import kernels
from segdata.core.runs import Flags, Floats, Ints, first_rows, unique_inverse

MAD_TO_SD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_MAX_SMALL_GROUP = 20  # values; larger groups have tails that can be estimated


def ratio(part: ArrayLike, whole: ArrayLike, otherwise: float = math.nan) -> Floats:
    """(...) each part divided by its whole (...), as a share or mean; `otherwise` where the whole is not above 0.

    >>> ratio(np.array([3, 0]), np.array([4, 0])).tolist()
    [0.75, nan]
    """
    parts, wholes = np.asarray(part), np.asarray(whole)
    result: Floats = np.full(np.broadcast_shapes(parts.shape, wholes.shape), otherwise)
    np.divide(parts, wholes, out=result, where=wholes > 0)
    return result


def robust_z(
    values: Floats,
    group: Ints,
    least_scale: float | Floats = 0.0,
    median: Callable[[Floats, Ints], Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Robust z-scores (n,) of values (n,) within their groups (n,), and the medians (n,) of the groups.

    Each side of the median is scaled by its own median absolute deviation, so that a skewed group has no
    outliers because of its skewness alone; the scale is at least `least_scale` (one for all, or one for each value).
    If it is 0, the score of the median is 0, that of others infinite. `median`: `group_median` or a replacement.
    Source: Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, ASQC; two sides: Rosenmai (2013).

    >>> scores, medians = robust_z(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 60.0]), np.zeros(7, int))
    >>> float(medians[0]), [round(float(score), 2) for score in scores]
    (4.0, [-1.35, -0.9, -0.45, 0.0, 0.45, 0.9, 25.18])
    """
    median = median or group_median
    medians = median(values, group)
    away = values - medians
    on_median = away == 0
    side = 2 * group + (away > 0)
    # Values on the median belong to both sides.
    both = np.concatenate([side, side[on_median] + 1])
    scale = median(np.concatenate([np.abs(away), np.zeros(int(on_median.sum()))]), both)[: len(values)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(on_median, 0.0, away / np.maximum(scale * MAD_TO_SD, least_scale)), medians


def outlier_limit(n: Ints, rate: float) -> Floats:
    """(k,) the robust z-score that a group of n normal values (k,) exceeds with a probability of `rate`.

    It grows with the size of the group, since the largest of many values lie far out; at a rate of 0 it is infinite.
    Source: Davies and Gather (1993), Journal of the American Statistical Association 88(423), 782-792.

    >>> outlier_limit(np.array([1, 41, 100_000]), 0.05).round(2).tolist()
    [1.96, 3.23, 5.03]
    """
    normal = NormalDist()
    sizes, inverse = np.unique(n, return_inverse=True)
    chances = [min(rate / (2 * size), 0.5) for size in sizes.tolist()]
    return np.array([-normal.inv_cdf(chance) if chance > 0 else np.inf for chance in chances])[inverse]


def tail_probability(values: Floats, group: Ints, least_scale: float | Floats = 0.0) -> tuple[Floats, Floats]:
    """(n,) the probability of a value as far from its group's median as this one; also returns the medians (n,).

    Each side of the median is modelled as exponential: its scale is the larger one of the estimates from the quartile
    and from the outer decile, and at least `least_scale`; outliers below a tenth do not change it. Since the scale is
    estimated from m values, half of the group, the probability of a new value is (1 + distance / (m scale)) ** -m
    (Lomax, 1954). For logarithms this is a power law, the heaviest tail of common use, so that skewed and
    heavy-tailed values have few outliers.
    Source: Hill (1975), Annals of Statistics 3(5), 1163-1174, for tails of logarithms; quantiles make it robust.

    >>> values = np.array([0.0, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.1, -0.1, 5.0])
    >>> chances, medians = tail_probability(values, np.zeros(10, int))
    >>> float(medians[0].round(2)), bool(chances[-1] < 0.005), bool(chances[:-1].min() > 0.1)
    (0.05, True, True)
    """
    if len(values) == 0:
        return np.ones(0), np.zeros(0)
    begin, number = first_rows(group)
    count = np.bincount(number)
    first = np.cumsum(count) - count
    ascending = values[kernels.order_by(number.astype(np.int32), len(count))]
    for start, n in zip(first.tolist(), count.tolist(), strict=True):
        ascending[start : start + n].sort()  # far faster than the order of all rows by group and value
    lower, middle, upper = (_quantiles(ascending, first, count, share) for share in (0.25, 0.5, 0.75))
    low = ascending[first + np.ceil((count - 1) * 0.1).astype(np.int64)]
    high = ascending[first + np.floor((count - 1) * 0.9).astype(np.int64)]
    least = np.broadcast_to(least_scale, len(values))[begin]
    below = np.maximum(np.maximum((middle - lower) / math.log(2), (middle - low) / math.log(5)), least)
    above = np.maximum(np.maximum((upper - middle) / math.log(2), (high - middle) / math.log(5)), least)
    medians, m = middle[number], (count / 2)[number]
    away = values - medians
    scale = np.where(away < 0, below[number], above[number])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        chance = np.where(away == 0, 1.0, (1 + np.abs(away) / (m * scale)) ** -m)
    return chance, medians


def _sort_groups(values: Floats, group: Ints) -> tuple[Ints, Ints, Ints]:
    """(n,) the order of values by group, then size; and where each group begins in it, and its number of values."""
    order = np.argsort(values)
    order = order[kernels.order_by(group[order].astype(np.int32), int(group.max()) + 1)]  # twice as fast as np.lexsort
    first = np.flatnonzero(np.diff(group[order], prepend=group[order[0]] - 1))
    return order, first, np.diff(np.append(first, len(order)))


def gap_probability(values: Floats, group: Ints, least_scale: float | Floats = 0.0) -> Floats:
    """(n,) the probability of the gap between the outermost values of a small group (n,) and the others; else 1.

    `tail_probability` counts values as tail if more than a tenth of a group has them. Here up to a fifth of a group of
    at most 20 may be outliers, if a gap separates them. The steps between sorted exponential values, the largest first,
    are exponential with rates 1, 2, 3 … (Rényi, 1953), so that the probability of a gap below the j largest of n
    values, c times as wide as the range of the others, is the product of k / (k + j c) for k = j + 1 … n - 1. It is
    multiplied by the number of gaps that are tried at both ends. For logarithms these are power laws.

    >>> values = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 7.0, 7.1])
    >>> chances = gap_probability(values, np.zeros(10, int))
    >>> chances[:-2].tolist(), bool(chances[-2] == chances[-1] < 0.001)
    ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], True)
    """
    result = np.ones(len(values))
    members = np.bincount(group)[group]
    small = np.flatnonzero((members >= 5) & (members <= _MAX_SMALL_GROUP))
    if len(small) == 0:
        return result
    order, first, count = _sort_groups(values[small], group[small])
    order = small[order]
    ascending, last = values[order], first + count - 1
    least = np.broadcast_to(least_scale, len(values))[order[first]] * np.log(count)
    n_gaps = 2 * np.minimum(count // 5, 2)
    for j in (1, 2):
        for inner, outer, farthest in ((last - j, last - j + 1, first), (first + j, first + j - 1, last)):
            others = np.maximum(np.abs(ascending[inner] - ascending[farthest]), least)
            with np.errstate(divide="ignore", invalid="ignore"):
                c = np.abs(ascending[outer] - ascending[inner]) / others
            chance = np.where(j * 5 <= count, n_gaps, np.nan)
            for k in range(j + 1, _MAX_SMALL_GROUP):
                chance *= np.where(k < count, k / (k + j * c), 1.0)
            for step in range(j):
                rows = order[outer + (step if farthest is first else -step)]
                result[rows] = np.fmin(result[rows], chance)
    return result


def _quantiles(ascending: Floats, first: Ints, count: Ints, share: float) -> Floats:
    """The quantile of each group, interpolated and rounded as ``np.quantile`` does.

    `ascending` holds the sorted values of one group after the other; `first` and `count` are the start and size of
    each.
    """
    place = (count - 1) * share
    low = np.floor(place).astype(np.int64)
    between = place - low
    below, above = ascending[first + low], ascending[first + np.minimum(low + 1, count - 1)]
    apart = above - below
    result: Floats = np.where(between >= 0.5, above - apart * (1 - between), below + apart * between)
    return result


def group_median(values: Floats, group: Ints) -> Floats:
    """(n,) the median of each value's group."""
    groups, inverse = unique_inverse(group)
    return kernels.medians(values, inverse, len(groups))[inverse]


def benjamini_hochberg(p: Floats, rate: float, n_tests: int | None = None) -> Flags:
    """(n,) whether each of n tests with these p-values is significant at a false discovery rate of `rate`.

    `n_tests`: the number of all tests, if tests with p-values above `rate`, which cannot be significant, are left out.

    Source: Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57(1), 289-300.

    >>> benjamini_hochberg(np.array([0.01, 0.6, 0.03, 0.04]), 0.05).tolist()
    [True, False, False, False]
    """
    low = np.flatnonzero(p <= rate)  # no other can stand
    order = low[np.argsort(p[low], kind="stable")]
    below = p[order] <= rate * np.arange(1, len(low) + 1) / max(len(p) if n_tests is None else n_tests, 1)
    stands = np.zeros(len(p), bool)
    if below.any():
        stands[order[: np.flatnonzero(below)[-1] + 1]] = True
    return stands


def binomial_lower_bound(hits: int, of: int, confidence: float = 0.95) -> float:
    """The exact lower bound of a binomial rate at this confidence, from `hits` in `of` trials.

    Source: Clopper and Pearson (1934), Biometrika 26(4), 404-413, one-sided.

    >>> round(binomial_lower_bound(59, 59), 3), round(binomial_lower_bound(47, 48), 3), binomial_lower_bound(0, 5)
    (0.95, 0.905, 0.0)
    """
    if hits == 0:
        return 0.0
    low, high = 0.0, hits / of
    for _ in range(40):  # halving: the chance of as many hits grows with the rate
        middle = (low + high) / 2
        low, high = (low, middle) if _tail_probability(hits, of, middle) > 1 - confidence else (middle, high)
    return low


def proves_rate(hits: int, of: int, rate: float, confidence: float = 0.95) -> bool:
    """Whether `binomial_lower_bound` of `hits` in `of` trials is at least this rate.

    >>> proves_rate(59, 59, 0.95), proves_rate(58, 58, 0.95), proves_rate(0, 5, 0.0)
    (True, False, True)
    """
    if not 0 < rate < 1 or hits < rate * of:
        return rate <= 0
    return _tail_probability(hits, of, rate) <= 1 - confidence


def _tail_probability(hits: int, of: int, rate: float) -> float:
    """The probability of at least `hits` in `of` trials, where `rate` is no higher than ``hits / of``.

    The terms of the sum fall ever faster there, and the sum ends once they are negligible.
    """
    if rate <= 0:
        return 0.0
    misses = of - hits
    chance = math.exp(_log_choose(of, misses) + misses * math.log1p(-rate) + hits * math.log(rate))
    total = chance
    while misses > 0 and chance > total * 1e-18:
        chance *= misses * rate / ((of - misses + 1) * (1 - rate))
        misses -= 1
        total += chance
    return total


def absence_probability(total: int, having: int, drawn: int) -> float:
    """The hypergeometric probability that a sample of `drawn` out of `total` items has none of the `having` items.

    >>> round(absence_probability(10, 1, 5), 6), absence_probability(4, 3, 2)
    (0.5, 0.0)
    """
    if drawn > total - having:
        return 0.0
    return math.exp(_log_choose(total - having, drawn) - _log_choose(total, drawn))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def effective_number(count: Ints | Floats) -> float:
    """The number of equally frequent categories that would be as diverse as these counts (k,), in [1, k].

    It is the exponential of the entropy of their shares; counts of 0 are no categories. NaN where all are 0.
    Source: Hill (1973), Ecology 54(2), 427-432, order 1.

    >>> effective_number(np.array([5, 5, 0])), round(effective_number(np.array([1000, 1])), 2)
    (2.0, 1.01)
    """
    some = count[count > 0]
    if len(some) == 0:
        return float("nan")
    share = some / some.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def class_weights(count: Ints | Floats) -> Floats:
    """Loss weights (k,) inverse to these counts, with a mean of 1 over categories that occur.

    They are the inverse square roots of the counts: halfway, on a logarithmic scale, between none and inverse
    frequency, which lets a category of three pixels outweigh all others. 0 where a count is 0.
    Source: Mahajan and others (2018), ECCV, 181-196.

    >>> class_weights(np.array([100, 1, 0])).round(3).tolist()
    [0.182, 1.818, 0.0]
    """
    weights = np.zeros(len(count))
    some = count > 0
    weights[some] = 1 / np.sqrt(count[some])
    return weights / weights[some].mean() if some.any() else weights


def linked_groups(n: int, a: Ints, b: Ints) -> Ints:
    """(n,) the connected component of each of n items, as a number, in the graph of the edges (a, b).

    >>> linked_groups(4, np.array([0, 2]), np.array([2, 3])).tolist()
    [0, 1, 0, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(a), bool), (a, b)), shape=(n, n))
    group: Ints = connected_components(links, directed=False)[1].astype(np.int64)
    return group
