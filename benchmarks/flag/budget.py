"""Whether a review is worth what it says: intervals that hold, probabilities that move the right way, quotas that help.

    python -m benchmarks.flag.budget coverage|recalibration|quota|systematic [--reviews N] [--items N]
    python -m benchmarks.flag.budget real --data DATA --predictions FOLDER --truth JSON [--reviews N]

All but `real` is simulated: labels whose errors are known, with scores from useless to right, are reviewed many times.
`coverage`: how often the interval of all errors holds the truth, how wide it is, and how often that of the errors in
the review does, which is told before it. `recalibration`: what verdicts do to the log loss of all probabilities.
`quota`: what share of errors a review finds, over all and as the mean over types of which some are rare and hard.
`systematic`: how often confusions and bad annotators are told where there are none, and where there is one.
`real`: the same for the candidates of a dataset with injected errors, as `segdata flag` scores them.
"""

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.noise.annotator_noise import find_confusions, find_noisy_groups
from segdata.noise.budget import Budget, ReviewSample, choose_sample, estimate_errors, expected_errors
from segdata.noise.calibration import fit_calibration, recalibrate

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
RATES = (0.005, 0.02, 0.05, 0.1)
# What the score of an item is, beside the log odds of the truth: a normal variable z of slope b, moved by an offset a.
SCORES: dict[str, Callable[[Floats, float, float], Floats]] = {
    "right": lambda z, a, b: a + b * z,
    "weak": lambda z, a, b: a + b * z,
    "useless": lambda z, a, b: a + 1.5 * z,
    "too sure": lambda z, a, b: 2 * (a + b * z),
    "too timid": lambda z, a, b: 0.4 * (a + b * z),
    "too high": lambda z, a, b: a + b * z + 2,
    "too low": lambda z, a, b: a + b * z - 2,
    "bent": lambda z, a, b: a + b * z - 3 * (z < 0.3),
}
SLOPES = {"useless": 0.0, "weak": 1.0}
Population = tuple[Floats, Flags]


def logistic(z: Floats) -> Floats:
    """Probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))


def population(n: int, rate: float, score: str, rng: np.random.Generator) -> tuple[Floats, Floats, Flags]:
    """Log odds (n,) as told and as they are, and what is wrong, of which there is such a share on average."""
    z, b = rng.normal(size=n), SLOPES.get(score, 2.5)
    low, high = -30.0, 10.0
    for _ in range(40):
        a = (low + high) / 2
        low, high = (a, high) if logistic(a + b * z).mean() < rate else (low, a)
    return SCORES[score](z, a, b), a + b * z, rng.random(n) < logistic(a + b * z)


def review(odds: Floats, n: int, seed: int) -> ReviewSample:
    """What is reviewed of items with these log odds."""
    return choose_sample(logistic(odds), np.ones(len(odds)), Budget(items=n), seed=seed)


def coverage(reviews: int) -> None:
    """A line for each size, rate and score."""
    print("items reviewed score rate | covers width bias | before: covers width")
    every = []
    for items, n in ((400, 50), (3000, 50), (3000, 300)):
        for score, rate in itertools.product(SCORES, RATES):
            rows = []
            for seed in range(reviews):
                rng = np.random.default_rng([seed, items, n])
                odds, _, wrong = population(items, rate, score, rng)
                what = review(odds, n, seed)
                found = estimate_errors(what, np.arange(n), wrong[what.rows])
                nothing = np.empty(0, np.int64)
                before = expected_errors(recalibrate(nothing.astype(float), nothing).draws(odds[what.rows]))
                truth, seen = wrong.sum(), wrong[what.rows].sum()
                holds = found.low - 1e-9 <= truth <= found.high + 1e-9, before.low <= seen <= before.high
                wide = (found.high - found.low) / items, (before.high - before.low) / n
                rows.append((holds[0], wide[0], (found.n - truth) / items, holds[1], wide[1]))
            mean = np.mean(rows, axis=0)
            every.append(mean)
            print(f"{items:6} {n:5} {score:9} {rate:6.1%} | {mean[0]:6.1%} {mean[1]:6.1%} {mean[2]:+6.2%}"
                  f" | {mean[3]:6.1%} {mean[4]:6.1%}", flush=True)  # fmt: skip
    covers = np.array(every)[:, 0]
    print(f"covers: least {covers.min():.1%}, mean {covers.mean():.1%}, most {covers.max():.1%}; "
          f"from 90 to 99 % in {np.mean((covers >= 0.9) & (covers <= 0.99)):.0%} of {len(covers)} lines")  # fmt: skip


def loss(odds: Floats, wrong: Flags) -> float:
    """The mean log loss of items with these log odds."""
    return float((np.logaddexp(0, odds) - wrong * odds).mean())


def recalibration(reviews: int, items: int) -> None:
    """A line for each number of verdicts and score: how much is gained, on average over rates and reviews."""
    ways = ("truth", "here", "by inclusion", "Platt")
    print(
        "change of the log loss, in thousandths: mean, and 95th percentile of reviews\nverdicts score | "
        + " | ".join(ways)
    )
    for n, score in itertools.product((10, 20, 50, 200), SCORES):
        rows = []
        for rate, seed in itertools.product(RATES, range(reviews)):
            odds, truth, wrong = population(items, rate, score, np.random.default_rng([seed, n]))
            what = review(odds, n, seed)
            z, y, before = odds[what.rows], wrong[what.rows], loss(odds, wrong)
            weight = 1 / what.inclusion
            fits: list[Any] = [  # of two classes that both have a slope and an offset
                recalibrate(z, y),
                recalibrate(z, y, weight * n / weight.sum()),
                fit_calibration(z, y.astype(np.int64)),
            ]
            after = [truth, *(np.clip(each.slope * odds + each.offset, -30, 30) for each in fits)]
            rows.append([1000 * (loss(each, wrong) - before) for each in after])
        mean, bad = np.mean(rows, axis=0), np.quantile(rows, 0.95, axis=0)
        told = " | ".join(f"{a:+6.1f} {b:+6.1f}" for a, b in zip(mean, bad, strict=True))
        print(f"{n:4} {score:9} | {told}", flush=True)


def quota(reviews: int, items: int) -> None:
    """What a review of 5 % finds of types whose frequency and log odds differ."""
    share, hard = np.array([0.6, 0.25, 0.1, 0.04, 0.01]), np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    print("quota | all errors | mean over types | rarest type")
    for part in (0.0, 0.1, 0.2, 0.4, 0.8):
        rows = []
        for seed in range(reviews):
            rng = np.random.default_rng(seed)
            odds, _, wrong = population(items, 0.05, "right", rng)
            kind = rng.choice(len(share), items, p=share)
            told = odds - hard[kind]  # the model is the less sure, the rarer the type
            what = choose_sample(logistic(told), np.ones(items), Budget(share=0.05), kind=kind, quota=part, seed=seed)
            seen = np.zeros(items, bool)
            seen[what.rows] = True
            by = np.bincount(kind[wrong & seen], minlength=5) / np.maximum(np.bincount(kind[wrong], minlength=5), 1)
            rows.append(((wrong & seen).sum() / wrong.sum(), by.mean(), by[-1]))
        mean, spread = np.mean(rows, axis=0), 1.96 * np.std(rows, axis=0) / reviews**0.5
        print(
            f"{part:.1f} | " + " | ".join(f"{a:.3f} +- {b:.3f}" for a, b in zip(mean, spread, strict=True)), flush=True
        )


def mixes(rng: np.random.Generator, n_categories: int, per: int, times: float) -> tuple[Ints, Ints, Ints]:
    """Confusions of a model with preferences in 60 images, of like images more alike; (1, 2) so many times as often."""
    like = np.exp(rng.normal(0, 1, (n_categories + 1, n_categories + 1)))
    likes = rng.normal(0, 0.5, n_categories + 1)
    pairs = np.array(list(itertools.permutations(range(1, n_categories + 1), 2)))
    i, j = pairs.T
    weight = (like + like.T)[i, j] * np.exp((likes[j] - likes[i]) / 2) * np.where((i == 1) & (j == 2), times, 1.0)
    weight /= weight.sum()
    unit = np.repeat(np.arange(60), rng.poisson(per, 60))
    by_image = np.cumsum(rng.dirichlet(weight * 20 + 1e-9, 60), axis=1)
    row = (rng.random(len(unit))[:, None] > by_image[unit]).sum(axis=1).clip(max=len(pairs) - 1)
    return i[row], j[row], unit


def systematic(reviews: int) -> None:
    """A line for each number of categories, and of annotators."""
    print("categories, confusions an image | told without any | (1, 2) 8 times: told, others told")
    for n, per in itertools.product((2, 3, 5, 11), (1, 5, 20)):
        none = [bool(find_confusions(*mixes(np.random.default_rng(r), n, per, 1.0))) for r in range(reviews)]
        one = [
            {(each.given, each.seen) for each in find_confusions(*mixes(np.random.default_rng(r), n, per, 8.0))}
            for r in range(reviews)
        ]
        hit, other = np.mean([(1, 2) in each for each in one]), np.mean([bool(each - {(1, 2)}) for each in one])
        print(f"{n:3} {per:3} | {np.mean(none):.1%} | {hit:.1%} {other:.1%}", flush=True)
    print("annotators, images | told without any | one doubted by 0.05 more: told, others told")
    for n, images in itertools.product((2, 4, 12), (40, 200)):
        rows = []
        for seed in range(reviews):
            rng = np.random.default_rng(seed)
            who, sort = rng.integers(0, n, images), rng.integers(0, 3, images)
            value = rng.gamma(0.5, 0.1, images) + 0.2 * sort
            found = {each.group for each in find_noisy_groups(value + 0.05 * (who == 0), who, sort, n)}
            rows.append((bool(find_noisy_groups(value, who, sort, n)), 0 in found, bool(found - {0})))
        mean = np.mean(rows, axis=0)
        print(f"{n:3} {images:4} | {mean[0]:.1%} | {mean[1]:.1%} {mean[2]:.1%}", flush=True)


def real(data: str, predictions: str, truth: str, reviews: int) -> None:
    """How reviews of a dataset go whose errors are known: what they find, and what they say of all errors."""
    from segdata.api.flag import FlagInput, rank_errors, read_truth
    from segdata.api.read import read
    from segdata.api.validate import dataset_tables
    from segdata.noise.networks.plan import Settings
    from segdata.noise.pipeline import find_label_errors
    from segdata.noise.selection import likely_types

    dataset = read(data)
    labels = FlagInput(dataset, dataset_tables(dataset, frozenset()), dataset.maps(None), Settings())
    seen = labels.use_predictions(predictions)
    thought = find_label_errors(seen.case, jobs=1)
    found = thought.ranked
    wrong = rank_errors(found, seen.case, read_truth(truth))[0].mistake >= 0
    p, kind = found.probability, likely_types(found, seen.case.predictor.things)
    told = found.odds if found.odds.std() > 0 else np.log(p / (1 - p))
    print(f"{len(p)} candidates, {wrong.sum()} wrong ({wrong.mean():.2%}); expected {p.sum():.0f}")
    suspected = thought.suspected
    for name in ("confusions", "doubted"):
        table = getattr(suspected, name)
        print(f"{name}: {0 if table is None else len(table)}")
    print("reviewed quota | found, of all errors | mean over types | covers width bias | log loss before, after")
    for n, part in itertools.product((50, 200, len(p) // 20), (0.0, 0.2)):
        rows = []
        for seed in range(reviews):
            what = choose_sample(p, np.ones(len(p)), Budget(items=n), kind=kind, quota=part, seed=seed)
            hit = np.zeros(len(p), bool)
            hit[what.rows] = True
            of = [hit[wrong & (kind == each)].mean() for each in np.unique(kind[wrong])]
            all_ = estimate_errors(what, np.arange(len(what.rows)), wrong[what.rows])
            after = recalibrate(told[what.rows], wrong[what.rows])
            rows.append((hit[wrong].mean(), np.mean(of), all_.low - 1e-9 <= wrong.sum() <= all_.high + 1e-9,
                         (all_.high - all_.low) / len(p), (all_.n - wrong.sum()) / len(p), loss(told, wrong),
                         loss(after.slope * told + after.offset, wrong)))  # fmt: skip
        mean = np.mean(rows, axis=0)
        print(f"{n:5} {part:.1f} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.1%} {mean[3]:.1%} {mean[4]:+.2%}"
              f" | {mean[5]:.4f} {mean[6]:.4f}", flush=True)  # fmt: skip


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["coverage", "recalibration", "quota", "systematic", "real"])
    parser.add_argument("--reviews", type=int, default=200)
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--data", help="labels with errors")
    parser.add_argument("--predictions", help="a folder that `segdata flag` wrote for them")
    parser.add_argument("--truth", help="the errors, as `segdata.testing.noise` writes them")
    asked = parser.parse_args()
    if asked.table == "coverage":
        coverage(asked.reviews)
    elif asked.table == "real":
        real(asked.data, asked.predictions, asked.truth, asked.reviews)
    elif asked.table == "systematic":
        systematic(asked.reviews)
    elif asked.table == "quota":
        quota(asked.reviews, asked.items)
    else:
        recalibration(asked.reviews, asked.items)


if __name__ == "__main__":
    main()
