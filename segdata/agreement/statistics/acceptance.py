"""Acceptance: how many items of a delivery to inspect, and how many may be wrong for all of it to be accepted.

Single sampling by attributes: inspect a random sample, accept the lot where at most so many items are wrong. The
number of wrong items in the sample follows the hypergeometric distribution where the lot is finite, else the binomial.
An item is what is inspected as one: an image, or a segment.
Sources: Dodge and Romig (1929), Bell System Technical Journal 8(4), 613-631; the search: Guenther (1969), Journal of
Quality Technology 1(2), 105-109; words as in ISO 2859-1.
"""

import math
from dataclasses import dataclass

import numpy as np

from segdata.agreement.statistics.rates import exact
from segdata.core.bootstrap import Floats
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.table import Table

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Sampling:
    """Inspect `sample` items, accept where at most `accept` are wrong; `lot`: items delivered, None: no end."""

    sample: int
    accept: int
    lot: int | None = None

    def chance(self, rate: Floats | float) -> Floats:
        """(...) the chance that a delivery of which these shares are wrong is accepted.

        Of a finite lot a whole number of items is wrong: the nearest to the share.
        """
        if self.lot is None:
            return _accepted(self.sample, self.accept, None, np.asarray(rate, np.float64))
        return _accepted(self.sample, self.accept, self.lot, np.rint(np.asarray(rate) * self.lot))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an inspection says: `accepted`, the share found wrong, and the exact 95 % interval of the delivery's."""

    accepted: bool
    rate: float
    low: float
    high: float


def sampling(
    quality: float,
    limit: float,
    *,
    lot: int | None = None,
    producer_risk: float = 0.05,
    consumer_risk: float = 0.10,
) -> Sampling:
    """The plan with the smallest sample that keeps both risks.

    Parameters
    ----------
    quality : the share of wrong items that is acceptable (AQL): such a delivery, or a better one, is rejected with a
        chance of at most `producer_risk`
    limit : the share that is not (limiting quality): such a delivery, or a worse one, is accepted with a chance of at
        most `consumer_risk`
    lot : how many items are delivered; None: no end

    Raises SegdataError where the shares or risks are none.
    """
    _check(quality, limit, lot, producer_risk, consumer_risk)
    good: float = quality if lot is None else math.floor(quality * lot + _ROUNDING)
    bad: float = limit if lot is None else math.ceil(limit * lot - _ROUNDING)
    accept = 0
    while True:
        least = _least_sample(accept, lot, bad, consumer_risk)
        if _accepted(least, accept, lot, np.asarray(good, np.float64)) >= 1 - producer_risk - _ROUNDING:
            return Sampling(least, accept, lot)
        accept += 1


def strictest(sample: int, limit: float, *, lot: int | None = None, consumer_risk: float = 0.10) -> Sampling | None:
    """What may be wrong among so many items, that were inspected for whatever reason, for the lot to be accepted.

    As many as keep the consumer's risk, see `sampling`; None where even one without any wrong ones would not. The
    producer's risk is what `Sampling.chance` says.

    >>> strictest(100, 0.05), strictest(20, 0.05)
    (Sampling(sample=100, accept=1, lot=None), None)
    """
    bad: float = limit if lot is None else math.ceil(limit * lot - _ROUNDING)
    chances = _accepted(sample, np.arange(sample), lot, np.asarray(bad, np.float64))
    accept = int(np.searchsorted(chances, consumer_risk, side="right")) - 1
    return None if accept < 0 else Sampling(sample, accept, lot)


def judged(plan: Sampling, wrong: int) -> Verdict:
    """Accept or reject, where `wrong` items of the sample were wrong."""
    if not 0 <= wrong <= plan.sample:
        raise SegdataError(f"{wrong} wrong items in a sample of {plan.sample}")
    low, high = exact(wrong, plan.sample)
    return Verdict(wrong <= plan.accept, wrong / plan.sample, low, high)


def operating_curve(plan: Sampling, rates: Floats | None = None) -> Table:
    """What becomes of deliveries: rate (share wrong), accepted (the chance), outgoing.

    `outgoing` is the share wrong on average after rejected deliveries were mended in full and accepted ones in the
    sample alone. Default rates: 0 to the share at which one delivery in a hundred is accepted, in 50 steps.
    """
    if rates is None:
        fine = np.linspace(0, 1, 10_001)
        beyond = np.flatnonzero(plan.chance(fine) <= 0.01)
        rates = np.linspace(0, fine[beyond[0]] if len(beyond) else 1.0, 51)
    accepted = plan.chance(rates)
    left = 1.0 if plan.lot is None else 1 - plan.sample / plan.lot
    return Table({"rate": rates, "accepted": accepted, "outgoing": rates * accepted * left})


def _least_sample(accept: int, lot: int | None, bad: float, risk: float) -> int:
    """The smallest sample with which a bad delivery is accepted with a chance of at most `risk`."""
    amount = np.asarray(bad, np.float64)
    low = accept  # inspecting as many as may be wrong accepts everything
    high = lot if lot is not None else accept + 1
    while _accepted(high, accept, lot, amount) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _accepted(middle, accept, lot, amount) <= risk else (middle, high)
    return high


def _accepted(sample: int, accept: int | Ints, lot: int | None, wrong: Floats) -> Floats:
    """(...) the chance of at most `accept` wrong items; `wrong` is how many there are in a lot, or the rate."""
    from scipy.stats import binom, hypergeom

    if lot is None:
        return np.asarray(binom.cdf(accept, sample, wrong))
    return np.asarray(hypergeom.cdf(accept, lot, wrong.astype(np.int64), sample))


def _check(quality: float, limit: float, lot: int | None, producer_risk: float, consumer_risk: float) -> None:
    """Raise SegdataError where nothing follows from what is asked."""
    if not 0 <= quality < limit <= 1:
        raise SegdataError(
            f"acceptable {quality:.2%}, limit {limit:.2%}: shares of 0 to 100 % are needed, the limit larger"
        )
    if not (0 < producer_risk < 1 and 0 < consumer_risk < 1):
        raise SegdataError(f"risks of {producer_risk} and {consumer_risk}: both must lie between 0 and 1")
    if lot is not None and lot < 1:
        raise SegdataError(f"a lot of {lot} items")
