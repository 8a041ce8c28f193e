"""Delivery: whether delivered work is accepted, by the images of a gold standard that were hidden among the tasks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.agreement.boundaries.surfaces import Tolerance
from segdata.agreement.gold.gold import against, check_categories, of_images
from segdata.agreement.statistics.acceptance import Sampling, sampling, strictest
from segdata.agreement.statistics.rates import exact
from segdata.agreement.summary.estimates import Amounts
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Gold
from segdata.core.runs import Ints

Decision = Literal["accepted", "rejected", "undecided"]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a delivery must be like; see `segdata.agreement.statistics.acceptance.sampling`.

    Attributes
    ----------
    acceptable : the share of defective images that is fine (AQL)
    limit : the share that is not
    producer_risk, consumer_risk : of rejecting the one, and of accepting the other
    """

    acceptable: float = 0.01
    limit: float = 0.05
    producer_risk: float = 0.05
    consumer_risk: float = 0.10

    def plan(self, lot: int | None) -> Sampling:
        """How many images of a delivery to inspect, and how many of these may be defective."""
        risks = {"producer_risk": self.producer_risk, "consumer_risk": self.consumer_risk}
        return sampling(self.acceptable, self.limit, lot=lot, **risks)


@dataclass(frozen=True, slots=True)
class Inspected:
    """One annotation of a gold image: what it reached, of all categories (`category` is None) or one, and the bar.

    It is the bar that is missed by most, or else reached by least; `share` is how much of it is reached, NaN where
    neither drew anything, which is right.
    """

    image: str
    annotator: str
    category: str | None
    metric: str
    value: float
    bar: float
    share: float

    @property
    def defective(self) -> bool:
        """Whether the bar is missed."""
        return self.share < 1


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the gold images say about a delivery of `lot` images.

    Attributes
    ----------
    decision : undecided: the gold images are too few for the risks that were asked for
    inspected : worst first
    wrong : how many of them are defective
    rate, low, high : the share of defective images, and the ends of the exact interval of the delivery's
    missing : gold images that did not come back, or not in their size
    plan : how many of those inspected may be defective; None: too few were inspected
    needed : the plan that keeps both risks
    producer_risk : of rejecting a delivery of acceptable quality with `plan`; NaN without
    tolerance : how far apart boundaries may be and still be one
    """

    decision: Decision
    lot: int
    inspected: tuple[Inspected, ...]
    wrong: int
    rate: float
    low: float
    high: float
    missing: tuple[str, ...]
    plan: Sampling | None
    needed: Sampling
    producer_risk: float
    tolerance: Tolerance

    @property
    def accepted(self) -> bool:
        """Whether the delivery is accepted."""
        return self.decision == "accepted"


def inspect(
    opposed: AnnotatorPairs,
    reference: int,
    gold: Gold,
    quality: Quality,
    lot: int,
    annotated: Ints,
    tolerance: Tolerance | None = None,
) -> Inspection:
    """Accept or reject a delivery.

    An image is defective where the work on it is under the bar of all categories, or under one of a category. Of the
    images that the reference annotated, the rows `annotated`, those without work of others are missing. The delivery
    is accepted where at most as many of the n inspected images are defective as keep the consumer's risk; where n is
    too small for that, it is rejected if already more are defective than the whole plan allows, and else undecided.

    The images must be as good as drawn by lot from the tasks: neither easier nor harder, and not known to annotators.
    """
    check_categories(gold, opposed.categories)
    amounts = Amounts.of(opposed)
    inspected = [
        each
        for annotator, rows in against(amounts, reference).items()
        for each in _inspected(amounts, annotator, rows, gold)
    ]
    n, wrong = len(inspected), sum(each.defective for each in inspected)
    needed = quality.plan(lot)
    plan = strictest(n, quality.limit, lot=max(lot, n), consumer_risk=quality.consumer_risk)
    low, high = exact(wrong, n) if n else (0.0, 1.0)
    back = {each.image for each in inspected}
    return Inspection(
        decision=_decision(wrong, plan, needed),
        lot=lot,
        inspected=tuple(
            sorted(inspected, key=lambda each: (not each.share < np.inf, each.share, each.image, each.annotator))
        ),
        wrong=wrong,
        rate=wrong / n if n else float("nan"),
        low=low,
        high=high,
        missing=tuple(sorted(set(opposed.cases["name"][np.isin(opposed.cases["image"], annotated)].tolist()) - back)),
        plan=plan,
        needed=needed,
        producer_risk=float("nan") if plan is None else 1 - float(plan.chance(quality.acceptable)),
        tolerance=tolerance or Tolerance(),
    )


def _decision(wrong: int, plan: Sampling | None, needed: Sampling) -> Decision:
    if plan is None:
        return "rejected" if wrong > needed.accept else "undecided"
    return "accepted" if wrong <= plan.accept else "rejected"


def _inspected(amounts: Amounts, annotator: int, rows: Ints, gold: Gold) -> list[Inspected]:
    """The images of one annotator."""
    opposed = amounts.opposed
    names: list[str] = opposed.cases["name"][amounts.case[rows]].tolist()
    lines = of_images(amounts, rows, gold).lines("category", "metric", "value", "bar", "share")
    called = [*(each.name for each in opposed.categories), None]  # ALL is the last
    return [
        Inspected(name, opposed.annotators[annotator], called[category], metric, value, bar, share)
        for name, (category, metric, value, bar, share) in zip(names, lines, strict=True)
    ]
