"""Trend: whether an annotator's work becomes better or worse from month to month, whatever images the months brought.

A month of easy images looks like progress. So of every score is taken what others reached on the same image and
category, where at least half of the annotator's have been done by others too (then the rest is left out); and then the
annotator's own mean on images of the same camera, size and split, and the same category. What is left is compared
within images of one sort alone, and so is chance: the months of clusters of images (sequences, patients, scenes, or
single images) are handed out anew among those of one sort, which breaks a trend, and nothing else.

Held against others, who stays as he was seems to become worse beside one who becomes better. So a trend must also be
there with each of the others left out, the same way. What is lost are trends that images hide which only one other had.
Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3 (permutation within blocks);
Berger (1982), Technometrics 24(4), 295-300 (the largest p-value of several tests that must all stand).
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.estimates import Resampling
from segdata.agreement.permutation import shuffle_within_blocks
from segdata.agreement.results import Count, Number, UndefinedShare
from segdata.core.resampling import Floats
from segdata.core.runs import Ints

Flags = NDArray[np.bool_]
LEAST_CLUSTERS = 8
_DRAWS = 9999
_RATE = 0.05  # a chance above which no trend stands, however the others are


class MonthScore(msgspec.Struct, frozen=True):
    """A month of an annotator's work, ``2026-03``: how many images, and their mean score.

    `beyond`: by how much the scores exceed the annotator's mean, adjusted for the mix of images; null where unknown.
    """

    month: str
    images: Count
    score: Number
    beyond: Number


class ScoreTrend(msgspec.Struct, frozen=True):
    """How the scores of an annotator change per month, adjusted for the mix of images.

    `slope`, `low`, `high`: null where the work is not known to be from two months. `p`: the probability of as steep a
    slope by chance; null: not tested, since there are fewer than 8 clusters. `same_images`: the scores are compared
    with others' on the same images.
    """

    months: tuple[MonthScore, ...]
    slope: Number
    low: Number
    high: Number
    p: UndefinedShare
    same_images: bool


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Scores of pairs of annotations by category, and what they are of: n of them.

    Attributes
    ----------
    value : (n,) from 0 to 1
    annotators : (2, n) whose the pair is
    case, category, cluster, sort : (n,) of the image; images of one sort have one number
    """

    value: Floats
    annotators: Ints
    case: Ints
    category: Ints
    cluster: Ints
    sort: Ints

    def take(self, kept: Flags) -> "ImageScores":
        """Some of them."""
        columns = (self.case, self.category, self.cluster, self.sort)
        return ImageScores(self.value[kept], self.annotators[:, kept], *(each[kept] for each in columns))


def score_trend(
    scored: ImageScores, annotator: int, month: Ints, how: Resampling, reference: int | None = None
) -> ScoreTrend:
    """The trend of an annotator, whose scores (n,) are of work done in these months (n,), -1: unknown.

    The p-value is the largest of those that are found with each other annotator left out, for where one changes all
    others do so by comparison, and by agreement with that one; the `reference` is not left out. Of two annotators
    without a reference nobody knows who changes: it is NaN.
    """
    mine = (scored.annotators == annotator).any(axis=0)
    every = _Residuals.of(scored, mine, month)
    known = mine & (month >= 0)
    months = tuple(
        _month_score(scored, every, known & (month == each), each) for each in np.unique(month[known]).tolist()
    )
    if len(every.x) == 0:
        return ScoreTrend(months, np.nan, np.nan, np.nan, np.nan, every.same_images)
    found = how.interval(every.slopes, len(every.x))
    p = every.chance(how.seed)
    there = np.isin(scored.case, scored.case[known])
    others = np.setdiff1d(scored.annotators[:, there], [annotator, -1 if reference is None else reference])
    for other in others.tolist() if p <= _RATE else ():
        kept = ~(scored.annotators == other).any(axis=0)
        rest = _Residuals.of(scored.take(kept), mine[kept], month[kept])
        same_way = len(rest.x) > 0 and float(rest.x @ rest.y) * float(every.x @ every.y) > 0
        p = float(np.maximum(p, rest.chance(how.seed) if same_way or not len(rest.x) else 1.0))
    return ScoreTrend(months, float(found.value), float(found.low), float(found.high), p, every.same_images)


@dataclass(frozen=True, slots=True)
class _Residuals:
    """What is left of an annotator's scores when images are left out of account, by cluster of images.

    Attributes
    ----------
    beyond : (n,) of each score; NaN where nothing is comparable
    x, y : (n_clusters,) month, and what is left, less their means over images of the sort; none where there are no two
        months
    sort : (n_clusters,)
    same_images : others had at least half of the same images
    """

    beyond: Floats
    x: Floats
    y: Floats
    sort: Ints
    same_images: bool

    @staticmethod
    def of(scored: ImageScores, mine: Flags, month: Ints) -> "_Residuals":
        beyond, same_images = _residuals(scored, mine)
        rows = np.flatnonzero(mine & (month >= 0) & np.isfinite(beyond))
        if len(np.unique(month[rows])) < 2:
            return _Residuals(beyond, np.empty(0), np.empty(0), np.empty(0, np.int64), same_images)
        _, first, unit = np.unique(scored.cluster[rows], return_index=True, return_inverse=True)
        n_of = np.bincount(unit.reshape(-1))
        x, y = (np.bincount(unit.reshape(-1), weights=values[rows]) / n_of for values in (month.astype(float), beyond))
        sort = scored.sort[rows][first]
        return _Residuals(beyond, _centre(x, sort), _centre(y, sort), sort, same_images)

    def slopes(self, weights: Floats) -> Floats:
        """(B,) with weights of clusters (B, n_clusters)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ (self.x * self.y)) / (weights @ (self.x * self.x)))

    def chance(self, seed: int) -> float:
        """The share of ways to hand out the months anew in which the slope is as steep, either way; NaN: too few."""
        if len(self.x) < LEAST_CLUSTERS or not (self.x != 0).any():
            return float("nan")
        beyond = n = 0
        least = abs(float(self.x @ self.y)) * (1 - 1e-9) - 1e-15
        for drawn in shuffle_within_blocks(np.arange(len(self.x)), self.sort, seed, _DRAWS):
            beyond += int((np.abs(self.x[drawn] @ self.y) >= least).sum())
            n += len(drawn)
        return beyond / n


def _residuals(scored: ImageScores, mine: Flags) -> tuple[Floats, bool]:
    """(n,) the annotator's scores less what the image and category explain; and whether others had the same images."""
    wide = int(scored.category.max(initial=0)) + 1
    less_others = scored.value - _group_mean(scored.value, scored.case * wide + scored.category, ~mine)
    same_images = bool(mine.any() and 2 * np.isfinite(less_others[mine]).sum() >= mine.sum())
    left = less_others if same_images else scored.value
    known = mine & np.isfinite(left)
    own = _group_mean(np.where(known, left, 0.0), scored.sort * wide + scored.category, known)
    return np.where(known, left - own, np.nan), same_images


def _group_mean(value: Floats, group: Ints, among: Flags) -> Floats:
    """(n,) the mean of the group's values that are among those; NaN where there are none."""
    _, which = np.unique(group, return_inverse=True)
    which = which.reshape(-1)
    n = np.bincount(which, among)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.bincount(which, np.where(among, value, 0.0)) / n)[which])


def _centre(values: Floats, sort: Ints) -> Floats:
    """(n,) less the mean of their sort; what is rounding is 0."""
    found = values - _group_mean(values, sort, np.ones(len(values), bool))
    found[np.abs(found) < 1e-12 * np.maximum(np.abs(values), 1)] = 0.0
    return found


def _month_score(scored: ImageScores, left: _Residuals, rows: Flags, number: int) -> MonthScore:
    year, month = divmod(number, 12)
    known = left.beyond[rows & np.isfinite(left.beyond)]
    mean = float(known.mean()) if len(known) else float("nan")
    images = len(np.unique(scored.case[rows]))
    return MonthScore(f"{year:04d}-{month + 1:02d}", images, float(scored.value[rows].mean()), mean)
