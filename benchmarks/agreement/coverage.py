"""How often the intervals of `segdata agreement` hold the truth, in simulated campaigns of which the truth is known.

    python -m benchmarks.agreement.coverage [CAMPAIGNS [shares | copies | distances]]

`shares` are those of misses, `copies` those of copies and rework, whose ends are at least the rule of three of the
images where none, or all, is a hit; `distances` are means of skewed values (hd95, assd), differences of volumes, and
the trend of a scorecard.

Two annotators' images are drawn from a population whose images differ in what they show and in how well the two agree,
as single images or as whole sequences of five images that are alike. The truth is what 100,000 more of them give. An
interval of 95 % should hold it in 95 % of the campaigns. Then: how often a test of two portions finds a difference
where there is none, in how many campaigns somebody is found unsteady who is as steady as the others (SEG409), and how
wide the interval of a campaign is that has as many images as a pilot of 40 planned for.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.stats.distributions import rv_frozen

from segdata.agreement.drift import _Trend
from segdata.agreement.estimates import PairAmounts, PooledPairs, Resampling, count_clusters, overall_scores
from segdata.agreement.inference import (
    median_interval,
    share_interval,
    share_with_interval,
    share_within_range,
    strata_differences,
)
from segdata.agreement.metrics.krippendorff_alpha import coincidences, krippendorff_alpha
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.repeatability import repeat_agreement
from segdata.agreement.scorecard import ImageScores, score_trend
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Floats
from tests.generators.agreement_tables import CATEGORIES, simulate_two_annotators, tables_of_maps

SCORES = ("iou", "dice", "iou_micro", "dice_micro", "pq", "sq", "rq", "f1", "kappa", "accuracy")
RARE = ("iou", "pq")  # of a category that three images of ten have
COLUMNS = (*SCORES, "alpha", "rare iou", "rare pq")
DRAWS = 1000
HALF_WIDTH = 0.02
TRUTH = 100_000
PASSES = (0, 0, 1, 1, 2)  # who each pass over all images is by


def values(opposed: AnnotatorPairs, how: Resampling) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of each of `COLUMNS` of one campaign."""
    amounts = PairAmounts.from_pairs(opposed)
    every = PooledPairs.by_cluster(amounts, amounts.all_rows)
    cluster = opposed.cases["cluster"]
    said = coincidences(
        opposed.votes["pattern"],
        opposed.votes["category"],
        opposed.patterns["pixels"],
        opposed.patterns["case"],
        len(cluster),
        len(opposed.categories),
    )
    agreeing, votes = np.bincount(cluster, said.agreeing), np.zeros((every.n, said.votes.shape[1]))
    np.add.at(votes, cluster, said.votes)
    of_all, of_each = every.statistic(SCORES), every.category_statistic(RARE)

    def statistic(weights: Floats) -> Floats:
        alpha = krippendorff_alpha(weights @ agreeing, weights @ votes)
        return np.concatenate([of_all(weights), alpha[:, None], of_each(weights)[:, :, 1]], axis=1)

    rare = [count_clusters(name, every.together)[1] for name in RARE]
    found = how.interval(statistic, every.n, support=np.array([every.n] * (len(SCORES) + 1) + rare))
    numbers = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return dict(zip(COLUMNS, numbers, strict=True))


def coverage(n_clusters: int, size: int, n_campaigns: int, truth: dict[str, float]) -> list[float]:
    """The share of campaigns whose interval holds the truth, for each of `COLUMNS`; those without one left out."""
    held: dict[str, list[bool]] = {name: [] for name in COLUMNS}
    for campaign in range(n_campaigns):
        rng, how = np.random.default_rng([n_clusters, size, campaign]), Resampling(n_draws=DRAWS, seed=campaign)
        for name, (_, low, high) in values(simulate_two_annotators(rng, n_clusters, size), how).items():
            if np.isfinite(low):
                held[name].append(low <= truth[name] <= high)
    return [float(np.mean(held[name])) for name in COLUMNS]


SHARES = (0.02, 0.05, 0.2, 0.5)


class Varying(NamedTuple):
    """How a share varies from image to image around its mean."""

    is_counted: bool  # of segments, not pixels
    likeness: float | None = None  # the intraclass correlation; None: all images have the same share
    size_spread: float = 0.0  # of the segments of an image: the standard deviation of the logarithm of their mean
    bad_images: float = 0.0  # so many images, by chance, have eight times the share of the others, or all


KINDS = {
    "segments, each by itself": Varying(True),
    "segments, images differ (ICC 0.1)": Varying(True, 0.1),
    "segments, images differ much (ICC 0.3)": Varying(True, 0.3),
    "segments, very different numbers (ICC 0.2)": Varying(True, 0.2, size_spread=1.2),
    "segments, one image in ten is bad": Varying(True, bad_images=0.1),
    "pixels, images much alike (ICC 0.05)": Varying(False, 0.05),
    "pixels, images differ (ICC 0.2)": Varying(False, 0.2),
    "pixels, all of an image or none": Varying(False, 1.0),
}


def draw_shares(rng: np.random.Generator, n: int, share: float, how: Varying) -> tuple[Floats, Floats]:
    """Hits and totals of n images."""
    mean = 9 * rng.lognormal(0, how.size_spread, n) if how.size_spread else np.full(n, 9.0)
    total = (1 + rng.poisson(mean)).astype(float) if how.is_counted else rng.lognormal(8, 0.7, n)
    if how.likeness is None:
        usual = share / (1 + 7 * how.bad_images)
        if 8 * usual > 1:
            usual = (share - how.bad_images) / (1 - how.bad_images)
        own = np.minimum(np.where(rng.random(n) < how.bad_images, 8 * usual, usual), 1)
    elif how.likeness == 1:
        own = (rng.random(n) < share).astype(float)
    else:
        rest = 1 / how.likeness - 1
        own = rng.beta(share * rest, (1 - share) * rest, n)
    return rng.binomial(total.astype(int), own).astype(float) if how.is_counted else own * total, total


def distances(n_campaigns: int) -> None:
    """Print how often intervals of means of skewed values, of sizes of volumes, and of trends hold the truth."""
    print("| what | of what | truth | 8 units | 24 | 60 |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, (kind, truth, draw) in INTERVALS.items():
        cells = []
        for n in (8, 24, 60):
            rng = np.random.default_rng([17, n])
            ends = [draw(rng, n, campaign) for campaign in range(n_campaigns)]
            held = [low <= truth <= high for low, high in ends if np.isfinite(low)]
            cells.append(f"{np.mean(held):.3f}" if held else "")
        print(f"| {name} | {kind} | {truth:.3f} | " + " | ".join(cells) + " |", flush=True)


def _mean_interval(rng: np.random.Generator, n: int, seed: int, spread: float) -> tuple[float, float]:
    """A mean of n values that are lognormal with a median of 1."""
    values = rng.lognormal(0, spread, n)
    ends = Resampling(n_draws=DRAWS, seed=seed).interval(lambda weights: weights @ values / weights.sum(axis=1), n)
    return float(ends.low), float(ends.high)


def _drift_change(rng: np.random.Generator, n: int, seed: int, freedom: float) -> tuple[float, float]:
    """By how much an offset grows in 180 days, 2 px in truth; it varies by some 0.9 px from image to image."""
    day = rng.integers(0, 181, n).astype(float)
    value = 2 * day / 180 + 0.9 * rng.standard_t(freedom, n) * np.sqrt((freedom - 2) / freedom)
    rows = np.arange(n)
    change = _Trend(day, rows, np.zeros(n, np.int64), value, np.ones(n)).change(
        180.0, Resampling(n_draws=DRAWS, seed=seed)
    )
    return change.low, change.high


# Differences of volumes with a median of 0, and the share of them below a value.
DIFFERENCES: dict[str, rv_frozen] = {
    "normal": stats.norm(),
    "t, 2 degrees": stats.t(2),
    "lognormal, sigma 1.5": stats.lognorm(1.5, loc=-1),
    "Pareto, shape 1.2": stats.pareto(1.2, loc=-(2 ** (1 / 1.2))),
    "beta, 0.3 and 0.3": stats.beta(0.3, 0.3, loc=-0.5),
}


def _median_difference(rng: np.random.Generator, n: int, seed: int, kind: str) -> tuple[float, float]:
    return median_interval(DIFFERENCES[kind].rvs(n, random_state=rng))


def _beyond_range(rng: np.random.Generator, n: int, seed: int, kind: str) -> tuple[float, float]:
    """An interval that has 0 if the share between the smallest and the largest is at least what is said."""
    values = DIFFERENCES[kind].rvs(n, random_state=rng)
    held = float(np.diff(DIFFERENCES[kind].cdf([values.min(), values.max()]))[0])
    return share_within_range(n) - held, np.inf


def _slope(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float]:
    """Of an annotator whose IoU falls by 0.02 a month in six months, as two others' on the same images does not."""
    month = rng.integers(0, 6, n)
    easy = rng.beta(8, 2, n)
    value = np.concatenate([easy + 0.05 * rng.normal(size=n) - slope * month for slope in (-SLOPE, -SLOPE, 0.0)])
    couple = np.repeat(np.array([[0, 0, 1], [1, 2, 2]]), n, axis=1)
    image = np.tile(np.arange(n), 3)
    none = np.zeros(3 * n, np.int64)
    scored = ImageScores(value, couple, image, none, image, none)
    trend = score_trend(scored, 0, np.tile(month, 3), Resampling(n_draws=DRAWS, seed=seed))
    return trend.low, trend.high


SLOPE = -0.02
Draw = Callable[[np.random.Generator, int, int], tuple[float, float]]
INTERVALS: dict[str, tuple[str, float, Draw]] = {
    "hd95, assd": ("lognormal, sigma 0.5", np.exp(0.125), lambda rng, n, k: _mean_interval(rng, n, k, 0.5)),
    "hd95, assd, skewed": ("lognormal, sigma 1", np.exp(0.5), lambda rng, n, k: _mean_interval(rng, n, k, 1.0)),
    **{
        f"volumes, median difference, {kind}": (kind, 0.0, partial(_median_difference, kind=kind))
        for kind in DIFFERENCES
    },
    **{
        f"volumes, share between the ends, {kind}": (kind, 0.0, partial(_beyond_range, kind=kind))
        for kind in DIFFERENCES
    },
    "drift, change": ("nearly normal", 2.0, partial(_drift_change, freedom=100.0)),
    "drift, change, outliers": ("t, 3 degrees", 2.0, partial(_drift_change, freedom=3.0)),
    "scorecard, trend a month": ("IoU of three annotators", SLOPE, _slope),
}


def shares(n_campaigns: int, of_copies: bool = False) -> None:
    """Print how often the interval of a share holds it, and how wide it is."""
    print("| what varies | images | " + " | ".join(f"{share:.0%}: held, width" for share in SHARES) + " |")
    print("| --- | ---: |" + " ---: |" * len(SHARES))
    for (name, how), n in product(KINDS.items(), (8, 24, 60)):
        cells = []
        for share in SHARES:
            rng, held, width = np.random.default_rng([13, n, round(1000 * share)]), 0, 0.0
            for _ in range(n_campaigns):
                hits, total = draw_shares(rng, n, share, how)
                trials = float(total.sum()) if how.is_counted else None
                ends = share_with_interval(hits, total, 0.95, trials=trials)[1:] if of_copies else None
                low, high = ends or share_interval(hits, total, trials=trials)
                held += low <= share <= high
                width += high - low
            cells.append(f"{held / n_campaigns:.3f}, {width / n_campaigns:.2f}")
        print(f"| {name} | {n} | " + " | ".join(cells) + " |", flush=True)


def false_alarms(n_clusters: int, size: int, n_campaigns: int) -> list[float]:
    """The share of campaigns in which IoU, PQ and kappa of two halves drawn by lot differ at the 5 % level."""
    names, alarms = ("iou", "pq", "kappa"), []
    for campaign in range(n_campaigns):
        rng = np.random.default_rng([7, n_clusters, size, campaign])
        amounts = PairAmounts.from_pairs(simulate_two_annotators(rng, n_clusters, size))
        every = PooledPairs.by_cluster(amounts, amounts.all_rows)
        half = rng.permutation(np.arange(n_clusters) % 2)
        _, p = strata_differences(every.statistic(names), half, np.zeros(n_clusters, np.int64), campaign, n_draws=199)
        alarms.append(p <= 0.05)
    return [float(each) for each in np.mean(alarms, axis=0)]


def unsteady(n_images: int, n_campaigns: int, further: float = 0.0) -> float:
    """The share of campaigns in which somebody is found to be less steady than annotators are among each other.

    Three persons, the first two of whom annotate all images twice, get a block of labels wrong at a rate that differs
    by image; the first one gets more wrong by `further`.
    """
    found = []
    for campaign in range(n_campaigns):
        rng = np.random.default_rng([11, n_images, campaign])
        maps: list[list[np.ndarray]] = [[] for _ in PASSES]
        for _ in range(n_images):
            truth, rate = rng.integers(-1, len(CATEGORIES), (6, 6)), rng.beta(2, 6)
            for person, of in zip(PASSES, maps, strict=True):
                wrong = rng.random(truth.shape) < rate + (further if person == 0 else 0.0)
                of.append(np.where(wrong, rng.integers(-1, len(CATEGORIES), truth.shape), truth))
        opposed = replace(tables_of_maps(maps, CATEGORIES, task="semantic"), persons=PASSES)
        behind = repeat_agreement(opposed, Resampling(n_draws=DRAWS, seed=campaign))["behind_low"]
        found.append(bool((behind > 0).any()))
    return float(np.mean(found))


def planned(n_pilots: int) -> None:
    """Print what widths the plans of pilots lead to."""
    widths: dict[str, list[float]] = {name: [] for name in ("iou", "pq", "kappa")}
    images: dict[str, list[int]] = {name: [] for name in widths}
    for pilot in range(n_pilots):
        rng = np.random.default_rng([9, pilot])
        for each in plan_sample_sizes(simulate_two_annotators(rng, 40), HALF_WIDTH, Resampling(seed=pilot)):
            if each.category is None and each.images is not None:
                amounts = PairAmounts.from_pairs(simulate_two_annotators(rng, each.images))
                found = overall_scores(amounts, amounts.all_rows, Resampling(seed=pilot))[each.score]
                widths[each.score].append((found.high - found.low) / 2)
                images[each.score].append(each.images)
    for name, reached in widths.items():
        ends = ", ".join(f"{end:.4f}" for end in np.quantile(reached, (0.1, 0.5, 0.9)))
        print(
            f"{name}: planned for {HALF_WIDTH}, images (median) {np.median(images[name]):.0f}, reached {ends}",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    n_campaigns = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    parts = {"shares": shares, "copies": lambda n: shares(n, True), "distances": distances}
    if sys.argv[2:]:
        parts[sys.argv[2]](n_campaigns)
        return
    print("| clusters | images each | " + " | ".join(COLUMNS) + " |")
    print("| ---: | ---: |" + " ---: |" * len(COLUMNS))
    for size, n_clusters in product((1, 5), (10, 20, 30, 50, 100)):
        rng = np.random.default_rng([1, size])
        truth = {
            name: each[0]
            for name, each in values(simulate_two_annotators(rng, TRUTH // size, size), Resampling(n_draws=2)).items()
        }
        found = coverage(n_clusters, size, n_campaigns, truth)
        print(f"| {n_clusters} | {size} | " + " | ".join(f"{each:.3f}" for each in found) + " |", flush=True)
    for size, n_clusters in product((1, 5), (10, 40)):
        alarms = ", ".join(f"{each:.3f}" for each in false_alarms(n_clusters, size, n_campaigns))
        print(f"{n_clusters} clusters of {size}: a difference by chance in {alarms} (iou, pq, kappa)", flush=True)
    for n_images, further in product((8, 24), (0.0, 0.2)):
        share = unsteady(n_images, n_campaigns, further)
        print(f"{n_images} images twice, one gets {further:.0%} more wrong: found in {share:.3f}", flush=True)
    planned(max(1, n_campaigns // 10))


if __name__ == "__main__":
    main()
