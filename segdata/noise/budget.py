"""Budget: choose the labels for a review of limited size, and estimate the number of all errors from it.

Most of a budget goes to the most probable errors, with a quota for each type so that rare ones are seen. The rest is a
random sample of all others, so that errors which the model does not suspect can be estimated as well.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.finding import Action
from segdata.core.runs import Flags, Floats, Ints

_MAX_STRATA, _MIN_PER_STRATUM = 4, 5  # strata, and items drawn of each on average
_EVEN_SHARE = 0.5  # of the sample goes to strata by their size, whatever the probabilities say


@dataclass(frozen=True, slots=True)
class Strata:
    """Items in strata of similar probability."""

    stratum: Ints  # (n,) the stratum of each item, from 0, the least probable first
    size: Ints  # (H,) the number of items
    draw: Ints  # (H,) the number to draw

    @staticmethod
    def of_probability(probability: Floats, n_drawn: int) -> "Strata":
        """Strata of items with these probabilities (n,), of which `n_drawn` <= n are to be drawn.

        Half of the sample is spread evenly, half by the expected standard deviation sqrt(p (1 - p)): the latter is best
        only if the probabilities are right (Neyman, 1934), and rare errors hide where they are wrong. Borders give each
        stratum about the same number. Source: Dalenius and Hodges (1959), Journal of the
        American Statistical Association 54(285), 88-101.
        """
        n = len(probability)
        if n_drawn == 0:
            return Strata(np.zeros(n, np.int64), np.array([n]), np.array([0]))
        spread = np.sqrt(probability * (1 - probability)) + 1e-12
        weight = (1 - _EVEN_SHARE) * spread / spread.sum() + _EVEN_SHARE / n
        order = np.argsort(probability, kind="stable")
        middle = np.cumsum(weight[order]) - weight[order] / 2
        n_strata = max(1, min(_MAX_STRATA, n_drawn // _MIN_PER_STRATUM))
        stratum = np.empty(n, np.int64)
        stratum[order] = np.unique(np.minimum(middle * n_strata, n_strata - 1).astype(np.int64), return_inverse=True)[1]
        size = np.bincount(stratum)
        share = np.asarray(np.bincount(stratum, weight) * n_drawn, np.float64)
        return Strata(stratum, size, _allocate(share, size, n_drawn))


def _allocate(weights: Floats, size: Ints, n: int) -> Ints:
    """(H,) whole numbers near the wanted ones that sum to n, each from 1 to the size of its stratum."""
    counts = np.minimum(np.maximum(weights.astype(np.int64), 1), size)
    while counts.sum() != n:
        step = 1 if counts.sum() < n else -1
        free = counts < size if step > 0 else counts > 1
        counts[np.where(free, step * (weights - counts), -np.inf).argmax()] += step
    return counts


@dataclass(frozen=True, slots=True)
class ReviewSample:
    """The items that a reviewer sees."""

    # (r,) in the order of review: the most probable errors first, with the random ones spread among them in random
    # order, so that a reviewer who stops early still has a random sample and does not see which is which
    rows: Ints
    stratum: Ints  # (r,) the stratum from which each was drawn; -1: it was chosen for its probability
    size: Ints  # (H,) items of each stratum, drawn or not

    @staticmethod
    def draw(sure: Ints, others: Ints, strata: Strata, rng: np.random.Generator) -> "ReviewSample":
        """The rows `sure`, in this order, and some of the rest (n,), drawn by `rng` from its strata."""
        by_stratum = [
            rng.permutation(np.flatnonzero(strata.stratum == h))[:k] for h, k in enumerate(strata.draw.tolist())
        ]
        sampled = np.concatenate([np.empty(0, np.int64), *by_stratum])
        sampled = sampled[rng.permutation(len(sampled))]
        spacing = max(len(sure), 1) / max(len(sampled), 1)
        place = np.append(np.arange(len(sure)) + 0.5, (np.arange(len(sampled)) + rng.random()) * spacing)
        order = np.argsort(place, kind="stable")
        stratum = np.append(np.full(len(sure), -1), strata.stratum[sampled])
        return ReviewSample(np.append(sure, others[sampled])[order], stratum[order], strata.size)

    @property
    def inclusion(self) -> Floats:
        """(r,) the inclusion probability of each; 1 for those chosen for their probability."""
        n_drawn = np.bincount(self.stratum[self.stratum >= 0], minlength=len(self.size))
        chance = n_drawn / np.maximum(self.size, 1)
        return np.where(self.stratum < 0, 1.0, chance[self.stratum])

    def places(self, rows: Ints) -> Ints:
        """(v,) the positions of rows (v,) in the sample; -1: not in it."""
        order = np.argsort(self.rows, kind="stable")
        place = np.searchsorted(self.rows[order], rows).clip(max=max(len(order) - 1, 0))
        if not len(order):
            return np.full(len(rows), -1)
        return np.where(self.rows[order[place]] == rows, order[place], -1)

    @property
    def n(self) -> int:
        """The number of items, chosen or not."""
        return int(self.size.sum()) + int((self.stratum < 0).sum())


# Assumptions, not measurements: a glance at what is there or not, or a look along an outline. Time your own reviewers.
REVIEW_SECONDS: Mapping[Action, float] = {"add": 8, "delete": 8, "rename": 8, "redraw": 12, "split": 12, "join": 12}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|images?|minutes?|min|m|hours?|h)?")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to review: a number of `items`, a `share` of all, or a number of `minutes`."""

    items: int | None = None
    share: float | None = None
    minutes: float | None = None
    of_images: bool = False  # an item is an image with all of its labels, see `image_probabilities`, or a single label

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.items, self.share, self.minutes) if limit is not None]
        if len(limits) != 1 or not limits[0] > 0 or (self.share or 0) > 1:
            raise SegdataError(f"{self}: give exactly one of items, share (up to 1) and minutes, above 0")

    @staticmethod
    def parse(text: str) -> "Budget":
        """Parse a budget: ``200``, ``5%``, ``30min``, ``2h``, ``40 images``; raises SegdataError for other texts.

        >>> Budget.parse("5%").share, Budget.parse("2h").minutes, Budget.parse("40 images").of_images
        (0.05, 120.0, True)
        """
        match = _TEXT.fullmatch(text.strip().lower())
        if match is None:
            raise SegdataError(f"budget {text!r}: write 200, 5%, 30min, 2h or 40 images")
        number, unit = float(match[1]), match[2] or ""
        if not number > 0:
            raise SegdataError(f"budget {text!r}: it must be more than 0")
        if unit == "%" and number > 100:
            raise SegdataError(f"budget {text!r}: it must be at most 100%")
        if unit == "%":
            return Budget(share=number / 100)
        if unit.startswith(("m", "h")):
            return Budget(minutes=number * (60 if unit.startswith("h") else 1))
        if number != int(number):
            raise SegdataError(f"budget {text!r}: it must be a whole number")
        return Budget(items=int(number), of_images=unit.startswith("image"))

    def room(self, cost: Floats) -> float:
        """The size of the budget: seconds if it is in minutes, else items; `cost` (n,) of all items."""
        if self.minutes is not None:
            return 60 * self.minutes
        return float(min(self.items or max(1, round((self.share or 0) * len(cost))), len(cost)))


def review_seconds(actions: Sequence[Action], taking: Mapping[Action, float] = REVIEW_SECONDS) -> Floats:
    """(n,) seconds that a reviewer takes to judge proposals of these actions; `taking` overrides the assumptions.

    >>> review_seconds(["add", "redraw"], {"redraw": 20}).tolist()
    [8.0, 20.0]
    """
    return np.array([taking.get(action, REVIEW_SECONDS[action]) for action in actions], np.float64)


def image_probabilities(probability: Floats, cost: Floats, image: Ints, n_images: int) -> tuple[Floats, Floats]:
    """(n_images,) each: the probability that an image has an error if its labels are independent, and its cost.

    Takes the probabilities and costs (n,) of all labels.
    """
    log_right = np.bincount(image, np.log1p(-np.clip(probability, 0, 1 - 1e-12)), n_images)
    return np.asarray(-np.expm1(log_right)), np.bincount(image, cost, n_images).astype(np.float64)


def choose_sample(
    probability: Floats, cost: Floats, budget: Budget, *, kind: Ints | None = None, random_share: float = 0.2,
    quota: float = 0.2, seed: int = 0,
) -> ReviewSample:  # fmt: skip
    """Choose the items to review.

    Parameters
    ----------
    probability : (n,) that each is wrong
    cost : (n,) seconds to judge each, above 0; they count if the budget is in minutes
    kind : (n,) the type, or category, of each, from 0, for the quota; None: no quota
    random_share : the share of the budget for a random sample, stratified by probability; 0: the only error rate that
        you can estimate is that of the chosen items
    quota : the share of the rest that is reserved for the kinds, equally: the most probable errors of each

    The remaining budget goes to the most probable errors, per second if the budget is in minutes. The same seed gives
    the same choice.
    """
    room = budget.room(cost)
    price = cost if budget.minutes is not None else np.ones(len(cost))
    order = np.argsort(-probability / price, kind="stable")
    sure = _most_probable(order, price, (1 - random_share) * room, kind, quota)
    others = np.setdiff1d(np.arange(len(cost)), sure)
    room_left = room - float(price[sure].sum())
    n = min(len(others), int(room_left / price[others].mean() + 0.5)) if len(others) and random_share > 0 else 0
    strata = Strata.of_probability(probability[others], n)
    rng = np.random.default_rng(seed)
    return ReviewSample.draw(sure[np.argsort(-probability[sure], kind="stable")], others, strata, rng)


def _most_probable(order: Ints, price: Floats, room: float, kind: Ints | None, quota: float) -> Ints:
    """The items that fit into the budget, in this order: first the quotas, then the others."""
    is_taken = np.zeros(len(order), bool)
    if kind is not None and quota > 0:
        kinds, row = np.unique(kind[order], return_inverse=True)
        for kind_number in range(len(kinds)):
            of_kind = order[row == kind_number]
            is_taken[of_kind[np.cumsum(price[of_kind]) <= quota * room / len(kinds) + 1e-9]] = True
    others = order[~is_taken[order]]
    is_taken[others[np.cumsum(price[others]) <= room - price[is_taken].sum() + 1e-9]] = True
    return np.flatnonzero(is_taken)


_HALVINGS = 36
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """An estimated number of errors and the ends of its interval; `rate` and its ends are shares of `of` items."""

    n: float
    low: float
    high: float
    of: int

    @property
    def rate(self) -> tuple[float, float, float]:
        """The share of all items, and the ends of its interval; NaN of none."""
        return (self.n / self.of, self.low / self.of, self.high / self.of) if self.of else (float("nan"),) * 3


def estimate_errors(chosen: ReviewSample, place: Ints, wrong: Flags, confidence: float = 0.95) -> ErrorEstimate:
    """Estimate how many of all items are wrong, including those that the model does not suspect.

    Parameters
    ----------
    chosen : the sample to review
    place : (v,) which of these were decided, as positions in ``chosen.rows``, each once
    wrong : (v,) the decisions
    confidence : of the interval

    Each randomly drawn item stands for as many as its stratum has for each reviewed one (Horvitz and Thompson, 1952,
    stratified). No model is trusted, so the estimate is right on average however bad the probabilities are. Items
    chosen for their probability stand for themselves. Such items without a decision, and strata without any decision,
    may be anything in the interval; in the value they are as often wrong as the others, or as the next stratum. The
    value is NaN if no random item was decided, and the interval is then everything possible.

    The interval holds the totals that a score test does not reject: the sample's variance is that under each total,
    distributed over the strata as is most likely. With one stratum it is that of Wilson (1927), with the finite
    population correction. With one or two hits its lower end is too high (Brown, Cai and DasGupta, 2001,
    Statistical Science 16(2), 101-133), so that it is never above the exact one at twice the whole error, as the upper
    end is then never missed. Sources: Cochran (1977), Sampling Techniques, 5.10 (the estimate); Miettinen and Nurminen
    (1985), Statistics in Medicine 4(2), 213-226 (tests at the restricted maximum); Korn and Graubard (1998), Survey
    Methodology 24(2), 193-201 (exact ends for strata). Which of them holds is measured in docs/results/flag_budget.md.
    """
    stratum = chosen.stratum[place]
    is_sure, n_sure = stratum < 0, int((chosen.stratum < 0).sum())
    n_found, unseen = float(wrong[is_sure].sum()), n_sure - int(is_sure.sum())
    if is_sure.all() and chosen.size.any():
        return ErrorEstimate(float("nan"), n_found, n_found + unseen + float(chosen.size.sum()), chosen.n)
    sampled = np.bincount(stratum[~is_sure], minlength=len(chosen.size))
    hits = np.bincount(stratum[~is_sure][wrong[~is_sure]], minlength=len(chosen.size))
    is_sampled = sampled > 0
    low, high = _total_interval(hits[is_sampled], sampled[is_sampled], chosen.size[is_sampled], confidence)
    rate = (hits / np.maximum(sampled, 1))[_nearest_sampled(sampled)] if len(sampled) else np.empty(0)
    guess = unseen * n_found / (n_sure - unseen) if n_sure > unseen else unseen / 2
    unseen += int(chosen.size[~is_sampled].sum())
    return ErrorEstimate(
        n_found + float((chosen.size * rate).sum()) + guess, n_found + low, n_found + high + unseen, chosen.n
    )


def _nearest_sampled(sampled: Ints) -> Ints:
    """(H,) the number of each stratum, or of the next one if nothing was sampled from it."""
    strata = np.flatnonzero(sampled)
    if not len(strata):
        return np.arange(len(sampled))
    return np.asarray(strata[np.minimum(np.searchsorted(strata, np.arange(len(sampled))), len(strata) - 1)])


def _total_interval(hits: Ints, sampled: Ints, size: Ints, confidence: float) -> tuple[float, float]:
    """The ends of the interval of the total over strata (H,)."""
    from scipy.special import ndtri

    is_complete = sampled == size
    base = float(hits[is_complete].sum())
    x, n, sizes = (counts[~is_complete].astype(np.float64) for counts in (hits, sampled, size))
    if not len(x):
        return base, base
    z, value = float(ndtri((1 + confidence) / 2)), float((sizes * x / n).sum())
    ends = []
    for side in (1.0, -1.0):
        lower, upper = 0.0, 1.0
        while upper < 1e12 and _score_statistic(side * upper, x, n, sizes, value)[0] < z:
            upper *= 2
        for _ in range(_HALVINGS):
            middle = (lower + upper) / 2
            lower, upper = (
                (middle, upper) if _score_statistic(side * middle, x, n, sizes, value)[0] < z else (lower, middle)
            )
        ends.append(_score_statistic(side * upper, x, n, sizes, value)[1])
    low = min(
        ends[0], _exact_lower_end(value, float((sizes**2 * x / n**2).sum()), float(sizes.sum()), 2 * (1 - confidence))
    )
    # Whatever the chance says: what was seen is there, and what was seen to be right is not wrong.
    return base + max(low, float(x.sum())), base + min(ends[1], float((sizes - n + x).sum()))


def _exact_lower_end(value: float, variance: float, n_items: float, tail: float) -> float:
    """The exact lower end of a total, taken as a binomial whose hits and trials have this value and variance."""
    from scipy.special import betaincinv

    if value == 0:
        return 0.0
    hits = value**2 / variance
    return float(n_items * betaincinv(hits, hits * n_items / value - hits + 1, tail))


def _score_statistic(price: float, x: Floats, n: Floats, size: Floats, value: float) -> tuple[float, float]:
    """The difference of the value from a total, in standard deviations, and that total.

    The total follows from the Lagrange multiplier `price` of the most likely rates p that add up to it: in each stratum
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


def expected_errors(probability: Floats, confidence: float = 0.95, seed: int = 0) -> ErrorEstimate:
    """The expected number of wrong items among n, before a review.

    With `probability` (n,) the interval is that of chance alone (a sum of n unequal binomials, as if errors were
    independent), and the probabilities count as they are. With (B, n), B possible versions of them, see
    `Recalibration.draws`; the interval also holds how little is known about them: before any decision, real errors may
    be more or less frequent than the injected ones, and easier or harder to find.
    """
    every = np.atleast_2d(probability)
    mean, variance = every.sum(axis=1), (every * (1 - every)).sum(axis=1)
    repeats = max(1, _DRAWS // len(mean))
    # The sum is nearly a binomial with the same mean and variance.
    rate = np.clip(1 - variance / np.maximum(mean, 1e-12), 1e-6, 1.0)
    trials = np.round(mean / rate).astype(np.int64)
    rate = np.clip(mean / np.maximum(trials, 1), 0, 1)
    totals = np.random.default_rng(seed).binomial(np.repeat(trials, repeats), np.repeat(rate, repeats))
    low, high = np.quantile(totals, [(1 - confidence) / 2, (1 + confidence) / 2])
    n = every.shape[1]
    return ErrorEstimate(float(mean.mean()), float(low), float(min(high, n)), n)
