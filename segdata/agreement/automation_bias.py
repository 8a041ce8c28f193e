"""Automation bias: how much of an annotator's work equals a model's, pixel for pixel.

Annotators who begin with a model's suggestion keep it where it is good enough, and where it only looks good enough.
Two annotators who draw independently hardly ever draw the same pixels: what exceeds that rate was accepted, not drawn,
and does not show that the model is right. Source: Goddard, Roudsari and Wyatt (2012), Automation bias: a systematic
review, Journal of the American Medical Informatics Association 19(1), 121-127.
"""

from collections.abc import Collection

import msgspec
import numpy as np

from segdata.agreement.estimates import Resampling
from segdata.agreement.inference import share_interval, widen_certain
from segdata.agreement.scores import Count, Score, column_of
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Ints


class UnchangedShare(msgspec.Struct, frozen=True):
    """How much of an annotator's work equals a model's, pixel for pixel, on the images that both annotated.

    `share`: of the annotator's `segments`. `persons`: the share of segments that two persons draw identically, where
    neither segment is a model's: the share to expect.
    """

    annotator: str
    model: str
    images: Count
    segments: Count
    share: Score
    persons: Score


def unchanged_shares(
    comparison: AnnotatorPairs, models: Collection[int], how: Resampling
) -> tuple[UnchangedShare, ...]:
    """Of each person and each of the annotators `models` (positions): the share of segments with the same pixels.

    A segment that only got another category is unchanged, too; of semantic data a segment is all of a category in an
    image. What to expect is the same share of any two persons, without segments that are a model's. Intervals are over
    clusters; where nothing is unchanged, or everything, they end where the rule of three has it.
    """
    matches, pairs = comparison.matches, comparison.pairs
    if not models or not len(matches):
        return ()
    is_model = np.isin(np.arange(len(comparison.annotators)), list(models))
    pair = column_of(matches, "pair")
    sides = np.stack([column_of(pairs, side)[pair] for side in "ab"])
    segment = np.stack([column_of(matches, side) for side in "ab"])
    counted = (segment >= 0) & ~column_of(matches, "ignored").astype(bool)
    shared = column_of(matches, "shared")
    same = counted.all(axis=0) & (column_of(matches, "area_a") == shared) & (column_of(matches, "area_b") == shared)
    cluster = column_of(comparison.cases, "cluster")[column_of(pairs, "case")[pair]]
    own = equals_model(segment, same, is_model[sides])
    person = np.array(comparison.persons, np.int64)[sides]
    independent = counted & ~own & ~is_model[sides].any(axis=0) & (person[0] != person[1])
    alike = same & independent.all(axis=0)
    hit, clusters = (np.concatenate([values[side] for side in independent]) for values in (alike, cluster))
    persons = share_over_clusters(hit, clusters, how)
    result = []
    for model in np.flatnonzero(is_model).tolist():
        for annotator in np.flatnonzero(~is_model).tolist():
            a, b = sorted((annotator, model))
            mine = counted[int(annotator == b)] & (sides[0] == a) & (sides[1] == b)
            if mine.any():
                names = comparison.annotators[annotator], comparison.annotators[model]
                images = _count_common_images(comparison, a, b)
                result.append(
                    UnchangedShare(
                        *names, images, int(mine.sum()), share_over_clusters(same[mine], cluster[mine], how), persons
                    )
                )
    return tuple(result)


def equals_model(segment: Ints, same: Flags, is_model: Flags) -> Flags:
    """(2, n) whether the segment of either side has the pixels of a model's."""
    taken = np.zeros(int(segment.max(initial=-1)) + 2, bool)  # the last is nobody's
    for side in (0, 1):
        taken[segment[side, same & is_model[1 - side] & ~is_model[side]]] = True
    return np.asarray(taken[segment], bool)


def _count_common_images(comparison: AnnotatorPairs, a: int, b: int) -> int:
    both = (column_of(comparison.pairs, "a") == a) & (column_of(comparison.pairs, "b") == b)
    return int(column_of(comparison.cases, "frames")[column_of(comparison.pairs, "case")[both]].sum())


def share_over_clusters(hit: Flags, cluster: Ints, how: Resampling) -> Score:
    """The share of hits among (n,) segments, with its interval over their clusters."""
    number = np.unique(cluster, return_inverse=True)[1].reshape(-1)
    n = int(number.max(initial=-1)) + 1
    if n == 0:
        return Score(np.nan, np.nan, np.nan, 0, 0)
    hits, total = np.bincount(number, hit, n).astype(np.float64), np.bincount(number, minlength=n).astype(np.float64)
    share = float(hits.sum() / total.sum())
    ends = share_interval(hits, total, how.confidence, trials=len(hit))
    return Score(share, *widen_certain(*ends, share, n, how.confidence), len(hit), 0)
