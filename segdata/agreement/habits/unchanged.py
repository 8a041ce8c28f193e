"""Unchanged: how much of a person's work is a model's, pixel for pixel, beside how often two persons are that alike.

Who begins with a model's suggestion leaves it as it is where it is good enough, and where it only looks so. Two persons
who draw for themselves hardly ever draw the same pixels: what goes beyond that was accepted, not drawn, and says
nothing about whether the model is right. Source: Goddard, Roudsari and Wyatt (2012), Automation bias: a systematic
review, Journal of the American Medical Informatics Association 19(1), 121-127.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.statistics.rates import most_unseen
from segdata.agreement.summary.agreed import Unchanged, Value
from segdata.agreement.summary.estimates import Resampling
from segdata.agreement.summary.sums import column
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.bootstrap import Floats
from segdata.core.runs import Ints

Flags = NDArray[np.bool_]


def unchanged(opposed: AnnotatorPairs, models: Collection[int], how: Resampling) -> tuple[Unchanged, ...]:
    """Of each person and each of the annotators `models` (positions): the share of segments with the same pixels.

    A segment that only got another category is unchanged, too; of semantic data a segment is all of a category in an
    image. What to expect is the same share of any two persons, without segments that are a model's. Intervals are over
    clusters; where nothing is unchanged, or everything, they end where the rule of three has it.
    """
    matches, pairs = opposed.matches, opposed.pairs
    if not models or not len(matches):
        return ()
    is_model = np.isin(np.arange(len(opposed.annotators)), list(models))
    pair = column(matches, "pair")
    who = np.stack([column(pairs, side)[pair] for side in "ab"])
    segment = np.stack([column(matches, side) for side in "ab"])
    counted = (segment >= 0) & ~column(matches, "ignored").astype(bool)
    shared = column(matches, "shared")
    same = counted.all(axis=0) & (column(matches, "area_a") == shared) & (column(matches, "area_b") == shared)
    cluster = column(opposed.cases, "cluster")[column(pairs, "case")[pair]]
    own = _taken(segment, same, is_model[who])
    person = np.array(opposed.persons, np.int64)[who]
    drawn = counted & ~own & ~is_model[who].any(axis=0) & (person[0] != person[1])
    alike = same & drawn.all(axis=0)
    hit, of = (np.concatenate([each[side] for side in drawn]) for each in (alike, cluster))
    persons = _share(hit, of, how)
    found = []
    for model in np.flatnonzero(is_model).tolist():
        for annotator in np.flatnonzero(~is_model).tolist():
            a, b = sorted((annotator, model))
            its = counted[int(annotator == b)] & (who[0] == a) & (who[1] == b)
            if its.any():
                names = opposed.annotators[annotator], opposed.annotators[model]
                images = _images(opposed, a, b)
                found.append(Unchanged(*names, images, int(its.sum()), _share(same[its], cluster[its], how), persons))
    return tuple(found)


def _taken(segment: Ints, same: Flags, is_model: Flags) -> Flags:
    """(2, n) whether the segment of either side has the pixels of a model's."""
    taken = np.zeros(int(segment.max(initial=-1)) + 2, bool)  # the last is nobody's
    for side in (0, 1):
        taken[segment[side, same & is_model[1 - side] & ~is_model[side]]] = True
    return np.asarray(taken[segment], bool)


def _images(opposed: AnnotatorPairs, a: int, b: int) -> int:
    """How many images two annotators have in common."""
    both = (column(opposed.pairs, "a") == a) & (column(opposed.pairs, "b") == b)
    return int(column(opposed.cases, "frames")[column(opposed.pairs, "case")[both]].sum())


def _share(hit: Flags, cluster: Ints, how: Resampling) -> Value:
    """The share of hits among (n,) segments, with its interval over their clusters."""
    number = np.unique(cluster, return_inverse=True)[1].reshape(-1)
    n = int(number.max(initial=-1)) + 1
    if n == 0:
        return Value(np.nan, np.nan, np.nan, 0, 0)
    hits, total = np.bincount(number, hit, n), np.bincount(number, minlength=n).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        of = weights @ total
        return np.asarray(np.divide(weights @ hits, of, out=np.full(of.shape, np.nan), where=of > 0))

    ends = how.interval(statistic, n)
    value, low, high = float(ends.value), float(ends.low), float(ends.high)
    if value in (0.0, 1.0):
        unseen = most_unseen(n, how.confidence)
        low, high = (0.0, unseen) if value == 0 else (1 - unseen, 1.0)
    return Value(value, low, high, len(hit), 0)
