"""Calibration: from features to the probability of an error, by cross-fitted, regularised logistic regression.

Few weights, the same for all segments, keep each probability explainable, and nothing is random. Reviewers' decisions
move the probabilities from the rate of injected errors to the real one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.executor import run_ordered
from segdata.core.runs import Flags, Floats, Ints
from segdata.noise.error_types import INJECTED_SHARE

_MAX_DEVIATIONS = 4.0  # standard deviations beyond which a feature says no more
_MAX_STEPS = 50


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Logistic regression."""

    centre: Floats  # (F,) of the features
    scale: Floats
    weight: Floats  # (F,)
    bias: float

    def margin(self, x: Floats) -> Floats:
        """(n,) log odds for features (n, F)."""
        z = np.clip((x - self.centre) / self.scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
        return np.asarray(z @ self.weight + self.bias)


def fit_logistic(x: Floats, y: Ints, l2: float = 1.0, start: LogisticModel | None = None) -> LogisticModel:
    """The penalised maximum likelihood weights of y (n,), 0 or 1, given standardised features x (n, F).

    The penalty is l2 / 2 |weights|^2. Newton's method halves steps that increase the loss, which is convex, so there is
    one solution. It is found in fewer steps from a `start` near it, such as that of nearly the same data. The bias has
    only a penalty that keeps it finite.
    Source: Bishop (2006), Pattern Recognition and Machine Learning, 4.3.3.
    """
    return fit_logistics(x, y, (l2,), () if start is None else (start,))[0]


def fit_logistics(
    x: Floats, y: Ints, penalties: Sequence[float], starts: Sequence[LogisticModel] = ()
) -> list[LogisticModel]:
    """`fit_logistic` with each of some penalties; without `starts`, one begins at the solution of the one before."""
    centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    scale = x.std(axis=0) if len(x) else np.ones(x.shape[1])
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = np.ones((len(x), x.shape[1] + 1))  # (n, F + 1), the last column for the bias
    features = z[:, :-1]
    np.subtract(x, centre, out=features)
    features /= scale
    np.clip(features, -_MAX_DEVIATIONS, _MAX_DEVIATIONS, out=features)
    models: list[LogisticModel] = []
    for place, l2 in enumerate(penalties):
        start = starts[place] if starts else models[-1] if models else None
        w = np.zeros(z.shape[1]) if start is None else np.append(start.weight, start.bias)
        w = _newton(w, z, y, np.append(np.full(x.shape[1], l2), 1e-3))
        models.append(LogisticModel(centre, scale, w[:-1], float(w[-1])))
    return models


def _newton(w: Floats, z: Floats, y: Ints, penalty: Floats) -> Floats:
    """The weights (F + 1,) with the least loss, from weights to begin with."""
    loss, p = _logistic_loss(w, z, y, penalty)
    for _ in range(_MAX_STEPS):
        gradient = z.T @ (p - y) + penalty * w
        weighted = z * np.sqrt(p * (1 - p))[:, None]  # of one matrix and itself BLAS computes only half
        step = np.linalg.solve(weighted.T @ weighted + np.diag(penalty), gradient)
        if gradient @ step < 1e-10 * max(len(z), 1):
            return w - step  # Newton's steps square what is left, so the last one goes beyond the tolerance
        size = 1.0
        while True:
            lower, q = _logistic_loss(w - size * step, z, y, penalty)
            if lower <= loss or size < 1e-6:
                break
            size /= 2
        w, loss, p = w - size * step, lower, q
    return w


def _logistic_loss(w: Floats, z: Floats, y: Ints, penalty: Floats) -> tuple[float, Floats]:
    a = z @ w
    return float((np.logaddexp(0, a) - y * a).sum() + 0.5 * (penalty * w**2).sum()), logistic(a)


def logistic(a: Floats) -> Floats:
    """(n,) probabilities for log odds (n,)."""
    return np.asarray(1 / (1 + np.exp(-np.clip(a, -500, 500))))


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """Turns log odds z into the probability 1 / (1 + exp(-slope z - offset))."""

    slope: float = 1.0
    offset: float = 0.0

    def odds(self, z: Floats) -> Floats:
        """(n,) calibrated log odds for log odds (n,)."""
        return self.slope * z + self.offset

    def probability(self, z: Floats) -> Floats:
        """(n,) the probabilities for log odds (n,)."""
        return logistic(self.odds(z))


def fit_calibration(z: Floats, wrong: Ints) -> PlattCalibration:
    """Fit the calibration of log odds z (n,) to whether each item is wrong (n,), 0 or 1.

    Targets are shrunk a little, so that a few equal outcomes do not make certainty. The slope is never below 0:
    outcomes cannot reverse an order. Without outcomes of both kinds only the offset is fitted. Source: Platt (1999),
    Advances in Large Margin Classifiers, 61-74.
    """
    n_wrong, n = int(wrong.sum()), len(wrong)
    if n == 0:
        return PlattCalibration()
    target = np.where(wrong == 1, (n_wrong + 1) / (n_wrong + 2), 1 / (n - n_wrong + 2))
    slope, offset = 1.0, 0.0
    free = 0 < n_wrong < n
    for _ in range(_MAX_STEPS):
        p = logistic(slope * z + offset)
        gap, weight = p - target, np.maximum(p * (1 - p), 1e-9)
        # One verdict's weight holds the slope near 1, so that few verdicts do not make a wild one.
        g = np.array([(gap * z).sum() + (slope - 1), gap.sum()])
        h = np.array([[(weight * z * z).sum() + 1, (weight * z).sum()], [(weight * z).sum(), weight.sum() + 1e-9]])
        if not free:
            g[0], h[0] = 0.0, (1.0, 0.0)
            h[1, 0] = 0.0
        step = np.linalg.solve(h, g)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        slope, offset = max(slope - float(step[0]), 0.0), offset - float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return PlattCalibration(slope, offset)


_N_FOLDS = 5
MAX_RIGHT_CANDIDATES = 12_000  # right candidates to learn from; of more every n-th


def assign_folds(unit: Ints) -> Ints:
    """(i,) the fold of each image, of at most `_N_FOLDS`; images of one unit (i,) share a fold.

    >>> assign_folds(np.array([7, 2, 7, 5])).tolist()
    [0, 1, 0, 2]
    """
    place = {number: row for row, number in enumerate(dict.fromkeys(unit.tolist()))}
    return np.array([place[number] % _N_FOLDS for number in unit.tolist()], np.int64)


def cross_fits(
    x: Floats, fold: Ints, z: Floats, kind: Ints, held_fold: Ints, penalties: Sequence[float], jobs: int = 1
) -> list[tuple[Floats, Floats]]:
    """The density ratios of errors to correct labels at x (n, F) and z (h, F), learnt from the z in other folds.

    `kind` (h,) is the kind of error of each z; -1: none. Each kind has its own weights, since kinds may be opposites
    (too large, too small). Returns, for each of the penalties, the logs of the density ratios, (n, K) and (h, K), for
    the K kinds that occur; the ratio of a kind that the other folds lack is 1. `jobs` threads learn the kinds.
    Source: Begg and Gray (1984), Biometrika 71(1), 11-18.
    """
    is_correct = kind < 0
    sampled = is_correct & (np.cumsum(is_correct) % max(int(is_correct.sum()) // MAX_RIGHT_CANDIDATES, 1) == 0)
    folds = np.union1d(fold, held_fold).tolist()

    def fit_kind(name: int) -> tuple[Floats, Floats]:
        """(P, n) and (P, h) the log ratios of a kind, with each of the penalties."""
        ratio, held_ratio = np.zeros((len(penalties), len(x))), np.zeros((len(penalties), len(z)))
        of_kind, models = kind == name, list[LogisticModel]()
        for number in folds:
            in_fold, held_rows = fold == number, held_fold == number
            others = ~held_rows if not held_rows.all() else held_rows  # a single fold teaches itself
            rows = others & (sampled | of_kind)
            is_wrong = of_kind[rows].astype(np.int64)
            if 0 < is_wrong.sum() < len(is_wrong):
                models = fit_logistics(z[rows], is_wrong, penalties, models)  # most data are those of the fold before
                prior = np.log(is_wrong.sum() / (1 - is_wrong).sum())
                for row, model in enumerate(models):
                    ratio[row, in_fold] = model.margin(x[in_fold]) - prior
                    held_ratio[row, held_rows] = model.margin(z[held_rows]) - prior
        judged = is_correct | of_kind
        is_wrong = of_kind[judged].astype(np.int64)
        prior = np.log(is_wrong.sum() / max((1 - is_wrong).sum(), 1))
        for own, held in zip(ratio, held_ratio, strict=True):
            scale = fit_calibration(held[judged], is_wrong)
            own[:], held[:] = scale.odds(own) - prior, scale.odds(held) - prior
        return ratio, held_ratio

    every = list(run_ordered(fit_kind, np.unique(kind[~is_correct]).tolist(), jobs, ahead=math.inf))
    if not every:
        return [(np.zeros((len(x), 0)), np.zeros((len(z), 0))) for _ in penalties]
    ratio, held_ratio = (np.stack([both[side] for both in every], axis=2) for side in (0, 1))  # (P, n, K)
    return list(zip(ratio, held_ratio, strict=True))


def mean_log_ratio(ratio: Floats, share: Floats | None = None) -> Floats:
    """(n,) the log of the mean of ratios (n, K), given as logs; kinds are weighted by their shares (K,), or equally."""
    if not ratio.shape[1]:
        return np.zeros(len(ratio))
    weight = np.zeros(ratio.shape[1]) if share is None else np.log(share)
    return np.asarray(np.logaddexp.reduce(ratio + weight, axis=1) - np.logaddexp.reduce(weight))


def log_loss(odds: Floats, wrong: Ints) -> float:
    """The log loss of log odds (n,) after calibration; `wrong` (n,) is 1 for a wrong item, else 0."""
    p = np.clip(fit_calibration(odds, wrong).probability(odds), 1e-9, 1 - 1e-9)
    return float(-(np.log(p[wrong == 1]).sum() + np.log(1 - p[wrong == 0]).sum()))


# Standard deviations of what is believed before any verdict: by a factor of e^3 real errors may be more or less common
# than injected ones, and the evidence, as a log ratio, too large or too small by 80 %. Chosen on errors put into real
# datasets, such that the number to expect holds (docs/results/flag_budget.md).
OFFSET_DEVIATION, SLOPE_DEVIATION = 1.5, 0.4
MIN_SLOPE = 0.05  # of the slope: an order is never turned round
_N_SLOPES = 15  # over which the mean of a probability is taken
_MAX_REVIEW_STEPS = 100


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Log odds z become the probability 1 / (1 + exp(-slope z - offset)); slope and offset are uncertain."""

    slope: float
    offset: float
    covariance: Floats  # (2, 2) their uncertainty (slope first)
    n: int  # the number of decisions behind them

    def probability(self, odds: Floats) -> Floats:
        """(n,) the mean probability for log odds (n,), over all slopes and offsets as likely as they are.

        So its sum is the number of errors to expect, and the less is known, the further it is from certainty. It rises
        with the log odds. Source: MacKay (1992), Neural Computation 4(5), 720-736 (the mean over the offset).
        """
        (slope_variance, both), offset_variance = self.covariance[0], self.covariance[1, 1]
        node, weight = np.polynomial.hermite_e.hermegauss(_N_SLOPES)
        slope = np.maximum(self.slope + np.sqrt(slope_variance) * node, MIN_SLOPE)
        offset = self.offset + both / np.sqrt(slope_variance) * node
        shrink = np.sqrt(1 + np.pi / 8 * (offset_variance - both**2 / slope_variance))
        mean = np.zeros(len(odds))
        for s, o, w in zip(slope, offset, weight / weight.sum(), strict=True):
            mean += w * logistic((s * odds + o) / shrink)
        return mean

    def draws(self, odds: Floats, n_draws: int = 400, seed: int = 0) -> Floats:
        """(n_draws, n) possible probabilities for log odds (n,), from the posterior; the same for the same seed."""
        normal = np.random.default_rng(seed).standard_normal((n_draws, 2))
        parameters = np.array([self.slope, self.offset]) + normal @ np.linalg.cholesky(self.covariance).T
        return logistic(np.maximum(parameters[:, :1], MIN_SLOPE) * odds + parameters[:, 1:])

    def probability_range(self, odds: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """The ends (n,) of the interval of each probability for log odds (n,); decisions make it narrower."""
        from scipy.special import ndtri

        x = np.column_stack([odds, np.ones(len(odds))])
        mean = self.slope * odds + self.offset
        away = float(ndtri((1 + confidence) / 2)) * np.sqrt(((x @ self.covariance) * x).sum(axis=1))
        return logistic(mean - away), logistic(mean + away)


def recalibrate(odds: Floats, wrong: Ints | Flags, weight: Floats | None = None, base: float = 0.0) -> Recalibration:
    """Recalibrate log odds by decisions (v,), 1 for wrong and 0 for right, on items with these log odds (v,).

    A logistic regression on the log odds, with priors of 1 +- 0.4 for the slope and 0 +- 1.5 for the offset at `base`:
    few decisions change little, and many decide. `base` is the log odds of any label before anything is known of it.
    The rest of the log odds is evidence, whose worth differs between datasets; so probabilities are less certain
    the more evidence they rest on (docs/results/flag.md). `weight` (v,) is how much each counts; all alike by
    default, even if items were reviewed because of their probability. Items chosen by log odds alone do not differ from
    others with the same log odds, so nothing needs compensation; weighting by the inverse inclusion probability makes
    probabilities worse, since a few decisions then outweigh all others (docs/results/flag_budget.md). Sources:
    Platt (1999), Advances in Large Margin Classifiers, 61-74; maximum a posteriori with Laplace's approximation: Bishop
    (2006), Pattern Recognition and Machine Learning, 4.5.1.
    """
    weight = np.ones(len(odds)) if weight is None else weight
    x = np.column_stack([odds, np.ones(len(odds))])
    turn = np.array([[1.0, 0.0], [-base, 1.0]])  # from slope and offset at `base` to those at 0
    precision = np.linalg.inv(turn @ np.diag([SLOPE_DEVIATION**2, OFFSET_DEVIATION**2]) @ turn.T)
    believed = np.array([1.0, 0.0])
    parameters = believed.copy()
    loss, p = _posterior_loss(parameters, x, wrong, weight, precision, believed)
    hessian = precision
    for _ in range(_MAX_REVIEW_STEPS):
        gradient = x.T @ (weight * (p - wrong)) + precision @ (parameters - believed)
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + precision
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while True:
            lower, q = _posterior_loss(parameters - size * step, x, wrong, weight, precision, believed)
            if lower <= loss or size < 1e-6:
                break
            size /= 2
        parameters, loss, p = parameters - size * step, lower, q
        if np.abs(step).max() < 1e-9:
            break
    return Recalibration(max(float(parameters[0]), MIN_SLOPE), float(parameters[1]), np.linalg.inv(hessian), len(odds))


def _posterior_loss(
    parameters: Floats, x: Floats, wrong: Ints | Flags, weight: Floats, precision: Floats, believed: Floats
) -> tuple[float, Floats]:
    z = x @ parameters
    away = parameters - believed
    return float((weight * (np.logaddexp(0, z) - wrong * z)).sum() + away @ precision @ away / 2), logistic(z)


_MIN_HITS = 30  # mistakes above a threshold, from which on their share is known


def error_rate_bound(score: Floats, wrong: Flags) -> float:
    """The largest share of errors that the labels left as they are may contain, among n candidates.

    `score` (n,): greater is worse; `wrong` (n,): whether each is an injected error. The given labels are a mixture of
    correct ones and errors. If real errors score like injected ones, then the share of them above a threshold equals
    that of the injected ones; so there are at most as many as given labels above it, divided by that share. The
    smallest such bound counts, each with one standard deviation on the safe side. Returns 1 if nothing was injected.
    Source: Blanchard, Lee and Scott (2010), Journal of Machine Learning Research 11, 2973-3009.

    >>> score = np.arange(1000.0)
    >>> error_rate_bound(score, score >= 900) < 0.01 < 0.5 < error_rate_bound(score, score % 10 == 0)
    True
    """
    n_wrong = int(wrong.sum())
    if n_wrong in (0, len(wrong)):
        return 1.0
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(wrong[order])
    misses = np.arange(1, len(order) + 1) - hits
    enough = hits >= min(_MIN_HITS, n_wrong)
    above = (misses + np.sqrt(misses + 1) + 1) / (len(order) - n_wrong)
    hit_rate = np.maximum(hits - np.sqrt(hits), 0.5) / n_wrong
    return float(min((above / hit_rate)[enough].min(), 1.0))


def kind_shares(held_ratio: Floats, kind: Ints) -> Floats:
    """(K,) the share of each kind of error in the labels: equal for all kinds, or limited by its bound.

    `held_ratio` (h, K) has a column for each kind that occurs, greater if the kind is likelier; `kind` (h,) is the kind
    of each of its rows, -1: none. The bound is low for kinds that are easy to find and absent, so they do not
    outweigh a kind that is present. For kinds that are hard to find the bound is high, which is no sign of them.
    """
    kinds = np.unique(kind[kind >= 0])
    either = [(kind < 0) | (kind == name) for name in kinds]
    bounds = [error_rate_bound(held_ratio[rows, column], kind[rows] >= 0) for column, rows in enumerate(either)]
    return np.asarray(np.minimum(bounds, INJECTED_SHARE), np.float64)


def excess_log_odds(odds: Floats, wrong: Flags) -> float:
    """By how much log odds (n,) at the injected rate (n,) exceed those at the highest possible rate."""
    rate = (wrong.sum() + 1) / (len(wrong) + 2)
    highest = min(error_rate_bound(odds, wrong), rate)
    return float(np.log(rate / (1 - rate)) - np.log(highest / (1 - highest)))


UNKNOWN_KIND_ODDS = -5.0  # log odds that what is as good as any other is wrong so


def unknown_kind_odds(worst: Floats, usual: Floats) -> Floats:
    """(n,) log odds that each item is wrong in a way that was not learnt: the rarer its pixels, the likelier.

    `worst` (n,): how improbable the worst pixels of each item are; `usual` (m,): the same for unchanged labels. The
    model's own probabilities do not count, because a weak model is certain of much that is wrong.

    >>> unknown_kind_odds(np.array([0.0, 3.0]), np.array([-3.0, -2.0, 0.0])).round(2).tolist()
    [-4.31, -3.61]
    """
    order = np.sort(usual)
    above = len(order) - np.searchsorted(order, worst)
    return np.asarray(UNKNOWN_KIND_ODDS - np.log((above + 1) / (len(order) + 1)))
