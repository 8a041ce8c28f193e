"""Trend: whether an annotator's work becomes better or worse from month to month, whatever images the months brought.

A month of easy images looks like progress. So of every score is taken what others reached on the same image and
category, where at least half of the annotator's have been done by others too (then the rest is left out); and then the
annotator's own mean on images of the same camera, size and split, and the same category. What is left is compared
within images of one sort alone, and so is chance: the months of clusters of images (sequences, patients, scenes, or
single images) are handed out anew among those of one sort, which breaks a trend, and nothing else.
Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3 (permutation within blocks).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.estimates import Resampling
from segdata.agreement.statistics.permutation import shuffled
from segdata.core.runs import Ints
from segdata.core.statistics.bootstrap import Floats

Flags = NDArray[np.bool_]
LEAST_CLUSTERS = 8
_DRAWS = 9999


@dataclass(frozen=True, slots=True)
class Month:
    """One month of an annotator, ``2026-03``: how many images, and their mean score.

    `beyond`: by how much the scores are higher than the annotator's mean, mix of images left out of account; NaN where
    that cannot be said.
    """

    month: str
    images: int
    score: float
    beyond: float


@dataclass(frozen=True, slots=True)
class Trend:
    """How the scores of an annotator change, mix of images left out of account.

    Attributes
    ----------
    months : ascending
    slope, low, high : by how much a month, and the ends of its interval; NaN where there are no two months
    p : the chance of as much by chance; NaN: not tested, for there are fewer than 8 clusters
    same_images : the scores are held against others' on the same images
    """

    months: tuple[Month, ...]
    slope: float
    low: float
    high: float
    p: float
    same_images: bool


@dataclass(frozen=True, slots=True)
class Scored:
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


def trend(scored: Scored, mine: Flags, month: Ints, how: Resampling) -> Trend:
    """The trend of the annotator whose scores are `mine` (n,), done in these months (n,), -1: unknown."""
    beyond, same_images = _beyond(scored, mine)
    known = mine & (month >= 0)
    months = tuple(_month(scored, beyond, known & (month == each), each) for each in np.unique(month[known]).tolist())
    rows = np.flatnonzero(known & np.isfinite(beyond))
    names, unit = np.unique(scored.cluster[rows], return_inverse=True)
    unit = unit.reshape(-1)
    if len(np.unique(month[rows])) < 2:
        return Trend(months, np.nan, np.nan, np.nan, np.nan, same_images)
    n_of = np.bincount(unit)
    x, y = (np.bincount(unit, weights=values[rows]) / n_of for values in (month.astype(np.float64), beyond))
    sort = scored.sort[rows][np.unique(unit, return_index=True)[1]]
    x, y = _centred(x, sort), _centred(y, sort)

    def slope(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ (x * y)) / (weights @ (x * x)))

    found = how.interval(slope, len(names))
    p = _chance(x, y, sort, how.seed) if len(names) >= LEAST_CLUSTERS and (x != 0).any() else np.nan
    return Trend(months, float(found.value), float(found.low), float(found.high), p, same_images)


def _beyond(scored: Scored, mine: Flags) -> tuple[Floats, bool]:
    """(n,) the annotator's scores less what the image and category explain; and whether others had the same images."""
    wide = int(scored.category.max(initial=0)) + 1
    less_others = scored.value - _mean(scored.value, scored.case * wide + scored.category, ~mine)
    same_images = bool(mine.any() and 2 * np.isfinite(less_others[mine]).sum() >= mine.sum())
    left = less_others if same_images else scored.value
    known = mine & np.isfinite(left)
    own = _mean(np.where(known, left, 0.0), scored.sort * wide + scored.category, known)
    return np.where(known, left - own, np.nan), same_images


def _mean(value: Floats, group: Ints, among: Flags) -> Floats:
    """(n,) the mean of the group's values that are among those; NaN where there are none."""
    _, which = np.unique(group, return_inverse=True)
    which = which.reshape(-1)
    n = np.bincount(which, among)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.bincount(which, np.where(among, value, 0.0)) / n)[which])


def _centred(values: Floats, sort: Ints) -> Floats:
    """(n,) less the mean of their sort; what is rounding is 0."""
    found = values - _mean(values, sort, np.ones(len(values), bool))
    found[np.abs(found) < 1e-12 * np.maximum(np.abs(values), 1)] = 0.0
    return found


def _chance(x: Floats, y: Floats, sort: Ints, seed: int) -> float:
    """The share of ways to hand out the months anew in which the slope is as steep, either way."""
    beyond = n = 0
    least = abs(float(x @ y)) * (1 - 1e-9) - 1e-15
    for drawn in shuffled(np.arange(len(x)), sort, seed, _DRAWS):
        beyond += int((np.abs(x[drawn] @ y) >= least).sum())
        n += len(drawn)
    return beyond / n


def _month(scored: Scored, beyond: Floats, rows: Flags, number: int) -> Month:
    year, month = divmod(number, 12)
    known = beyond[rows & np.isfinite(beyond)]
    mean = float(known.mean()) if len(known) else float("nan")
    images = len(np.unique(scored.case[rows]))
    return Month(f"{year:04d}-{month + 1:02d}", images, float(scored.value[rows].mean()), mean)
