"""Acceptance: sampling plans for deliveries, and acceptance of a delivery by the gold images hidden in it.

Single sampling by attributes: inspect a random sample, and accept the lot if at most a given number of items is wrong.
The number of wrong items in the sample has a hypergeometric distribution if the lot is finite, else a binomial one.
An item is the unit of inspection: an image, or a segment.
Sources: Dodge and Romig (1929), Bell System Technical Journal 8(4), 613-631; the search: Guenther (1969), Journal of
Quality Technology 1(2), 105-109; terms as in ISO 2859-1.
"""

import math
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.estimates import PairAmounts
from segdata.agreement.gold_standard import check_bars, image_scores, rows_against
from segdata.agreement.inference import finite_interval
from segdata.agreement.scores import Count, Number, Share, UndefinedShare
from segdata.agreement.surface_distances import Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Gold
from segdata.core.errors import SegdataError
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table

_ROUNDING = 1e-9


class SamplingPlan(msgspec.Struct, frozen=True):
    """Inspect `sample` items and accept if at most `accept` are wrong; `lot`: items delivered, null: unlimited."""

    sample: Count
    accept: Count
    lot: Count | None = None

    def acceptance_probability(self, rate: Floats | float) -> Floats:
        """(...) the probability that a delivery with these shares of wrong items is accepted.

        In a finite lot the number of wrong items is an integer, the nearest to the share.
        """
        if self.lot is None:
            return _acceptance_probability(self.sample, self.accept, None, np.asarray(rate, np.float64))
        return _acceptance_probability(self.sample, self.accept, self.lot, np.rint(np.asarray(rate) * self.lot))


def plan_sampling(
    quality: float, limit: float, *, lot: int | None = None, producer_risk: float = 0.05, consumer_risk: float = 0.10
) -> SamplingPlan:
    """The sampling plan with the smallest sample that keeps both risks.

    Parameters
    ----------
    quality : the share of wrong items that is acceptable (AQL): such a delivery, or a better one, is rejected with a
        chance of at most `producer_risk`
    limit : the share that is not (limiting quality): such a delivery, or a worse one, is accepted with a chance of at
        most `consumer_risk`
    lot : the number of items delivered; None: unlimited

    Raises SegdataError for invalid shares or risks.
    """
    _check_risks(quality, limit, lot, producer_risk, consumer_risk)
    good: float = quality if lot is None else math.floor(quality * lot + _ROUNDING)
    bad: float = limit if lot is None else math.ceil(limit * lot - _ROUNDING)
    accept = 0
    while True:
        least = _least_sample(accept, lot, bad, consumer_risk)
        if _acceptance_probability(least, accept, lot, np.asarray(good, np.float64)) >= 1 - producer_risk - _ROUNDING:
            return SamplingPlan(least, accept, lot)
        accept += 1


def strictest_plan(
    sample: int, limit: float, *, lot: int | None = None, consumer_risk: float = 0.10
) -> SamplingPlan | None:
    """The plan for a given sample size that keeps the consumer's risk, see `plan_sampling`.

    None if even a sample without wrong items does not keep it. `SamplingPlan.acceptance_probability` gives the
    producer's risk.

    >>> strictest_plan(100, 0.05), strictest_plan(20, 0.05)
    (SamplingPlan(sample=100, accept=1, lot=None), None)
    """
    bad: float = limit if lot is None else math.ceil(limit * lot - _ROUNDING)
    chances = _acceptance_probability(sample, np.arange(sample), lot, np.asarray(bad, np.float64))
    accept = int(np.searchsorted(chances, consumer_risk, side="right")) - 1
    return None if accept < 0 else SamplingPlan(sample, accept, lot)


def operating_curve(plan: SamplingPlan, rates: Floats | None = None) -> Table:
    """The operating curve of a plan, a row for each of the `rates` (n,): rate, accepted, outgoing.

    `rate` is the share wrong, `accepted` the probability, `outgoing` the average share wrong after rejected
    deliveries are corrected in full, and accepted ones in the sample only. Default rates: 0 to the share at which
    one delivery in a hundred is accepted, in 50 steps.
    """
    if rates is None:
        fine = np.linspace(0, 1, 10_001)
        beyond = np.flatnonzero(plan.acceptance_probability(fine) <= 0.01)
        rates = np.linspace(0, fine[beyond[0]] if len(beyond) else 1.0, 51)
    accepted = plan.acceptance_probability(rates)
    left = 1.0 if plan.lot is None else 1 - plan.sample / plan.lot
    return Table({"rate": rates, "accepted": accepted, "outgoing": rates * accepted * left})


def _least_sample(accept: int, lot: int | None, bad: float, risk: float) -> int:
    """The smallest sample with which a bad delivery is accepted with a chance of at most `risk`."""
    amount = np.asarray(bad, np.float64)
    low = accept  # inspecting as many as may be wrong accepts everything
    high = lot if lot is not None else accept + 1
    while _acceptance_probability(high, accept, lot, amount) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _acceptance_probability(middle, accept, lot, amount) <= risk else (middle, high)
    return high


def _acceptance_probability(sample: int, accept: int | Ints, lot: int | None, wrong: Floats) -> Floats:
    """(...) the probability of at most `accept` wrong items; `wrong` is their number in the lot, or their rate."""
    from scipy.stats import binom, hypergeom

    if lot is None:
        return np.asarray(binom.cdf(accept, sample, wrong))
    return np.asarray(hypergeom.cdf(accept, lot, wrong.astype(np.int64), sample))


def _check_risks(quality: float, limit: float, lot: int | None, producer_risk: float, consumer_risk: float) -> None:
    """Raise SegdataError for a plan that cannot exist with these shares and risks."""
    if not 0 <= quality < limit <= 1:
        raise SegdataError(
            f"acceptable {quality:.2%}, limit {limit:.2%}: shares of 0 to 100 % are needed, the limit larger"
        )
    if not (0 < producer_risk < 1 and 0 < consumer_risk < 1):
        raise SegdataError(f"risks of {producer_risk} and {consumer_risk}: both must lie between 0 and 1")
    if lot is not None and lot < 1:
        raise SegdataError(f"a lot of {lot} items")


AcceptanceDecision = Literal["accepted", "rejected", "undecided"]


class DeliveryQuality(msgspec.Struct, frozen=True):
    """The required quality of a delivery: the acceptable share of defective images (AQL) and the unacceptable (limit).

    The risks are of rejecting acceptable deliveries, and of accepting unacceptable ones; see `plan_sampling`.
    """

    acceptable: Share = 0.01
    limit: Share = 0.05
    producer_risk: Share = 0.05
    consumer_risk: Share = 0.10

    def plan(self, lot: int | None) -> SamplingPlan:
        """The sampling plan for a delivery of `lot` images."""
        risks = {"producer_risk": self.producer_risk, "consumer_risk": self.consumer_risk}
        return plan_sampling(self.acceptable, self.limit, lot=lot, **risks)


class InspectedImage(msgspec.Struct, frozen=True):
    """One annotation of a gold image: the score at the bar that it misses by most, or else exceeds by least.

    `category` null: all categories together. `share`: the score relative to the bar; null if neither drew
    anything, which is correct. `defective`: the bar is missed.
    """

    image: str
    annotator: str
    category: str | None
    metric: str
    value: Number
    bar: Number
    share: Number
    defective: bool


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """The inspection of a delivery of `lot` images by its gold images.

    `decision`: undecided if there are too few gold images for the risks. `inspected`: worst first; `wrong` of them are
    defective, a share of `rate`, with the exact interval of the delivery's rate (hypergeometric; the rate itself if the
    whole delivery was inspected). `missing`: gold images that did not come back, or not in their size. `plan`: the
    number of inspected images that may be defective; null: too few were inspected. `needed`: the plan that keeps both
    risks. `producer_risk`: the risk that `plan` rejects a delivery of acceptable quality.
    """

    version: Literal[1] = 1
    decision: AcceptanceDecision
    lot: Count
    inspected: tuple[InspectedImage, ...]
    wrong: Count
    rate: UndefinedShare
    low: Share
    high: Share
    missing: tuple[str, ...]
    plan: SamplingPlan | None
    needed: SamplingPlan
    producer_risk: UndefinedShare
    quality: DeliveryQuality
    tolerance: Tolerance

    @property
    def accepted(self) -> bool:
        """Whether the delivery is accepted."""
        return self.decision == "accepted"


def inspect_delivery(
    comparison: AnnotatorPairs,
    reference: int,
    gold: Gold,
    quality: DeliveryQuality,
    lot: int,
    annotated: Ints,
    tolerance: Tolerance | None = None,
) -> Inspection:
    """Accept or reject a delivery by its gold images.

    An image is defective if its annotation is below the bar of all categories, or below that of a category. Rows in
    `annotated`, the images that the reference annotated, are missing if no other annotator has them. The delivery is
    accepted if the number of defective images among the n inspected ones keeps the consumer's risk; if n is too small
    for that, it is rejected if more are defective than the whole plan allows, and otherwise undecided.

    The gold images must be a random sample of the tasks: neither easier nor harder, and unknown to the annotators.
    """
    check_bars(gold, comparison)
    amounts = PairAmounts.from_pairs(comparison)
    inspected = [
        inspected_image
        for annotator, rows in rows_against(amounts, reference).items()
        for inspected_image in _inspect_images(amounts, annotator, rows, gold)
    ]
    n, wrong = len(inspected), sum(inspected_image.defective for inspected_image in inspected)
    needed = quality.plan(lot)
    plan = strictest_plan(n, quality.limit, lot=max(lot, n), consumer_risk=quality.consumer_risk)
    low, high = finite_interval(wrong, n, max(lot, n)) if n else (0.0, 1.0)
    back = {inspected_image.image for inspected_image in inspected}
    return Inspection(
        decision=_decide(wrong, plan, needed),
        lot=lot,
        inspected=tuple(sorted(inspected, key=_worst_first)),
        wrong=wrong,
        rate=wrong / n if n else float("nan"),
        low=low,
        high=high,
        missing=tuple(
            sorted(set(comparison.cases["name"][np.isin(comparison.cases["image"], annotated)].tolist()) - back)
        ),
        plan=plan,
        needed=needed,
        producer_risk=float("nan") if plan is None else 1 - float(plan.acceptance_probability(quality.acceptable)),
        quality=quality,
        tolerance=tolerance or Tolerance(),
    )


def _worst_first(inspected: InspectedImage) -> tuple[bool, float, str, str]:
    return not inspected.share < np.inf, inspected.share, inspected.image, inspected.annotator


def _decide(wrong: int, plan: SamplingPlan | None, needed: SamplingPlan) -> AcceptanceDecision:
    if plan is None:
        return "rejected" if wrong > needed.accept else "undecided"
    return "accepted" if wrong <= plan.accept else "rejected"


def _inspect_images(amounts: PairAmounts, annotator: int, rows: Ints, gold: Gold) -> list[InspectedImage]:
    comparison = amounts.comparison
    names: list[str] = comparison.cases["name"][amounts.case[rows]].tolist()
    lines = image_scores(amounts, rows, gold).lines("category", "metric", "value", "bar", "share")
    called = [*(category.name for category in comparison.categories), None]  # ALL is the last
    return [
        InspectedImage(name, comparison.annotators[annotator], called[category], metric, value, bar, share, share < 1)
        for name, (category, metric, value, bar, share) in zip(names, lines, strict=True)
    ]
