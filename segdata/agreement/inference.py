"""Inference: intervals of rates, and permutation tests of differences.

Sources: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapters 3 and 5; p-values: Phipson and
Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1), 39.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.resampling import Statistic, least_clusters
from segdata.core.runs import Floats, Ints
from segdata.core.statistics import benjamini_hochberg, ratio


class Estimate(NamedTuple):
    """An estimate (...), and the ends of its interval."""

    value: Floats
    low: Floats
    high: Floats


def wilson_interval(hits: Floats, trials: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """(...) the ends of the interval of a rate, NaN where `trials` is 0; close to its confidence on average over rates.

    Source: Wilson (1927), Journal of the American Statistical Association 22(158), 209-212.

    >>> [round(float(end), 4) for end in wilson_interval(np.array(0.0), np.array(10.0))]
    [0.0, 0.2775]
    """
    z, trials = _normal_quantile(confidence), np.asarray(trials, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (hits + z**2 / 2) / (trials + z**2)
        half = z / (trials + z**2) * np.sqrt(hits * (trials - hits) / trials + z**2 / 4)
        return np.where(trials > 0, np.maximum(middle - half, 0), np.nan), np.where(
            trials > 0, np.minimum(middle + half, 1), np.nan
        )


def exact_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The ends of the exact interval of a rate, which covers every rate at least as often as `confidence`.

    Source: Clopper and Pearson (1934), Biometrika 26(4), 404-413.

    >>> [round(end, 4) for end in exact_interval(0, 10)]
    [0.0, 0.3085]
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def median_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """The ends of an interval of the population median, which are two of the values (n,); NaN for too few.

    It covers the median at least as often as `confidence`, whatever the distribution: six values are needed for 95 %.
    Source: David and Nagaraja (2003), Order Statistics, section 7.1.

    >>> median_interval(np.array([3.0, 1, 2, 9, 4, 5])), median_interval(np.arange(5.0))
    ((1.0, 9.0), (nan, nan))
    """
    from scipy.special import bdtr

    n = len(values)
    below = int((bdtr(np.arange(n), n, 0.5) <= (1 - confidence) / 2).sum())  # values that may be left out on each side
    if not below:
        return float("nan"), float("nan")
    ordered = np.sort(values)
    return float(ordered[below - 1]), float(ordered[n - below])


def share_within_range(n: int, confidence: float = 0.95) -> float:
    """The least share of the population that lies between the smallest and the largest of n values.

    It holds at this confidence, whatever the distribution. NaN for fewer than two values.
    Source: Wilks (1941), Annals of Mathematical Statistics 12(1), 91-96.

    >>> [round(share_within_range(n), 3) for n in (8, 24, 93)]
    [0.529, 0.817, 0.95]
    """
    from scipy.special import betaincinv

    return float(betaincinv(n - 1, 2, 1 - confidence)) if n > 1 else float("nan")


def finite_interval(hits: int, trials: int, lot: int, confidence: float = 0.95) -> tuple[float, float]:
    """The ends of the interval of the rate of a finite lot, from `trials` items drawn without replacement.

    It contains all rates with which as few hits, and as many hits, have a probability of at least half of
    1 - `confidence`. If the whole lot was inspected, its rate is known.
    Source: Buonaccorsi (1987), The American Statistician 41(3), 215-218; the hypergeometric twin of `exact_interval`.

    >>> finite_interval(2, 40, 40), [round(end, 3) for end in finite_interval(2, 40, 80)]
    ((0.05, 0.05), [0.025, 0.125])
    """
    from scipy.stats import hypergeom

    tail, rates = (1 - confidence) / 2, np.arange(hits, lot - (trials - hits) + 1)
    possible = (hypergeom.cdf(hits, lot, rates, trials) > tail) & (hypergeom.sf(hits - 1, lot, rates, trials) > tail)
    kept = rates[possible]
    return float(kept[0] / lot), float(kept[-1] / lot)


def share_interval(
    hits: Floats, total: Floats, confidence: float = 0.95, *, trials: float | None = None
) -> tuple[float, float]:
    """The ends of the interval of a share over n clusters of images, sum(hits) / sum(total).

    The variance of the share between clusters gives an effective number of independent trials; with that number,
    corrected by Student's t for few clusters, the interval is the exact one of a rate. So a share that is similar in
    eight images is not treated as eight coin tosses, and one that a single image decides is. The variance is the
    jackknife's, which large clusters do not bias, with degrees of freedom estimated from the clusters: two images with
    hits among sixty show little of how images differ. If nothing, or everything, is a hit there is no variance:
    `trials` then have the effective number of images that differ much (`UNSEEN_ICC`), or n if `trials` is None. The
    effective number is at most `trials`. Without `trials` (pixels) a whole image may be a hit now and then, which no
    other image shows: if the hits, or the misses, are together less than one image, that end is the one of n trials,
    and from one and a half images on the one above. NaN for fewer clusters than any interval needs
    (`segdata.core.resampling.least_clusters`).
    Sources: Korn and Graubard (1998), Survey Methodology 24(2), 193-201; the jackknife of a ratio: Wolter (2007),
    Introduction to Variance Estimation, section 4.2; degrees of freedom: Satterthwaite (1946), Biometrics Bulletin
    2(6), 110-114; a cluster's design effect: Kish (1965), Survey Sampling, section 5.4.

    >>> share = np.array([0.20, 0.24, 0.22, 0.23, 0.21, 0.25, 0.19, 0.22])
    >>> [round(end, 2) for end in share_interval(share, np.ones(8))]
    [0.2, 0.24]
    >>> [round(end, 2) for end in share_interval(np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), np.ones(8))]
    [0.0, 0.82]
    """
    from scipy.special import betaincinv, stdtrit

    n, whole = len(total), float(total.sum())
    if n < least_clusters(confidence) or whole <= 0:
        return float("nan"), float("nan")
    share = min(max(float(hits.sum()) / whole, 0.0), 1.0)
    most = float(n if trials is None else trials)
    with np.errstate(divide="ignore", invalid="ignore"):  # a cluster that is all there is: without it nothing is left
        squares = np.nan_to_num(((hits - share * total) / (whole - total)) ** 2, posinf=1.0)
    variance = (n - 1) / n * float(squares.sum())
    if variance > 0 and 0 < share < 1:
        worth, freedom = share * (1 - share) / variance, _degrees_of_freedom(squares)
    else:
        likeness = 0.0 if trials is None else UNSEEN_ICC * max(float((total**2).sum()) / whole - 1, 0.0)
        worth, freedom = most / (1 + likeness), n - 1.0
    worth = max(1.0, worth if trials is None else min(worth, most))
    scale = (_normal_quantile(confidence) / float(stdtrit(freedom, (1 + confidence) / 2))) ** 2
    tail = (1 - confidence) / 2
    below, above = (
        scale * (worth if trials is not None or worth <= n else _shrink(worth, n, rest)) for rest in (1 - share, share)
    )
    low = float(betaincinv(share * below, below - share * below + 1, tail)) if share > 0 else 0.0
    high = float(betaincinv(share * above + 1, above - share * above, 1 - tail)) if share < 1 else 1.0
    return low, high


def _degrees_of_freedom(squares: Floats) -> float:
    """The degrees of freedom of a sum of n squares: n - 1 if they are equal, about 2 for each of a few large ones."""
    total, n = float(squares.sum()), len(squares)
    spread = float((squares**2).sum()) - total**2 / n
    return min(max(2 * total**2 / spread, 1.0), n - 1.0) if spread > 0 else n - 1.0


def _shrink(worth: float, n: int, rest: float) -> float:
    """The effective number of trials if the hits, or the misses, are `rest` of all: n below one image."""
    sure = min(max(2 * (rest * n - 1), 0.0), 1.0)
    return float(n ** (1 - sure) * worth**sure)


def highest_unseen_rate(trials: int, confidence: float = 0.95) -> float:
    """The highest rate that is consistent with no hit in `trials` trials: nearly 3 / trials at 95 %, the rule of three.

    Source: Hanley and Lippman-Hand (1983), JAMA 249(13), 1743-1745.

    >>> round(highest_unseen_rate(100), 4), highest_unseen_rate(0)
    (0.0295, 1.0)
    """
    return 1 - (1 - confidence) ** (1 / trials) if trials else 1.0


def share_with_interval(
    hits: Floats, total: Floats, confidence: float, *, trials: float | None = None
) -> tuple[float, float, float]:
    """A share over n clusters, sum(hits) / sum(total), and the ends of its interval.

    The ends are those of `share_interval`, over clusters that are not empty; for a share of 0 or 1, the rule of three.
    """
    share, has_any = float(hits.sum()) / float(total.sum()), total > 0
    if share in (0.0, 1.0):
        unseen = highest_unseen_rate(len(total), confidence)
        return (share, 0.0, unseen) if share == 0 else (share, 1 - unseen, 1.0)
    return share, *share_interval(hits[has_any], total[has_any], confidence, trials=trials)


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


# Assumed intraclass correlation of the segments of one image if it cannot be estimated. Misses of the annotators of
# BSDS500 have 0.09 to 0.24. With 0, the interval of "none of 240" would end at 1.5 %.
UNSEEN_ICC = 0.2
FALSE_DISCOVERY_RATE = 0.05  # expected share of chance among all significant differences
# Share of campaigns with equal annotators in which the test of drift may name an annotator, and so for the test of
# repeatability: a third of 5 %. The test of biases names hardly any, since its effects must be large.
ACCUSATION_RATE = 0.05 / 3
PERMUTATIONS = 9999
MIN_CLUSTERS = 8  # of images: with fewer, annotators are not tested
EXACT_CLUSTERS = 12  # clusters up to which all flips are enumerated
_MAX_NUMBERS = 2_000_000  # in memory at a time
_ROUNDING = 1e-9  # relative difference of equal values


def limits_by_person(p: Floats, person: Ints, rate: float = FALSE_DISCOVERY_RATE) -> Floats:
    """(n,) the largest p-value with which each of n tests of persons is significant; 0: no test of this person is.

    A bias of one person does not make it easier to accuse another: the probability that anyone without a bias is named
    is at most `rate` (Holm over persons, each with Simes' p-value of all of its tests), and of the findings about named
    persons at most that share is false on average. A false discovery rate over all tests would let the many findings
    about one person pay for false ones about others.
    Sources: Simes (1986), Biometrika 73(3), 751-754; Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70;
    Benjamini and Bogomolov (2014), Journal of the Royal Statistical Society B 76(1), 297-318.

    >>> limits_by_person(np.array([0.001, 0.9, 0.02]), np.array([0, 0, 1]), 0.05).tolist()
    [0.025, 0.025, 0.05]
    >>> limits_by_person(np.array([0.001, 0.9, 0.06]), np.array([0, 0, 1]), 0.05).tolist()
    [0.0125, 0.0125, 0.0]
    """
    persons, number = np.unique(person, return_inverse=True)
    rows = [np.flatnonzero(number == k) for k in range(len(persons))]
    simes = np.array([(len(own) * np.sort(p[own]) / np.arange(1, len(own) + 1)).min() for own in rows])
    order = np.argsort(simes, kind="stable")
    passes = simes[order] <= rate / np.arange(len(persons), 0, -1)
    named = order[: len(passes) if passes.all() else int(np.argmin(passes))]
    limits, level = np.zeros(len(p)), rate * len(named) / max(len(persons), 1)
    for k in named.tolist():
        limits[rows[k]] = level * benjamini_hochberg(p[rows[k]], level).sum() / len(rows[k])
    return limits


def exchange_test(
    statistic: Statistic, n: int, seed: int, *, n_draws: int = PERMUTATIONS, width: int = 1
) -> tuple[Floats, Floats]:
    """The difference (...) of two sides' values on the same n clusters, second minus first, and its p-value (...).

    `statistic` takes weights (B, 2 n): first those of the n clusters of the first side, then of the second. Under the
    null hypothesis the sides of a cluster can be exchanged. Unlike a sign-flip test it works for values that are not
    means over clusters: kappa, alpha, panoptic quality. Exchanges with an undefined difference are left out. `width` is
    how many numbers an exchange takes, to bound memory.
    """

    def differences(flipped: Floats) -> Floats:
        first = np.concatenate([1 - flipped, flipped], axis=1)
        return statistic(1 - first) - statistic(first)

    observed = differences(np.zeros((1, n)))[0]
    beyond, defined = np.zeros(observed.shape), np.zeros(observed.shape)
    for flipped in _sign_flips(n, seed, n_draws, width):
        permuted = differences(flipped)
        defined += np.isfinite(permuted).sum(axis=0)
        beyond += (np.abs(permuted) >= np.abs(observed) - _ROUNDING * np.maximum(np.abs(observed), 1)).sum(axis=0)
    return observed, np.where(np.isfinite(observed), beyond / np.maximum(defined, 1), np.nan)


def shuffle_within_blocks(stratum: Ints, block: Ints, seed: int, n_draws: int, width: int = 1) -> Iterator[Ints]:
    """Yield `n_draws` permutations of strata (n,) within blocks (n,), in portions (B, n), the first one unchanged."""
    order = np.argsort(block, kind="stable")
    rng, left = np.random.default_rng(seed), n_draws
    yield stratum[None]
    while left > 0:
        n_orders = min(left, max(1, _MAX_NUMBERS // max(len(stratum), width)))
        shuffled = np.empty((n_orders, len(stratum)), stratum.dtype)
        shuffled[:, order] = stratum[np.argsort(block + rng.random((n_orders, len(block))), axis=1)]
        yield shuffled
        left -= n_orders


def _sign_flips(n: int, seed: int, n_draws: int, width: int) -> Iterator[Floats]:
    """Yield flips of n clusters in portions (B, n) of 0 and 1: all 2^n, or `n_draws` and the one without flips."""
    at_once = max(1, _MAX_NUMBERS // max(n, width))
    if n <= EXACT_CLUSTERS:
        flips = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
        yield from np.split(flips, range(at_once, len(flips), at_once))
        return
    yield np.zeros((1, n))
    rng, left = np.random.default_rng(seed), n_draws
    while left > 0:
        n_flips = min(left, at_once)
        yield rng.integers(0, 2, (n_flips, n)).astype(np.float64)
        left -= n_flips


STRATA_DRAWS = 999


def strata_differences(
    statistic: Statistic, stratum: Ints, block: Ints, seed: int, *, n_draws: int = STRATA_DRAWS, width: int = 1
) -> tuple[Floats, Floats]:
    """The values (n_strata, ...) of each stratum of n units, and the p-value (...) of their spread; n is above 0.

    `statistic` takes weights (B, n), see `segdata.core.resampling`, `stratum` (n,) is counted from 0.
    Under the null hypothesis the units of a `block` (n,) can be exchanged between strata. The spread is the sum of
    squared differences to the mean of the strata, each weighted with its number of units: for means it is equivalent
    to the F statistic of an analysis of variance. It is computed from the values themselves, so that it works for
    kappa, alpha and panoptic quality as well. NaN if fewer than two strata have a value.
    Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapters 3 and 5.
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    observed: Floats | None = None
    beyond = defined = least = np.zeros(0)
    for shuffled in shuffle_within_blocks(stratum, block, seed, n_draws, width * max(n_strata, 1)):
        inside = shuffled[:, None, :] == np.arange(n_strata)[:, None]
        values = statistic(inside.reshape(-1, len(stratum)).astype(np.float64))
        values = values.reshape(len(shuffled), n_strata, *values.shape[1:])
        spread = _spread(values, inside.sum(axis=2, dtype=np.float64))
        if observed is None:
            observed, least = values[0], spread[0] * (1 - _ROUNDING) - _ROUNDING**2
            beyond, defined = np.zeros(least.shape), np.zeros(least.shape)
        beyond += (spread >= least).sum(axis=0)
        defined += np.isfinite(spread).sum(axis=0)
    if observed is None:
        raise ValueError("no units")
    return observed, np.where(np.isfinite(least), beyond / np.maximum(defined, 1), np.nan)


def permutation_blocks(stratum: Ints, cluster: Ints) -> Ints | None:
    """(n,) the blocks within which strata of units may be permuted: clusters; None: whole clusters are permuted.

    Blocks are used if at least half of the clusters have units of several strata: they remove differences between
    clusters.
    """
    pairs = np.unique(np.stack([cluster, stratum]), axis=1)
    several = np.bincount(np.unique(pairs[0], return_inverse=True)[1]) > 1
    return cluster if several.mean() >= 0.5 else None


def _spread(values: Floats, size: Floats) -> Floats:
    """(B, ...) the spread of values (B, n_strata, ...) of strata of sizes (B, n_strata); NaN with fewer than two."""
    defined = np.isfinite(values)
    weight = size.reshape(*size.shape, *[1] * (values.ndim - 2)) * defined
    filled = np.where(defined, values, 0.0)
    mean = ratio((weight * filled).sum(axis=1, keepdims=True), weight.sum(axis=1, keepdims=True), 0.0)
    spread = (weight * (filled - mean) ** 2).sum(axis=1)
    return np.where(defined.sum(axis=1) > 1, spread, np.nan)
