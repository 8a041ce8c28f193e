"""Estimates: how many labels of a dataset are wrong, from a review of some, and how many a review is to find."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.reviewing.sampling import Chosen

_HALVINGS = 36
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number of errors and the ends of its interval; `rate` and its ends are shares of `of` items."""

    n: float
    low: float
    high: float
    of: int

    @property
    def rate(self) -> tuple[float, float, float]:
        """The share of all items, and the ends of its interval; NaN of none."""
        return (self.n / self.of, self.low / self.of, self.high / self.of) if self.of else (float("nan"),) * 3


def total(chosen: Chosen, place: Ints, wrong: Flags, confidence: float = 0.95) -> Estimate:
    """How many of all items are wrong, those included that nobody suspects.

    Parameters
    ----------
    chosen : what was to be reviewed
    place : (v,) which of these have a verdict, as positions in ``chosen.rows``, each once
    wrong : (v,) the verdicts
    confidence : of the interval

    Each item that was drawn by lot stands for as many as its stratum has for each reviewed one (Horvitz and Thompson,
    1952, stratified): no model is trusted, so that the estimate is right on average, however bad the probabilities are.
    What was chosen for its probability stands for itself. Such items without a verdict, and strata of which no item has
    one, may be anything in the interval; in the value they are as often wrong as the others, or as the next stratum.
    NaN where nothing that was drawn by lot has a verdict, and the interval then is all that is possible.

    The interval holds the totals that a score test does not refuse: the sample's variance is that under each total,
    shared out over the strata as is most likely. With one stratum it is that of Wilson (1927), with the correction for
    a sample that is large beside it. Of one or two hits its lower end is too high (Brown, Cai and DasGupta, 2001,
    Statistical Science 16(2), 101-133), so that it is never above the exact one at twice the whole error, as the upper
    end is then never missed. Sources: Cochran (1977), Sampling Techniques, 5.10 (the estimate); Miettinen and Nurminen
    (1985), Statistics in Medicine 4(2), 213-226 (tests at the restricted maximum); Korn and Graubard (1998), Survey
    Methodology 24(2), 193-201 (exact ends for strata). Which of them holds is measured in docs/flag_budget.md.
    """
    of = chosen.stratum[place]
    is_sure, n_sure = of < 0, int((chosen.stratum < 0).sum())
    found, unseen = float(wrong[is_sure].sum()), n_sure - int(is_sure.sum())
    if is_sure.all() and chosen.size.any():
        return Estimate(float("nan"), found, found + unseen + float(chosen.size.sum()), chosen.n)
    sampled = np.bincount(of[~is_sure], minlength=len(chosen.size))
    hits = np.bincount(of[~is_sure][wrong[~is_sure]], minlength=len(chosen.size))
    some = sampled > 0
    low, high = _between(hits[some], sampled[some], chosen.size[some], confidence)
    rate = (hits / np.maximum(sampled, 1))[_next(sampled)] if len(sampled) else np.empty(0)
    guess = unseen * found / (n_sure - unseen) if n_sure > unseen else unseen / 2
    unseen += int(chosen.size[~some].sum())
    return Estimate(found + float((chosen.size * rate).sum()) + guess, found + low, found + high + unseen, chosen.n)


def _next(sampled: Ints) -> Ints:
    """(H,) of each stratum the number of itself, or of the next one where nothing was sampled of it."""
    some = np.flatnonzero(sampled)
    if not len(some):
        return np.arange(len(sampled))
    return np.asarray(some[np.minimum(np.searchsorted(some, np.arange(len(sampled))), len(some) - 1)])


def _between(hits: Ints, sampled: Ints, size: Ints, confidence: float) -> tuple[float, float]:
    """The ends of the interval of the total over strata (H,)."""
    from scipy.special import ndtri

    whole = sampled == size
    base = float(hits[whole].sum())
    x, n, most = (each[~whole].astype(np.float64) for each in (hits, sampled, size))
    if not len(x):
        return base, base
    z, value = float(ndtri((1 + confidence) / 2)), float((most * x / n).sum())
    ends = []
    for side in (1.0, -1.0):
        near, far = 0.0, 1.0
        while far < 1e12 and _surprise(side * far, x, n, most, value)[0] < z:
            far *= 2
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if _surprise(side * middle, x, n, most, value)[0] < z else (near, middle)
        ends.append(_surprise(side * far, x, n, most, value)[1])
    low = min(ends[0], _least(value, float((most**2 * x / n**2).sum()), float(most.sum()), 2 * (1 - confidence)))
    # Whatever the chance says: what was seen is there, and what was seen to be right is not wrong.
    return base + max(low, float(x.sum())), base + min(ends[1], float((most - n + x).sum()))


def _least(value: float, variance: float, most: float, tail: float) -> float:
    """The exact lower end of a total of this variance as a binomial of so many hits and trials as have the same."""
    from scipy.special import betaincinv

    if value == 0:
        return 0.0
    hits = value**2 / variance
    return float(most * betaincinv(hits, hits * most / value - hits + 1, tail))


def _surprise(price: float, x: Floats, n: Floats, size: Floats, value: float) -> tuple[float, float]:
    """How many standard deviations the value is from a total, and that total.

    The total is told by the Lagrange multiplier `price` of the most likely rates p that add up to it: of each stratum
    ``x / p - (n - x) / (1 - p) = price * share of the stratum``, a quadratic in p, which falls as the price rises.
    """
    a = price * size / size.sum()
    b = n + a
    root = np.sqrt(np.maximum(b * b - 4 * a * x, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(b > 0, 2 * x / (b + root), (b - root) / (2 * a))
    p = np.clip(p, 0, 1)
    variance = float((size**2 * p * (1 - p) / n * (1 - n / size)).sum())
    reached = float((size * p).sum())
    if variance <= 0:
        return (0.0 if abs(value - reached) < 1e-9 else np.inf), reached
    return abs(value - reached) / variance**0.5, reached


def expected(probability: Floats, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """How many of n items are wrong, before anybody has looked.

    `probability` (n,): the interval is that of chance alone (a sum of n unequal binomials, as if errors were made
    independently of each other), and the probabilities are taken as they are. Or (B, n): B ways in which they may be,
    see `Recalibrated.draws`; then the interval holds besides how little is known of them: before any verdict, that
    real errors may be more or less frequent than the injected ones, and easier or harder to tell.
    """
    every = np.atleast_2d(probability)
    mean, variance = every.sum(axis=1), (every * (1 - every)).sum(axis=1)
    repeats = max(1, _DRAWS // len(mean))
    # The sum is nearly a binomial with the same mean and variance.
    rate = np.clip(1 - variance / np.maximum(mean, 1e-12), 1e-6, 1.0)
    trials = np.round(mean / rate).astype(np.int64)
    rate = np.clip(mean / np.maximum(trials, 1), 0, 1)
    drawn = np.random.default_rng(seed).binomial(np.repeat(trials, repeats), np.repeat(rate, repeats))
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    n = every.shape[1]
    return Estimate(float(mean.mean()), float(low), float(min(high, n)), n)
